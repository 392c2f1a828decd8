"""Positions from a GPX track: one that a logger goes on writing, or, when asked to, a recorded one played from now."""

from __future__ import annotations

import bisect
import os
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hotspot.clock import Clock
from hotspot.positions.fix import Fix, NoFix, Told, Trouble, fix

MAX_BYTES = 64 * 1024 * 1024
MAX_POINTS = 1_000_000
LOOK_MS = 1_000
LONGEST_GAP_MS = 60_000
"""Between two points farther apart than this in time nobody knows where the mapper was."""


@dataclass(frozen=True, slots=True)
class Point:
    """A track point."""

    at_ms: int
    place: Fix


def read_track(data: bytes) -> list[Point] | NoFix:
    """The points of a track in the order of their times; a file that is still being written may lack its end."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        return NoFix.MALFORMED
    parser: Any = ElementTree.XMLPullParser(["end"])  # without a DOCTYPE there is nothing to expand
    points: list[Point] = []
    try:
        parser.feed(data)
        for _, element in parser.read_events():
            if element.tag.rpartition("}")[2] == "trkpt":
                point = _point(element)
                if point is not None:
                    points.append(point)
                element.clear()
            if len(points) > MAX_POINTS:
                return NoFix.MALFORMED
    except ElementTree.ParseError:
        return NoFix.MALFORMED
    return sorted(points, key=lambda point: point.at_ms) or NoFix.MALFORMED


def _point(element: ElementTree.Element) -> Point | None:
    try:
        place = fix(float(element.attrib["lat"]), float(element.attrib["lon"]))
        text = next(child.text or "" for child in element if child.tag.rpartition("}")[2] == "time")
        moment = datetime.fromisoformat(text.strip())
    except (KeyError, ValueError, StopIteration):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Point(int(moment.timestamp() * 1_000), place) if isinstance(place, Fix) else None


def place_at(points: list[Point], now_ms: int) -> Fix | NoFix:
    """Where a track was at a moment: between two points on the straight line, after the last one ageing."""
    index = bisect.bisect_right(points, now_ms, key=lambda point: point.at_ms)
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
            told(self._look())
            await self._clock.sleep_ms(LOOK_MS)

    def _look(self) -> Fix | NoFix | Trouble:
        try:
            state = self._path.stat()
            seen = (state.st_ino, state.st_size, state.st_mtime_ns)
            if seen != self._seen:
                self._track, self._seen = self._read(), seen
        except OSError:
            self.connected, self._seen = False, None
            return Trouble.UNREACHABLE
        self.connected = True
        if isinstance(self._track, NoFix):
            return self._track
        if self._replay and self._shift_ms is None:
            self._shift_ms = self._clock.now_ms() - self._track[0].at_ms
        return place_at(self._track, self._clock.now_ms() - (self._shift_ms or 0))

    def _read(self) -> list[Point] | NoFix:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        return read_track(data) if len(data) <= MAX_BYTES else NoFix.MALFORMED
