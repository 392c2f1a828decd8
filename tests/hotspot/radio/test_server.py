"""The UDP server against a virtual forwarder and against junk, over loopback."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hotspot.counters import Counters
from hotspot.radio.frames import RxFrame, TxRequest, TxState
from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.fields import Antenna, Crc, DataRate, Modulation, Stat, Txpk
from hotspot.radio.gwmp.orders import MAX_OPEN_ORDERS
from hotspot.radio.gwmp.server import GwmpServer
from tests.hotspot.clocks import ManualClock, settle, until
from tests.hotspot.radio.hostile import SEEDS, mutated
from tests.hotspot.radio.test_codec import vectors
from tests.hotspot.virtual_forwarder import NO_HEADER, VirtualForwarder, lora_packet, refused, silent

REGRESSIONS = Path(__file__).parents[2] / "regressions"


@dataclasses.dataclass
class Bench:
    server: GwmpServer
    clock: ManualClock
    counters: Counters
    frames: list[RxFrame]
    endpoint: tuple[str, int]

    def request(self, **changed: int) -> TxRequest:
        request = TxRequest(b"\xe0beacon", 868_100_000, 7, 125_000, 14, 0, self.clock.now_ms() + 1_000)
        return dataclasses.replace(request, **changed)

    async def pulled(self, forwarder: VirtualForwarder) -> None:
        before = self.counters.of("datagrams", "PULL_DATA")
        forwarder.pull()
        await until(lambda: self.counters.of("datagrams", "PULL_DATA") > before)

    async def pushed(self, forwarder: VirtualForwarder, *packets: object) -> None:
        before = self.counters.of("datagrams", "PUSH_DATA")
        forwarder.push(*packets)  # type: ignore[arg-type]
        await until(lambda: self.counters.of("datagrams", "PUSH_DATA") > before)


@asynccontextmanager
async def bench(transmit_eui: bytes | None = None, delay_ms: int | None = 0) -> AsyncIterator[Bench]:
    clock, counters, frames = ManualClock(), Counters(), []
    server = GwmpServer(clock, counters, frames.append, transmit_eui, delay_ms)
    endpoint = await server.start("127.0.0.1", 0)
    try:
        yield Bench(server, clock, counters, frames, endpoint)
    finally:
        server.stop()
        await settle()


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


# --- transmitting ---------------------------------------------------------------------------------------------


def test_transmits_at_once_with_crc_and_without_inversion() -> None:
    async def scene() -> None:
        async with bench(delay_ms=80) as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pulled(forwarder)
            result = await b.server.transmit(b.request())
            assert (result.state, result.power_cdb) == (TxState.SENT, 1_400)
            assert result.started_at_ms == b.clock.now_ms() + 80
            assert forwarder.orders == [
                Txpk(
                    frequency_hz=868_100_000,
                    rate=DataRate(Modulation.LORA, spreading_factor=7, bandwidth_hz=125_000),
                    payload=b"\xe0beacon",
                    immediate=True,
                    rf_chain=0,
                    power_dbm=14,
                    cr_denominator=5,
                    inverted=False,
                    preamble_symbols=8,
                    no_crc=False,
                )
            ]

    asyncio.run(scene())


def test_the_order_goes_to_the_socket_that_pulled() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pulled(forwarder)
            await b.pushed(forwarder, lora_packet(b"\xe0"))
            await b.server.transmit(b.request())
            assert len(forwarder.orders) == 1
            assert [data[3] for data in forwarder.up.received] == [codec.Identifier.PUSH_ACK]

    asyncio.run(scene())


def test_no_forwarder_is_a_value() -> None:
    async def scene() -> None:
        async with bench() as b:
            assert (await b.server.transmit(b.request())).state is TxState.NO_FORWARDER

    asyncio.run(scene())


def test_a_forwarder_that_stopped_pulling_does_not_transmit() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pulled(forwarder)
            await b.clock.advance(30_001)
            assert (await b.server.transmit(b.request())).state is TxState.NO_FORWARDER

    asyncio.run(scene())


def test_a_forwarder_that_pulls_once_a_minute_stays_and_an_outage_is_no_interval() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            for pause_ms in (60_000, 60_000, 179_000):
                await b.pulled(forwarder)
                await b.clock.advance(pause_ms)
            assert [one.alive for one in b.server.forwarders()] == [True]
            await b.clock.advance(3_600_000)
            await b.pulled(forwarder)
            await b.clock.advance(181_000)
            assert [one.alive for one in b.server.forwarders()] == [False]

    asyncio.run(scene())


def test_the_configured_forwarder_transmits() -> None:
    async def scene() -> None:
        chosen = b"\x02CHOSEN!"
        async with (
            bench(transmit_eui=chosen) as b,
            VirtualForwarder(b.endpoint) as first,
            VirtualForwarder(b.endpoint, eui=chosen) as second,
        ):
            await b.pulled(first)
            await b.pulled(second)
            await b.server.transmit(b.request())
            assert (len(first.orders), len(second.orders)) == (0, 1)

    asyncio.run(scene())


def test_the_first_forwarder_keeps_transmitting_when_another_comes() -> None:
    async def scene() -> None:
        async with (
            bench() as b,
            VirtualForwarder(b.endpoint) as first,
            VirtualForwarder(b.endpoint, eui=b"\x02ANOTHER") as second,
        ):
            await b.pulled(first)
            await b.pulled(second)
            await b.server.transmit(b.request())
            assert (len(first.orders), len(second.orders)) == (1, 0)

    asyncio.run(scene())


@pytest.mark.parametrize("error", ["TOO_LATE", "TOO_EARLY", "TX_FREQ", "GPS_UNLOCKED", "VENDOR_42"])
def test_a_refusal_is_a_value_with_its_code(error: str) -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, answer=refused(error)) as forwarder:
            await b.pulled(forwarder)
            result = await b.server.transmit(b.request())
            assert (result.state, result.reason) == (TxState.REFUSED, error)
            assert len(forwarder.orders) == 1

    asyncio.run(scene())


def test_an_order_dropped_in_silence_times_out_after_five_seconds() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, answer=silent) as forwarder:
            await b.pulled(forwarder)
            result = asyncio.ensure_future(b.server.transmit(b.request()))
            await until(lambda: forwarder.orders)
            await b.clock.advance(4_999)
            assert not result.done()
            await b.clock.advance(1)
            await until(result.done)
            assert result.result().state is TxState.TIMEOUT

    asyncio.run(scene())


def test_version_one_counts_as_sent_without_an_answer() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, version=1, answer=silent) as forwarder:
            await b.pulled(forwarder)
            result = await b.server.transmit(b.request())
            assert (result.state, result.power_cdb) == (TxState.SENT, 1_400)
            await until(lambda: forwarder.orders)

    asyncio.run(scene())


def test_a_power_warning_says_what_was_used() -> None:
    async def scene() -> None:
        answer = codec.TxAck(NO_HEADER, warning="TX_POWER", value_cdb=1_200)
        async with bench() as b, VirtualForwarder(b.endpoint, answer=lambda order: answer) as forwarder:
            await b.pulled(forwarder)
            result = await b.server.transmit(b.request(power_dbm=14))
            assert (result.state, result.power_cdb) == (TxState.SENT, 1_200)

    asyncio.run(scene())


def test_a_radio_that_cannot_go_low_enough_is_asked_only_once() -> None:
    async def scene() -> None:
        answer = codec.TxAck(NO_HEADER, warning="TX_POWER", value_cdb=1_200)
        async with bench() as b, VirtualForwarder(b.endpoint, answer=lambda order: answer) as forwarder:
            await b.pulled(forwarder)
            await b.server.transmit(b.request(power_dbm=5))
            result = await b.server.transmit(b.request(power_dbm=5))
            assert (result.state, result.reason) == (TxState.REFUSED, "least_power_is_too_much")
            assert len(forwarder.orders) == 1

    asyncio.run(scene())


def only_from_table(order: Txpk) -> codec.TxAck | None:
    good = order.power_dbm in (10, 12)
    return codec.TxAck(NO_HEADER) if good else codec.TxAck(NO_HEADER, error="TX_POWER")


def test_steps_down_when_a_power_is_refused_and_remembers_the_level() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, answer=only_from_table) as forwarder:
            await b.pulled(forwarder)
            first = await b.server.transmit(b.request(power_dbm=14))
            second = await b.server.transmit(b.request(power_dbm=14))
            assert (first.power_cdb, second.power_cdb) == (1_200, 1_200)
            assert [order.power_dbm for order in forwarder.orders] == [14, 13, 12, 12]

    asyncio.run(scene())


def test_does_not_step_below_the_least_power() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, answer=refused("TX_POWER")) as forwarder:
            await b.pulled(forwarder)
            result = await b.server.transmit(b.request(power_dbm=14, least_power_dbm=12))
            assert (result.state, result.reason) == (TxState.REFUSED, "TX_POWER")
            assert [order.power_dbm for order in forwarder.orders] == [14, 13, 12]

    asyncio.run(scene())


def test_does_not_order_a_frame_that_would_start_too_late() -> None:
    async def scene() -> None:
        async with bench(delay_ms=80) as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pulled(forwarder)
            result = await b.server.transmit(b.request(latest_start_ms=b.clock.now_ms() + 79))
            assert result.state is TxState.LATE
            assert forwarder.orders == []

    asyncio.run(scene())


def test_an_answer_nobody_waits_for_is_counted() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            header = forwarder.header(codec.Identifier.TX_ACK)
            forwarder.push_bytes(codec.encode(codec.TxAck(header)))
            await until(lambda: b.counters.of("datagrams", "tx_ack_unasked"))

    asyncio.run(scene())


def test_names_two_boxes_that_share_one_eui() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as first, VirtualForwarder(b.endpoint) as second:
            for forwarder in (first, second) * 3:
                await b.pulled(forwarder)
            assert [one.shares_its_eui for one in b.server.forwarders()] == [True]

    asyncio.run(scene())


def test_two_boxes_that_share_one_eui_are_counted_once_while_it_lasts() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as first, VirtualForwarder(b.endpoint) as second:
            for forwarder in (first, second) * 5:
                await b.pulled(forwarder)
            assert b.counters.of("forwarders", "shared_eui") == 1

    asyncio.run(scene())


@pytest.mark.parametrize("error", ["COLLISION_PACKET", "COLLISION_BEACON"])
def test_a_frame_that_met_a_queued_downlink_is_tried_once_more(error: str) -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, answer=refused(error)) as forwarder:
            await b.pulled(forwarder)
            result = asyncio.ensure_future(b.server.transmit(b.request()))
            await until(lambda: b.counters.of("datagrams", "TX_ACK") == 1)
            await b.clock.advance(700)
            await until(result.done)
            assert (result.result().state, result.result().reason) == (TxState.REFUSED, error)
            assert len(forwarder.orders) == 2

    asyncio.run(scene())


def test_a_code_that_is_no_name_becomes_one() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, answer=refused("é <b>")) as forwarder:
            await b.pulled(forwarder)
            assert (await b.server.transmit(b.request())).reason == "OTHER_CODE"

    asyncio.run(scene())


def test_a_stopped_server_ends_a_waiting_order() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, answer=silent) as forwarder:
            await b.pulled(forwarder)
            result = asyncio.ensure_future(b.server.transmit(b.request()))
            await until(lambda: forwarder.orders)
            b.server.stop()
            assert (await result).state is TxState.TIMEOUT

    asyncio.run(scene())


def test_an_answer_that_cannot_be_read_is_one_all_the_same() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, answer=refused("\ud800")) as forwarder:
            await b.pulled(forwarder)
            result = await b.server.transmit(b.request())
            assert (result.state, result.reason) == (TxState.REFUSED, "UNREADABLE_ANSWER")
            assert b.counters.of("datagrams", "FIELD") == 1

    asyncio.run(scene())


# --- orders of others -----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Asker:
    """Keeps the answers to what it had relayed."""

    answers: list[tuple[codec.TxAck | None, bytes]] = dataclasses.field(default_factory=list)

    def take(self, answer: codec.TxAck | None, datagram: bytes) -> None:
        self.answers.append((answer, datagram))


ORDER = b'\x02\xaa\xbb\x03{"txpk":{"imme":true,"vendor":[1, 2],"freq":868.1,"prea":null}}'


def test_relays_an_order_byte_for_byte_under_a_token_of_its_own() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint) as forwarder:
            await b.pulled(forwarder)
            asker = Asker()
            assert b.server.relay(forwarder.eui, ORDER, asker.take)
            await until(lambda: len(forwarder.down.received) == 2)
            arrived = forwarder.down.received[1]
            assert (arrived[:1], arrived[3:]) == (ORDER[:1], ORDER[3:])
            answer = b"\x02" + arrived[1:3] + b"\x05" + forwarder.eui + b'{"txpk_ack":{"error":"TX_FREQ"}}\0'
            forwarder.push_bytes(answer)
            await until(lambda: asker.answers)
            told, datagram = asker.answers[0]
            assert told is not None and told.error == "TX_FREQ"
            assert datagram == answer

    asyncio.run(scene())


def test_tells_that_a_relayed_order_got_no_answer() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, answer=silent) as forwarder:
            await b.pulled(forwarder)
            asker = Asker()
            b.server.relay(forwarder.eui, ORDER, asker.take)
            await b.clock.advance(5_000)
            await b.pulled(forwarder)
            assert asker.answers == [(None, b"")]

    asyncio.run(scene())


def test_relays_nothing_to_a_forwarder_that_is_not_there() -> None:
    async def scene() -> None:
        async with bench() as b:
            assert not b.server.relay(b"\x02NOBODY.", ORDER, Asker().take)

    asyncio.run(scene())


def test_relays_no_more_than_a_bounded_number_of_unanswered_orders() -> None:
    async def scene() -> None:
        async with bench() as b, VirtualForwarder(b.endpoint, answer=silent) as forwarder:
            await b.pulled(forwarder)
            relayed = [b.server.relay(forwarder.eui, ORDER, Asker().take) for _ in range(MAX_OPEN_ORDERS + 1)]
            assert relayed == [True] * MAX_OPEN_ORDERS + [False]

    asyncio.run(scene())
