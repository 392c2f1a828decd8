"""One station's sockets, and the ether against the hotspot's own server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from devnet.ether import station as station_module
from devnet.ether.config import read_station
from devnet.ether.emissions import Reception
from devnet.ether.forwarder import ChannelPlan, Forwarder, Identity
from devnet.ether.medium import SIMULATED_MARK
from devnet.ether.places import moved
from devnet.ether.station import MAX_UNACKNOWLEDGED, Station, monotonic_us
from hotspot.clock import SystemClock
from hotspot.config import Config, Endpoint
from hotspot.counters import Counters
from hotspot.positions import Mapper
from hotspot.positions.gpsd import Gpsd
from hotspot.radio.frames import RxFrame, TxRequest, TxState
from hotspot.radio.gwmp.server import GwmpServer
from protocol import geo
from protocol.ids import NO_CELL
from tests.devnet.ether_world import DEADLINE_S, MUNSTER, FakeHotspot, emission, fixed, order, payload, running_ether

RECEPTION = Reception("a", rssi_cdb=-9_700, snr_cdb=700)
REQUEST = TxRequest(
    payload=payload(3),
    frequency_hz=868_100_000,
    spreading_factor=8,
    bandwidth_hz=125_000,
    power_dbm=14,
    least_power_dbm=12,
    latest_start_ms=2**47,
)


def station_at(hotspot: FakeHotspot) -> Station:
    config = read_station(fixed("a", hotspot), 7)
    forwarder = Forwarder(Identity.derive(7, "a"), ChannelPlan(), monotonic_us())
    return Station(config, forwarder, SIMULATED_MARK, lambda *_: None)


async def until(condition: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 (the condition is another thread's)
            await asyncio.sleep(0.005)
    assert condition(), what


def run_station(hotspot: FakeHotspot, condition: Callable[[Station], object]) -> Station:
    """Runs a station until the condition holds."""

    async def run() -> Station:
        one = station_at(hotspot)
        await one.open()
        await until(lambda: condition(one), "the condition")
        one.close()
        return one

    return asyncio.run(run())


def test_keeps_pulling_and_counts_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station_module, "KEEPALIVE_S", 0.02)
    with FakeHotspot() as hotspot:
        counters = run_station(hotspot, lambda one: one.counters.pull_acks >= 3).counters
    assert counters.pull_data >= counters.pull_acks


def test_its_status_says_that_it_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station_module, "STAT_INTERVAL_S", 0.02)
    with FakeHotspot() as hotspot:
        run_station(hotspot, lambda one: hotspot.raw)
        stat = json.loads(hotspot.raw[0][12:])["stat"]
    assert stat["desc"] == SIMULATED_MARK
    assert {"time", "rxnb", "rxok", "rxfw", "ackr", "dwnb", "txnb"} <= set(stat)


def test_unacknowledged_datagrams_are_forgotten_beyond_a_bound() -> None:
    acknowledged: list[int] = []

    async def run(hotspot: FakeHotspot) -> Station:
        one = station_at(hotspot)
        await one.open()
        packet = one.forwarder.report(emission(), RECEPTION)
        for number in range(MAX_UNACKNOWLEDGED + 5):
            one.push(packet, lambda number=number: acknowledged.append(number))
        one.close()
        return one

    with FakeHotspot() as hotspot:
        hotspot.acknowledges = False
        counters = asyncio.run(run(hotspot)).counters
    assert counters.unacknowledged_forgotten == 5
    assert acknowledged == []


def test_noise_on_its_ports_changes_nothing() -> None:
    async def run(hotspot: FakeHotspot) -> Station:
        one = station_at(hotspot)
        await one.open()
        await until(lambda: hotspot.pull_source, "a PULL_DATA")
        for noise in (
            b"x",
            b"\x02\0\0\x03{",
            b"\x02\0\0\x01",
            b"\x02\0\0\x09",
            b"\x03\0\0\x04",
            b"\x02\0\0\x00" + bytes(8),
        ):
            hotspot.socket.sendto(noise, hotspot.pull_source)
        token, _ = hotspot.send(order())
        await until(lambda: token in hotspot.answers, "a TX_ACK")
        one.close()
        return one

    with FakeHotspot() as hotspot:
        counters = asyncio.run(run(hotspot)).counters
    assert (counters.programmed, counters.unreadable) == (1, 6)


def test_a_real_hotspot_learns_its_cell_from_the_ether(tmp_path: Path) -> None:
    async def run(address: str) -> int:
        host, _, port = address.rpartition(":")
        clock, config = SystemClock(), Config(quiet_home_m=0)
        follower = Mapper(Gpsd(Endpoint(host, int(port)), "/dev/van", clock), config, {}, clock, Counters())
        task = asyncio.create_task(follower.run())
        await until(lambda: isinstance(follower.where(NO_CELL), int), "a fix")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return int(follower.where(NO_CELL))

    with FakeHotspot() as hotspot:
        station = fixed("van", hotspot, kind="mapper", route={"stops": [[48.39855, 9.99123]]})
        with running_ether(tmp_path, stations=[station]) as ether:
            assert asyncio.run(run(ether.gpsd)) == geo.cell_at(48.39855, 9.99123, 9)


def test_two_real_hotspot_servers_hear_each_other(tmp_path: Path) -> None:
    heard: list[RxFrame] = []

    async def run() -> None:
        servers = [GwmpServer(SystemClock(), Counters(), on_frame) for on_frame in (lambda _: None, heard.append)]
        addresses = ["{}:{}".format(*await server.start("127.0.0.1", 0)) for server in servers]
        places = (MUNSTER, moved(MUNSTER, 900, 0))
        stations = [
            {"name": name, "hotspot": address, "lat": where.latitude_deg, "lon": where.longitude_deg}
            for name, address, where in zip("ab", addresses, places, strict=True)
        ]
        with running_ether(tmp_path, stations=[]) as ether, ether.client() as client:
            for one in stations:
                await asyncio.to_thread(client.attach, one)
            await until(lambda: all(server.forwarders() for server in servers), "both forwarders")
            result = await servers[0].transmit(REQUEST)
            assert (result.state, result.power_cdb) == (TxState.SENT, 1_400)
            await until(lambda: heard, "a frame")
        for server in servers:
            server.stop()

    asyncio.run(run())
    assert (heard[0].payload, heard[0].frequency_hz, heard[0].spreading_factor) == (payload(3), 868_100_000, 8)
