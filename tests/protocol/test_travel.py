"""The rule on a mapper's speed costs what a mapper reports, never its square."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import h3.api.basic_int as h3
import pytest

from protocol.columns import Place
from protocol.ids import HotspotId, Kind
from protocol.limits import MAX_REPORTS_PER_HOTSPOT
from protocol.reasons import Reason
from protocol.records import Position
from protocol.travel import MOST_MOVES, Stop, too_fast
from protocol.verdicts import Engine, judge
from tests.factories import Device, World, make_device, north_of_ulm
from tests.property.engine import KeptDuckDb

MAPPERS = 20
MOST_BYTES_A_STOP = 4_000


class Watched:
    """An engine that counts the runs and the moves it is given."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.moves = engine, list[int]()

    def run(self, tables: Mapping[str, Any], made: Sequence[Any]) -> list[tuple[int, ...]]:
        self.moves.append(len(tables["moves"][1]))
        return self.engine.run(tables, made)


def places(count: int) -> list[int]:
    """So many different cells of resolution 11 around Ulm."""
    return sorted(h3.cell_to_children(north_of_ulm(0, 7), 11))[:count]


def van(number: int = 0) -> Device:
    return make_device(f"van{number}", north_of_ulm(1), kind=Kind.MAPPER)


def reveal_everything(world: World, mapper: Device, tag: bytes, **bent: Any) -> None:
    """All the beacons and witness reports a mapper may reveal, each from another cell."""
    slot = world.slot(mapper)
    for number, cell in enumerate(places(MAX_REPORTS_PER_HOTSPOT)):
        salt = number.to_bytes(16, "big")
        world.beacon(mapper, number % world.params.slots.mapper, cell=cell, salt=salt, nonce=salt * 2, **bent)
        world.witness(mapper, tag, slot, cell=cell, salt=salt, **bent)


def judged(world: World, engine: Engine) -> Counter[Reason]:
    inputs = world.inputs()
    return Counter(Reason(one.reason) for one in judge(inputs.setting, inputs.evidence, engine).outcomes)


def test_reports_one_lying_validator_lists_for_twenty_mappers_are_never_compared(engine: KeptDuckDb) -> None:
    """Nobody signed them: what one validator says of every mapper costs a row each and no pair."""
    world, watched = World(), Watched(engine)
    fixed, mappers = make_device("a", north_of_ulm(0)), [van(number) for number in range(MAPPERS)]
    world.add(fixed, *mappers)
    tag, liar = world.beacon(fixed), sorted(world.stakes)[:1]
    for mapper in mappers:
        reveal_everything(world, mapper, tag, signature=bytes(64), validators=[], holders=liar)
    found = judged(world, watched)
    assert found == {Reason.ACCEPTED: 1, Reason.BAD_SIGNATURE: 2 * MAPPERS * MAX_REPORTS_PER_HOTSPOT}
    assert watched.moves == [0, 0]


def test_signed_reports_without_a_commit_are_never_compared(engine: KeptDuckDb) -> None:
    world, watched, mapper = World(), Watched(engine), van()
    fixed = make_device("a", north_of_ulm(0))
    world.add(fixed, mapper)
    reveal_everything(world, mapper, world.beacon(fixed), validators=[], holders=sorted(world.stakes)[:1])
    found = judged(world, watched)
    assert found == {Reason.ACCEPTED: 1, Reason.COMMIT_NOT_ON_TIME: 2 * MAX_REPORTS_PER_HOTSPOT}
    assert watched.moves == [0, 0]


def test_a_thousand_accepted_looking_reports_of_one_mapper_fail_with_few_moves(engine: KeptDuckDb) -> None:
    """Signed, committed, of valid beacons, and every one from another cell: all of them reach the rule."""
    world, watched, ear = World(), Watched(engine), van()
    world.params = replace(world.params, rules=replace(world.params.rules, mapper_speed_m_s=0))
    cells, slots = places(MAX_REPORTS_PER_HOTSPOT), world.params.slots.mapper
    senders = [make_device(f"s{number}", north_of_ulm(1), kind=Kind.MAPPER) for number in range(len(cells) // slots)]
    world.add(ear, *senders)
    for number, cell in enumerate(cells):
        sender, index = senders[number // slots], number % slots
        tag = world.beacon(sender, index, cell=cells[0])
        world.witness(ear, tag, world.slot(sender, index), cell=cell, rssi_cdb=-12_000, snr_cdb=-100)
    assert judged(world, watched) == {Reason.ACCEPTED: len(cells), Reason.MAPPER_TOO_FAST: len(cells)}
    assert 0 < watched.moves[-1] <= MOST_MOVES * len(cells)


def stop(number: int, x_m: int, start_ms: int = 0, radius_m: int = 0) -> Stop:
    return Stop(number, Place(number, Position(number, x_m, 0, 0), radius_m), start_ms)


def test_reports_of_twenty_mappers_that_all_contradict_each_other_stay_few() -> None:
    """The worst that can reach the rule: every pair of every mapper is too far apart."""
    stops = {
        HotspotId(bytes([mapper]) * 32): [
            stop(mapper * MAX_REPORTS_PER_HOTSPOT + number, 10 * number) for number in range(MAX_REPORTS_PER_HOTSPOT)
        ]
        for mapper in range(MAPPERS)
    }
    found = Counter(move.id for move in too_fast(stops, 1))
    assert set(found.values()) == {MOST_MOVES}
    assert len(found) == MAPPERS * MAX_REPORTS_PER_HOTSPOT


def test_memory_grows_with_the_reports_of_a_mapper_not_with_their_pairs() -> None:
    stops = {HotspotId(bytes(32)): [stop(number, 10 * number) for number in range(MAX_REPORTS_PER_HOTSPOT)]}
    tracemalloc.start()
    try:
        too_fast(stops, 1)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < MOST_BYTES_A_STOP * MAX_REPORTS_PER_HOTSPOT


def test_an_honest_epoch_is_judged_in_one_run_a_role(engine: KeptDuckDb) -> None:
    world, watched, mapper = World(), Watched(engine), van()
    world.add(mapper)
    for index in range(world.params.slots.mapper):
        world.beacon(mapper, index, cell=north_of_ulm(1, 9))
    judged(world, watched)
    assert watched.moves == [0, 0]


def test_both_of_two_contradicting_beacons_fail_and_the_outcome_says_with_how_many(engine: KeptDuckDb) -> None:
    world, mapper = World(), van()
    world.add(mapper)
    for index, cell in enumerate([north_of_ulm(1, 9), north_of_ulm(90, 9)]):
        world.beacon(mapper, index, cell=cell)
    inputs = world.inputs()
    found = judge(inputs.setting, inputs.evidence, engine).outcomes
    assert [(Reason(one.reason).name, one.measured, one.allowed) for one in found] == [("MAPPER_TOO_FAST", 1, 0)] * 2


@pytest.mark.parametrize(("elapsed_ms", "apart_m"), [(0, 30), (1, 80), (1_000, 80), (1_001, 130)])
def test_a_begun_second_counts_whole_and_both_radii_are_allowed(elapsed_ms: int, apart_m: int) -> None:
    """Fifty metres a second and two radii of fifteen metres; one metre more is too far, whichever came first."""
    for more_m, order in product((0, 1), (1, -1)):
        pair = [stop(0, 0, 0, 15), stop(1, apart_m + more_m, order * elapsed_ms, 15)]
        assert len(too_fast({HotspotId(bytes(32)): pair}, 50)) == 2 * more_m


def test_two_mappers_never_contradict_each_other() -> None:
    assert too_fast({HotspotId(bytes([n]) * 32): [stop(n, 10_000 * n)] for n in range(2)}, 1) == []
