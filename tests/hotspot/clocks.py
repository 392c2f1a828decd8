"""A clock that tests move by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable


class ManualClock:
    """Starts at `now_ms`; `advance` moves both clocks and wakes whoever waited long enough."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 1_000_000
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> int:
        return self._monotonic_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        if duration_ms <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic_ms + duration_ms, next(self._order), woken))
        await woken

    async def advance(self, duration_ms: int) -> None:
        """Moves on in the order of the sleepers' times, letting each run before the next wakes."""
        target_ms = self._monotonic_ms + duration_ms
        await settle()
        while self._sleepers and self._sleepers[0][0] <= target_ms:
            at_ms, _, woken = heapq.heappop(self._sleepers)
            self._move_to(max(at_ms, self._monotonic_ms))
            if not woken.done():
                woken.set_result(None)
                await settle()
        self._move_to(target_ms)
        await settle()

    def set_wall(self, now_ms: int) -> None:
        """Sets the wall clock, as its owner or NTP does; whoever sleeps sleeps on."""
        self._now_ms = now_ms

    def _move_to(self, monotonic_ms: int) -> None:
        self._now_ms += monotonic_ms - self._monotonic_ms
        self._monotonic_ms = monotonic_ms


async def settle() -> None:
    """Lets every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object], deadline_s: float = 5.0) -> None:
    """Returns when the condition holds; fails the test when it does not in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while not condition():
        assert loop.time() < end, "the condition did not come true in time"
        await asyncio.sleep(0.005)
