"""The one place a validator reads the wall clock, so that tests and the devnet's faults can hand it another."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Unix milliseconds."""

    def now_ms(self) -> int: ...


class SystemClock:
    """The machine's clock; keep it right with NTP."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000
