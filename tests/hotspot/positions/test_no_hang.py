"""Long files: the event loop goes on while they are read, and only their end is where the mapper is."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hotspot.clock import SystemClock
from hotspot.positions import gpx, nmea
from hotspot.positions.fix import Fix, NoFix, Receiver, Trouble
from hotspot.positions.gpx import Gpx
from hotspot.positions.nmea import Nmea
from tests.hotspot.clocks import ManualClock, until
from tests.hotspot.positions.test_gpx import START_MS, TAIL, told, track
from tests.hotspot.positions.test_nmea import reading, rmc

DAY_S = 86_400
LONGEST_HANG_S = 0.1


@pytest.fixture
def own_garbage_only() -> Iterator[None]:
    """The collector passes over what earlier tests left: it alone takes longer than a hang in a long session."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def day_of_nmea(path: Path) -> None:
    now = datetime.now(UTC)
    path.write_bytes(b"".join(rmc(moment=now - timedelta(seconds=left)) + b"\r\n" for left in range(DAY_S, -1, -1)))


def day_of_gpx(path: Path, until_ms: int) -> None:
    points = [(until_ms - 1_000 * left, 48.0 + left / 1e6, 9.0) for left in range(DAY_S, -1, -1)]
    path.write_bytes(track(points))


async def longest_hang_s(receiver: Receiver, readings: list[Fix | NoFix | Trouble]) -> float:
    """How long the loop did nothing else, at most, until the receiver had said where it is and a little longer."""
    task = asyncio.ensure_future(receiver.run(readings.append))
    longest, last = 0.0, time.thread_time()
    for _ in range(1_000_000):
        await asyncio.sleep(0)
        now = time.thread_time()  # of this thread alone: what other programs took does not count
        longest, last = max(longest, now - last), now
        if any(isinstance(one, Fix) and one.age_ms < 10_000 for one in readings):
            break
    task.cancel()
    await asyncio.wait({task})
    return longest


@pytest.mark.usefixtures("own_garbage_only")
def test_a_day_of_nmea_does_not_stop_the_loop(tmp_path: Path) -> None:
    day_of_nmea(tmp_path / "log.nmea")
    readings: list[Fix | NoFix | Trouble] = []
    hang_s = asyncio.run(longest_hang_s(Nmea(tmp_path / "log.nmea", SystemClock()), readings))
    assert hang_s < LONGEST_HANG_S
    assert len(readings) < 1_500


@pytest.mark.usefixtures("own_garbage_only")
@pytest.mark.parametrize("replay", [False, True])
def test_a_day_of_gpx_does_not_stop_the_loop(tmp_path: Path, replay: bool) -> None:
    day_of_gpx(tmp_path / "track.gpx", time.time_ns() // 1_000_000)
    readings: list[Fix | NoFix | Trouble] = []
    hang_s = asyncio.run(longest_hang_s(Gpx(tmp_path / "track.gpx", SystemClock(), replay=replay), readings))
    assert hang_s < LONGEST_HANG_S
    assert isinstance(readings[0], Fix)


def test_the_end_of_a_long_track_is_where_the_mapper_is(tmp_path: Path) -> None:
    path, clock = tmp_path / "track.gpx", ManualClock(START_MS)
    spaced = track([(START_MS - 1_000 * left, 48.0 + left / 1e6, 9.0) for left in range(2_000, -1, -1)])
    path.write_bytes(spaced.replace(b"<trk>", b'<metadata xmlns:x="urn:x"><x:of>me</x:of></metadata><trk>'))
    assert path.stat().st_size > gpx.TAIL_BYTES
    assert told(Gpx(path, clock), 1, clock) == [Fix(48.0, 9.0, 0)]


def test_the_end_of_a_long_track_may_lack_its_closing_tags_and_use_the_heads_prefixes(tmp_path: Path) -> None:
    path, clock = tmp_path / "track.gpx", ManualClock(START_MS)
    whole = track([(START_MS - 1_000 * left, 48.0, 9.0) for left in range(2_000, -1, -1)], tail="</trkseg><trkseg>")
    path.write_bytes(whole.replace(b"<gpx ", b'<gpx xmlns:x="urn:x" ').replace(b"<ele>480</ele>", b"<x:hr>60</x:hr>"))
    assert told(Gpx(path, clock), 1, clock) == [Fix(48.0, 9.0, 0)]


def test_a_long_file_whose_points_cannot_be_found_at_its_end_is_read_whole(tmp_path: Path) -> None:
    path, clock = tmp_path / "track.gpx", ManualClock(START_MS)
    path.write_bytes(track([(START_MS, 48.0, 9.0)], tail=" " * 2 * gpx.TAIL_BYTES + TAIL))
    readings = told(Gpx(path, clock), 2, clock)
    assert readings[0] == Fix(48.0, 9.0, 0)


def test_a_doctype_across_two_pieces_is_refused(tmp_path: Path) -> None:
    path, clock = tmp_path / "track.gpx", ManualClock(START_MS)
    path.write_bytes(b" " * (gpx.READ_BYTES - 4) + b"<!DOCTYPE x>" + track([(START_MS, 48.0, 9.0)]))
    track_read = gpx.Track()
    data = path.read_bytes().lstrip()
    assert not all(track_read.feed(data[at : at + 4]) for at in range(0, len(data), 4))
    assert told(Gpx(path, clock), 1, clock) == [NoFix.MALFORMED]


def test_of_a_long_log_whole_lines_of_its_end_are_read(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "log.nmea"
        path.write_bytes((rmc() + b"\r\n") * 3_000)
        async with reading(path) as heard:
            await until(lambda: len(heard.readings) > nmea.TAIL_BYTES // len(rmc() + b"\r\n") - 20)
            assert all(isinstance(one, Fix) for one in heard.readings)
            before = len(heard.readings)
            assert before < 3_000
            with path.open("ab") as file:
                file.write(rmc(moment=datetime.now(UTC)) + b"\r\n")
            await until(lambda: heard.fixes[-1].age_ms < 10_000)

    asyncio.run(scene())
