"""Sealing an epoch: the inbox becomes sorted segments and a manifest; and checking what a peer has sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from protocol import geo
from protocol.encoding import Network, pieces, sha256
from protocol.ids import Address, HotspotId
from protocol.limits import (
    MAX_COMMITS_PER_HOTSPOT,
    MAX_REPORTS_PER_HOTSPOT,
    MAX_SEGMENT_BYTES,
    POSITION_TOLERANCE_M,
)
from protocol.manifest import (
    BEACONS,
    COMMITS,
    KEY_BYTES,
    WITNESSES,
    Manifest,
    cells_named,
    rows_by_hotspot,
    seal_segment,
    segment_problem,
)
from protocol.records import SEGMENT_ROWS, Refusals, SegmentRef
from protocol.registry import Registered
from validator.inbox import EpochInbox, hotspot_of


def seal(
    inbox: EpochInbox, network: Network, epoch: int, validator: Address, registry: Mapping[HotspotId, Registered]
) -> tuple[Manifest, list[bytes]]:
    """(manifest, segments) of everything the inbox holds of hotspots registered at B_e."""
    segments: dict[int, bytes] = {}
    for kind, kept in sorted(inbox.rows.items()):
        rows = [row for row in list(kept.values()) if hotspot_of(kind, row) in registry]
        if rows:
            segments[kind] = seal_segment(kind, rows)
    references = [
        SegmentRef(kind, sha256(data), len(data) // SEGMENT_ROWS[kind].width()) for kind, data in segments.items()
    ]
    ordered = sorted(references, key=SegmentRef.encode)
    manifest = Manifest(
        network=network,
        epoch=epoch,
        validator=validator,
        segments=tuple(ordered),
        refusals=tuple(Refusals(int(reason), count) for reason, count in sorted(inbox.refused.items())),
        positions=tuple(geo.position(cell) for cell in sorted(_cells(segments, registry))),
    )
    return manifest, [segments[reference.kind] for reference in ordered]


def _cells(segments: Mapping[int, bytes], registry: Mapping[HotspotId, Registered]) -> set[int]:
    homes = {hotspot_id: one.row.cell for hotspot_id, one in registry.items()}
    return cells_named({kind: [data] for kind, data in segments.items()}, homes)


def size_problem(manifest: Manifest, hotspots: int) -> str | None:
    """Why a manifest's segments must not even be fetched, as a sentence, or None; `hotspots` were registered at B_e."""
    rows = {COMMITS: 0, BEACONS: 0, WITNESSES: 0}
    for reference in manifest.segments:
        if reference.rows * SEGMENT_ROWS[reference.kind].width() > MAX_SEGMENT_BYTES:
            return f"a segment is larger than {MAX_SEGMENT_BYTES // 2**20} MiB"
        rows[reference.kind] += reference.rows
    most_commits, most_reports = hotspots * MAX_COMMITS_PER_HOTSPOT, hotspots * MAX_REPORTS_PER_HOTSPOT
    if rows[COMMITS] > most_commits or rows[BEACONS] + rows[WITNESSES] > most_reports:
        return "the manifest lists more rows than its hotspots may send"
    return None


def manifest_problem(
    manifest: Manifest,
    segments: Sequence[bytes],
    network: Network,
    epoch: int,
    registry: Mapping[HotspotId, Registered],
) -> str | None:
    """Why a peer's manifest must not be signed available, as a sentence, or None."""
    by_kind: dict[int, list[bytes]] = {}
    for reference, data in zip(manifest.segments, segments, strict=True):
        problem = _segment_problem(reference, data, network, epoch)
        if problem is not None:
            return problem
        by_kind.setdefault(reference.kind, []).append(data)
    for hotspot_id, counts in rows_by_hotspot(by_kind).items():
        if hotspot_id not in registry:
            return f"hotspot {hotspot_id.hex()[:16]}... was not registered at B_e"
        problem = counts.problem()
        if problem is not None:
            return problem
    return _repeated_row(by_kind) or _position_problem(manifest, by_kind, registry)


def _repeated_row(by_kind: Mapping[int, list[bytes]]) -> str | None:
    """A row unique in each segment must be so in all of a kind: a commit has one time of one validator."""
    for kind, chunks in by_kind.items():
        if len(chunks) > 1:
            keys = [row[: KEY_BYTES[kind]] for data in chunks for row in pieces(SEGMENT_ROWS[kind].width(), data)]
            if len(set(keys)) < len(keys):
                return "a row stands in two segments"
    return None


def _segment_problem(reference: SegmentRef, data: bytes, network: Network, epoch: int) -> str | None:
    if sha256(data) != reference.digest or len(data) > MAX_SEGMENT_BYTES:
        return "a segment is not what its hash says, or too large"
    if len(data) != reference.rows * SEGMENT_ROWS[reference.kind].width():
        return "a segment has another number of rows than the manifest says"
    return segment_problem(reference.kind, data, network, epoch)


def _position_problem(
    manifest: Manifest, by_kind: Mapping[int, list[bytes]], registry: Mapping[HotspotId, Registered]
) -> str | None:
    homes = {hotspot_id: one.row.cell for hotspot_id, one in registry.items()}
    if [one.cell for one in manifest.positions] != sorted(cells_named(dict(by_kind), homes)):
        return "the positions are not those of the cells in the segments"
    for position in manifest.positions:
        if not geo.agrees(position, geo.position(position.cell), POSITION_TOLERANCE_M):
            return f"the position of cell {position.cell:x} is more than {POSITION_TOLERANCE_M} m off"
    return None
