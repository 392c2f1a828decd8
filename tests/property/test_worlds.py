"""Two readings of the rules, one outcome: random networks judged and paid by protocol/ on DuckDB and by the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from protocol.epoch import EpochInputs, EpochResult, decode_outcomes
from protocol.need import NeedMap
from protocol.reasons import Reason
from protocol.records import Site
from tests.factories import GENESIS_MS
from tests.property import reading
from tests.property.engine import KeptDuckDb, SharedRuns
from tests.property.worlds import PARAMS_FILE, Story, tell
from tests.reference import need, rewards
from tests.reference.inputs import History

SIDE_BY_SIDE = 50
TIMES = 4
LARGEST_SEED = 2**48
CLASS_NUMBERS = {name: number for number, name in reading.CLASS_NAMES.items()}


@dataclass(frozen=True)
class Reading:
    """What one reading makes of an epoch, in plain values."""

    outcomes: dict[bytes, str]
    sites: list[tuple[Any, ...]]
    points: dict[bytes, int]
    paid: dict[bytes, int]
    reserve: int
    cumulative: dict[bytes, int]
    needs: dict[tuple[int, int], int]
    published: dict[tuple[int, int], tuple[int, int, int]]


def by_protocol(result: EpochResult) -> Reading:
    table = decode_outcomes(result.outcome_table)
    assert table is not None
    points: Counter[bytes] = Counter()
    for site in table.sites:
        points[site.hotspot_id] += site.points
    return Reading(
        outcomes={one.report_id: Reason(one.reason).name for one in table.outcomes},
        sites=[_plain(site) for site in table.sites],
        points={one: sum_ for one, sum_ in points.items() if sum_},
        paid=dict(result.earned),
        reserve=result.state.reserve,
        cumulative=dict(result.state.leaves()),
        needs=dict(result.need_map.rows),
        published={(one.radio_class, one.cell): (one.need_u, one.direction, one.count) for one in result.state.cells},
    )


def _plain(site: Site) -> tuple[Any, ...]:
    reason = Reason(site.reason).name
    return site.cell, site.hotspot_id, reason, site.tier, site.rank, site.weight_u, site.quality_u, site.points


class Reference:
    """Follows a story with the other reading, from genesis on."""

    def __init__(self, first: EpochInputs) -> None:
        params = reading.network_of(first, PARAMS_FILE).params
        files = reading.files_of(first.need)
        made = need.genesis_map(params["need"], files, need.pay_classes(files), GENESIS_MS)
        self.maps = made, made
        self.history = History(reserve=rewards.emission(params, 0))

    def read(self, inputs: EpochInputs) -> Reading:
        network, files = reading.network_of(inputs, PARAMS_FILE), reading.files_of(inputs.need)
        now, newest = self.maps
        classes = need.pay_classes(files)
        settled = rewards.settle(network, reading.epoch_of(inputs), self.history, now, classes)
        after = need.next_map(network.params["need"], files, classes, inputs.start_ms, newest)
        self.maps = newest, after
        return Reading(
            outcomes=settled.outcomes,
            sites=[tuple(vars(site).values()) for site in settled.sites],
            points=settled.points,
            paid=settled.paid,
            reserve=settled.reserve,
            cumulative={one: amount for one, amount in self.history.cumulative.items() if amount},
            needs={
                **{(CLASS_NUMBERS[name], cell): value for (name, cell), value in after.shrunk.items()},
                **{(CLASS_NUMBERS[name], cell): one.need_u for (name, cell), one in after.published.items()},
            },
            published={
                (CLASS_NUMBERS[name], cell): (one.need_u, one.direction, one.count)
                for (name, cell), one in after.published.items()
            },
        )


def assert_both_agree(seed: int, story: Story) -> None:
    other = Reference(story.inputs[0])
    for inputs, result in zip(story.inputs, story.results, strict=True):
        assert by_protocol(result) == other.read(inputs), f"world {seed}, epoch {inputs.epoch}"


@pytest.fixture(scope="module")
def shared() -> Iterator[SharedRuns]:
    kept = KeptDuckDb()
    yield SharedRuns(kept)
    kept.close()


@pytest.mark.slow
@given(first=st.integers(0, LARGEST_SEED))
@settings(
    max_examples=TIMES,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_both_readings_agree_on_random_networks(first: int, shared: SharedRuns) -> None:
    """A world that disagrees is named by its seed; put it into tests/regressions."""
    seeds = range(first, first + SIDE_BY_SIDE)
    for seed, story in zip(seeds, shared.for_each(seeds, lambda seed: tell(seed, shared)), strict=True):
        assert_both_agree(seed, story)


@pytest.fixture(scope="module")
def known_worlds(shared: SharedRuns) -> list[Story]:
    return shared.for_each(range(SIDE_BY_SIDE), lambda seed: tell(seed, shared))


def test_both_readings_agree_on_known_networks(known_worlds: list[Story]) -> None:
    for seed, story in enumerate(known_worlds):
        assert_both_agree(seed, story)


def test_random_networks_reach_every_verdict(known_worlds: list[Story]) -> None:
    tables = [decode_outcomes(result.outcome_table) for story in known_worlds for result in story.results]
    reached = {Reason(one.reason) for table in tables if table for one in table.outcomes}
    assert {reason for reason in Reason if reason < 100} - reached == set()


def test_random_networks_reach_every_fate_of_a_site(known_worlds: list[Story]) -> None:
    tables = [decode_outcomes(result.outcome_table) for story in known_worlds for result in story.results]
    reached = {Reason(site.reason) for table in tables if table for site in table.sites}
    assert {reason for reason in Reason if 100 <= reason < 200} - reached == set()


def test_random_networks_have_need_maps(known_worlds: list[Story]) -> None:
    maps: list[NeedMap] = [result.need_map for story in known_worlds for result in story.results]
    assert sum(len(one.rows) for one in maps) > SIDE_BY_SIDE


def test_every_epochs_books_balance(known_worlds: list[Story]) -> None:
    """What was emitted is paid or in the reserve, to the last base unit."""
    wrong = []
    for story in known_worlds:
        emission = story.inputs[0].params.emission
        for result in story.results:
            emitted = sum(emission.of(epoch) for epoch in range(result.epoch + 1))
            if result.state.cumulative_total + result.state.reserve != emitted:
                wrong.append(result.epoch)
    assert wrong == []
