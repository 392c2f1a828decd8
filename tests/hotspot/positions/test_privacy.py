"""A mapper in the whole daemon: what reaches validators, disk and status is a cell, and at home nothing at all."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path

import pytest

from hotspot import keys
from hotspot.config import CONFIG_FILE
from hotspot.running.start import open_homes
from protocol import beacon
from protocol.geo import cell_at
from protocol.ids import Kind
from protocol.records import Beacon, Witness
from tests.hotspot import world
from tests.hotspot.clocks import until
from tests.hotspot.fake_gpsd import FakeGpsd, tpv
from tests.hotspot.positions.test_mapper import north_of
from tests.hotspot.test_daemon import Site, running
from tests.hotspot.virtual_forwarder import VirtualForwarder, lora_packet

HOME = (48.398412345, 9.991512345)
AWAY = north_of(HOME, 4_321.9)


def make_mapper(directory: Path, gpsd: FakeGpsd) -> Path:
    directory.mkdir(mode=0o700)
    keys.create(directory)
    settings = f'listen = "127.0.0.1:0"\ngpsd = "{gpsd.endpoint}"\nhome = "{HOME[0]},{HOME[1]}"\n'
    (directory / CONFIG_FILE).write_text(settings)
    return directory


def traces(place: tuple[float, float]) -> list[bytes]:
    """A coordinate as text and as the two orders of its eight bytes."""
    found = []
    for degrees in place:
        found += [f"{degrees:.5f}"[:-1].encode(), struct.pack("<d", degrees), struct.pack(">d", degrees)]
    return found


def everything_told(site: Site, path: Path) -> bytes:
    told = [report for one in site.validators for report, _ in one.reports.values()]
    files = [one.read_bytes() for one in path.rglob("*") if one.is_file() and one.name != CONFIG_FILE]
    status = json.dumps(site.daemon.hosted[0].snapshot(), default=str).encode()
    return b"\n".join([*told, *files, status])


@pytest.mark.slow
def test_only_a_cell_leaves_a_mapper(tmp_path: Path) -> None:
    async def act() -> None:
        async with FakeGpsd() as gpsd:
            homes = open_homes([make_mapper(tmp_path / "mapper", gpsd)])
            async with (
                running(tmp_path, homes=homes, kind=Kind.MAPPER) as site,
                VirtualForwarder(site.endpoint()) as forwarder,
            ):
                forwarder.pull()
                await until(lambda: gpsd.writers)

                def heard_and_told() -> bool:
                    gpsd.say(tpv(*AWAY))
                    return all(len(one.reports) >= 2 for one in site.validators)

                await until(lambda: site.daemon.hosted[0].snapshot()["registered"])
                gpsd.say(tpv(*AWAY))
                await until(lambda: site.daemon.hosted[0].snapshot()["position"]["cell"])
                forwarder.push(lora_packet(beacon.frame(b"another hotspot's tag")))
                await until(heard_and_told, deadline_s=30)
                reports = [report for report, _ in site.validators[0].reports.values()]
                decoded = [Beacon.decode(one) or Witness.decode(one) for one in reports]
                assert {one.cell for one in decoded if one} == {cell_at(*AWAY, 9)}
                told = everything_told(site, tmp_path)
                assert [trace for trace in traces(AWAY) if trace in told] == []

    asyncio.run(act())


@pytest.mark.slow
def test_at_home_a_mapper_is_silent(tmp_path: Path) -> None:
    async def act() -> None:
        async with FakeGpsd() as gpsd:
            homes = open_homes([make_mapper(tmp_path / "mapper", gpsd)])
            async with (
                running(tmp_path, homes=homes, kind=Kind.MAPPER) as site,
                VirtualForwarder(site.endpoint()) as forwarder,
            ):
                forwarder.pull()
                hosted = site.daemon.hosted[0]
                await until(lambda: gpsd.writers and hosted.snapshot()["registered"])

                def a_slot_has_passed() -> bool:
                    gpsd.say(tpv(*north_of(HOME, 990)))
                    return hosted.counters.of("beacons", "quiet_zone") > 0

                gpsd.say(tpv(*HOME))
                await until(lambda: hosted.snapshot()["position"]["quiet"])
                forwarder.push(lora_packet(beacon.frame(b"another hotspot's tag")))
                await until(lambda: hosted.counters.of("rxpk", "quiet_zone"))
                await until(a_slot_has_passed, deadline_s=30)
                assert forwarder.orders == []
                assert all(one.commits == [] and one.reports == {} for one in site.validators)
                told = everything_told(site, tmp_path)
                assert [trace for trace in traces(HOME) if trace in told] == []

    asyncio.run(act())


def test_the_traces_would_be_found() -> None:
    assert traces(HOME)[0] in json.dumps({"lat": HOME[0]}).encode()
    assert cell_at(*AWAY, 10) != world.HOME
