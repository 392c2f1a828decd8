"""Hands the inputs of protocol/ to the reference as plain values. No rule is applied here."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from protocol.encoding import pieces
from protocol.epoch import EpochInputs
from protocol.evidence import CountedManifest
from protocol.manifest import BEACONS, COMMITS
from protocol.need import CELLULAR, LORA, WIFI, NeedSource
from protocol.records import SEGMENT_ROWS
from protocol.records import Beacon as BeaconRecord
from protocol.records import Commit as CommitRecord
from protocol.records import Witness as WitnessRecord
from protocol.registry import Registered
from tests.reference import inputs as plain
from tests.reference.bytes_to_sign import BEACON, WITNESS

CLASS_NAMES = {CELLULAR: "cellular", WIFI: "wifi", LORA: "lora"}


def network_of(epoch: EpochInputs, params_file: bytes) -> plain.Network:
    regions = epoch.regions.cells
    return plain.Network(
        chain_id=epoch.network.chain_id,
        contract=epoch.network.hotspots,
        params=tomllib.loads(params_file.decode()),
        region_cells=tuple((number, cell) for number, cells in enumerate(regions) for cell in sorted(cells)),
    )


def epoch_of(epoch: EpochInputs) -> plain.Epoch:
    return plain.Epoch(
        number=epoch.epoch,
        start_ms=epoch.start_ms,
        seed=epoch.seed,
        draw=epoch.draw,
        hotspots={name: _hotspot(one) for name, one in epoch.registry.items()},
        stakes=dict(epoch.stakes),
        manifests=tuple(_manifest(one) for one in epoch.counted),
    )


def files_of(source: NeedSource) -> tuple[plain.BaselineFile, ...]:
    return tuple(
        plain.BaselineFile(
            radio_class=listed.radio_class,
            rows=tuple(
                plain.BaselineRow(
                    row.cell, CLASS_NAMES[row.radio_class], row.contributor, row.signal_cdb, row.weight_u, row.day
                )
                for row in rows
            ),
            votes_u=listed.votes_u or None,
            half_life_days=listed.half_life_days,
        )
        for listed, rows in source.files
    )


def _hotspot(one: Registered) -> plain.Hotspot:
    row = one.row
    return plain.Hotspot(
        id=row.hotspot_id,
        x=one.x,
        y=one.y,
        owner=row.owner,
        cell=row.cell,
        gain_cdb=row.gain_cdb,
        kind=int(row.kind),
        since_epoch=row.since_epoch,
        block=row.block,
        log_index=row.log_index,
        frozen=bool(row.frozen),
    )


def _manifest(counted: CountedManifest) -> plain.Manifest:
    commits: list[plain.Commit] = []
    reports: list[plain.Signed] = []
    for reference, data in zip(counted.manifest.segments, counted.segments, strict=True):
        for row in pieces(SEGMENT_ROWS[reference.kind].width(), data):
            if reference.kind == COMMITS:
                commit = CommitRecord.decode(row)
                assert commit is not None
                commits.append(plain.Commit(commit.hotspot_id, commit.report_id, commit.received_at_ms))
            else:
                reports.append(_signed(reference.kind, row))
    positions = {one.cell: (one.x_m, one.y_m, one.z_m) for one in counted.manifest.positions}
    return plain.Manifest(counted.manifest.validator, tuple(commits), tuple(reports), positions)


def _signed(kind: int, row: bytes) -> plain.Signed:
    record, made, names = (
        (BeaconRecord, plain.Beacon, BEACON) if kind == BEACONS else (WitnessRecord, plain.Witness, WITNESS)
    )
    report = record.decode(row[: record.width()])
    assert report is not None
    values: Mapping[str, Any] = {name: getattr(report, name) for name in names}
    return plain.Signed(made(**values), row[record.width() :])
