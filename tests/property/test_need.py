"""What must hold of needs and weights for any votes (rewards.md, invariants)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.need import (
    CELLULAR,
    GATE_UNIT,
    LORA,
    WIFI,
    NeedMap,
    NeedSource,
    Published,
    Vote,
    cut_votes,
    gate,
    lower_median,
    need_u,
    publish,
    shrink_u,
    signal_range,
    weight_u,
)
from protocol.parameters import Baseline
from protocol.records import BaselineRow
from tests.factories import DEVNET, GENESIS_MS, north_of_ulm
from tests.property.strategies import shuffled

RULES = DEVNET.need
EXAMPLES = settings(max_examples=150, deadline=None)
MICRO = 1_000_000
SHARES = st.integers(0, MICRO)
SIGNALS = st.integers(-20_000, 0)
CLASSES = st.sampled_from([CELLULAR, WIFI, LORA])
CAP = 8_000_000
STEEPEST_U_PER_DB = {CELLULAR: 108_000, LORA: 126_000, WIFI: 151_000}
SEEDS = st.integers(0, 2**64 - 1)


def random_votes(seed: int) -> list[Vote]:
    random = Random(seed)
    weights = [1, 500_000, 1_000_000, 2_000_001, 2**32 - 1]
    return [
        Vote(1, random.randint(-20_000, 0), random.choice(weights), random.choice([1, 2]), random.randrange(5))
        for _ in range(random.randint(1, 12))
    ]


def random_rows(seed: int) -> list[BaselineRow]:
    random = Random(seed)
    signals, weights = [-9_000, -10_500, -11_500, -13_000], [1_000_000, 2_000_000, 5_000_000]
    home = north_of_ulm(0, 9)
    return [
        BaselineRow(home, LORA, 1, random.randrange(4), random.choice(signals), random.choice(weights), 0)
        for _ in range(random.randrange(7))
    ]


VOTES = SEEDS.map(random_votes)
ROWS = SEEDS.map(random_rows)


@given(published=SHARES, demand=st.integers(-5, 2 * MICRO))
@EXAMPLES
def test_a_weight_is_nothing_or_between_its_bounds(published: int, demand: int) -> None:
    weight = weight_u(published, gate(demand), RULES)
    assert weight == 0 if demand <= 0 else 50_000 <= weight <= 4 * MICRO


@given(signal=SIGNALS, lower=st.integers(1, 5_000), radio_class=CLASSES)
@EXAMPLES
def test_a_weaker_incumbent_never_lowers_the_weight(signal: int, lower: int, radio_class: int) -> None:
    between = signal_range(RULES, radio_class)
    weaker, stronger = (weight_u(need_u(one, between), GATE_UNIT, RULES) for one in (signal - lower, signal))
    assert weaker >= stronger


@given(signal=SIGNALS, radio_class=CLASSES)
@EXAMPLES
def test_one_db_never_moves_a_weight_by_more_than_its_slope(signal: int, radio_class: int) -> None:
    between = signal_range(RULES, radio_class)
    weights = [weight_u(need_u(one, between), GATE_UNIT, RULES) for one in (signal, signal - 100)]
    assert weights[1] - weights[0] <= STEEPEST_U_PER_DB[radio_class]


@given(before=st.builds(Published, SHARES, st.integers(-1, 1), st.integers(0, 255)), input_u=SHARES)
@EXAMPLES
def test_a_published_need_moves_slowly_and_never_past_its_input(before: Published, input_u: int) -> None:
    after = publish(before, input_u, RULES)
    assert -50_000 <= after.need_u - before.need_u <= 100_000
    assert min(before.need_u, input_u) <= after.need_u <= max(before.need_u, input_u)
    assert 0 <= after.count <= 255


@given(start=SHARES, steps=st.lists(st.integers(-50_000, 50_000), max_size=30))
@EXAMPLES
def test_oscillation_inside_the_band_changes_nothing(start: int, steps: list[int]) -> None:
    now = Published(start)
    for step in steps:
        now = publish(now, start + step, RULES)
    assert now == Published(start)


@given(start=SHARES, steps=st.lists(st.sampled_from([-200_000, 200_000]), max_size=20))
@EXAMPLES
def test_inputs_that_turn_every_epoch_never_move_a_need(start: int, steps: list[int]) -> None:
    now = Published(start)
    for place in range(len(steps)):
        now = publish(now, start + (200_000 if place % 2 else -200_000), RULES)
    assert now.need_u == start


@given(votes=VOTES, seed=SEEDS)
@EXAMPLES
def test_the_order_of_votes_changes_nothing(votes: list[Vote], seed: int) -> None:
    other = shuffled(votes, seed)
    caps = {1: CAP, 2: 0}
    one, two = (sorted(zip(map(repr, some), cut_votes(some, RULES, caps), strict=True)) for some in (votes, other))
    assert one == two


@given(votes=VOTES)
@EXAMPLES
def test_no_contributor_and_no_file_has_more_than_its_cap(votes: list[Vote]) -> None:
    totals: Counter[tuple[str, int]] = Counter()
    for vote, weight in zip(votes, cut_votes(votes, RULES, {1: CAP, 2: CAP}), strict=True):
        totals["file", vote.source] += weight
        if vote.contributor:
            totals["contributor", vote.contributor] += weight
    caps = {"file": CAP, "contributor": RULES.contributor_votes_u}
    assert [name for name, total in totals.items() if total > caps[name[0]]] == []


@given(votes=VOTES)
@EXAMPLES
def test_a_median_is_a_value_with_half_the_weight_on_either_side(votes: list[Vote]) -> None:
    pairs = [(one.signal_cdb, one.weight_u) for one in votes]
    median, total = lower_median(pairs), sum(weight for _, weight in pairs)
    assert 2 * sum(weight for value, weight in pairs if value <= median) >= total
    assert 2 * sum(weight for value, weight in pairs if value < median) < total


@given(own=SHARES, parent=SHARES, votes=st.integers(0, 2**40))
@EXAMPLES
def test_a_shrunk_need_lies_between_its_own_and_the_parents(own: int, parent: int, votes: int) -> None:
    assert min(own, parent) <= shrink_u(own, votes, parent, RULES) <= max(own, parent)


@given(own=SHARES, parent=SHARES)
@EXAMPLES
def test_no_votes_are_the_parents_need(own: int, parent: int) -> None:
    assert shrink_u(own, 0, parent, RULES) == parent


@pytest.mark.parametrize("radio_class", [CELLULAR, WIFI, LORA])
@pytest.mark.parametrize("level", [8, 9])
def test_no_data_gives_the_prior(radio_class: int, level: int) -> None:
    assert NeedMap({}, RULES.prior_u).of(radio_class, north_of_ulm(0, level)) == RULES.prior_u


def shrunk(rows: list[BaselineRow]) -> dict[tuple[int, int], int]:
    listed = Baseline("a file", "", "lora", 1, CAP, 365)
    return NeedSource(RULES, ((listed, tuple(rows)),)).shrunk_at(GENESIS_MS)


@given(signal=st.sampled_from([-9_000, -13_000]), count=st.integers(1, 6))
@EXAMPLES
def test_one_contributor_alone_moves_each_level_by_at_most_a_fifth(signal: int, count: int) -> None:
    """2 / (2 + 8) of what lies between a level's need and the one above."""
    row = BaselineRow(north_of_ulm(0, 9), LORA, 1, 7, signal, MICRO, 0)
    found = sorted(shrunk([row] * count).items(), key=lambda pair: pair[0][1])
    above, most = RULES.prior_u, Fraction(1, 5)
    for _, need in found:
        assert abs(need - above) <= most * MICRO
        above = need


@given(rows=ROWS, seed=SEEDS)
@EXAMPLES
def test_the_order_of_rows_changes_no_need(rows: list[BaselineRow], seed: int) -> None:
    assert shrunk(shuffled(rows, seed)) == shrunk(rows)


@given(rows=ROWS)
@EXAMPLES
def test_a_weaker_row_never_lowers_a_need(rows: list[BaselineRow]) -> None:
    weaker = [replace(one, signal_cdb=one.signal_cdb - 1_000) for one in rows]
    one, other = shrunk(rows), shrunk(weaker)
    assert [key for key in one if other[key] < one[key]] == []
