"""Orders of others, handed on to a forwarder and back."""

from __future__ import annotations

import asyncio
import dataclasses

from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.orders import MAX_OPEN_ORDERS
from tests.hotspot.clocks import until
from tests.hotspot.radio.benches import bench
from tests.hotspot.virtual_forwarder import VirtualForwarder, silent


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
