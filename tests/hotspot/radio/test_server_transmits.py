"""Frames to send: which forwarder gets the order, what it answers, and what becomes of a refusal."""

from __future__ import annotations

import asyncio

import pytest

from hotspot.radio.frames import TxState
from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.fields import DataRate, Modulation, Txpk
from tests.hotspot.clocks import until
from tests.hotspot.radio.benches import bench
from tests.hotspot.virtual_forwarder import NO_HEADER, VirtualForwarder, lora_packet, refused, silent


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
