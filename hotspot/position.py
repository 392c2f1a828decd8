"""A mapper's position from gpsd (its JSON protocol). Only an H3 cell leaves this module, never a coordinate."""

from __future__ import annotations

import asyncio
import json
import math
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from hotspot.clock import Clock
from hotspot.config import Endpoint
from hotspot.counters import Counters
from protocol.geo import cell_at
from protocol.ids import CellId

MAX_LINE_BYTES = 64 * 1024
FIX_LIFETIME_MS = 10_000
"""gpsd reports every second; an older fix is where the mapper was, not where it is."""
SILENCE_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS = 250, 30_000
TWO_DIMENSIONAL = 2


class PositionSource(Protocol):
    """Where a mapper is."""

    def cell(self) -> CellId | None: ...


@dataclass(frozen=True, slots=True)
class Fix:
    """A position in degrees, at the full precision gpsd gave it."""

    latitude_deg: float
    longitude_deg: float


class NoFix(StrEnum):
    """Why a line brings no position."""

    LOST = "fix_lost"
    """The receiver says it has none."""
    OTHER = "other_message"
    MALFORMED = "malformed"


def read_line(line: bytes, device: str | None) -> Fix | NoFix:
    """What one line of gpsd says about the position of `device` (None: of any receiver)."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return NoFix.MALFORMED
    if not isinstance(message, dict):
        return NoFix.MALFORMED
    if message.get("class") != "TPV" or (device is not None and message.get("device") != device):
        return NoFix.OTHER
    mode = message.get("mode")
    if not isinstance(mode, int) or mode < TWO_DIMENSIONAL:
        return NoFix.LOST
    latitude, longitude = _degrees(message.get("lat"), 90), _degrees(message.get("lon"), 180)
    return NoFix.MALFORMED if latitude is None or longitude is None else Fix(latitude, longitude)


def _degrees(value: Any, most: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= most and math.isfinite(value) else None


class Gpsd:
    """Follows one gpsd for as long as `run` runs, connecting again whenever it is lost."""

    def __init__(
        self, endpoint: Endpoint, device: str | None, resolution: int, clock: Clock, counters: Counters
    ) -> None:
        self._endpoint = endpoint
        self._device = device
        self._resolution = resolution
        self._clock = clock
        self._counters = counters
        self._fix: Fix | None = None
        self._fixed_at_ms = 0
        self.connected = False

    def cell(self) -> CellId | None:
        """The cell of the latest fix, or None without one of the last 10 s."""
        if self._fix is None or self._clock.monotonic_ms() - self._fixed_at_ms > FIX_LIFETIME_MS:
            return None
        return cell_at(self._fix.latitude_deg, self._fix.longitude_deg, self._resolution)

    async def run(self) -> None:
        """Never returns; cancel it."""
        backoff_ms = FIRST_BACKOFF_MS
        while True:
            if await self._session():
                backoff_ms = FIRST_BACKOFF_MS
            await self._clock.sleep_ms(random.randint(backoff_ms // 2, backoff_ms))
            backoff_ms = min(2 * backoff_ms, LONGEST_BACKOFF_MS)

    async def _session(self) -> bool:
        """One connection; True if gpsd answered at all."""
        heard = False
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(
                    self._endpoint.host, self._endpoint.port, limit=MAX_LINE_BYTES
                )
        except (OSError, TimeoutError):
            self._counters.count("position", "unreachable")
            return False
        try:
            writer.write(self._watch())
            self.connected = True
            while True:
                async with asyncio.timeout(SILENCE_TIMEOUT_S):
                    line = await reader.readline()
                if not line:
                    self._counters.count("position", "closed")
                    return heard
                heard = True
                self._take(read_line(line, self._device))
        except (OSError, TimeoutError):
            self._counters.count("position", "lost")
        except ValueError:  # a line longer than MAX_LINE_BYTES
            self._counters.count("position", NoFix.MALFORMED)
        finally:
            self.connected = False
            writer.close()
        return heard

    def _watch(self) -> bytes:
        policy: dict[str, object] = {"enable": True, "json": True}
        if self._device is not None:
            policy["device"] = self._device
        return f"?WATCH={json.dumps(policy, separators=(',', ':'))};\n".encode()

    def _take(self, reading: Fix | NoFix) -> None:
        self._counters.count("position", "fix" if isinstance(reading, Fix) else reading)
        if isinstance(reading, Fix):
            self._fix, self._fixed_at_ms = reading, self._clock.monotonic_ms()
        elif reading is NoFix.LOST:
            self._fix = None
