"""Positions from NMEA 0183 sentences: a serial receiver, a FIFO, or a file that a logger goes on writing.

A receiver's sentence counts when it arrives. A file's counts by the time written in it, so that yesterday's log is not
where the mapper is today.
"""

from __future__ import annotations

import os
import re
import stat
import termios
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hotspot.clock import Clock
from hotspot.positions.fix import Fix, NoFix, Told, Trouble, fix

SENTENCE = re.compile(rb"\$([A-Z]{2}[A-Z]{3}),([\x20-\x29\x2b-\x7e]*)\*([0-9A-Fa-f]{2})\s*")
ANGLE = re.compile(r"([0-9]{1,3})([0-9]{2}(?:\.[0-9]{1,12})?)")
MAX_LINE_BYTES = 1_024
"""82 by the standard; some receivers exceed it."""
READ_BYTES = 16 * 1024
"""Read and parsed at once: some milliseconds, in which nothing else is done."""
TAIL_BYTES = 64 * 1024
"""Of what a file held before, as much of its end as is read: some minutes; nobody asks where the mapper was before."""
LOOK_MS = 500
SILENCE_MS = 30_000
RETRY_MS = 3_000
LATE_MS = 3_650 * 86_400_000
"""How old a sentence without a date counts as being: as good as never."""


def read_sentence(line: bytes) -> Fix | NoFix:
    """What one line says; only RMC, GGA, GNS and GLL say where. Talker and precision do not matter."""
    found = SENTENCE.fullmatch(line)
    if found is None:
        return NoFix.MALFORMED
    checksum = 0
    for byte in line[1 : line.rindex(b"*")]:
        checksum ^= byte
    if checksum != int(found[3], 16):
        return NoFix.MALFORMED
    values = found[2].decode("ascii").split(",")
    kind = found[1][2:].decode("ascii")
    return _position(kind, values) if kind in READERS else NoFix.OTHER


READERS = {"RMC": (2, 1), "GGA": (1, 5), "GNS": (1, 5), "GLL": (0, 5)}
"""Where latitude, N/S, longitude, E/W begin, and where the state is."""


def _position(kind: str, values: Sequence[str]) -> Fix | NoFix:
    place, state = READERS[kind]
    if len(values) <= max(place + 3, state):
        return NoFix.MALFORMED
    if not _is_valid(kind, values[state]):
        return NoFix.LOST
    latitude = _angle(values[place], values[place + 1], "NS")
    longitude = _angle(values[place + 2], values[place + 3], "EW")
    return NoFix.MALFORMED if latitude is None or longitude is None else fix(latitude, longitude)


def _is_valid(kind: str, state: str) -> bool:
    if kind in ("RMC", "GLL"):
        return state == "A"
    if kind == "GNS":
        return any(mode not in "N" for mode in state)
    return state not in ("", "0", "6", "7", "8")  # estimated, typed in and simulated are no fix


def _angle(text: str, side: str, sides: str) -> float | None:
    found = ANGLE.fullmatch(text)
    if found is None or side not in sides or not side or float(found[2]) >= 60:
        return None
    value = int(found[1]) + float(found[2]) / 60
    return value if side == sides[0] else -value


def moment_ms(line: bytes) -> int | None:
    """The unix milliseconds an RMC sentence names, or None."""
    values = line.split(b"*", 1)[0].decode("ascii", "replace").split(",")
    if not values[0].endswith("RMC") or len(values) < 10 or len(values[1]) < 6:
        return None
    try:
        moment = datetime.strptime(f"{values[9]}{values[1][:6]}", "%d%m%y%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1_000


class Nmea:
    """Reads a device or a file for ever, opening it again when it is lost."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._is_file = False
        self._moment_ms: int | None = None
        self.connected = False

    @property
    def name(self) -> str:
        return f"NMEA from {self._path}"

    async def run(self, told: Told) -> None:
        """Never returns; cancel it."""
        while True:
            try:
                descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError:
                told(Trouble.UNREACHABLE)
            else:
                try:
                    await self._follow(descriptor, told)
                finally:
                    self.connected = False
                    os.close(descriptor)
            await self._clock.sleep_ms(RETRY_MS)

    async def _follow(self, descriptor: int, told: Told) -> None:
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        _make_raw(descriptor)
        self.connected, rest, silent_ms = True, self._skip(descriptor), 0
        while silent_ms < SILENCE_MS or self._is_file:
            try:
                data = os.read(descriptor, READ_BYTES)
            except BlockingIOError:
                data = b""
            except OSError:
                told(Trouble.CLOSED)
                return
            if data:
                silent_ms, rest = 0, self._take(rest + data, told)
                await self._clock.sleep_ms(0)  # lets everything else go on
                continue
            if self._is_file and self._was_replaced(descriptor):
                return
            await self._clock.sleep_ms(LOOK_MS)
            silent_ms += LOOK_MS
        told(Trouble.SILENT)

    def _skip(self, descriptor: int) -> bytes:
        """Goes to the first whole line of a long file's end; what was read beyond it."""
        size = os.fstat(descriptor).st_size
        if not self._is_file or size <= TAIL_BYTES:
            return b""
        os.lseek(descriptor, size - TAIL_BYTES, os.SEEK_SET)
        return os.read(descriptor, MAX_LINE_BYTES).partition(b"\n")[2]

    def _take(self, data: bytes, told: Told) -> bytes:
        *lines, rest = data.split(b"\n")
        for line in filter(None, (one.strip() for one in lines)):
            told(self._aged(line, read_sentence(line)))
        if len(rest) > MAX_LINE_BYTES:
            told(NoFix.MALFORMED)
            return b""
        return rest

    def _aged(self, line: bytes, reading: Fix | NoFix) -> Fix | NoFix:
        if not self._is_file or not isinstance(reading, Fix):
            return reading
        moment = moment_ms(line)
        if moment is not None:
            self._moment_ms = moment
        age_ms = LATE_MS if self._moment_ms is None else self._clock.now_ms() - self._moment_ms
        return replace(reading, age_ms=max(age_ms, 0))

    def _was_replaced(self, descriptor: int) -> bool:
        try:
            now, opened = self._path.stat(), os.fstat(descriptor)
        except OSError:
            return True
        return now.st_ino != opened.st_ino or now.st_size < os.lseek(descriptor, 0, os.SEEK_CUR)


def _make_raw(descriptor: int) -> None:
    """A terminal line gives bytes as they come, unedited; its speed stays as the system set it."""
    if not os.isatty(descriptor):
        return
    try:
        settings = termios.tcgetattr(descriptor)
        settings[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    except termios.error:
        return  # some pseudo-terminals refuse; lines arrive all the same
