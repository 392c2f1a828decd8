"""What must hold of sites, points and payouts for any candidates (rewards.md, invariants)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from protocol.reasons import Reason
from protocol.rewards import POINT, Candidate, allocate, choose_cells, coverage_budget, place_sites, split_emission
from tests.factories import DEVNET
from tests.property.strategies import shuffled

RULES = DEVNET.rewards
EXAMPLES = settings(max_examples=150, deadline=None)
MICRO = 1_000_000
LEAST_M = 350
POOLS = st.integers(0, 2**90)


SEEDS = st.integers(0, 2**64 - 1)


def random_candidates(seed: int) -> list[Candidate]:
    """A few hotspots of one cell: some close, some of one owner, some without quality."""
    random = Random(seed)
    return [
        Candidate(
            bytes([number]),
            random.choice([b"o1", b"o2", b"o3", b"o4"]),
            (random.choice([0, 100, 400, 1_000, 3_000]), random.choice([0, 500, 2_000]), 0),
            random.choice([0, 15, 90]),
            random.randint(1, 3),
            random.choice([0, 1, 250_000, 999_999, MICRO]),
            (random.randint(1, 3), random.randrange(2)),
        )
        for number in range(random.randrange(8))
    ]


def random_shares(seed: int) -> dict[bytes, int]:
    random = Random(seed)
    return {
        random.randbytes(2): random.choice([0, 1, 3, random.randrange(10**6), random.randrange(2**70)])
        for _ in range(random.randrange(13))
    }


SHARES = SEEDS.map(random_shares)
CANDIDATES = SEEDS.map(random_candidates)
SOME = CANDIDATES.filter(bool)
WEIGHTS = st.integers(0, 4 * MICRO)


def points(some: Sequence[Candidate], weight: int) -> dict[bytes | str, int]:
    return {placed.candidate.id: placed.points for placed in place_sites(some, weight, LEAST_M, RULES)}


# --- a cell


@given(some=CANDIDATES, weight=WEIGHTS)
@EXAMPLES
def test_a_cell_never_pays_more_than_one_and_three_quarters_of_its_weight(some: list[Candidate], weight: int) -> None:
    assert 4 * sum(points(some, weight).values()) <= 7 * weight * MICRO**2


@given(some=CANDIDATES, weight=WEIGHTS, seed=SEEDS)
@EXAMPLES
def test_the_order_of_candidates_changes_nothing(some: list[Candidate], weight: int, seed: int) -> None:
    other = shuffled(some, seed)
    assert place_sites(other, weight, LEAST_M, RULES) == place_sites(some, weight, LEAST_M, RULES)


@given(some=SOME, weight=WEIGHTS, seed=SEEDS)
@EXAMPLES
def test_a_junior_of_no_higher_tier_never_changes_others_points(some: list[Candidate], weight: int, seed: int) -> None:
    random = Random(seed)
    tier = random.randint(1, min(one.tier for one in some))
    junior = replace(random.choice(some), id=b"\xff", tier=tier, seniority=(9, 9))
    before, after = points(some, weight), points([*some, junior], weight)
    assert {one: after[one] for one in before} == before


@given(some=CANDIDATES, weight=WEIGHTS, seed=SEEDS)
@EXAMPLES
def test_clones_of_a_paid_site_never_raise_the_groups_points(some: list[Candidate], weight: int, seed: int) -> None:
    """Clones stand beside it under any owner, or anywhere under its own; they are younger and no better."""
    random = Random(seed)
    paid = [
        placed.candidate for placed in place_sites(some, weight, LEAST_M, RULES) if placed.reason is Reason.ACCEPTED
    ]
    assume(paid)
    one = random.choice(paid)
    clones = [_clone(one, number, random) for number in range(random.randint(1, 3))]
    group = {one.id, *(clone.id for clone in clones)}
    after = points([*some, *clones], weight)
    assert sum(after[name] for name in group) <= points(some, weight)[one.id]


def _clone(one: Candidate, number: int, random: Random) -> Candidate:
    beside = random.random() < 0.5
    return replace(
        one,
        id=b"clone" + bytes([number]),
        owner=b"new" + bytes([number]) if beside else one.owner,
        position=one.position if beside else (50_000 * (number + 1), 0, 0),
        quality_u=random.randint(0, one.quality_u),
        seniority=(9, number),
    )


@given(some=CANDIDATES, weight=WEIGHTS)
@EXAMPLES
def test_accepted_sites_have_owners_of_their_own_and_room(some: list[Candidate], weight: int) -> None:
    accepted = [placed.candidate for placed in place_sites(some, weight, LEAST_M, RULES) if placed.rank]
    assert len({one.owner for one in accepted}) == len(accepted)
    for place, one in enumerate(accepted):
        for other in accepted[:place]:
            square = sum((a - b) ** 2 for a, b in zip(one.position, other.position, strict=True))
            assert square >= (LEAST_M + one.radius + other.radius) ** 2


@given(some=CANDIDATES, weight=WEIGHTS)
@EXAMPLES
def test_every_candidate_has_exactly_one_fate(some: list[Candidate], weight: int) -> None:
    placed = place_sites(some, weight, LEAST_M, RULES)
    assert sorted(one.candidate.id for one in placed) == sorted(one.id for one in some)
    assert [one.rank for one in placed if one.rank] == list(range(1, 1 + sum(1 for one in placed if one.rank)))


@given(by_cell=st.dictionaries(st.integers(1, 60), st.integers(0, 3), max_size=30))
@EXAMPLES
def test_no_cell_left_out_is_worth_more_than_a_chosen_one(by_cell: dict[int, int]) -> None:
    chosen = choose_cells(by_cell, lambda cell: cell % 3 + 1, RULES)
    worth = {cell: (cell % 3 + 1) * quality for cell, quality in by_cell.items()}
    left = set(by_cell) - set(chosen)
    assert len(chosen) == min(19, len(by_cell))
    assert all((-worth[a], a) < (-worth[b], b) for a in chosen for b in left)


# --- the pool


@given(pool=POOLS, shares=SHARES)
@EXAMPLES
def test_nothing_is_lost_or_minted(pool: int, shares: dict[bytes, int]) -> None:
    assert sum(allocate(pool, shares).values()) == (pool if any(shares.values()) else 0)


@given(pool=POOLS, shares=SHARES)
@EXAMPLES
def test_a_payout_is_within_one_unit_of_its_share(pool: int, shares: dict[bytes, int]) -> None:
    total = sum(shares.values())
    wrong = [one for one, paid in allocate(pool, shares).items() if not 0 <= paid - pool * shares[one] // total <= 1]
    assert wrong == []


@given(pool=POOLS, shares=SHARES)
@EXAMPLES
def test_more_points_never_earn_less(pool: int, shares: dict[bytes, int]) -> None:
    paid = allocate(pool, shares)
    ordered = sorted(paid, key=lambda one: (shares[one], paid[one]))
    assert all(paid[a] <= paid[b] for a, b in pairwise(ordered))


@given(pool=POOLS, shares=SHARES, seed=SEEDS)
@EXAMPLES
def test_the_order_of_shares_changes_no_payout(pool: int, shares: dict[bytes, int], seed: int) -> None:
    assert allocate(pool, dict(shuffled(list(shares.items()), seed))) == allocate(pool, shares)


@given(pool=POOLS, total=st.integers(0, 2**90))
@EXAMPLES
def test_no_point_earns_more_than_its_part_of_the_pool(pool: int, total: int) -> None:
    budget = coverage_budget(pool, total, RULES)
    assert budget <= pool
    assert budget * RULES.point_cap_divisor * POINT <= total * pool


@given(emission=st.integers(0, 2**128))
@EXAMPLES
def test_the_pools_are_the_emission(emission: int) -> None:
    pools = split_emission(emission, RULES)
    assert pools.validators + pools.reserve + pools.coverage == emission
    assert min(pools.validators, pools.reserve, pools.coverage) >= 0
