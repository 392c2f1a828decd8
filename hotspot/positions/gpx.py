"""Positions from a GPX track: one that a logger goes on writing, or, when asked to, a recorded one played from now."""

from __future__ import annotations

import bisect
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from hotspot.clock import Clock
from hotspot.positions.fix import Fix, NoFix, Told, Trouble, fix

MAX_BYTES = 64 * 1024 * 1024
MAX_POINTS = 1_000_000
READ_BYTES = 16 * 1024
"""Read and parsed at once: some milliseconds, in which nothing else is done."""
TAIL_BYTES = 64 * 1024
"""Of a track that grows, as much of its end as is read: some hundred points, one a second."""
POINT = b"<trkpt"
LOOK_MS = 1_000
LONGEST_GAP_MS = 60_000
"""Between two points farther apart than this in time nobody knows where the mapper was."""


@dataclass(frozen=True, slots=True)
class Point:
    """A track point."""

    at_ms: int
    place: Fix


class Track:
    """The points of a file that is read piece by piece; it is the target of its own XML parser."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        """In the order of their times."""
        self.is_malformed = False
        self._bytes = 0
        self._attributes: dict[str, str] | None = None
        """Of the point that is being read."""
        self._time = ""
        self._is_time = False
        self._parser = ElementTree.XMLParser(target=self)  # noqa: S314 - a DOCTYPE ends it, so nothing is expanded for long

    def feed(self, piece: bytes) -> bool:
        """Takes the next piece; False if this is no track, or one too large."""
        self._bytes += len(piece)
        try:
            if not self.is_malformed:
                self._parser.feed(piece)
        except ElementTree.ParseError:
            self.is_malformed = True
        self.is_malformed |= self._bytes > MAX_BYTES or len(self.points) > MAX_POINTS
        return not self.is_malformed

    def result(self) -> list[Point] | NoFix:
        return NoFix.MALFORMED if self.is_malformed or not self.points else self.points

    def doctype(self, name: str, pubid: str, system: str) -> None:
        """No track has one."""
        self.is_malformed = True

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        if name == "trkpt":
            self._attributes, self._time = attributes, ""
        self._is_time = name == "time" and self._attributes is not None

    def data(self, text: str) -> None:
        if self._is_time:
            self._time += text

    def end(self, tag: str) -> None:
        self._is_time = False
        if self._attributes is None or tag.rpartition("}")[2] != "trkpt":
            return
        point, self._attributes = _point(self._attributes, self._time), None
        if point is not None and not self.is_malformed:
            bisect.insort(self.points, point, key=_at_ms)


def read_track(data: bytes) -> list[Point] | NoFix:
    """The points of a track in the order of their times; a file that is still being written may lack its end."""
    track = Track()
    track.feed(data)
    return track.result()


def _point(attributes: dict[str, str], time: str) -> Point | None:
    try:
        place = fix(float(attributes["lat"]), float(attributes["lon"]))
        moment = datetime.fromisoformat(time.strip())
    except (KeyError, ValueError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Point(int(moment.timestamp() * 1_000), place) if isinstance(place, Fix) else None


def _at_ms(point: Point) -> int:
    return point.at_ms


def place_at(points: list[Point], now_ms: int) -> Fix | NoFix:
    """Where a track was at a moment: between two points on the straight line, after the last one ageing."""
    index = bisect.bisect_right(points, now_ms, key=_at_ms)
    if index == 0:
        return NoFix.LOST
    before = points[index - 1]
    if index == len(points):
        return Fix(before.place.latitude_deg, before.place.longitude_deg, now_ms - before.at_ms)
    after = points[index]
    if after.at_ms - before.at_ms > LONGEST_GAP_MS:
        return Fix(before.place.latitude_deg, before.place.longitude_deg, now_ms - before.at_ms)
    share = (now_ms - before.at_ms) / (after.at_ms - before.at_ms)
    return Fix(
        before.place.latitude_deg + share * (after.place.latitude_deg - before.place.latitude_deg),
        before.place.longitude_deg + share * (after.place.longitude_deg - before.place.longitude_deg),
    )


class Gpx:
    """Reads the file again whenever it changed, and says every second where its track is now."""

    def __init__(self, path: Path, clock: Clock, *, replay: bool = False) -> None:
        self._path, self._clock, self._replay = path, clock, replay
        self._seen: tuple[int, int, int] | None = None
        self._track: list[Point] | NoFix = NoFix.LOST
        self._shift_ms: int | None = None
        self.connected = False

    @property
    def name(self) -> str:
        return f"{'a replay of ' if self._replay else ''}the GPX track {self._path}"

    async def run(self, told: Told) -> None:
        """Never returns; cancel it."""
        while True:
            told(await self._look())
            await self._clock.sleep_ms(LOOK_MS)

    async def _look(self) -> Fix | NoFix | Trouble:
        try:
            state = self._path.stat()
            seen = (state.st_ino, state.st_size, state.st_mtime_ns)
            if seen != self._seen:
                self._track, self._seen = await self._read(), seen
        except OSError:
            self.connected, self._seen = False, None
            return Trouble.UNREACHABLE
        self.connected = True
        if isinstance(self._track, NoFix):
            return self._track
        if self._replay and self._shift_ms is None:
            self._shift_ms = self._clock.now_ms() - self._track[0].at_ms
        return place_at(self._track, self._clock.now_ms() - (self._shift_ms or 0))

    async def _read(self) -> list[Point] | NoFix:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            track = Track()
            for piece in _everything(file) if self._replay else _newest(file):
                if not track.feed(piece):
                    break
                await self._clock.sleep_ms(0)  # lets everything else go on
        return track.result()


def _everything(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(READ_BYTES):
        yield piece


def _newest(file: BinaryIO) -> Iterator[bytes]:
    """The newest points only, with what stands before the first one; everything where that cannot be told apart."""
    size, head = os.fstat(file.fileno()).st_size, file.read(TAIL_BYTES)
    file.seek(max(size - TAIL_BYTES, 0))
    tail = file.read(TAIL_BYTES)
    before, first = head.find(POINT), tail.find(POINT)
    if size <= TAIL_BYTES or before < 0 or first < 0:
        file.seek(0)
        yield from _everything(file)
        return
    yield head[:before]
    for start in range(first, len(tail), READ_BYTES):
        yield tail[start : start + READ_BYTES]
