"""A packet forwarder as measured on real ones: two sockets, keep-alives, answers to orders."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import Callable
from typing import Self

from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.fields import Crc, DataRate, Modulation, Rxpk, Txpk

Endpoint = tuple[str, int]
Answer = Callable[[Txpk], codec.TxAck | None]
NO_HEADER = codec.Header(2, b"\0\0", codec.Identifier.TX_ACK, b"")


def accepted(order: Txpk) -> codec.TxAck | None:
    return codec.TxAck(NO_HEADER)


def refused(error: str) -> Answer:
    return lambda order: codec.TxAck(NO_HEADER, error=error)


def silent(order: Txpk) -> codec.TxAck | None:
    return None


def lora_packet(payload: bytes, *, snr_cdb: int = 520, rssi_cdb: int = -9_700, **changed: object) -> Rxpk:
    packet = Rxpk(
        tmst_us=secrets.randbelow(2**32),
        frequency_hz=868_100_000,
        rate=DataRate(Modulation.LORA, spreading_factor=7, bandwidth_hz=125_000),
        crc=Crc.OK,
        payload=payload,
        cr_denominator=5,
        rssi_cdb=rssi_cdb,
        snr_cdb=snr_cdb,
    )
    return dataclasses.replace(packet, **changed)  # type: ignore[arg-type]


class Socket(asyncio.DatagramProtocol):
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.on_datagram: Callable[[bytes], None] = self.received.append
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: Endpoint) -> None:
        self.on_datagram(data)

    def error_received(self, exc: Exception) -> None:
        """The server is not there: a forwarder ignores that."""


class VirtualForwarder:
    """Connects to a server's port; `answer` decides what happens to orders, which `orders` keeps."""

    def __init__(
        self, server: Endpoint, eui: bytes = b"\x02FORWARD", version: int = 2, answer: Answer = accepted
    ) -> None:
        self.server, self.eui, self.version, self.answer = server, eui, version, answer
        self.orders: list[Txpk] = []
        self.up, self.down = Socket(), Socket()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for sock in (self.up, self.down):
            await loop.create_datagram_endpoint(lambda sock=sock: sock, remote_addr=self.server)
        self.down.on_datagram = self._take
        return self

    async def __aexit__(self, *_: object) -> None:
        self.up.transport.close()
        self.down.transport.close()
        await asyncio.sleep(0)

    def header(self, kind: codec.Identifier, token: bytes | None = None) -> codec.Header:
        return codec.Header(self.version, token or secrets.token_bytes(2), kind, self.eui)

    def pull(self) -> None:
        self.down.transport.sendto(codec.encode(codec.Bare(self.header(codec.Identifier.PULL_DATA))))

    def push(self, *packets: Rxpk) -> None:
        header = self.header(codec.Identifier.PUSH_DATA)
        self.push_bytes(codec.encode(codec.PushData(header, packets, tuple(range(len(packets))))))

    def push_bytes(self, datagram: bytes) -> None:
        self.up.transport.sendto(datagram)

    def _take(self, data: bytes) -> None:
        self.down.received.append(data)
        datagram = codec.decode(data)
        if not isinstance(datagram, codec.PullResp):
            return
        self.orders.append(datagram.order)
        answer = self.answer(datagram.order)
        if answer is not None:
            header = self.header(codec.Identifier.TX_ACK, datagram.header.token)
            self.down.transport.sendto(codec.encode(dataclasses.replace(answer, header=header)))
