"""Sealing, and every way a peer's manifest can be wrong, each with its sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from protocol import geo
from protocol.encoding import Network, sha256
from protocol.evidence import CountedManifest
from protocol.ids import Address, HotspotId, Kind
from protocol.limits import MAX_COMMITS_PER_HOTSPOT, MAX_REPORTS_PER_HOTSPOT
from protocol.manifest import BEACONS, COMMITS, WITNESSES, Manifest, decode_manifest
from protocol.reasons import Reason
from protocol.records import SEGMENT_ROWS, Beacon, Commit, Position, Refusals, SegmentRef, SignedBeacon
from protocol.registry import Registered
from tests.factories import NETWORK, Device, World, make_device, north_of_ulm
from tests.validator.nodes import all_hear_all, entries_of, owner_of, three_devices
from validator.disk import Disk
from validator.inbox import Inbox
from validator.seal import manifest_problem, seal, size_problem

DEVICES = three_devices()
MAPPER = make_device("mapper", north_of_ulm(1.0), kind=Kind.MAPPER)
STRANGER = make_device("stranger", north_of_ulm(4.0))
REGISTRY = {one.hotspot_id: one.registered for one in [*DEVICES, MAPPER]}


def honest_world() -> World:
    world = World(devices=[*DEVICES, MAPPER], stakes={owner_of(1): 100})
    all_hear_all(replace(world, devices=list(DEVICES), beacons=world.beacons, witnesses=world.witnesses))
    world.beacon(MAPPER, 0, cell=north_of_ulm(1.5, 9))
    return world


def sealed_from(directory: Path, world: World) -> tuple[Manifest, list[bytes]]:
    """What a validator seals from an inbox that holds the world's records."""
    inbox = Inbox(directory, Disk())
    [counted] = world.manifests()
    asyncio.run(inbox.store(entries_of(counted)))
    made = seal(inbox.epoch(1), NETWORK, 1, owner_of(1), REGISTRY)
    inbox.close()
    return made


def problem(
    manifest: Manifest,
    segments: list[bytes],
    network: Network = NETWORK,
    epoch: int = 1,
    registry: dict[HotspotId, Registered] = REGISTRY,
) -> str | None:
    return manifest_problem(manifest, segments, network, epoch, registry)


# --- sealing ------------------------------------------------------------------------------------------------------


def test_sealing_makes_the_canonical_manifest_of_what_the_inbox_holds(tmp_path: Path) -> None:
    world = honest_world()
    [expected] = world.manifests()
    manifest, segments = sealed_from(tmp_path, world)
    assert manifest == expected.manifest
    assert tuple(segments) == expected.segments


def test_a_sealed_manifest_is_canonical_and_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    manifest, segments = sealed_from(tmp_path, honest_world())
    assert decode_manifest(manifest.encode()) == manifest
    assert problem(manifest, segments) is None


def test_sealing_leaves_out_hotspots_that_were_not_registered(tmp_path: Path) -> None:
    """One such row would make every peer refuse the whole manifest."""
    world = honest_world()
    world.add(STRANGER)
    world.beacon(STRANGER)
    manifest, segments = sealed_from(tmp_path, world)
    assert problem(manifest, segments) is None
    assert sum(reference.rows for reference in manifest.segments) > 0


def test_an_empty_inbox_seals_to_an_empty_manifest(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, Disk())
    manifest, segments = seal(inbox.epoch(1), NETWORK, 1, owner_of(1), REGISTRY)
    inbox.close()
    assert (manifest.segments, manifest.refusals, manifest.positions, segments) == ((), (), (), [])
    assert problem(manifest, segments) is None


def test_refusals_stand_in_the_manifest_by_reason(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, Disk())
    inbox.epoch(1).refused.update({Reason.QUOTA: 3, Reason.NO_SESSION: 2})
    manifest, _ = seal(inbox.epoch(1), NETWORK, 1, owner_of(1), REGISTRY)
    inbox.close()
    assert manifest.refusals == (Refusals(Reason.NO_SESSION, 2), Refusals(Reason.QUOTA, 3))


# --- what peers refuse --------------------------------------------------------------------------------------------


@dataclass
class Bent:
    """An honest manifest, taken apart to be bent and put together again with right hashes and counts."""

    segments: dict[int, list[bytes]]
    """Rows by kind, as they stand in the segment."""
    positions: list[Position]
    network: Network = NETWORK
    epoch: int = 1

    @classmethod
    def honest(cls) -> Bent:
        [counted] = honest_world().manifests()
        rows = {
            reference.kind: [
                data[at : at + SEGMENT_ROWS[reference.kind].width()]
                for at in range(0, len(data), SEGMENT_ROWS[reference.kind].width())
            ]
            for reference, data in zip(counted.manifest.segments, counted.segments, strict=True)
        }
        return cls(rows, list(counted.manifest.positions))

    def made(self) -> CountedManifest:
        data = {kind: b"".join(rows) for kind, rows in self.segments.items()}
        references = sorted(
            (SegmentRef(kind, sha256(data[kind]), len(rows)) for kind, rows in self.segments.items()),
            key=SegmentRef.encode,
        )
        manifest = Manifest(self.network, self.epoch, owner_of(1), tuple(references), (), tuple(self.positions))
        return CountedManifest(manifest, tuple(data[reference.kind] for reference in references))

    def problem(self) -> str | None:
        made = self.made()
        return problem(made.manifest, list(made.segments))


def test_an_honest_manifest_put_together_by_hand_is_right() -> None:
    assert Bent.honest().problem() is None


def swap_rows(bent: Bent) -> None:
    rows = bent.segments[COMMITS]
    rows[0], rows[1] = rows[1], rows[0]


def double_row(bent: Bent) -> None:
    bent.segments[BEACONS].insert(0, bent.segments[BEACONS][0])


def two_signatures_of_one_report(bent: Bent) -> None:
    first = bent.segments[BEACONS][0]
    bent.segments[BEACONS].insert(1, first[:-1] + bytes([first[-1] ^ 1]))


def foreign(bent: Bent, **fields: Any) -> None:
    rows = bent.segments[BEACONS]
    report = Beacon.decode(rows[0][: Beacon.width()])
    assert report is not None
    rows[0] = SignedBeacon(replace(report, **fields).encode(), bytes(64)).encode()
    rows.sort()


def commits_of(device: Device, count: int) -> list[bytes]:
    return [Commit(device.hotspot_id, sha256(number.to_bytes(4, "big")), 1).encode() for number in range(count)]


def too_many_commits(bent: Bent) -> None:
    others = [row for row in bent.segments[COMMITS] if row[:32] != DEVICES[0].hotspot_id]
    bent.segments[COMMITS] = sorted(others + commits_of(DEVICES[0], MAX_COMMITS_PER_HOTSPOT + 1))


def too_many_reports(bent: Bent) -> None:
    report = Beacon.decode(bent.segments[BEACONS][0][: Beacon.width()])
    assert report is not None
    rows = {SignedBeacon(replace(report, slot=slot).encode(), bytes(64)).encode() for slot in range(5_000, 6_025)}
    bent.segments[BEACONS] = sorted([*bent.segments[BEACONS], *rows])


def unregistered(bent: Bent) -> None:
    bent.segments[COMMITS] = sorted([*bent.segments[COMMITS], *commits_of(STRANGER, 1)])


def extra_position(bent: Bent) -> None:
    bent.positions = sorted([*bent.positions, geo.position(north_of_ulm(40))], key=lambda one: one.cell)


BENT: dict[str, tuple[Callable[[Bent], None], str]] = {
    "unsorted rows": (swap_rows, "rows are not sorted or not unique"),
    "a row twice": (double_row, "rows are not sorted or not unique"),
    "a report with two signatures": (two_signatures_of_one_report, "rows are not sorted or not unique"),
    "a report of another epoch": (lambda bent: foreign(bent, epoch=2), "a report names another network or epoch"),
    "a report of another chain": (lambda bent: foreign(bent, chain_id=1), "a report names another network or epoch"),
    "a report of another contract": (
        lambda bent: foreign(bent, contract=Address(bytes(20))),
        "a report names another network or epoch",
    ),
    "an unregistered hotspot": (unregistered, "was not registered at B_e"),
    "too many commits": (too_many_commits, "more than 2048 commits of one hotspot"),
    "too many reports": (too_many_reports, "more than 1024 reports of one hotspot"),
    "a missing position": (
        lambda bent: bent.positions.pop(),  # type: ignore[arg-type,return-value]
        "the positions are not those of the cells in the segments",
    ),
    "a position too many": (extra_position, "the positions are not those of the cells in the segments"),
    "a torn row": (
        lambda bent: bent.segments[WITNESSES].append(bent.segments[WITNESSES].pop()[:-1]),
        "a segment has another number of rows than the manifest says",
    ),
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_manifest_is_refused_with_its_sentence(name: str) -> None:
    bend, sentence = BENT[name]
    bent = Bent.honest()
    bend(bent)
    found = bent.problem()
    assert found is not None
    assert sentence in found


def test_a_row_in_two_segments_is_refused() -> None:
    [counted] = honest_world().manifests()
    rows = commits_of(DEVICES[0], 3)
    halves = [b"".join(sorted(rows[:2])), b"".join(sorted(rows[1:]))]
    references = sorted((SegmentRef(COMMITS, sha256(half), 2) for half in halves), key=SegmentRef.encode)
    home = geo.position(DEVICES[0].registered.row.cell)
    manifest = replace(counted.manifest, segments=tuple(references), positions=(home,))
    by_digest = {sha256(half): half for half in halves}
    assert problem(manifest, [by_digest[one.digest] for one in references]) == "a row stands in two segments"


def test_a_hotspot_at_its_quota_is_right() -> None:
    bent = Bent.honest()
    others = [row for row in bent.segments[COMMITS] if row[:32] != DEVICES[0].hotspot_id]
    bent.segments[COMMITS] = sorted(others + commits_of(DEVICES[0], MAX_COMMITS_PER_HOTSPOT))
    assert bent.problem() is None


def test_the_quota_counts_over_all_segments_of_a_manifest() -> None:
    """Two segments of one kind, each within the quota, are together over it."""
    rows = commits_of(DEVICES[0], MAX_COMMITS_PER_HOTSPOT + 2)
    data = [
        b"".join(sorted(rows[: MAX_COMMITS_PER_HOTSPOT // 2])),
        b"".join(sorted(rows[MAX_COMMITS_PER_HOTSPOT // 2 :])),
    ]
    references = sorted(
        (SegmentRef(COMMITS, sha256(one), len(one) // Commit.width()) for one in data), key=SegmentRef.encode
    )
    ordered = [next(one for one in data if sha256(one) == reference.digest) for reference in references]
    home = geo.position(DEVICES[0].registered.row.cell)
    manifest = Manifest(NETWORK, 1, owner_of(1), tuple(references), (), (home,))
    assert problem(manifest, ordered) == "more than 2048 commits of one hotspot"


@pytest.mark.parametrize("axis", ["x_m", "y_m", "z_m"])
@pytest.mark.parametrize(("off_m", "right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_position_may_be_one_metre_off_in_each_coordinate(axis: str, off_m: int, right: bool) -> None:
    bent = Bent.honest()
    first = bent.positions[0]
    bent.positions[0] = replace(first, **{axis: getattr(first, axis) + off_m})
    found = bent.problem()
    assert found == (None if right else f"the position of cell {first.cell:x} is more than 1 m off")


def test_a_segment_that_is_not_what_its_hash_says_is_refused() -> None:
    made = Bent.honest().made()
    segments = list(made.segments)
    segments[0] = segments[0][:-1] + bytes([segments[0][-1] ^ 1])
    assert problem(made.manifest, segments) == "a segment is not what its hash says, or too large"


# --- before anything is fetched -----------------------------------------------------------------------------------


def manifest_of(*references: SegmentRef) -> Manifest:
    return Manifest(NETWORK, 1, owner_of(1), tuple(references), (), ())


@pytest.mark.parametrize(
    ("kind", "most"),
    [(COMMITS, MAX_COMMITS_PER_HOTSPOT), (BEACONS, MAX_REPORTS_PER_HOTSPOT)],
    ids=["commits", "reports"],
)
def test_more_rows_than_the_registered_hotspots_may_send_are_not_even_fetched(kind: int, most: int) -> None:
    full = SegmentRef(kind, bytes(32), 2 * most)
    assert size_problem(manifest_of(full), hotspots=2) is None
    over = size_problem(manifest_of(replace(full, rows=2 * most + 1)), hotspots=2)
    assert over == "the manifest lists more rows than its hotspots may send"


def test_beacons_and_witnesses_share_the_quota_of_reports() -> None:
    half = MAX_REPORTS_PER_HOTSPOT // 2
    references = SegmentRef(BEACONS, bytes(32), half), SegmentRef(WITNESSES, bytes(32), half)
    assert size_problem(manifest_of(*references), hotspots=1) is None
    more = replace(references[1], rows=half + 1)
    assert size_problem(manifest_of(references[0], more), hotspots=1) is not None


def test_a_segment_larger_than_any_may_be_is_not_fetched() -> None:
    reference = SegmentRef(COMMITS, bytes(32), 2**32 - 1)
    assert size_problem(manifest_of(reference), hotspots=2**31) == "a segment is larger than 256 MiB"
