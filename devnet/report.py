"""OUT.json: what a run came to, from chain events and evidence files; only `offered_receptions` is the ether's word."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chain.events import Claimed
from devnet.evidence import EpochEvidence, points_by_cell
from protocol import geo
from protocol.beacon import tag
from protocol.epoch import pay_weight_u
from protocol.ids import HotspotId
from protocol.need import PAY_LEVEL_LORA, NeedSource
from protocol.parameters import Parameters
from protocol.reasons import Reason
from protocol.records import Beacon, Witness
from protocol.registry import Registered

REFERENCE_TIMEOUT_S = 120


@dataclass(slots=True)
class EpochLine:
    """One epoch of the report while the run goes on."""

    evidence: EpochEvidence
    seed: bytes
    audited: str = ""
    difference: str = ""


@dataclass(slots=True)
class RunReport:
    """What has been seen of a run so far."""

    params: Parameters
    need: NeedSource
    genesis_ms: int
    lines: dict[int, EpochLine] = field(default_factory=dict)

    def tree(
        self, claims: Sequence[Claimed], accounting: Mapping[str, Any] | None, registry: Registry
    ) -> dict[str, Any]:
        """The whole report as JSON values."""
        ether = accounting or {}
        rows = self._judged_rows(ether, registry)
        return {
            "epochs": [self._epoch(line, claims) for _, line in sorted(self.lines.items())],
            "rows_in_file": ether.get("rows_in_file"),
            "offered_receptions": ether.get("offered_receptions"),
            "offered_frames": ether.get("offered_frames"),
            "not_offered": ether.get("not_offered", {}),
            "accepted_witnesses": sum(line.evidence.accepted_witnesses() for line in self.lines.values()),
            "plausible_by_reference": sum(row["plausible"] for row in rows) if rows else None,
            "judged_rows": rows,
        }

    def _judged_rows(self, accounting: Mapping[str, Any], registry: Registry) -> list[dict[str, Any]]:
        """Every offered row with its outcome in the evidence and what the reference reading says of it."""
        offered = _offered_rows(self, accounting, registry)
        outcomes = self._outcomes_by_reception()
        by_reference = {one["row"]: one for one in ask_reference(offered)} if offered else {}
        return [
            {
                "row": row["row"],
                "outcome": outcomes.get((row["tag"], row["rx_hotspot"])),
                "plausible": by_reference[row["row"]]["plausible"],
                "reference": by_reference[row["row"]]["reason"] or Reason.ACCEPTED.name,
            }
            for row in offered
            if row["row"] in by_reference
        ]

    def _outcomes_by_reception(self) -> dict[tuple[str, str], str]:
        """Outcome by (tag heard, hotspot that heard it)."""
        found = {}
        for line in self.lines.values():
            reasons = {one.report_id: Reason(one.reason).name for one in line.evidence.table.outcomes}
            for one in line.evidence.evidence.witnesses:
                if isinstance(one.report, Witness):
                    found[one.report.tag.hex(), one.hotspot_id.hex()] = reasons[one.report_id]
        return found

    def _epoch(self, line: EpochLine, claims: Sequence[Claimed]) -> dict[str, Any]:
        found, root = line.evidence, line.evidence.root
        paid = {one.leaf_id: one.amount for one in claims if one.epoch == root.epoch}
        return {
            "epoch": root.epoch,
            "root_on_chain": _hex(root.root),
            "root_audited": line.audited or None,
            "difference": line.difference,
            "data_hash": _hex(root.data_hash),
            "signers": [_hex(signer) for signer in root.signers],
            "reports": {"beacons": len(found.evidence.beacons), "witnesses": len(found.evidence.witnesses)},
            "outcomes": found.outcomes(),
            "links_verified": found.accepted_witnesses(),
            "earned": str(sum(found.earned.values())),
            "claimed": str(sum(paid.values())),
            "earned_by_id": {_hex(one): str(amount) for one, amount in found.earned.items()},
            "claimed_by_id": {_hex(one): str(amount) for one, amount in sorted(paid.items())},
            "cells": list(self._cells(found)),
        }

    def _cells(self, found: EpochEvidence) -> Iterable[dict[str, Any]]:
        """Pay cells with measured need or sites, sorted."""
        points = points_by_cell(found.table)
        made_at_ms = self.genesis_ms + max(found.root.epoch - 2, 0) * self.params.epoch.length_ms
        measured = self.need.signals_at(made_at_ms, PAY_LEVEL_LORA)
        for cell in sorted({*points, *measured}):
            signal = measured.get(cell)
            yield {
                "cell": f"{cell:x}",
                "baseline_cdb": signal.signal_cdb if signal else None,
                "need": found.need_map.of(self.need.classes[geo.resolution(cell)], cell),
                "weight": pay_weight_u(self.params, self.need.classes, found.need_map, cell),
                "points": str(points[cell]) if cell in points else None,
            }


Registry = Mapping[HotspotId, Registered]


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _offered_rows(report: RunReport, accounting: Mapping[str, Any], registry: Registry) -> list[dict[str, Any]]:
    """Every measured row the ether offered, with what the reference reading needs to judge it."""
    beacons = {
        tag(line.seed, one.hotspot_id, one.report.slot, one.report.nonce).hex(): one.report
        for line in report.lines.values()
        for one in line.evidence.evidence.beacons
        if isinstance(one.report, Beacon)
    }
    return [
        _reference_row(row, beacons[row["tag"]], registry)
        for row in accounting.get("rows", [])
        if row.get("offered") and row["tag"] in beacons
    ]


def _reference_row(row: Mapping[str, Any], beacon: Beacon, registry: Registry) -> dict[str, Any]:
    sender, receiver = registry[HotspotId(beacon.hotspot_id)], registry[HotspotId(bytes.fromhex(row["rx_hotspot"]))]
    return {
        "row": row["row"],
        "tag": row["tag"],
        "rx_hotspot": row["rx_hotspot"],
        "tx_cell": f"{beacon.cell:x}",
        "rx_cell": f"{receiver.row.cell:x}",
        "rssi_dbm": row["rssi_dbm"],
        "frequency_hz": beacon.frequency_hz,
        "spreading_factor": beacon.spreading_factor,
        "eirp_cdb": beacon.power_cdb + sender.row.gain_cdb,
        "rx_gain_cdb": receiver.row.gain_cdb,
    }


def ask_reference(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the independent reading in tests/reference says of offered rows; nothing without a checkout."""
    checkout = Path(__file__).resolve().parents[1]
    if not (checkout / "tests" / "reference" / "plausible.py").exists():
        return []
    done = subprocess.run(
        [sys.executable, "-m", "tests.reference.plausible"],
        input="".join(json.dumps(row) + "\n" for row in rows),
        capture_output=True,
        text=True,
        cwd=checkout,
        timeout=REFERENCE_TIMEOUT_S,
        check=True,
    )
    return list(json.loads(done.stdout)["rows"])
