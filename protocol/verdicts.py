"""Judging an epoch's evidence: columns, rulebook, outcomes, and the links that remain (protocol.md §6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from protocol import beacon as on_air
from protocol.columns import (
    BeaconRow,
    Moves,
    Row,
    Setting,
    ValidBeacon,
    WitnessRow,
    beacon_rows,
    place_of,
    valid_beacon,
    witness_rows,
)
from protocol.evidence import Evidence, Report
from protocol.ids import HotspotId, Role
from protocol.reasons import Reason
from protocol.records import Beacon, Outcome, Witness
from protocol.rewards import Link
from protocol.rulebook import PROVISIONAL, RULES, Rule, Step, steps

Verdicts = Sequence[tuple[int, ...]]
"""(id, reason, measured, allowed) of every report of one role, by id."""


class Engine(Protocol):
    """Runs the rulebook's SQL; DuckDB in one process, or any engine with 64-bit integers, joins and windows."""

    def run(self, tables: Mapping[str, tuple[type[Row], Sequence[Row]]], made: Sequence[Step]) -> list[tuple[int, ...]]:
        """Rows of the last step's table, ordered by id; every step sees the tables and the steps before it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Outcomes sorted by report id, the selected links, and who was heard or accepted for the two-way rule."""

    outcomes: tuple[Outcome, ...]
    links: tuple[Link, ...]
    heard: frozenset[HotspotId]
    accepted: frozenset[HotspotId]


def judge(setting: Setting, evidence: Evidence, engine: Engine, *, provisional: bool = False) -> Judged:
    """The verdict on every report; `provisional` leaves out the rules that need the closed evidence of everybody."""
    rows, moves = beacon_rows(setting, evidence)
    on_beacons = _run(engine, BeaconRow, rows, moves, _rules(Role.BEACON, provisional=provisional), setting)
    beacons = _valid_beacons(setting, evidence, on_beacons)
    witnesses, moves = witness_rows(setting, evidence, beacons)
    on_witnesses = _run(engine, WitnessRow, witnesses, moves, _rules(Role.WITNESS, provisional=provisional), setting)
    outcomes = _outcomes(Role.BEACON, evidence.beacons, on_beacons)
    outcomes += _outcomes(Role.WITNESS, evidence.witnesses, on_witnesses)
    reasons = [Reason(row[1]) for row in on_witnesses]
    heard, accepted = _two_way(evidence, beacons, witnesses, reasons)
    return Judged(
        tuple(sorted(outcomes, key=lambda one: one.report_id)),
        tuple(_links(setting, evidence, beacons, reasons)),
        heard,
        accepted,
    )


def _rules(role: Role, *, provisional: bool) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES[role] if not (provisional and rule.reason in PROVISIONAL))


def _run(
    engine: Engine,
    kind: type[Row],
    rows: Sequence[Row],
    moves: Sequence[Moves],
    rules: tuple[Rule, ...],
    setting: Setting,
) -> list[tuple[int, ...]]:
    made = steps(rules, setting.params.rules, "reports")
    return engine.run({"reports": (kind, rows), "moves": (Moves, moves)}, made)


def tag_of(setting: Setting, report: Report) -> bytes:
    """The tag a beacon's revealed nonce gives."""
    assert isinstance(report.report, Beacon)
    return on_air.tag(setting.seed, report.hotspot_id, report.report.slot, report.report.nonce)


def _valid_beacons(
    setting: Setting, evidence: Evidence, verdicts: Sequence[tuple[int, ...]]
) -> dict[bytes, ValidBeacon]:
    accepted = (number for number, reason, *_ in verdicts if reason == Reason.ACCEPTED)
    return {
        tag_of(setting, evidence.beacons[number]): valid_beacon(setting, evidence.beacons[number], number)
        for number in accepted
    }


def _outcomes(role: Role, reports: Sequence[Report], verdicts: Verdicts) -> list[Outcome]:
    return [
        Outcome(reports[number].report_id, role, reason, measured, allowed)
        for number, reason, measured, allowed in verdicts
    ]


def _two_way(
    evidence: Evidence, beacons: Mapping[bytes, ValidBeacon], rows: Sequence[WitnessRow], reasons: Sequence[Reason]
) -> tuple[frozenset[HotspotId], frozenset[HotspotId]]:
    """Fixed hotspots another owner's one heard, and those that heard one, by reports past every other rule."""
    passed = {Reason.ACCEPTED, *PROVISIONAL}
    heard, accepted = set(), set()
    for row, reason in zip(rows, reasons, strict=True):
        if row.fixed_link and reason in passed:
            report = evidence.witnesses[row.id]
            assert isinstance(report.report, Witness)
            heard.add(beacons[report.report.tag].hotspot.hotspot_id)
            accepted.add(report.hotspot_id)
    return frozenset(heard), frozenset(accepted)


def _links(
    setting: Setting, evidence: Evidence, beacons: Mapping[bytes, ValidBeacon], reasons: Sequence[Reason]
) -> list[Link]:
    links = []
    for report, reason in zip(evidence.witnesses, reasons, strict=True):
        if reason is Reason.ACCEPTED:
            witness, receiver = report.report, setting.registry[report.hotspot_id]
            assert isinstance(witness, Witness)
            heard, place = beacons[witness.tag], place_of(setting, receiver, witness.cell)
            assert place is not None, "the rulebook accepts no report without a place"
            links.append(
                Link(
                    sender=heard.hotspot,
                    receiver=receiver,
                    sender_cell=heard.place.cell,
                    receiver_cell=place.cell,
                    spreading_factor=heard.slot.spreading_factor,
                    rssi_cdb=witness.rssi_cdb,
                    snr_cdb=witness.snr_cdb,
                    beacon=heard.report.report_id,
                )
            )
    return links
