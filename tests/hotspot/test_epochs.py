"""Epochs: found once final, told ahead of their start, and skipped when the chain stays silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hotspot.counters import Counters
from hotspot.keys import DeviceKey
from hotspot.playing.epochs import Anchor, ChainSilentError, Epoch, EpochWatcher
from protocol.encoding import epoch_seed
from tests.hotspot import world
from tests.hotspot.clocks import ManualClock, until
from tests.hotspot.fake_validator import NETWORK
from tests.hotspot.test_beaconing import DEVICE
from tests.hotspot.world import EPOCH, GENESIS_MS, LENGTH_MS, PARAMS, START_MS

LEAD_MS = PARAMS.epoch.seed_lead_ms


class Chain:
    """A source that has an anchor from some moment on."""

    def __init__(self, clock: ManualClock, device: DeviceKey = DEVICE) -> None:
        self.clock = clock
        self.final_after_ms = 2_000
        self.silent = False
        self.knows_until_ms: int | None = None
        """The time of the chain's last block; None: the clock's own."""
        self.asked: list[int] = []
        self.found = world.anchor(world.row(device.hotspot_id))

    async def anchor(self, epoch: int, deadline_ms: int) -> Anchor | None:
        self.asked.append(deadline_ms)
        if self.silent:
            raise ChainSilentError("no answer")
        if self.knows_until_ms is not None and deadline_ms > self.knows_until_ms:
            return None
        return self.found if self.clock.now_ms() >= deadline_ms + self.final_after_ms else None


class Watch:
    def __init__(self, now_ms: int) -> None:
        self.clock, self.counters = ManualClock(now_ms), Counters()
        self.chain = Chain(self.clock)
        self.told: list[tuple[int, Epoch]] = []
        self.watcher = EpochWatcher(NETWORK, GENESIS_MS, PARAMS.epoch, self.chain, self.clock, self.counters)
        self.watcher.listen(lambda epoch: self.told.append((self.clock.now_ms(), epoch)))


@asynccontextmanager
async def watching(now_ms: int) -> AsyncIterator[Watch]:
    watch = Watch(now_ms)
    running = asyncio.ensure_future(watch.watcher.run())
    try:
        yield watch
    finally:
        running.cancel()
        await asyncio.wait({running})


def test_an_epoch_is_told_before_it_starts_once_its_block_is_final() -> None:
    async def act() -> None:
        async with watching(START_MS - LENGTH_MS + 1_000) as w:
            await until(lambda: w.told)
            w.told.clear()
            await w.clock.advance(LENGTH_MS)
            (at_ms, epoch) = w.told[0]
            assert START_MS - LEAD_MS + 2_000 <= at_ms < START_MS
            assert (epoch.number, epoch.start_ms, epoch.end_ms) == (EPOCH, START_MS, START_MS + LENGTH_MS)
            assert epoch.seed == epoch_seed(NETWORK, EPOCH, w.chain.found.block_hash)
            assert set(w.chain.asked[1:]) == {START_MS - LEAD_MS}

    asyncio.run(act())


def test_a_start_in_the_middle_of_an_epoch_finds_that_epoch() -> None:
    async def act() -> None:
        async with watching(START_MS + 30_000) as w:
            await until(lambda: w.told)
            assert w.told[0][1].number == EPOCH
            assert w.watcher.row(DEVICE.hotspot_id, EPOCH) is not None

    asyncio.run(act())


def test_epoch_zero_is_not_played() -> None:
    async def act() -> None:
        async with watching(GENESIS_MS + 1_000) as w:
            await w.clock.advance(LENGTH_MS)
            assert [epoch.number for _, epoch in w.told] == [1]

    asyncio.run(act())


def test_a_silent_chain_is_asked_until_the_epoch_has_ended_and_counted() -> None:
    async def act() -> None:
        async with watching(START_MS + 1_000) as w:
            w.chain.silent = True
            await w.clock.advance(LENGTH_MS)
            assert w.counters.of("epochs", "chain_silent") > 10
            w.chain.silent = False
            await w.clock.advance(1_000)
            assert w.counters.of("epochs", "never_found") == 1
            assert [epoch.number for _, epoch in w.told] == [EPOCH + 1]

    asyncio.run(act())


def test_an_unknown_epoch_is_answered_by_the_newest_known() -> None:
    async def act() -> None:
        async with watching(START_MS + 1_000) as w:
            assert w.watcher.row(DEVICE.hotspot_id, EPOCH) is None
            await until(lambda: w.told)
            assert w.watcher.row(DEVICE.hotspot_id, EPOCH + 1) == w.told[0][1].row(DEVICE.hotspot_id)

    asyncio.run(act())
