"""Which evidence counts: unions, copies, commits, and what a manifest must say of its segments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol import geo
from protocol.encoding import report_id, sha256
from protocol.evidence import CountedManifest, recorded_on_time, unite
from protocol.ids import Kind
from protocol.limits import MAX_COMMITS_PER_HOTSPOT, MAX_REPORTS_PER_HOTSPOT
from protocol.manifest import (
    BEACONS,
    COMMITS,
    WITNESSES,
    Counts,
    Manifest,
    cells_named,
    is_placeable,
    rows_by_hotspot,
    seal_segment,
    segment_problem,
)
from protocol.records import Commit, SegmentRef
from tests.factories import DEVNET, NETWORK, World, make_device, north_of_ulm
from tests.protocol.rulebook_cases import A, B, heard_id, honest_world

START_MS = 1_000_000


def counted(validator: bytes, commits: list[Commit]) -> CountedManifest:
    segment = seal_segment(COMMITS, [one.encode() for one in commits])
    reference = SegmentRef(COMMITS, sha256(segment), len(commits))
    manifest = Manifest(NETWORK, 1, validator, (reference,), (), ())  # type: ignore[arg-type]
    return CountedManifest(manifest, (segment,))


# --- the union


def test_no_manifests_are_no_evidence() -> None:
    assert unite([]).is_empty


def test_a_report_several_validators_hold_is_one_report() -> None:
    world = honest_world()
    evidence = unite(world.manifests())
    assert (len(evidence.beacons), len(evidence.witnesses)) == (3, 6)


def test_reports_are_sorted_by_their_id() -> None:
    evidence = unite(honest_world().manifests())
    ids = [one.report_id for one in evidence.witnesses]
    assert ids == sorted(ids) == sorted(report_id(one.canonical) for one in evidence.witnesses)


def test_every_signature_of_a_report_is_kept() -> None:
    world = World()
    world.add(A, B)
    world.beacon(A)
    one, two, *_ = sorted(world.stakes)
    good = world.beacons[-1]
    world.beacons[-1] = replace(good, holders=frozenset([one]))
    world.beacons.append(replace(good, signature=bytes(64), holders=frozenset([two])))
    assert unite(world.manifests()).beacons[0].signatures == tuple(sorted([bytes(64), good.signature]))


def test_a_report_in_one_counted_manifest_counts() -> None:
    world = honest_world()
    name = heard_id(world, B, holders=sorted(world.stakes)[:1])
    assert name in {one.report_id for one in unite(world.manifests()).witnesses}


# --- commits


@pytest.mark.parametrize(
    ("received_ms", "counts"),
    [(-2_001, False), (-2_000, True), (0, True), (3_000, True), (3_001, False)],
)
def test_a_commit_counts_from_two_seconds_before_the_slot_to_the_end_of_the_window(
    received_ms: int, *, counts: bool
) -> None:
    validator = next(iter(World().stakes))
    found = recorded_on_time({validator: START_MS + received_ms}, START_MS, DEVNET.epoch)
    assert bool(found) is counts


def test_commits_are_kept_by_who_and_what_and_validator() -> None:
    world = World()
    one, two, *_ = sorted(world.stakes)
    row = Commit(A.hotspot_id, bytes(32), 5)
    evidence = unite([counted(one, [row]), counted(two, [replace(row, received_at_ms=6)])])
    assert dict(evidence.commits[A.hotspot_id, bytes(32)]) == {one: 5, two: 6}  # type: ignore[index]


def test_a_commit_of_another_hotspot_is_another_commit() -> None:
    one = sorted(World().stakes)[0]
    evidence = unite([counted(one, [Commit(who.hotspot_id, bytes(32), 5) for who in (A, B)])])
    assert len(evidence.commits) == 2


# --- what a manifest must name


def test_a_manifest_places_reported_cells_and_homes() -> None:
    van, place = make_device("van", north_of_ulm(1), kind=Kind.MAPPER), north_of_ulm(2, 9)
    world = World()
    world.add(A, van)
    world.beacon(van, cell=place)
    assert {one.cell for one in world.manifests()[0].manifest.positions} == {van.registered.row.cell, place}


@pytest.mark.parametrize(
    ("cell", "placeable"),
    [
        (0, False), (2**64 - 1, False), (north_of_ulm(0, 7), False), (north_of_ulm(0, 8), True),
        (north_of_ulm(0, 12), True), (geo.cell_at(48.4, 9.99, 13), False),
    ],
)  # fmt: skip
def test_only_cells_a_hotspot_may_name_have_a_place(cell: int, *, placeable: bool) -> None:
    assert is_placeable(cell) is placeable


def test_an_invalid_reported_cell_needs_no_place() -> None:
    world = World()
    world.add(A)
    world.beacon(A, cell=2**64 - 1)
    [manifest, *_] = world.manifests()
    assert cells_named({BEACONS: [manifest.segments[1]]}, {}) == set()


def test_rows_are_counted_by_hotspot() -> None:
    world = honest_world()
    [manifest, *_] = world.manifests()
    kinds = {one.kind: [data] for one, data in zip(manifest.manifest.segments, manifest.segments, strict=True)}
    assert rows_by_hotspot(kinds)[A.hotspot_id] == Counts(commits=3, reports=3)


@pytest.mark.parametrize(
    ("counts", "fits"),
    [
        (Counts(MAX_COMMITS_PER_HOTSPOT, MAX_REPORTS_PER_HOTSPOT), True),
        (Counts(MAX_COMMITS_PER_HOTSPOT + 1, 0), False),
        (Counts(0, MAX_REPORTS_PER_HOTSPOT + 1), False),
    ],
)
def test_one_hotspot_may_not_fill_a_manifest(counts: Counts, *, fits: bool) -> None:
    assert (counts.problem() is None) is fits


# --- segments


@pytest.mark.parametrize("bent", [{"chain_id": 1}, {"contract": bytes(20)}, {"epoch": 2}])
@pytest.mark.parametrize("kind", [BEACONS, WITNESSES])
def test_a_segment_may_not_hold_reports_of_another_network_or_epoch(kind: int, bent: dict[str, Any]) -> None:
    world = World()
    world.add(A, B)
    tag = world.beacon(A, **(bent if kind == BEACONS else {}))
    world.witness(B, tag, world.slot(A), **bent)
    [manifest, *_] = world.manifests()
    data = manifest.segments[kind - 1]
    assert segment_problem(kind, data, NETWORK, 1) == "a report names another network or epoch"


@pytest.mark.parametrize("kind", [COMMITS, BEACONS, WITNESSES])
def test_a_sealed_segment_of_this_epoch_has_no_problem(kind: int) -> None:
    [manifest, *_] = honest_world().manifests()
    assert segment_problem(kind, manifest.segments[kind - 1], NETWORK, 1) is None


def test_a_piece_of_a_row_is_named() -> None:
    [manifest, *_] = honest_world().manifests()
    assert segment_problem(COMMITS, manifest.segments[0][:-1], NETWORK, 1) == "a row is not canonical"
