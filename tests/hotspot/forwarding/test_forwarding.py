"""A forwarder, the hotspot's port and network servers over real UDP: the gateway works as it did before."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from hotspot.config import Endpoint
from hotspot.counters import Counters
from hotspot.forwarding.forwarding import Forwarding, Journal
from hotspot.playing.duty_cycle import Allowed, Ledger, Wait
from hotspot.radio.frames import RxFrame
from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.codec import Identifier
from hotspot.radio.gwmp.server import GwmpServer
from hotspot.reporting.reports import Transmission
from protocol.beacon import PREFIX
from tests.factories import SHARED
from tests.hotspot.clocks import ManualClock, settle, until
from tests.hotspot.forwarding.network_server import NetworkServer
from tests.hotspot.virtual_forwarder import Answer, VirtualForwarder, accepted, lora_packet, refused, silent

OURS = PREFIX + bytes(21)
FOREIGN = b"\x40\x01\x02\x03\x04\x80\x00\x00\x01\xaa\xbb\xcc\xdd\xee"


@dataclasses.dataclass
class Scene:
    server: GwmpServer
    forwarding: Forwarding
    ledger: Ledger
    clock: ManualClock
    counters: Counters
    frames: list[RxFrame]
    owners: list[NetworkServer]
    forwarder: VirtualForwarder

    def counted(self, name: str, at: int = 0) -> int:
        return self.counters.of(f"network_server 127.0.0.1:{self.owners[at].port}", name)

    async def pulled(self) -> None:
        before = self.counters.of("datagrams", "PULL_DATA")
        self.forwarder.pull()
        await until(lambda: self.counters.of("datagrams", "PULL_DATA") > before)

    async def ordered(self, order: dict[str, Any], token: bytes = b"\xaa\xbb") -> bytes:
        datagram = datagram_of(order, token)
        before = self.counted("order")
        self.owners[0].order(self.forwarder.eui, datagram)
        await until(lambda: self.counted("order") > before)
        return datagram


@asynccontextmanager
async def scene(servers: int = 1, answer: Answer = accepted, region: str = "EU868") -> AsyncIterator[Scene]:
    clock, counters, ledger, frames = ManualClock(), Counters(), Ledger(region), []
    server = GwmpServer(clock, counters, frames.append)
    async with AsyncExitStack() as stack:
        owners = [await stack.enter_async_context(NetworkServer()) for _ in range(servers)]
        upstream = [Endpoint("127.0.0.1", owner.port) for owner in owners]
        forwarding = Forwarding(upstream, server, ledger, clock, counters)
        server.passage = forwarding
        endpoint = await server.start("127.0.0.1", 0)
        forwarder = await stack.enter_async_context(VirtualForwarder(endpoint, answer=answer))
        try:
            yield Scene(server, forwarding, ledger, clock, counters, frames, owners, forwarder)
        finally:
            forwarding.stop()
            server.stop()
            await settle()


def entry(payload: bytes, **foreign: object) -> bytes:
    """One rxpk as a vendor writes it: odd spacing, keys nobody knows, numbers with their own number of digits."""
    packet = lora_packet(payload)
    text = codec.encode(codec.PushData(codec.Header(2, b"\0\0", Identifier.PUSH_DATA, b""), (packet,), (0,)))
    members = json.loads(text[4:])["rxpk"][0] | foreign
    return json.dumps(members, separators=(" , ", ":  ")).encode()


def datagram_of(order: dict[str, Any], token: bytes = b"\xaa\xbb") -> bytes:
    """A PULL_RESP with a trailing NUL."""
    return b"\x02" + token + b"\x03" + json.dumps({"txpk": order}).encode() + b"\0"


LORA_ORDER: dict[str, Any] = {
    "imme": True, "freq": 869.525, "rfch": 0, "powe": 14, "modu": "LORA", "datr": "SF9BW125", "codr": "4/5",
    "ipol": True, "size": 3, "data": "AQID",
}  # fmt: skip


# --- out --------------------------------------------------------------------------------------------------------


def test_a_datagram_without_beacons_arrives_at_every_server_as_it_was_sent() -> None:
    async def story() -> None:
        async with scene(servers=2) as s:
            body = b'{"rxpk" : [' + entry(FOREIGN, vendor={"x": [1, None]}, prea=None) + b'], "stat":{"temp":3.0e1}}\0'
            datagram = b"\x02\x12\x34\x00" + s.forwarder.eui + body
            s.forwarder.push_bytes(datagram)
            for owner in s.owners:
                assert await owner.until_received(Identifier.PUSH_DATA) == [datagram]

    asyncio.run(story())


def test_our_beacons_are_cut_out_and_nothing_else_changes() -> None:
    async def story() -> None:
        async with scene() as s:
            first, last = entry(FOREIGN, vendor=1), entry(FOREIGN[:-1], vendor=2)
            head = b"\x02\x12\x34\x00" + s.forwarder.eui
            s.forwarder.push_bytes(head + b'{"rxpk":[' + b",".join([first, entry(OURS), last]) + b'],"stat":null}')
            received = await s.owners[0].until_received(Identifier.PUSH_DATA)
            assert received == [head + b'{"rxpk":[' + first + b"," + last + b'],"stat":null}']
            assert [frame.payload for frame in s.frames] == [FOREIGN, OURS, FOREIGN[:-1]]

    asyncio.run(story())


def test_a_datagram_of_beacons_alone_is_not_passed_on() -> None:
    async def story() -> None:
        async with scene() as s:
            s.forwarder.push(lora_packet(OURS))
            s.forwarder.push(lora_packet(FOREIGN))
            received = await s.owners[0].until_received(Identifier.PUSH_DATA)
            assert len(received) == 1 and b'"size":14' in received[0]

    asyncio.run(story())


def test_what_this_hotspot_cannot_read_is_passed_on_all_the_same() -> None:
    async def story() -> None:
        async with scene() as s:
            datagram = b"\x02\x12\x34\x00" + s.forwarder.eui + b'{"rxpk":[NaN]}'
            s.forwarder.push_bytes(datagram)
            assert await s.owners[0].until_received(Identifier.PUSH_DATA) == [datagram]

    asyncio.run(story())


def test_keep_alives_pass_on_and_the_forwarder_is_acknowledged_once() -> None:
    async def story() -> None:
        async with scene() as s:
            await s.pulled()
            assert await s.owners[0].until_received(Identifier.PULL_DATA)
            await until(lambda: s.counted("PULL_ACK") == 1)
            assert [data[3] for data in s.forwarder.down.received] == [Identifier.PULL_ACK]

    asyncio.run(story())


def test_forwarders_keep_their_own_address_towards_a_server() -> None:
    async def story() -> None:
        async with scene() as s, VirtualForwarder(s.forwarder.server, eui=b"\x02ANOTHER") as another:
            await s.pulled()
            another.pull()
            await until(lambda: len(s.owners[0].orders_to) == 2)
            assert len(set(s.owners[0].orders_to.values())) == 2

    asyncio.run(story())


def test_a_server_that_is_not_there_costs_the_forwarder_nothing_and_is_found_again() -> None:
    async def story() -> None:
        async with scene() as s:
            port = s.owners[0].port
            group = f"network_server 127.0.0.1:{port}"
            await s.owners[0].stop()
            for _ in range(3):
                await s.pulled()
            assert len(s.forwarder.down.received) == 3
            await until(lambda: s.counters.of(group, "unreachable"))
            await s.owners[0].listen(port)
            await s.pulled()
            assert await s.owners[0].until_received(Identifier.PULL_DATA)

    asyncio.run(story())


def test_a_name_is_looked_up_before_anything_can_be_sent() -> None:
    async def story() -> None:
        async with scene() as s:
            named = Forwarding([Endpoint("localhost", s.owners[0].port)], s.server, s.ledger, s.clock, s.counters)
            s.server.passage = named
            await s.pulled()
            assert s.counters.of(f"network_server localhost:{s.owners[0].port}", "no_address") == 1
            await until(lambda: named.snapshot()[0]["address"])
            named.stop()

    asyncio.run(story())


def test_a_hotspot_named_as_its_own_network_server_does_not_talk_to_itself() -> None:
    async def story() -> None:
        async with scene() as s:
            port = s.server.bound_port
            assert port is not None
            s.server.passage = itself = Forwarding(
                [Endpoint("127.0.0.1", port)], s.server, s.ledger, s.clock, s.counters
            )
            await s.pulled()
            await s.pulled()
            assert s.counters.of(f"network_server 127.0.0.1:{port}", "this_hotspot_itself") == 2
            assert s.counters.of("datagrams", "PULL_DATA") == 2
            itself.stop()

    asyncio.run(story())


# --- back -------------------------------------------------------------------------------------------------------


def test_an_order_reaches_the_forwarder_and_its_answer_the_server_under_the_servers_token() -> None:
    async def story() -> None:
        async with scene() as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            order = await s.ordered(LORA_ORDER | {"vendor": [1, 2]})
            (answer,) = await s.owners[0].until_received(Identifier.TX_ACK)
            arrived = s.forwarder.down.received[-1]
            assert (arrived[:1], arrived[3:]) == (order[:1], order[3:])
            assert answer == b"\x02\xaa\xbb\x05" + s.forwarder.eui

    asyncio.run(story())


def test_an_answer_goes_to_the_server_that_ordered() -> None:
    async def story() -> None:
        async with scene(servers=2) as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            await s.ordered(LORA_ORDER)
            await s.owners[0].until_received(Identifier.TX_ACK)
            assert s.owners[1].of_kind(Identifier.TX_ACK) == []

    asyncio.run(story())


def test_a_refusal_comes_back_as_the_forwarder_wrote_it() -> None:
    async def story() -> None:
        async with scene(answer=refused("COLLISION_PACKET")) as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            await s.ordered(LORA_ORDER)
            (answer,) = await s.owners[0].until_received(Identifier.TX_ACK)
            assert answer[12:] == b'{"txpk_ack":{"error":"COLLISION_PACKET"}}'
            assert s.counted("order_refused") == 1

    asyncio.run(story())


def test_an_order_dropped_in_silence_is_counted() -> None:
    async def story() -> None:
        async with scene(answer=silent) as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            await s.ordered(LORA_ORDER)
            await s.clock.advance(5_000)
            await s.pulled()
            assert s.counted("order_unanswered") == 1

    asyncio.run(story())


# --- the ledger -------------------------------------------------------------------------------------------------


def test_a_downlink_takes_the_time_it_is_on_air_from_the_beacons() -> None:
    async def story() -> None:
        async with scene() as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            await s.ordered(LORA_ORDER | {"freq": 868.1})
            assert s.ledger.used_us(s.clock.now_ms())["868-868.6"][0] == 103_424

    asyncio.run(story())


def test_a_refused_downlink_takes_nothing() -> None:
    async def story() -> None:
        async with scene(answer=refused("TOO_LATE")) as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            await s.ordered(LORA_ORDER)
            await s.owners[0].until_received(Identifier.TX_ACK)
            assert s.ledger.sent() == []

    asyncio.run(story())


def test_an_order_for_a_forwarder_that_is_gone_takes_nothing() -> None:
    async def story() -> None:
        async with scene() as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            await s.clock.advance(31_000)
            await s.ordered(LORA_ORDER)
            assert (s.counted("order_not_passed_on"), s.ledger.sent()) == (1, [])

    asyncio.run(story())


def test_a_beacon_waits_for_downlinks_that_used_the_hour_up_and_downlinks_do_not_wait() -> None:
    async def story() -> None:
        async with scene() as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            long = {"freq": 868.1, "datr": "SF12BW125", "size": 255, "data": "A" * 340}
            for _ in range(4):
                await s.ordered(LORA_ORDER | long)
            await s.owners[0].until_received(Identifier.TX_ACK, 4)
            assert s.counted("order_over_duty_cycle") == 1
            assert isinstance(s.ledger.may_send(868_300_000, 61_696, s.clock.now_ms()), Wait)
            assert s.ledger.may_send(867_100_000, 61_696, s.clock.now_ms()) == Allowed()

    asyncio.run(story())


def test_a_downlink_for_later_is_charged_when_it_is_sent() -> None:
    async def story() -> None:
        async with scene() as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            s.forwarder.push(lora_packet(FOREIGN, tmst_us=2**32 - 1_000_000))
            await until(lambda: s.frames)
            await s.ordered(LORA_ORDER | {"imme": False, "tmst": 4_000_000})
            assert [one.at_ms - s.clock.now_ms() for one in s.ledger.sent()] == [5_000]

    asyncio.run(story())


@pytest.mark.parametrize(("answer", "kept"), [(accepted, 1), (refused("TX_FREQ"), 0)])
def test_charges_are_kept_over_a_restart(answer: Answer, kept: int) -> None:
    async def story() -> None:
        async with scene(answer=answer) as s:
            stored: list[Transmission] = []
            s.forwarding.journal = Journal(stored.append, stored.remove)
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            await s.ordered(LORA_ORDER)
            await s.owners[0].until_received(Identifier.TX_ACK)
            assert len(stored) == kept

    asyncio.run(story())


def test_shows_whether_each_server_answers() -> None:
    async def story() -> None:
        async with scene(servers=2) as s:
            await s.owners[1].stop()
            await s.pulled()
            await until(lambda: s.counted("PULL_ACK") == 1)
            first, second = s.forwarding.snapshot()
            assert (first["seconds_since_answer"], second["seconds_since_answer"]) == (0, None)
            assert first["counters"] == {"PULL_ACK": 1, "PULL_DATA": 1}

    asyncio.run(story())


# --- real datagrams ---------------------------------------------------------------------------------------------

RECORDED = SHARED / "data" / "gwmp-datagrams-mit" / "datagrams.json"


@pytest.mark.skipif(not RECORDED.exists(), reason="../shared/data/gwmp-datagrams-mit is not here")
def test_recorded_datagrams_of_gateways_arrive_as_they_were_recorded() -> None:
    async def story() -> None:
        recorded = [bytes.fromhex(one["hex"]) for one in json.loads(RECORDED.read_text())]
        uplinks = [data for data in recorded if data[3] in (Identifier.PUSH_DATA, Identifier.PULL_DATA)]
        async with scene() as s:
            for datagram in uplinks:
                s.forwarder.push_bytes(datagram)
            await until(lambda: len(s.owners[0].received) == len(uplinks))
            assert sorted(s.owners[0].received) == sorted(uplinks)

    asyncio.run(story())
