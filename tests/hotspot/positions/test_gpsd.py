"""gpsd to a cell: full precision in, one H3 index out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hotspot.config import Config, Endpoint
from hotspot.counters import Counters
from hotspot.positions import Mapper, Nowhere
from hotspot.positions.fix import Fix, NoFix, Trouble
from hotspot.positions.gpsd import Gpsd, read_line
from protocol.geo import cell_at
from protocol.ids import CellId
from tests.hotspot.clocks import ManualClock, settle, until
from tests.hotspot.fake_gpsd import FakeGpsd, tpv

FAR_HOME = cell_at(0.5, 0.5, 10)
ULM = (48.398412345678901, 9.991512345678901)


class Following:
    def __init__(self, gpsd: FakeGpsd, device: str | None = None, resolution: int = 9) -> None:
        self.clock, self.counters, self.gpsd = ManualClock(), Counters(), gpsd
        self.gps = Gpsd(gpsd.endpoint, device, self.clock)
        config = Config(mapper_resolution=resolution)
        self.source = Mapper(self.gps, config, {}, self.clock, self.counters)

    def cell(self) -> CellId | Nowhere:
        return self.source.where(FAR_HOME)

    async def told(self, message: dict[str, object] | bytes, outcome: str) -> None:
        before = self.counters.of("position", outcome)
        self.gpsd.say(message)
        await until(lambda: self.counters.of("position", outcome) > before)


@asynccontextmanager
async def following(device: str | None = None, resolution: int = 9) -> AsyncIterator[Following]:
    async with FakeGpsd() as gpsd:
        scene = Following(gpsd, device, resolution)
        task = asyncio.ensure_future(scene.source.run())
        try:
            await until(lambda: gpsd.writers)
            yield scene
        finally:
            task.cancel()
            await settle()


@pytest.mark.parametrize("resolution", [8, 9, 11])
def test_the_latest_fix_becomes_a_cell_of_the_chosen_resolution(resolution: int) -> None:
    async def scene() -> None:
        async with following(resolution=resolution) as one:
            await one.told(tpv(0.0, 0.0), "fix")
            await one.told(tpv(*ULM), "fix")
            assert one.cell() == cell_at(*ULM, resolution)

    asyncio.run(scene())


def test_a_position_that_is_not_exact_is_no_position() -> None:
    async def scene() -> None:
        async with following() as one:
            await one.told(tpv(*ULM, eph=3.5), "fix")
            await one.told(tpv(*ULM, eph=400.0), NoFix.INACCURATE)
            assert one.cell() is Nowhere.NO_FIX

    asyncio.run(scene())


def test_says_what_it_follows_and_that_it_does_not_answer() -> None:
    async def scene() -> None:
        clock, counters = ManualClock(), Counters()
        gone = FakeGpsd()
        async with gone:
            endpoint = gone.endpoint
        source = Mapper(Gpsd(endpoint, "/dev/mine", clock), Config(), {}, clock, counters)
        task = asyncio.ensure_future(source.run())
        await until(lambda: counters.of("position", Trouble.UNREACHABLE))
        told = source.snapshot(None)
        assert told["source"] == f"gpsd at {endpoint} (/dev/mine)"
        assert (told["connected"], told["last"], told["cell"]) == (False, "unreachable", None)
        task.cancel()
        await settle()

    asyncio.run(scene())


def test_asks_for_its_own_receiver_and_ignores_others() -> None:
    async def scene() -> None:
        async with following(device="/dev/mine") as one:
            request = json.loads(one.gpsd.requests[0].removeprefix(b"?WATCH=").strip().removesuffix(b";"))
            assert request == {"enable": True, "json": True, "device": "/dev/mine"}
            await one.told(tpv(*ULM, device="/dev/other"), NoFix.OTHER)
            assert one.cell() is Nowhere.NO_FIX
            await one.told(tpv(*ULM, device="/dev/mine"), "fix")
            assert one.cell() == cell_at(*ULM, 9)

    asyncio.run(scene())


def test_a_lost_fix_is_no_position() -> None:
    async def scene() -> None:
        async with following() as one:
            await one.told(tpv(*ULM), "fix")
            await one.told({"class": "TPV", "device": "/dev/ttyACM0", "mode": 1}, NoFix.LOST)
            assert one.cell() is Nowhere.NO_FIX

    asyncio.run(scene())


def test_an_old_fix_is_no_position() -> None:
    async def scene() -> None:
        async with following() as one:
            await one.told(tpv(*ULM), "fix")
            await one.clock.advance(10_000)
            assert one.cell() == cell_at(*ULM, 9)
            await one.clock.advance(1)
            assert one.cell() is Nowhere.STALE

    asyncio.run(scene())


def test_connects_again_after_gpsd_went_away() -> None:
    async def scene() -> None:
        async with following() as one:
            one.gpsd.drop()
            await until(lambda: one.counters.of("position", Trouble.CLOSED))
            await one.clock.advance(30_000)
            await until(lambda: one.gpsd.writers)
            await one.told(tpv(*ULM), "fix")
            assert one.cell() == cell_at(*ULM, 9)

    asyncio.run(scene())


def test_an_endless_line_ends_the_connection_and_is_counted() -> None:
    async def scene() -> None:
        async with following() as one:
            await one.told(b"x" * 200_000, NoFix.MALFORMED)
            await until(lambda: not one.gps.connected)

    asyncio.run(scene())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{" * 100_000,
        b'{"class":"TPV","mode":3}',
        b'{"class":"TPV","mode":3,"lat":91,"lon":0}',
        b'{"class":"TPV","mode":3,"lat":NaN,"lon":0}',
        b'{"class":"TPV","mode":3,"lat":"48","lon":9}',
        b'{"class":"TPV","mode":3,"lat":true,"lon":9}',
    ],
)
def test_a_line_that_makes_no_sense_is_a_reason(line: bytes) -> None:
    assert read_line(line, None) is NoFix.MALFORMED


def test_keeps_every_digit_gpsd_gave() -> None:
    assert read_line(b'{"class":"TPV","mode":2,"lat":48.398412345678901,"lon":9.991512345678901}', None) == Fix(*ULM)


def test_a_host_that_can_be_no_name_is_unreachable() -> None:
    async def scene() -> None:
        told: list[Fix | NoFix | Trouble] = []
        task = asyncio.ensure_future(Gpsd(Endpoint("a..b", 2_947), None, ManualClock()).run(told.append))
        await until(lambda: told)
        assert told == [Trouble.UNREACHABLE]
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(scene())
