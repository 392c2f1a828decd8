"""The bridge's loop with a port a test holds in its hand: orders, hopping, floods, hotspots that do not read."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hotspot.radio import messages
from hotspot.radio.messages import Counts, Decoder, Heard, Hello, Listen, Message, Problem, Refused, Sent, Transmit
from hotspot.radio.wifi import bridge as loop
from hotspot.radio.wifi.bridge import Bridge
from tests.hotspot.clocks import until
from tests.hotspot.radio.wifi.running import CHANNEL_6_HZ, captured, payload

CHANNELS_HZ = (2_412_000_000, 2_437_000_000, 2_462_000_000)
LATER_MS = 2**62


class Radio:
    """A tuner that obeys, or gives the reasons it was told to give."""

    def __init__(self) -> None:
        self.tuned: list[int] = []
        self.power: int | None = 1_800
        self.refuses = ""

    def tune(self, frequency_hz: int) -> str:
        self.tuned.append(frequency_hz)
        return self.refuses

    def set_power(self, power_cdb: int) -> str:
        return self.refuses

    def power_cdb(self) -> int | None:
        return self.power


class Port:
    """Keeps what is sent; `problem` is why nothing goes out."""

    def __init__(self, tuner: Radio | None = None) -> None:
        self.tuner, self.sent, self.problem = tuner, [], ""
        self.closed = False

    def start(self, on_frame: Callable[[bytes], None], on_problem: Callable[[str], None]) -> None:
        self.on_frame, self.on_problem = on_frame, on_problem

    def send(self, frame: bytes) -> str:
        if not self.problem:
            self.sent.append(frame)
        return self.problem

    def close(self) -> None:
        self.closed = True


class Client:
    """A hotspot's end of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.decoder = reader, writer, Decoder()
        self.got: list[Message | Refused] = []

    async def read(self, count: int) -> list[Message | Refused]:
        """That many messages from here on, the counts left out."""
        async with asyncio.timeout(10):
            while len(self.got) < count:
                data = await self.reader.read(4_096)
                assert data, "the bridge hung up"
                self.got += [one for one in self.decoder.feed(data) if not isinstance(one, Counts)]
        taken, self.got = self.got[:count], self.got[count:]
        return taken

    async def ask(self, message: Message) -> Message | Refused:
        self.writer.write(messages.encode(message))
        return (await self.read(1))[0]


@contextlib.asynccontextmanager
async def playing(folder: Path, port: Port) -> AsyncIterator[tuple[Bridge, Callable[[], object]]]:
    made = Bridge(port, "test0")
    server = await asyncio.start_unix_server(made.serve, folder / "wifi.sock")
    running = asyncio.ensure_future(made.run())
    clients: list[Client] = []
    await until(lambda: hasattr(port, "on_problem"))

    async def connect() -> Client:
        clients.append(Client(*await asyncio.open_unix_connection(folder / "wifi.sock")))
        return clients[-1]

    try:
        yield made, connect
    finally:
        made.stop()
        await running
        server.close()
        for client in clients:
            client.writer.close()
        await asyncio.sleep(0)
    assert port.closed


def order(**changed: object) -> Transmit:
    wanted = {
        "token": 7, "frequency_hz": CHANNEL_6_HZ, "power_cdb": 1_800, "least_power_cdb": 300,
        "latest_start_ms": LATER_MS, "copies": 1, "gap_us": 0, "payload": payload(3),
    }  # fmt: skip
    return Transmit(**(wanted | changed))  # type: ignore[arg-type]


def test_it_greets_and_sends_what_it_is_told(tmp_path: Path) -> None:
    async def act() -> None:
        port = Port()
        async with playing(tmp_path, port) as (_, connect):
            client = await connect()
            assert await client.read(1) == [Hello(messages.VERSION, False, "test0")]
            sent = await client.ask(order(copies=3, gap_us=10_000))
            assert isinstance(sent, Sent)
            assert (sent.token, sent.power_cdb, sent.reason) == (7, 1_800, "")
            assert abs(sent.started_at_ms - time.time_ns() // 1_000_000) < 5_000
            await until(lambda: len(port.sent) == 3)

    asyncio.run(act())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"copies": 0}, "bad_order"),
        ({"copies": 51, "gap_us": 10_000}, "bad_order"),
        ({"copies": 2, "gap_us": 0}, "bad_order"),
        ({"copies": 2, "gap_us": 4_000_000}, "bad_order"),
        ({"payload": b"x" * 24}, "bad_order"),
        ({"frequency_hz": 868_100_000}, "bad_order"),
        ({"latest_start_ms": 5}, "late"),
    ],
)
def test_an_order_that_cannot_be_is_refused_by_name(tmp_path: Path, changed: dict[str, object], reason: str) -> None:
    async def act() -> None:
        port = Port()
        async with playing(tmp_path, port) as (bridge, connect):
            client = await connect()
            await client.read(1)
            sent = await client.ask(order(**changed))
            assert isinstance(sent, Sent)
            assert sent.reason == reason
            assert bridge.counts[f"transmit_{reason}"] == 1
            assert port.sent == []

    asyncio.run(act())


def test_a_second_order_waits_until_the_copies_of_the_first_are_out(tmp_path: Path) -> None:
    async def act() -> None:
        port = Port()
        async with playing(tmp_path, port) as (_, connect):
            client = await connect()
            await client.read(1)
            first = await client.ask(order(copies=4, gap_us=50_000))
            second = await client.ask(order(token=8))
            assert (first.reason, second.reason) == ("", "busy")  # type: ignore[union-attr]
            await until(lambda: len(port.sent) == 4)
            await asyncio.sleep(0.01)
            third = await client.ask(order(token=9))
            assert third.reason == ""  # type: ignore[union-attr]

    asyncio.run(act())


@pytest.mark.parametrize(
    ("power", "refuses", "reason"),
    [(1_500, "", ""), (None, "", ""), (2_000, "", "power_refused"), (200, "", "power_refused"), (1_800, "no", "no")],
)
def test_the_power_told_is_the_drivers_own(tmp_path: Path, power: int | None, refuses: str, reason: str) -> None:
    async def act() -> None:
        radio = Radio()
        radio.power, radio.refuses = power, refuses
        port = Port(radio)
        async with playing(tmp_path, port) as (_, connect):
            client = await connect()
            assert await client.read(1) == [Hello(messages.VERSION, True, "test0")]
            sent = await client.ask(order())
            assert isinstance(sent, Sent)
            used = {"": 1_800 if power is None else power}.get(reason, 0)
            assert (sent.reason, sent.power_cdb, len(port.sent)) == (reason, used, not reason)

    asyncio.run(act())


def test_it_goes_round_the_channels_it_was_given_and_stays_while_it_sends(tmp_path: Path) -> None:
    async def act() -> None:
        radio = Radio()
        port = Port(radio)
        async with playing(tmp_path, port) as (_, connect):
            client = await connect()
            await client.read(1)
            client.writer.write(messages.encode(Listen.on(CHANNELS_HZ, 50)))
            await until(lambda: len(radio.tuned) >= 6)
            assert set(radio.tuned) == set(CHANNELS_HZ)
            radio.tuned.clear()
            await client.ask(order(copies=4, gap_us=60_000))
            await until(lambda: len(port.sent) == 4)
            assert radio.tuned[radio.tuned.index(CHANNEL_6_HZ) :] == [CHANNEL_6_HZ]

    asyncio.run(act())


def test_every_hotspot_hears_and_a_fifth_is_told_that_there_is_no_room(tmp_path: Path) -> None:
    async def act() -> None:
        port = Port()
        async with playing(tmp_path, port) as (_, connect):
            clients = [await connect() for _ in range(loop.MAX_CLIENTS)]
            for client in clients:
                await client.read(1)
            fifth = await connect()
            assert await fifth.read(1) == [Problem("too_many_clients")]
            port.on_frame(captured(5))
            for client in clients:
                (heard,) = await client.read(1)
                assert isinstance(heard, Heard)
                assert heard.payload == payload(5)

    asyncio.run(act())


def test_a_flood_of_beacons_is_cut_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MAX_READS_PER_S", 100)

    async def act() -> None:
        port = Port()
        async with playing(tmp_path, port) as (bridge, _):
            found = captured(1, rssi_dbm=-128)  # read, and told to nobody
            before = time.monotonic()
            for _ in range(3 * loop.MAX_READS_PER_S):
                bridge.on_frame(found)
            seconds = time.monotonic() - before
            assert bridge.counts["no_level"] <= loop.MAX_READS_PER_S * (1 + seconds)
            assert bridge.counts["no_level"] + bridge.counts["too_many_beacons"] == 3 * loop.MAX_READS_PER_S

    asyncio.run(act())


def test_a_hotspot_that_does_not_read_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MAX_UNSENT_BYTES", 1_000)

    async def act() -> None:
        port = Port()
        async with playing(tmp_path, port) as (bridge, connect):
            await connect()
            await until(lambda: bridge._clients)

            def flooded() -> int:
                bridge._broadcast(Counts("x" * 4_000))
                return bridge.counts["client_not_reading"]

            await until(flooded)
            await until(lambda: not bridge._clients)

    asyncio.run(act())


def test_what_is_no_order_is_answered_with_its_fault(tmp_path: Path) -> None:
    async def act() -> None:
        port = Port()
        async with playing(tmp_path, port) as (_, connect):
            client = await connect()
            await client.read(1)
            assert await client.ask(Hello(1, False, "")) == Problem("not_for_a_bridge")
            client.writer.write(b"\x00\x01\x63")
            assert await client.read(1) == [Problem("unknown_message")]
            client.writer.write(b"\xff\xff\xff")
            assert await client.read(1) == [Problem("frame_length")]
            assert await client.reader.read() == b""

    asyncio.run(act())


@pytest.mark.parametrize("reason", ["interface_down", "receive_failed"])
def test_a_port_that_fails_ends_it_with_a_sentence(tmp_path: Path, reason: str) -> None:
    async def act() -> None:
        port = Port()
        async with playing(tmp_path, port) as (bridge, _):
            port.on_problem("pcap_cut_short")
            assert bridge.failed == ""
            port.on_problem(reason)
            await until(lambda: port.closed)
            assert reason in bridge.failed

    asyncio.run(act())
