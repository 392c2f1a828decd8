"""The UDP server against a virtual forwarder and against junk, over loopback."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from pathlib import Path

import pytest

from hotspot.radio.frames import RxFrame, TxState
from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.fields import Antenna, Crc, DataRate, Modulation, Stat
from tests.hotspot.clocks import until
from tests.hotspot.radio.benches import bench
from tests.hotspot.radio.hostile import SEEDS, mutated
from tests.hotspot.radio.test_codec import vectors
from tests.hotspot.virtual_forwarder import VirtualForwarder, lora_packet

REGRESSIONS = Path(__file__).parents[2] / "regressions"


def test_acknowledges_in_the_version_and_to_the_socket_that_asked() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, version=1) as forwarder:
            forwarder.pull()
            forwarder.push(lora_packet(b"\xe0"))
            await until(lambda: forwarder.up.received and forwarder.down.received)
            assert [data[0] for data in forwarder.up.received + forwarder.down.received] == [1, 1]
            assert forwarder.up.received[0][3] == codec.Identifier.PUSH_ACK
            assert forwarder.down.received[0][3] == codec.Identifier.PULL_ACK

    asyncio.run(scene())


def test_acknowledges_a_good_header_with_a_bad_body() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            forwarder.push_bytes(b"\x02\x12\x34\x00" + forwarder.eui + b"{")
            await until(lambda: forwarder.up.received)
            assert forwarder.up.received == [b"\x02\x12\x34\x01"]
            assert b.counters.of("datagrams", "JSON") == 1

    asyncio.run(scene())


def test_a_frame_has_the_packets_values_and_the_hotspots_times() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pushed(forwarder, lora_packet(b"\xe0abc", tmst_us=7, fine_time_ns=9))
            assert b.frames == [
                RxFrame(
                    payload=b"\xe0abc",
                    frequency_hz=868_100_000,
                    spreading_factor=7,
                    bandwidth_hz=125_000,
                    rssi_cdb=-9_700,
                    snr_cdb=520,
                    received_at_ms=b.clock.now_ms(),
                    received_monotonic_ms=b.clock.monotonic_ms(),
                    tmst_us=7,
                    fine_time_ns=9,
                    gateway=forwarder.eui,
                )
            ]

    asyncio.run(scene())


def test_the_best_antenna_speaks_for_a_packet() -> None:
    async def scene() -> None:
        antennas = (Antenna(0, rssi_cdb=-9_000, snr_cdb=100), Antenna(1, rssi_cdb=-8_000, snr_cdb=300))
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pushed(forwarder, lora_packet(b"\xe0", rssi_cdb=None, snr_cdb=None, antennas=antennas))
            assert [(frame.rssi_cdb, frame.snr_cdb) for frame in b.frames] == [(-8_000, 300)]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"crc": Crc.BAD}, "crc_bad"),
        ({"crc": Crc.NONE}, "crc_none"),
        ({"rate": DataRate(Modulation.FSK, bitrate_bps=50_000)}, "not_lora"),
        ({"rssi_cdb": None}, "no_level"),
        ({"snr_cdb": None}, "no_level"),
    ],
)
def test_counts_a_packet_it_cannot_use(changed: dict[str, object], outcome: str) -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pushed(forwarder, lora_packet(b"\xe0", **changed))  # type: ignore[arg-type]
            assert b.counters.snapshot()["rxpk"] == {outcome: 1}
            assert b.frames == []

    asyncio.run(scene())


def test_a_datagram_sent_twice_is_one_frame() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pulled(forwarder)
            packet = lora_packet(b"\xe0")
            await b.pushed(forwarder, packet)
            await b.pushed(forwarder, packet)
            assert len(b.frames) == 1
            assert b.counters.of("rxpk", "repeated") == 1

    asyncio.run(scene())


def test_the_better_copy_of_a_near_transmitter_is_not_taken_for_a_repetition() -> None:
    """Real receptions: a ghost on another channel has the very counter value of the frame it is a ghost of."""

    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            ghost = lora_packet(b"\xe0", tmst_us=5, frequency_hz=867_500_000, snr_cdb=-1_620, rssi_cdb=-11_500)
            true = lora_packet(b"\xe0", tmst_us=5, snr_cdb=1_000, rssi_cdb=-3_000)
            await b.pushed(forwarder, ghost, true)
            await b.pushed(forwarder, ghost, true)
            assert [frame.snr_cdb for frame in b.frames] == [-1_620, 1_000]
            assert b.counters.of("rxpk", "repeated") == 2

    asyncio.run(scene())


def test_a_counter_that_jumps_was_started_again_and_one_that_wraps_was_not() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pushed(forwarder, lora_packet(b"\xe0", tmst_us=2**32 - 500_000))
            await b.clock.advance(1_000)
            await b.pushed(forwarder, lora_packet(b"\xe0", tmst_us=500_000))
            assert b.counters.of("forwarders", "counter_restarted") == 0
            assert b.server.milliseconds_until(forwarder.eui, 1_500_000) == 1_000
            assert b.server.milliseconds_until(forwarder.eui, 2**32 - 500_000) == -1_000
            await b.clock.advance(60_000)
            await b.pushed(forwarder, lora_packet(b"\xe0", tmst_us=3_000_000))
            assert b.counters.of("forwarders", "counter_restarted") == 1
            assert [one.counter_restarts for one in b.server.forwarders()] == [1]

    asyncio.run(scene())


def test_a_level_of_the_signal_alone_is_a_level() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pushed(forwarder, lora_packet(b"\xe0", rssi_cdb=None, signal_rssi_cdb=-8_000))
            assert [frame.rssi_cdb for frame in b.frames] == [-8_000]

    asyncio.run(scene())


def test_a_forwarder_that_never_asks_for_orders_is_shown_and_does_not_transmit() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pushed(forwarder, lora_packet(b"\xe0"))
            shown = b.server.forwarders()[0]
            assert (shown.alive, shown.seconds_since_pull, shown.packets) == (False, None, 1)
            assert (await b.server.transmit(b.request())).state is TxState.NO_FORWARDER

    asyncio.run(scene())


@pytest.mark.parametrize(("offset_hz", "delay_ms", "name"), [(-1_200, 80, "SX1302"), (None, 1_000, "SX1301")])
def test_a_frame_starts_when_the_forwarders_program_starts_it(offset_hz: int | None, delay_ms: int, name: str) -> None:
    async def scene() -> None:
        async with bench(delay_ms=None) as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pulled(forwarder)
            assert (await b.server.transmit(b.request())).started_at_ms == b.clock.now_ms() + 80
            await b.pushed(forwarder, lora_packet(b"\xe0", frequency_offset_hz=offset_hz))
            header = forwarder.header(codec.Identifier.PUSH_DATA)
            forwarder.push_bytes(codec.encode(codec.PushData(header, stat=Stat(received=1))))
            await until(lambda: b.server.forwarders()[0].stat)
            assert (await b.server.transmit(b.request())).started_at_ms == b.clock.now_ms() + delay_ms
            assert [one.concentrator for one in b.server.forwarders()] == [name]

    asyncio.run(scene())


def test_shows_what_a_forwarder_says_of_itself() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            header = forwarder.header(codec.Identifier.PUSH_DATA)
            stat = Stat(received=7, temperature_tenths=235)
            forwarder.push_bytes(codec.encode(codec.PushData(header, stat=stat)))
            await until(lambda: b.server.forwarders())
            assert b.server.forwarders()[0].stat == stat

    asyncio.run(scene())


def test_everything_that_arrived_is_acknowledged_before_any_of_it_is_read() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            acknowledged_at_first_frame: list[int] = []
            b.server._on_frame = lambda frame: acknowledged_at_first_frame.append(len(forwarder.up.received))
            raw = [lora_packet(bytes([at])) for at in range(20)]
            with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as plain:
                plain.connect(b.endpoint)
                for packet in raw:
                    header = forwarder.header(codec.Identifier.PUSH_DATA)
                    plain.send(codec.encode(codec.PushData(header, (packet,), (0,))))
                await until(lambda: len(acknowledged_at_first_frame) == 20)
                plain.setblocking(False)
                assert [plain.recv(100)[3] for _ in range(20)] == [codec.Identifier.PUSH_ACK] * 20

    asyncio.run(scene())


def test_the_counter_of_a_forwarder_that_came_back_starts_afresh() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pulled(forwarder)
            packet = lora_packet(b"\xe0")
            await b.pushed(forwarder, packet)
            await b.clock.advance(31_000)
            await b.pulled(forwarder)
            await b.pushed(forwarder, packet)
            assert len(b.frames) == 2

    asyncio.run(scene())


def test_takes_a_datagram_of_a_hundred_packets() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pushed(forwarder, *(lora_packet(bytes([0xE0, at]) + bytes(50)) for at in range(100)))
            assert len(b.frames) == 100

    asyncio.run(scene())


def test_every_vector_and_ten_thousand_mutated_datagrams_leave_it_up_and_counted() -> None:
    async def scene() -> None:
        source = random.Random(1680)
        datagrams = [bytes.fromhex(case["hex"]) for case in vectors()]
        datagrams += [mutated(source, source.choice(SEEDS)) for _ in range(10_000)]
        datagrams += [path.read_bytes() for path in sorted(REGRESSIONS.glob("gwmp_*.bin"))]
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            for datagram in datagrams:
                b.server.datagram_received(datagram, ("127.0.0.1", 9))
            assert sum(b.counters.snapshot()["datagrams"].values()) == len(datagrams)
            heard = len(b.frames)
            await b.pushed(forwarder, lora_packet(b"\xe0"))
            assert len(b.frames) == heard + 1

    asyncio.run(scene())
