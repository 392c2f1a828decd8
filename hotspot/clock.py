"""The one place the hotspot reads a clock or waits, so that tests can hand it another."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

LONGEST_SLEEP_MS = 1_000
"""A longer wait is taken in such steps, so that a wall clock that jumps is noticed within one."""


class Clock(Protocol):
    """Unix milliseconds, a monotonic counter, and waiting."""

    def now_ms(self) -> int: ...

    def monotonic_ms(self) -> int: ...

    async def sleep_ms(self, duration_ms: int) -> None: ...


class SystemClock:
    """The machine's own clock; keep it right with NTP."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(max(duration_ms, 0) / 1_000)


async def sleep_until(clock: Clock, moment_ms: int) -> None:
    """Returns once the wall clock shows `moment_ms` or later."""
    while (left_ms := moment_ms - clock.now_ms()) > 0:
        await clock.sleep_ms(min(left_ms, LONGEST_SLEEP_MS))
