"""Positions from gpsd (its JSON protocol over TCP)."""

from __future__ import annotations

import asyncio
import json
import random

from hotspot.clock import Clock
from hotspot.config import Endpoint
from hotspot.positions.fix import Fix, NoFix, Told, Trouble, fix

MAX_LINE_BYTES = 64 * 1024
SILENCE_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS = 250, 30_000
TWO_DIMENSIONAL = 2


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
    return fix(message.get("lat"), message.get("lon"), message.get("eph"))


class Gpsd:
    """Follows one gpsd, connecting again whenever it is lost."""

    def __init__(self, endpoint: Endpoint, device: str | None, clock: Clock) -> None:
        self._endpoint, self._device, self._clock = endpoint, device, clock
        self.connected = False

    @property
    def name(self) -> str:
        return f"gpsd at {self._endpoint}" + (f" ({self._device})" if self._device else "")

    async def run(self, told: Told) -> None:
        """Never returns; cancel it."""
        backoff_ms = FIRST_BACKOFF_MS
        while True:
            if await self._session(told):
                backoff_ms = FIRST_BACKOFF_MS
            await self._clock.sleep_ms(random.randint(backoff_ms // 2, backoff_ms))
            backoff_ms = min(2 * backoff_ms, LONGEST_BACKOFF_MS)

    async def _session(self, told: Told) -> bool:
        """One connection; True if gpsd answered at all."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(
                    self._endpoint.host, self._endpoint.port, limit=MAX_LINE_BYTES
                )
        except (OSError, TimeoutError, ValueError):  # the last: a host that can be no name
            told(Trouble.UNREACHABLE)
            return False
        heard = False
        try:
            writer.write(self._watch())
            self.connected = True
            while line := await self._line(reader):
                heard = True
                told(read_line(line, self._device))
            told(Trouble.CLOSED)
        except (OSError, TimeoutError):
            told(Trouble.SILENT)
        except ValueError:  # a line longer than MAX_LINE_BYTES
            told(NoFix.MALFORMED)
        finally:
            self.connected = False
            writer.close()
        return heard

    @staticmethod
    async def _line(reader: asyncio.StreamReader) -> bytes:
        async with asyncio.timeout(SILENCE_TIMEOUT_S):
            return await reader.readline()

    def _watch(self) -> bytes:
        policy: dict[str, object] = {"enable": True, "json": True}
        if self._device is not None:
            policy["device"] = self._device
        return f"?WATCH={json.dumps(policy, separators=(',', ':'))};\n".encode()
