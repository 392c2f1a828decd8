"""GPX tracks: one that grows, one that is played."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspot.positions.fix import Fix, NoFix, Trouble
from hotspot.positions.gpx import Gpx, place_at, read_track
from tests.hotspot.clocks import ManualClock

START_MS = 1_790_000_000_000
HEAD = '<?xml version="1.0"?>\n<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>'
TAIL = "</trkseg></trk></gpx>"


def stamp(at_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat().replace("+00:00", "Z")


def track(points: Sequence[tuple[int, float, float]], tail: str = TAIL) -> bytes:
    body = "".join(
        f'<trkpt lat="{latitude}" lon="{longitude}"><ele>480</ele><time>{stamp(at_ms)}</time></trkpt>'
        for at_ms, latitude, longitude in points
    )
    return f"{HEAD}{body}{tail}".encode()


TEN_SECONDS = [(START_MS, 48.0, 9.0), (START_MS + 10_000, 48.2, 9.4)]


def told(source: Gpx, count: int, clock: ManualClock) -> list[Fix | NoFix | Trouble]:
    async def scene() -> list[Fix | NoFix | Trouble]:
        readings: list[Fix | NoFix | Trouble] = []
        task = asyncio.ensure_future(source.run(readings.append))
        await clock.advance(1_000 * (count - 1))
        task.cancel()
        await asyncio.wait({task})
        return readings

    return asyncio.run(scene())


def test_lies_on_the_line_between_two_points() -> None:
    points = read_track(track(TEN_SECONDS))
    assert isinstance(points, list)
    assert place_at(points, START_MS + 2_500) == Fix(48.05, 9.1)


def test_ages_after_its_last_point_and_knows_nothing_before_the_first() -> None:
    points = read_track(track(TEN_SECONDS))
    assert isinstance(points, list)
    assert place_at(points, START_MS + 25_000) == Fix(48.2, 9.4, 15_000)
    assert place_at(points, START_MS - 1) is NoFix.LOST


def test_a_long_gap_is_not_bridged() -> None:
    points = read_track(track([(START_MS, 48.0, 9.0), (START_MS + 60_001, 48.2, 9.4)]))
    assert isinstance(points, list)
    assert place_at(points, START_MS + 30_000) == Fix(48.0, 9.0, 30_000)


def test_reads_a_track_that_is_still_being_written() -> None:
    assert len(read_track(track(TEN_SECONDS, tail="<trkpt lat='48"))) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<gpx/>",
        track([]),
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + track(TEN_SECONDS),
        b'<gpx><trkpt lat="48" lon="9"/></gpx>',
        b'<gpx><trkpt lat="91" lon="9"><time>2026-11-24T12:00:00Z</time></trkpt></gpx>',
        b'<gpx><trkpt lat="48" lon="9"><time>noon</time></trkpt></gpx>',
        b"<gpx></trk>",
    ],
)
def test_what_is_no_track_is_a_reason(data: bytes) -> None:
    assert read_track(data) is NoFix.MALFORMED


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    assert read_track(data) is NoFix.MALFORMED
    read_track(HEAD.encode() + data)


def test_follows_a_file_that_grows(tmp_path: Path) -> None:
    path, clock = tmp_path / "track.gpx", ManualClock(START_MS + 1_000)
    path.write_bytes(track(TEN_SECONDS[:1], tail=""))
    source = Gpx(path, clock)
    assert told(source, 1, clock) == [Fix(48.0, 9.0, 1_000)]
    path.write_bytes(track([TEN_SECONDS[0], (START_MS + 1_000, 48.1, 9.1)], tail=""))
    assert told(source, 1, clock) == [Fix(48.1, 9.1, 0)]


def test_yesterdays_track_is_not_where_the_mapper_is(tmp_path: Path) -> None:
    path, clock = tmp_path / "track.gpx", ManualClock(START_MS + 86_400_000)
    path.write_bytes(track(TEN_SECONDS))
    (reading,) = told(Gpx(path, clock), 1, clock)
    assert isinstance(reading, Fix)
    assert reading.age_ms == 86_390_000


def test_a_replay_begins_when_the_process_does(tmp_path: Path) -> None:
    path, clock = tmp_path / "track.gpx", ManualClock(START_MS + 86_400_000)
    path.write_bytes(track([(START_MS, 48.0, 9.0), (START_MS + 2_000, 48.2, 9.4)]))
    source = Gpx(path, clock, replay=True)
    readings = told(source, 4, clock)
    assert [(one.latitude_deg, one.age_ms) for one in readings if isinstance(one, Fix)] == [
        (48.0, 0), (48.1, 0), (48.2, 0), (48.2, 1_000)
    ]  # fmt: skip
    assert "replay" in source.name


def test_a_missing_file_is_named_and_found_when_it_comes(tmp_path: Path) -> None:
    path, clock = tmp_path / "track.gpx", ManualClock(START_MS)
    source = Gpx(path, clock)
    assert told(source, 2, clock) == [Trouble.UNREACHABLE] * 2
    path.write_bytes(track(TEN_SECONDS))
    (reading,) = told(source, 1, clock)
    assert isinstance(reading, Fix)
