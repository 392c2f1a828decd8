"""A LoRaWAN network server's UDP side: it acknowledges, remembers, and sends orders to where it was asked for them."""

from __future__ import annotations

import asyncio
from typing import Self

from hotspot.radio.gwmp import codec
from tests.hotspot.clocks import until

Endpoint = tuple[str, int]


class NetworkServer(asyncio.DatagramProtocol):
    """`received` holds every datagram; `orders_to` the source of the last PULL_DATA by EUI."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.orders_to: dict[bytes, Endpoint] = {}
        self.transport: asyncio.DatagramTransport

    async def __aenter__(self) -> Self:
        await self.listen(0)
        return self

    async def listen(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        self.transport.close()
        await asyncio.sleep(0)

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: Endpoint) -> None:
        self.received.append(data)
        header = codec.read_header(data)
        assert not isinstance(header, codec.Refused)
        if header.kind is codec.Identifier.PULL_DATA:
            self.orders_to[header.eui] = addr
        if header.ack is not None:
            self.transport.sendto(header.ack, addr)

    def order(self, eui: bytes, datagram: bytes) -> None:
        self.transport.sendto(datagram, self.orders_to[eui])

    def of_kind(self, kind: codec.Identifier) -> list[bytes]:
        return [data for data in self.received if data[3] == kind]

    async def until_received(self, kind: codec.Identifier, count: int = 1) -> list[bytes]:
        await until(lambda: len(self.of_kind(kind)) >= count)
        return self.of_kind(kind)
