"""Positions from an Android phone: Termux:API's `termux-location`, asked again and again."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any

from hotspot.clock import Clock
from hotspot.positions.fix import Fix, NoFix, Told, Trouble, fix

COMMAND = ("termux-location", "-p", "gps", "-r", "once")
TIMEOUT_S = 30.0
PAUSE_MS = 2_000
MAX_ANSWER_BYTES = 64 * 1024


def read_answer(data: bytes) -> Fix | NoFix:
    """What `termux-location` printed: nothing or an error where the phone has no fix."""
    if not data.strip():
        return NoFix.LOST
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return NoFix.MALFORMED
    return of_location(answer)


def of_location(answer: Any) -> Fix | NoFix:
    """A fix of the object `termux-location` prints."""
    if not isinstance(answer, dict):
        return NoFix.MALFORMED
    if "latitude" not in answer:
        return NoFix.LOST if "error" in answer or "API_ERROR" in answer else NoFix.MALFORMED
    elapsed = answer.get("elapsedMs", 0)
    age_ms = elapsed if isinstance(elapsed, int) and not isinstance(elapsed, bool) else 0
    return fix(answer.get("latitude"), answer.get("longitude"), answer.get("accuracy"), age_ms)


class Termux:
    """Asks the phone for as long as it runs."""

    name = "this phone (termux-location)"

    def __init__(self, clock: Clock, command: tuple[str, ...] = COMMAND) -> None:
        self._clock, self._command = clock, command
        self.connected = False

    async def run(self, told: Told) -> None:
        """Never returns; cancel it."""
        while True:
            told(await self._ask())
            await self._clock.sleep_ms(PAUSE_MS)

    async def _ask(self) -> Fix | NoFix | Trouble:
        data = await answer_of(self._command, TIMEOUT_S)
        self.connected = isinstance(data, bytes)
        return data if isinstance(data, Trouble) else read_answer(data)


async def answer_of(command: tuple[str, ...], timeout_s: float) -> bytes | Trouble:
    """What a Termux:API command prints; it is ended when it takes longer than `timeout_s`."""
    try:
        child = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    except OSError:
        return Trouble.UNREACHABLE
    assert child.stdout is not None
    try:
        async with asyncio.timeout(timeout_s):
            data = b""
            while len(data) < MAX_ANSWER_BYTES and (piece := await child.stdout.read(MAX_ANSWER_BYTES - len(data))):
                data += piece
            await child.wait()
    except TimeoutError:
        return Trouble.SILENT
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return data
