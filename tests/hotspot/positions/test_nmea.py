"""NMEA sentences to a position: from a line, a serial device, a file somebody writes."""

from __future__ import annotations

import asyncio
import os
import pty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspot.clock import SystemClock
from hotspot.positions.fix import Fix, NoFix, Trouble
from hotspot.positions.nmea import Nmea, moment_ms, read_sentence
from tests.hotspot.clocks import until

PLACE = (48.0 + 7.038 / 60, 11.0 + 31.0 / 60)


def sentence(body: str) -> bytes:
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}".encode()


def rmc(state: str = "A", moment: datetime | None = None) -> bytes:
    at = moment or datetime(2026, 11, 24, 12, 35, 19, tzinfo=UTC)
    return sentence(f"GPRMC,{at:%H%M%S}.00,{state},4807.038,N,01131.000,E,022.4,084.4,{at:%d%m%y},003.1,W,A")


@pytest.mark.parametrize(
    "body",
    [
        "GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W",
        "GNRMC,123519.00,A,4807.0380000,N,01131.0000000,E,,,230394,,,A,V",
        "GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,",
        "GNGNS,123519.00,4807.038,N,01131.000,E,AN,12,0.9,545.4,46.9,,",
        "GPGLL,4807.038,N,01131.000,E,123519,A",
    ],
)
def test_reads_where_a_receiver_is(body: str) -> None:
    found = read_sentence(sentence(body))
    assert isinstance(found, Fix)
    assert (found.latitude_deg, found.longitude_deg) == pytest.approx(PLACE, abs=1e-9)


def test_south_and_west_are_negative() -> None:
    found = read_sentence(sentence("GPGLL,3351.5,S,07040.25,W,123519,A"))
    assert found == Fix(-(33 + 51.5 / 60), -(70 + 40.25 / 60))


@pytest.mark.parametrize(
    "body",
    [
        "GPRMC,123519,V,,,,,,,230394,,",
        "GPGGA,123519,,,,,0,00,99.9,,,,,,",
        "GPGGA,123519,4807.038,N,01131.000,E,6,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,4807.038,N,01131.000,E,8,08,0.9,545.4,M,46.9,M,,",
        "GNGNS,123519.00,,,,,NN,00,99.9,,,,",
    ],
)
def test_a_receiver_without_a_fix_says_so(body: str) -> None:
    assert read_sentence(sentence(body)) is NoFix.LOST


@pytest.mark.parametrize("body", ["GPGSV,3,1,11,03,03,111,00", "GPVTG,054.7,T,034.4,M,005.5,N,010.2,K", "PUBXX,00"])
def test_other_sentences_say_nothing_of_the_place(body: str) -> None:
    assert read_sentence(sentence(body)) is NoFix.OTHER


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"$GPRMC",
        rmc()[:-1] + b"0",
        rmc()[:-3],
        sentence("GPGLL,4807.038,X,01131.000,E,123519,A"),
        sentence("GPGLL,9107.038,N,01131.000,E,123519,A"),
        sentence("GPGLL,4860.000,N,01131.000,E,123519,A"),
        sentence("GPGLL,-4807.038,N,01131.000,E,123519,A"),
        sentence("GPRMC,123519,A,4807.038,N"),
        bytes(100),
        b"\xff\xfe" * 20,
    ],
)
def test_a_damaged_line_is_a_reason(line: bytes) -> None:
    assert read_sentence(line) in (NoFix.MALFORMED, NoFix.LOST)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(line: bytes) -> None:
    assert isinstance(read_sentence(line), Fix | NoFix)
    moment_ms(line)


def test_an_rmc_sentence_names_its_moment() -> None:
    assert moment_ms(rmc()) == int(datetime(2026, 11, 24, 12, 35, 19, tzinfo=UTC).timestamp()) * 1_000
    assert moment_ms(sentence("GPRMC,996099,A,4807.038,N,01131.000,E,,,999999,,,A")) is None


class Heard:
    def __init__(self) -> None:
        self.readings: list[Fix | NoFix | Trouble] = []

    @property
    def fixes(self) -> list[Fix]:
        return [one for one in self.readings if isinstance(one, Fix)]


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.ensure_future(Nmea(path, SystemClock()).run(heard.readings.append))
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait({task})


def test_reads_a_serial_receiver() -> None:
    async def scene() -> None:
        master, slave = pty.openpty()
        try:
            async with reading(Path(os.ttyname(slave))) as heard:
                os.write(master, b"$GPGSV,half a sent")
                os.write(master, b"ence\r\n" + rmc() + b"\r\n")
                await until(lambda: heard.fixes)
                assert heard.fixes[0].age_ms == 0
                assert heard.readings[0] is NoFix.MALFORMED
        finally:
            os.close(master)
            os.close(slave)

    asyncio.run(scene())


def test_a_file_counts_by_the_time_written_in_it(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "log.nmea"
        path.write_bytes(rmc() + b"\n")
        async with reading(path) as heard:
            await until(lambda: heard.fixes)
            assert heard.fixes[0].age_ms > 10_000
            now = datetime.now(UTC)
            with path.open("ab") as file:
                file.write(rmc(moment=now) + b"\r\n" + sentence("GPGLL,4807.038,N,01131.000,E,123519,A") + b"\r\n")
            await until(lambda: len(heard.fixes) == 3)
            assert all(one.age_ms < 10_000 for one in heard.fixes[1:])

    asyncio.run(scene())


def test_a_file_without_dates_is_never_where_the_mapper_is(tmp_path: Path) -> None:
    async def scene() -> None:
        (tmp_path / "log").write_bytes(sentence("GPGLL,4807.038,N,01131.000,E,123519,A") + b"\n")
        async with reading(tmp_path / "log") as heard:
            await until(lambda: heard.fixes)
            assert heard.fixes[0].age_ms > 86_400_000

    asyncio.run(scene())


def test_a_missing_device_is_named(tmp_path: Path) -> None:
    async def scene() -> None:
        async with reading(tmp_path / "absent") as heard:
            await until(lambda: heard.readings == [Trouble.UNREACHABLE])

    asyncio.run(scene())


def test_an_endless_line_is_dropped(tmp_path: Path) -> None:
    async def scene() -> None:
        (tmp_path / "log").write_bytes(bytes(5_000))
        async with reading(tmp_path / "log") as heard:
            await until(lambda: NoFix.MALFORMED in heard.readings)

    asyncio.run(scene())
