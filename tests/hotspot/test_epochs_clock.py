"""Epochs after the machine's clock was set right: no restart is needed."""

from __future__ import annotations

import asyncio

from tests.hotspot.clocks import ManualClock, settle
from tests.hotspot.test_epochs import watching
from tests.hotspot.world import EPOCH, LENGTH_MS, PARAMS, START_MS

LEAD_MS = PARAMS.epoch.seed_lead_ms


def test_a_clock_that_was_far_ahead_at_the_start_costs_no_epoch_once_it_is_right() -> None:
    async def act() -> None:
        async with watching(START_MS + 30 * LENGTH_MS + 1_000) as w:
            w.chain.knows_until_ms = START_MS + LENGTH_MS - LEAD_MS
            await w.clock.advance(LENGTH_MS // 2)
            assert w.told == []
            w.clock.set_wall(START_MS + 5_000)
            await w.clock.advance(30_000)
            assert [epoch.number for _, epoch in w.told] == [EPOCH]
            assert w.counters.of("epochs", "clock_set_back") == 1
            assert w.counters.of("epochs", "never_found") == 0

    asyncio.run(act())


def test_a_clock_set_right_while_it_waits_for_a_seed_is_noticed() -> None:
    async def act() -> None:
        async with watching(START_MS + 31 * LENGTH_MS - 1_000) as w:
            w.chain.knows_until_ms = START_MS
            await w.clock.advance(2_000)
            w.clock.set_wall(START_MS + 5_000)
            await w.clock.advance(30_000)
            assert [epoch.number for _, epoch in w.told] == [EPOCH]

    asyncio.run(act())


def test_a_clock_that_falls_a_little_back_tells_no_epoch_twice() -> None:
    async def act() -> None:
        async with watching(START_MS + 1_000) as w:
            await w.clock.advance(LENGTH_MS - LEAD_MS + 3_000)
            w.clock.set_wall(START_MS + LENGTH_MS - LEAD_MS - 5_000)
            await settle()
            await w.clock.advance(2 * LENGTH_MS)
            numbers = [epoch.number for _, epoch in w.told]
            assert numbers == sorted(set(numbers))

    asyncio.run(act())


def test_the_clock_of_these_tests_goes_back() -> None:
    clock = ManualClock(5_000)
    clock.set_wall(1_000)
    assert (clock.now_ms(), clock.monotonic_ms()) == (1_000, 1_000_000)
