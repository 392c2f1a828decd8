"""Which evidence counts: the union of the segments of the counted manifests (protocol.md §5.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from protocol.encoding import pieces, report_id
from protocol.ids import Address, HotspotId, ReportId
from protocol.limits import COMMIT_EARLY_MS
from protocol.manifest import BEACONS, COMMITS, KEY_BYTES, WITNESSES, Manifest, report_of
from protocol.parameters import Windows
from protocol.records import SEGMENT_ROWS, Beacon, Commit, Position, Witness


@dataclass(frozen=True, slots=True)
class CountedManifest:
    """A certified manifest posted by the closing block, with the segments it lists, in the manifest's order."""

    manifest: Manifest
    segments: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One report id: the report, and every signature any copy of it came with."""

    report_id: ReportId
    canonical: bytes
    report: Beacon | Witness
    signatures: tuple[bytes, ...]

    @property
    def hotspot_id(self) -> HotspotId:
        return HotspotId(self.report.hotspot_id)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything an epoch is judged on. Reports are sorted by report id."""

    beacons: tuple[Report, ...]
    witnesses: tuple[Report, ...]
    commits: Mapping[tuple[HotspotId, ReportId], Mapping[Address, int]]
    """(who, report id) -> validator -> receive time, unix milliseconds."""
    positions: Mapping[int, Position]
    """Cells in counted manifests; the first manifest that names a cell fixes its position."""

    @property
    def is_empty(self) -> bool:
        return not (self.beacons or self.witnesses or self.commits)


def unite(counted: Iterable[CountedManifest]) -> Evidence:
    """The union, in the chain's order of the manifests."""
    reports: dict[int, dict[bytes, set[bytes]]] = {BEACONS: {}, WITNESSES: {}}
    commits: dict[tuple[HotspotId, ReportId], dict[Address, int]] = {}
    positions: dict[int, Position] = {}
    for one in counted:
        for place in one.manifest.positions:
            positions.setdefault(place.cell, place)
        for reference, data in zip(one.manifest.segments, one.segments, strict=True):
            rows = pieces(SEGMENT_ROWS[reference.kind].width(), data)
            if reference.kind == COMMITS:
                _add_commits(commits, one.manifest.validator, rows)
            else:
                _add_reports(reports[reference.kind], KEY_BYTES[reference.kind], rows)
    return Evidence(_reports(BEACONS, reports[BEACONS]), _reports(WITNESSES, reports[WITNESSES]), commits, positions)


def _add_commits(
    commits: dict[tuple[HotspotId, ReportId], dict[Address, int]], validator: Address, rows: Iterable[bytes]
) -> None:
    for row in rows:
        commit = Commit.decode(row)
        assert commit is not None, "segments are checked before they are united"
        times = commits.setdefault((HotspotId(commit.hotspot_id), ReportId(commit.report_id)), {})
        times[validator] = min(times.get(validator, commit.received_at_ms), commit.received_at_ms)


def _add_reports(reports: dict[bytes, set[bytes]], report_bytes: int, rows: Iterable[bytes]) -> None:
    for row in rows:
        reports.setdefault(row[:report_bytes], set()).add(row[report_bytes:])


def _reports(kind: int, found: Mapping[bytes, set[bytes]]) -> tuple[Report, ...]:
    reports = (
        Report(report_id(canonical), canonical, report_of(kind, canonical), tuple(sorted(signatures)))
        for canonical, signatures in found.items()
    )
    return tuple(sorted(reports, key=lambda one: one.report_id))


def recorded_on_time(times: Mapping[Address, int], slot_start_ms: int, windows: Windows) -> list[Address]:
    """Validators that recorded a commit between the slot's start - 2 s and its start + the commit window."""
    earliest, latest = slot_start_ms - COMMIT_EARLY_MS, slot_start_ms + windows.commit_window_ms
    return sorted(validator for validator, time_ms in times.items() if earliest <= time_ms <= latest)
