"""A hotspot and its Wi-Fi bridge, two real processes: hearing, sending, a bridge that is restarted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotspot.clock import SystemClock
from hotspot.counters import Counters
from hotspot.radio import messages
from hotspot.radio.bridge import COPIES, WifiBridge
from hotspot.radio.frames import RxFrame, TxRequest, TxResult, TxState
from hotspot.radio.messages import Hello
from hotspot.radio.wifi import frames
from tests.hotspot.clocks import until
from tests.hotspot.radio.wifi.running import (
    CHANNEL_6_HZ,
    Receiver,
    captured,
    management_frame,
    payload,
    radiotap,
    running_bridge,
)

DEADLINE_S = 20.0


class Side:
    """The hotspot's side, and what it heard."""

    def __init__(self, path: Path) -> None:
        self.heard: list[RxFrame] = []
        self.counters = Counters()
        self.clock = SystemClock()
        self.bridge = WifiBridge(path, self.clock, self.counters, self.heard.append)

    def request(self, number: int = 0, **changed: int) -> TxRequest:
        wanted = {"power_dbm": 18, "least_power_dbm": 3, "latest_start_ms": self.clock.now_ms() + 10_000} | changed
        return TxRequest(
            payload=payload(number), frequency_hz=CHANNEL_6_HZ, spreading_factor=0, bandwidth_hz=20_000_000, **wanted
        )


@contextlib.asynccontextmanager
async def side(path: Path, *, connected: bool = True) -> AsyncIterator[Side]:
    made = Side(path)
    made.bridge.start()
    try:
        if connected:
            await until(lambda: made.bridge.status().connected, DEADLINE_S)
        yield made
    finally:
        made.bridge.stop()
        await asyncio.sleep(0)


def test_a_beacon_heard_by_the_radio_reaches_the_hotspot(tmp_path: Path) -> None:
    async def act() -> None:
        async with side(bridge.socket) as s:
            await asyncio.to_thread(bridge.hear, captured(5, rssi_dbm=-67))
            await until(lambda: s.heard, DEADLINE_S)
            (frame,) = s.heard
            assert frame.payload == payload(5)
            assert (frame.frequency_hz, frame.bandwidth_hz, frame.spreading_factor) == (CHANNEL_6_HZ, 20_000_000, 0)
            assert (frame.rssi_cdb, frame.snr_cdb) == (-6_700, 2_500)
            assert frame.tmst_us == 7_000_000_123 % 2**32
            assert abs(frame.received_at_ms - s.clock.now_ms()) < 10_000

    with running_bridge(tmp_path) as bridge:
        asyncio.run(act())


def test_an_order_goes_out_repeated_and_readable(tmp_path: Path) -> None:
    async def act() -> TxResult:
        async with side(bridge.socket) as s:
            return await s.bridge.transmit(s.request(9))

    with running_bridge(tmp_path) as bridge, Receiver(bridge.out) as air:
        result = asyncio.run(act())
        assert (result.state, result.power_cdb) == (TxState.SENT, 1_800)
        sent = air.frames(COPIES)
        assert len(sent) == COPIES
        heard = [frames.read(radiotap() + one[int.from_bytes(one[2:4], "little") :]) for one in sent]
        assert {one.payload for one in heard if isinstance(one, frames.Beacon)} == {payload(9)}


def test_an_order_without_a_bridge_is_refused_at_once(tmp_path: Path) -> None:
    async def act() -> None:
        async with side(tmp_path / "none.sock", connected=False) as s:
            assert await s.bridge.transmit(s.request()) == TxResult(TxState.REFUSED, "no_wifi_bridge")

    asyncio.run(act())


def test_an_order_that_comes_late_is_not_sent(tmp_path: Path) -> None:
    async def act() -> None:
        async with side(bridge.socket) as s:
            result = await s.bridge.transmit(s.request(latest_start_ms=s.clock.now_ms() - 1))
            assert result.state is TxState.LATE

    with running_bridge(tmp_path) as bridge:
        asyncio.run(act())


def test_an_order_nobody_can_receive_is_refused_by_name(tmp_path: Path) -> None:
    async def act() -> None:
        async with side(bridge.socket) as s:
            result = await s.bridge.transmit(s.request())
            assert (result.state, result.reason) == (TxState.REFUSED, "nobody_reads_the_pipe")

    with running_bridge(tmp_path) as bridge:
        asyncio.run(act())


def test_a_bridge_that_is_restarted_is_found_again(tmp_path: Path) -> None:
    async def act() -> None:
        async with side(tmp_path / "wifi.sock", connected=False) as s:
            for number in (1, 2):
                with running_bridge(tmp_path) as bridge:
                    await until(lambda: s.bridge.status().connected, DEADLINE_S)
                    await asyncio.to_thread(bridge.hear, captured(number))
                    await until(lambda number=number: len(s.heard) == number, DEADLINE_S)
                await until(lambda: not s.bridge.status().connected, DEADLINE_S)
            assert s.counters.of("wifi_bridge", "lost") == 2

    asyncio.run(act())


def test_what_the_bridge_sent_itself_is_not_heard(tmp_path: Path) -> None:
    async def act() -> None:
        async with side(bridge.socket) as s:
            await s.bridge.transmit(s.request(3))
            (own,) = await asyncio.to_thread(air.frames, 1)
            echo = radiotap() + own[int.from_bytes(own[2:4], "little") :]
            await asyncio.to_thread(bridge.hear, echo, captured(4))
            await until(lambda: s.heard, DEADLINE_S)
            assert [one.payload for one in s.heard] == [payload(4)]

    with running_bridge(tmp_path) as bridge, Receiver(bridge.out) as air:
        asyncio.run(act())


@pytest.mark.parametrize("greeting", [messages.encode(Hello(2, False, "mon0")), b"\xff\xff\xff\xff", b"\x00\x01\x63"])
def test_what_is_no_bridge_of_this_version_is_not_used(tmp_path: Path, greeting: bytes) -> None:
    async def act() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            await reader.read()
            writer.close()

        server = await asyncio.start_unix_server(greet, tmp_path / "wifi.sock")
        async with side(tmp_path / "wifi.sock", connected=False) as s:
            await until(lambda: s.counters.of("wifi_bridge", "not_reached"), DEADLINE_S)
            assert not s.bridge.status().connected
            assert s.bridge.status().problem != "not connected yet"
        server.close()

    asyncio.run(act())


def test_a_socket_deep_below_is_reached_all_the_same(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    async def act() -> None:
        async with side(deep / "wifi.sock") as s:
            assert s.bridge.status().interface.startswith("pipe:")

    with running_bridge(deep):
        asyncio.run(act())


def test_frames_on_air_carry_the_tag_as_a_name_too() -> None:
    assert b"ff-" in management_frame(1)
