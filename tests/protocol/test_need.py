"""Need, from votes to a weight: vectors of every step, and the steps the vectors leave out."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from protocol import geo
from protocol.need import (
    CELLULAR,
    DAY_MS,
    GATE_UNIT,
    LORA,
    MAX_COUNT,
    WIFI,
    NeedMap,
    NeedSource,
    Published,
    Signal,
    Vote,
    advance_cells,
    aged_weight_u,
    cut_votes,
    decode_baseline,
    decode_map,
    gate,
    genesis_cells,
    half_life_table,
    lower_median,
    need_map,
    need_u,
    publish,
    shrink_u,
    signal_range,
    signals,
    weight_u,
)
from protocol.parameters import Baseline
from protocol.records import BaselineRow, CellState
from tests.factories import DEVNET, GENESIS_MS, north_of_ulm
from tests.protocol.vectors import cases
from tests.reference.exact import halved_u

RULES = DEVNET.need
CLASSES = {"cellular": CELLULAR, "wifi": WIFI, "lora": LORA}
HOME = north_of_ulm(0, 9)
TODAY = GENESIS_MS // DAY_MS


# --- vectors


@pytest.mark.parametrize("case", cases("need_weight.json", "need"))
def test_need_follows_the_vectors(case: dict[str, Any]) -> None:
    between = signal_range(RULES, CLASSES[case["radio_class"]])
    assert need_u(case["signal_cdbm"], between) == case["need_u"]


@pytest.mark.parametrize("case", cases("need_weight.json", "shrink"))
def test_shrinking_follows_the_vectors(case: dict[str, Any]) -> None:
    assert shrink_u(case["need_u"], case["n_eff_u"], case["parent_need_u"], RULES) == case["shrunk_u"]


@pytest.mark.parametrize("case", cases("need_weight.json", "publish"))
def test_publishing_follows_the_vectors(case: dict[str, Any]) -> None:
    now, states = Published(*case["start"]), []
    for input_u in case["inputs_u"]:
        now = publish(now, input_u, RULES)
        states.append([now.need_u, now.direction, now.count])
    assert states == case["states"]


@pytest.mark.parametrize("case", cases("need_weight.json", "weight"))
def test_weights_follow_the_vectors(case: dict[str, Any]) -> None:
    demand = gate(case["demand_u"])
    assert round(Fraction(demand, 10)) == case["gate_u"]
    assert weight_u(case["published_u"], demand, RULES) == case["weight_u"]


@pytest.mark.parametrize("case", cases("need_weight.json", "chain"))
def test_the_steps_in_a_row_follow_the_vectors(case: dict[str, Any]) -> None:
    own_u = need_u(case["signal_cdbm"], signal_range(RULES, CLASSES[case["radio_class"]]))
    shrunk_u = shrink_u(own_u, case["n_eff_u"], case["parent_need_u"], RULES)
    now, published = Published(case["start_published_u"]), []
    for _ in range(case["epochs"]):
        now = publish(now, shrunk_u, RULES)
        published.append(now.need_u)
    found = own_u, shrunk_u, published, weight_u(now.need_u, gate(case["demand_u"]), RULES)
    assert found == (case["need_u"], case["shrunk_u"], case["published_u"], case["weight_u"])


# --- step 1: votes


@pytest.mark.parametrize("half_life_days", [1, 2, 7, 90, 365])
def test_the_half_life_table_is_the_nearest_integer_of_every_day(half_life_days: int) -> None:
    exact = tuple(halved_u(day, half_life_days) for day in range(half_life_days))
    assert half_life_table(half_life_days) == exact


@pytest.mark.parametrize(
    ("age_days", "weight"), [(0, 1_000_000), (90, 500_000), (180, 250_000), (1_710, 1), (1_799, 0), (10**6, 0)]
)
def test_a_vote_halves_every_half_life_until_nothing_is_left(age_days: int, weight: int) -> None:
    assert aged_weight_u(1_000_000, age_days, 90) == weight


@pytest.mark.parametrize(
    ("values", "median"),
    [
        ([(-9_000, 1), (-8_000, 1)], -9_000),
        ([(-9_000, 1), (-8_000, 1), (-7_000, 1)], -8_000),
        ([(-9_000, 1), (-8_000, 2)], -8_000),
        ([(-8_000, 1), (-9_000, 1), (-8_000, 1)], -8_000),
    ],
)
def test_the_median_is_the_lower_one(values: list[tuple[int, int]], median: int) -> None:
    assert lower_median(values) == median


def test_refuses_the_median_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        lower_median([])


def vote(weight_u: int = 1_000_000, source: int = 1, contributor: int = 0, signal_cdb: int = -10_000) -> Vote:
    return Vote(HOME, signal_cdb, weight_u, source, contributor)


def test_a_contributor_has_two_votes_over_all_files() -> None:
    votes = [vote(3_000_000, source, contributor=7) for source in (1, 2)]
    assert cut_votes(votes, RULES, {1: 8_000_000, 2: 8_000_000}) == [1_000_000, 1_000_000]


def test_a_contributor_is_cut_before_the_file() -> None:
    votes = [vote(4_000_000, contributor=7), vote(2_000_000, contributor=8)]
    assert cut_votes(votes, RULES, {1: 2_000_000}) == [1_000_000, 1_000_000]


def test_a_file_is_cut_to_its_cap() -> None:
    assert cut_votes([vote(4_000_000), vote(6_000_000)], RULES, {1: 3_000_000}) == [1_200_000, 1_800_000]


@pytest.mark.parametrize(("contributors", "total"), [(2, 4_000_000), (3, 6_000_000)])
def test_a_crowd_needs_three_contributors_for_more_than_four_votes(contributors: int, total: int) -> None:
    votes = [vote(2_000_000, contributor=one + 1) for one in range(contributors)]
    assert sum(cut_votes(votes, RULES, {1: 0})) == total


def test_cutting_rounds_down() -> None:
    assert cut_votes([vote(1), vote(2)], RULES, {1: 2}) == [0, 1]


def test_a_cell_whose_votes_are_cut_to_nothing_has_no_signal() -> None:
    assert signals([vote(1), vote(1), vote(1)], 9, RULES, {1: 1}) == {}


def test_signal_is_the_median_and_the_sum_of_the_votes_below_a_cell() -> None:
    votes = [vote(signal_cdb=-10_000), vote(signal_cdb=-11_000), vote(signal_cdb=-12_000)]
    assert signals(votes, 7, RULES, {1: 8_000_000}) == {geo.parent(HOME, 7): Signal(-11_000, 3_000_000)}


# --- the whole source


def row(**bent: Any) -> BaselineRow:
    fields = {
        "cell": HOME, "radio_class": LORA, "source": 1, "contributor": 0,
        "signal_cdb": -13_000, "weight_u": 1_000_000, "day": 0,
    }  # fmt: skip
    return BaselineRow(**{**fields, **bent})


def source(*rows: BaselineRow, radio_class: str = "lora", votes_u: int = 8_000_000) -> NeedSource:
    listed = Baseline("a file", "", radio_class, 1, votes_u, 365)
    return NeedSource(RULES, ((listed, rows),))


def test_an_undated_row_does_not_age() -> None:
    later_ms = GENESIS_MS + 10_000 * DAY_MS
    assert source(row()).signals_at(later_ms, 8) == source(row()).signals_at(GENESIS_MS, 8)


@pytest.mark.parametrize(("contributor", "votes_u"), [(0, halved_u(90, 365)), (5, halved_u(90, 90))])
def test_a_contributed_row_ages_faster_than_its_file(contributor: int, votes_u: int) -> None:
    found = source(row(day=TODAY - 90, contributor=contributor)).signals_at(GENESIS_MS, 8)
    assert [signal.votes_u for signal in found.values()] == [votes_u]


def test_a_row_of_the_future_has_no_age() -> None:
    found = source(row(day=TODAY + 100)).signals_at(GENESIS_MS, 8)
    assert [signal.votes_u for signal in found.values()] == [1_000_000]


def test_no_data_is_the_prior_never_the_maximum() -> None:
    assert NeedMap({}, RULES.prior_u).of(LORA, north_of_ulm(0, 8)) == 300_000


def test_a_level_without_votes_passes_its_parent_on() -> None:
    shrunk = source(row()).shrunk_at(GENESIS_MS)
    upper = {key: need for key, need in shrunk.items() if geo.resolution(key[1]) == 5}
    assert NeedMap(upper, RULES.prior_u).of(LORA, north_of_ulm(0, 8)) == upper[LORA, geo.parent(HOME, 5)]


def test_each_level_shrinks_toward_the_one_above() -> None:
    shrunk = source(row()).shrunk_at(GENESIS_MS)
    expected, parent_u = [], RULES.prior_u
    for _ in range(3):
        parent_u = shrink_u(1_000_000, 1_000_000, parent_u, RULES)
        expected.append(parent_u)
    assert [shrunk[LORA, geo.parent(HOME, level)] for level in (5, 7, 8)] == expected


def test_a_cellular_file_decides_for_every_radio() -> None:
    assert source(row(radio_class=CELLULAR), radio_class="cellular").classes == {8: CELLULAR, 9: CELLULAR}


def test_without_a_cellular_file_every_radio_keeps_its_class() -> None:
    assert source(row()).classes == {8: LORA, 9: WIFI}


def test_classes_are_never_mixed() -> None:
    both = replace(source(row(radio_class=WIFI)), rules=RULES)
    assert {key[0] for key in both.shrunk_at(GENESIS_MS)} == {WIFI}


# --- step 4: the map over epochs


def test_genesis_publishes_what_the_listed_files_say() -> None:
    shrunk = source(row()).shrunk_at(GENESIS_MS)
    pay = geo.parent(HOME, 8)
    assert genesis_cells(shrunk) == [CellState(LORA, pay, shrunk[LORA, pay], 0, 0)]


def test_a_cell_with_a_first_vote_starts_at_the_need_it_had_without_it() -> None:
    last_map = NeedMap({(LORA, geo.parent(HOME, 7)): 400_000}, RULES.prior_u)
    after = advance_cells([], last_map, {(LORA, geo.parent(HOME, 8)): 900_000}, RULES)
    assert after == [CellState(LORA, geo.parent(HOME, 8), 400_000, 1, 1)]


def test_a_cell_whose_votes_are_gone_leaves_the_state() -> None:
    before = [CellState(LORA, geo.parent(HOME, 8), 400_000, 0, 0)]
    assert advance_cells(before, NeedMap({}, RULES.prior_u), {}, RULES) == []


def test_a_map_decodes_to_itself() -> None:
    shrunk = source(row()).shrunk_at(GENESIS_MS)
    made = need_map(genesis_cells(shrunk), shrunk, RULES)
    assert decode_map(made.encode(), RULES) == made


@pytest.mark.parametrize(
    "bend", [lambda data: data[:-1], lambda data: data + data[:13], lambda data: data[13:] + data[:13]]
)
def test_refuses_a_map_that_is_not_canonical(bend: Any) -> None:
    shrunk = source(row()).shrunk_at(GENESIS_MS)
    assert decode_map(bend(need_map(genesis_cells(shrunk), shrunk, RULES).encode()), RULES) is None


def test_a_count_stays_in_its_byte() -> None:
    """And the longest drift still encodes."""
    after = publish(Published(0, 1, 255), 1_000_000, RULES)
    assert (after.direction, after.count) == (1, 255)
    assert CellState(LORA, 1, after.need_u, after.direction, after.count).encode()


def test_classes_have_the_numbers_of_the_records() -> None:
    assert (CELLULAR, WIFI, LORA, MAX_COUNT) == (1, 2, 3, 255)


# --- worked numbers of the design


@pytest.mark.parametrize(
    ("signal_cdb", "weight"), [(-8_500, 250_000), (-9_500, 1_321_428), (-10_500, 2_392_859), (-12_000, 4_000_000)]
)
def test_worked_weights(signal_cdb: int, weight: int) -> None:
    assert weight_u(need_u(signal_cdb, RULES.cellular), GATE_UNIT, RULES) == weight


@pytest.mark.parametrize(("votes", "shrunk"), [(0, 300_000), (1, 377_778), (8, 650_000), (40, 883_333)])
def test_worked_shrinking(votes: int, shrunk: int) -> None:
    assert shrink_u(1_000_000, votes * 1_000_000, 300_000, RULES) == shrunk


# --- step 0: listed files

LISTED = Baseline("survey", "00" * 32, "lora", 1, 8_000_000, 365)


def test_a_listed_file_decodes_to_its_rows() -> None:
    rows = sorted([row(), row(signal_cdb=-9_000)], key=BaselineRow.encode)
    assert decode_baseline(LISTED, b"".join(one.encode() for one in rows)) == tuple(rows)


@pytest.mark.parametrize(
    "bent",
    [
        {"source": 2},
        {"radio_class": WIFI},
        {"signal_cdb": 1},
        {"signal_cdb": -20_001},
        {"cell": geo.parent(HOME, 8)},
        {"cell": 5},
    ],
)
def test_refuses_a_listed_file_with_a_foreign_or_impossible_row(bent: dict[str, int]) -> None:
    good = row()
    assert decode_baseline(LISTED, good.encode()) == (good,)
    assert decode_baseline(LISTED, replace(good, **bent).encode()) is None


def test_refuses_a_listed_file_that_is_not_sorted_or_repeats_a_row() -> None:
    rows = sorted([row().encode(), row(signal_cdb=-9_000).encode()])
    assert decode_baseline(LISTED, rows[1] + rows[0]) is None
    assert decode_baseline(LISTED, rows[0] * 2) is None
