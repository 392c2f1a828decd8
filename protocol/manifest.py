"""What one validator says it has for one epoch: segments by hash, refusals by reason, positions of every cell named.

A manifest names the position of every cell in its segments (and of the hotspots in them), not only of those first seen:
it can then be checked without any state, also while an earlier epoch still waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from protocol import geo
from protocol.encoding import Network, Record, pieces, sha256
from protocol.ids import Address, HotspotId
from protocol.limits import (
    MAX_CELLS_PER_MANIFEST,
    MAX_COMMITS_PER_HOTSPOT,
    MAX_REGISTERED_RESOLUTION,
    MAX_REPORTS_PER_HOTSPOT,
    MAX_SEGMENTS_PER_MANIFEST,
    MIN_MAPPER_RESOLUTION,
)
from protocol.records import (
    SEGMENT_ROWS,
    Beacon,
    ManifestHead,
    Position,
    Refusals,
    SegmentRef,
    Witness,
)
from protocol.tables import encode_table, is_strictly_sorted, split_table

COMMITS, BEACONS, WITNESSES = 1, 2, 3
KEY_BYTES = {COMMITS: 64, BEACONS: Beacon.width(), WITNESSES: Witness.width()}
"""Rows of a segment are unique by their first bytes: (hotspot, report id), or the report without its signature."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A decoded manifest; rows sorted, without duplicates."""

    network: Network
    epoch: int
    validator: Address
    segments: tuple[SegmentRef, ...]
    refusals: tuple[Refusals, ...]
    positions: tuple[Position, ...]

    def encode(self) -> bytes:
        head = ManifestHead(
            self.network.chain_id,
            self.network.hotspots,
            self.epoch,
            self.validator,
            len(self.segments),
            len(self.refusals),
            len(self.positions),
        )
        return encode_table(head, self.segments, self.refusals, self.positions)

    def digest(self) -> bytes:
        """The manifestHash on chain."""
        return sha256(self.encode())


def decode_manifest(data: bytes) -> Manifest | None:
    """The manifest, or None if the bytes are not canonical: sorted runs within their bounds, nothing after them."""
    head = ManifestHead.decode(data[: ManifestHead.width()])
    if head is None or head.segments > MAX_SEGMENTS_PER_MANIFEST or head.positions > MAX_CELLS_PER_MANIFEST:
        return None
    runs: list[tuple[type[Record], int]] = [
        (SegmentRef, head.segments), (Refusals, head.refusals), (Position, head.positions),
    ]  # fmt: skip
    rows = split_table(data, ManifestHead.width(), runs)
    if rows is None or not all(is_strictly_sorted([row.encode() for row in run]) for run in rows):
        return None
    segments, refusals, positions = rows
    return Manifest(
        Network(head.chain_id, Address(head.contract)),
        head.epoch,
        Address(head.validator),
        cast("tuple[SegmentRef, ...]", tuple(segments)),
        cast("tuple[Refusals, ...]", tuple(refusals)),
        cast("tuple[Position, ...]", tuple(positions)),
    )


def seal_segment(kind: int, rows: list[bytes]) -> bytes:
    """Canonical bytes of a segment: rows sorted, the first of those with equal keys kept."""
    unique: dict[bytes, bytes] = {}
    for row in sorted(rows):
        unique.setdefault(row[: KEY_BYTES[kind]], row)
    return b"".join(unique[key] for key in sorted(unique))


def segment_problem(kind: int, data: bytes, network: Network, epoch: int) -> str | None:
    """Why bytes are not a segment of this kind for this epoch, as a sentence, or None."""
    record = SEGMENT_ROWS[kind]
    rows = list(pieces(record.width(), data))
    if not all(record.decode(row) is not None for row in rows):
        return "a row is not canonical"
    if not is_strictly_sorted([row[: KEY_BYTES[kind]] for row in rows]):
        return "rows are not sorted or not unique"
    return None if kind == COMMITS else _foreign_report(kind, rows, network, epoch)


def _foreign_report(kind: int, rows: list[bytes], network: Network, epoch: int) -> str | None:
    for row in rows:
        report = report_of(kind, row)
        if Network(report.chain_id, Address(report.contract)) != network or report.epoch != epoch:
            return "a report names another network or epoch"
    return None


def report_of(kind: int, row: bytes) -> Beacon | Witness:
    """The report in a canonical row of a beacon or witness segment."""
    record: type[Beacon] | type[Witness] = Beacon if kind == BEACONS else Witness
    report = record.decode(row[: record.width()])
    assert report is not None, "rows are checked before they are read"
    return report


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one hotspot in one manifest."""

    commits: int = 0
    reports: int = 0

    def problem(self) -> str | None:
        if self.commits > MAX_COMMITS_PER_HOTSPOT:
            return f"more than {MAX_COMMITS_PER_HOTSPOT} commits of one hotspot"
        if self.reports > MAX_REPORTS_PER_HOTSPOT:
            return f"more than {MAX_REPORTS_PER_HOTSPOT} reports of one hotspot"
        return None


def rows_by_hotspot(segments: dict[int, list[bytes]]) -> dict[HotspotId, Counts]:
    """How many commits and reports each hotspot has in a manifest's segments, given by kind."""
    commits: dict[HotspotId, int] = {}
    reports: dict[HotspotId, int] = {}
    for kind, chunks in segments.items():
        tally, at = (commits, 0) if kind == COMMITS else (reports, 28)
        for row in (row for chunk in chunks for row in pieces(SEGMENT_ROWS[kind].width(), chunk)):
            hotspot = HotspotId(row[at : at + 32])
            tally[hotspot] = tally.get(hotspot, 0) + 1
    return {one: Counts(commits.get(one, 0), reports.get(one, 0)) for one in sorted(commits.keys() | reports.keys())}


def cells_named(segments: dict[int, list[bytes]], registered_cells: dict[HotspotId, int]) -> set[int]:
    """Cells a manifest must place: those in its reports, and where the hotspots in it are registered."""
    named = {registered_cells[one] for one in rows_by_hotspot(segments) if one in registered_cells}
    for kind in (BEACONS, WITNESSES):
        for row in (row for chunk in segments.get(kind, []) for row in pieces(SEGMENT_ROWS[kind].width(), chunk)):
            named.add(report_of(kind, row).cell)
    return {cell for cell in named if is_placeable(cell)}


def is_placeable(cell: int) -> bool:
    """True for the cells a position exists for: valid, of a resolution a hotspot may register or report."""
    return geo.is_cell(cell, MIN_MAPPER_RESOLUTION, MAX_REGISTERED_RESOLUTION)
