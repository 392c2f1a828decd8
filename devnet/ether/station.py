"""The two sockets of one virtual packet forwarder: reports and their acknowledgements, orders and their answers.

As in the real program there is one socket for PUSH_DATA and another for PULL_DATA and TX_ACK, nothing is sent twice,
and every protocol decision is the `Forwarder`'s. Datagrams that do not come from the hotspot's port are ignored.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

from devnet.ether.config import StationConfig
from devnet.ether.emissions import Emission, Reception
from devnet.ether.forwarder import Decision, Forwarder, Ignored, Programmed, Refused
from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.codec import Header, Identifier, PushData, TxAck
from hotspot.radio.gwmp.fields import Rxpk, Stat, Txpk

PROTOCOL_VERSION = 2
KEEPALIVE_S = 5.0
STAT_INTERVAL_S = 30.0
ROOM_TEMPERATURE_TENTHS = 215
"""Only SX1302 boards report one; the ether plays such."""
MAX_UNACKNOWLEDGED = 1_024
"""Tokens are 16 bits; far fewer than that may wait, or an old acknowledgement could meet a new datagram."""
TOKEN_MODULUS = 2**16

OnAcknowledged = Callable[[], None]
OnProgrammed = Callable[["Station", Txpk, Programmed, int], None]


@dataclass(slots=True)
class Counters:
    """What a station has done; shown in the list of stations and in the report."""

    pull_data: int = 0
    pull_acks: int = 0
    push_data: int = 0
    push_acks: int = 0
    packets_heard: int = 0
    orders: int = 0
    programmed: int = 0
    refused: int = 0
    ignored: int = 0
    unreadable: int = 0
    unacknowledged_forgotten: int = 0


class Station:
    """One station on the network side. `open` binds its sockets, `close` releases them."""

    is_wifi = False

    def __init__(self, config: StationConfig, forwarder: Forwarder, mark: str, on_programmed: OnProgrammed) -> None:
        assert config.hotspot is not None, "a packet forwarder has a hotspot to speak to"
        self.config = config
        self.forwarder = forwarder
        self.counters = Counters()
        self._mark = mark
        self._on_programmed = on_programmed
        self._up: asyncio.DatagramTransport | None = None
        self._down: asyncio.DatagramTransport | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._token = 0
        self._unacknowledged: dict[bytes, OnAcknowledged | None] = {}
        self._order_of_tokens: deque[bytes] = deque()

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def eui(self) -> bytes:
        return self.forwarder.identity.eui

    async def open(self) -> None:
        """Binds both sockets and says hello; OSError if that is impossible."""
        host = self.config.hotspot.matching_local_host
        loop = asyncio.get_running_loop()
        self._up, _ = await loop.create_datagram_endpoint(lambda: _Port(self, self._on_up), local_addr=(host, 0))
        self._down, _ = await loop.create_datagram_endpoint(lambda: _Port(self, self._on_down), local_addr=(host, 0))
        self._pull()
        self._timers["stat"] = loop.call_later(STAT_INTERVAL_S, self._push_stat)

    def close(self) -> None:
        """Stops the timers and closes both sockets."""
        for timer in self._timers.values():
            timer.cancel()
        for socket in (self._up, self._down):
            if socket is not None:
                socket.close()

    def hear(self, emission: Emission, reception: Reception, on_acknowledged: OnAcknowledged | None = None) -> None:
        """Reports a frame as this forwarder heard it."""
        self.push(self.forwarder.report(emission, reception), on_acknowledged)

    def push(self, packet: Rxpk, on_acknowledged: OnAcknowledged | None = None) -> None:
        """Reports one frame heard; the callback runs if and when the hotspot acknowledges the datagram."""
        self.counters.packets_heard += 1
        header = self._header(Identifier.PUSH_DATA)
        self._send_up(header, codec.encode(PushData(header, packets=(packet,))), on_acknowledged)

    def describe(self) -> dict[str, Any]:
        """Name, EUI, hotspot and counters, for lists and reports."""
        return {
            "name": self.name,
            "eui": self.eui.hex(),
            "hotspot": str(self.config.hotspot),
            "kind": "mapper" if self.config.is_mapper else "fixed",
            "gain_dbi": self.config.gain_cdb / 100,
            "counters": asdict(self.counters),
        }

    # --- up: reports

    def _send_up(self, header: Header, datagram: bytes, on_acknowledged: OnAcknowledged | None) -> None:
        if len(self._order_of_tokens) >= MAX_UNACKNOWLEDGED:
            forgotten = self._order_of_tokens.popleft()
            if self._unacknowledged.pop(forgotten, None) is not None:
                self.counters.unacknowledged_forgotten += 1
        self._unacknowledged[header.token] = on_acknowledged
        self._order_of_tokens.append(header.token)
        self.counters.push_data += 1
        self._send(self._up, datagram)

    def _push_stat(self) -> None:
        header = self._header(Identifier.PUSH_DATA)
        datagram = codec.encode(PushData(header, stat=self._stat()))
        self._send_up(header, _marked(datagram, len(header.encode()), self._mark), None)
        self._timers["stat"] = asyncio.get_running_loop().call_later(STAT_INTERVAL_S, self._push_stat)

    def _stat(self) -> Stat:
        counters = self.counters
        return Stat(
            time=time.strftime("%Y-%m-%d %H:%M:%S GMT", time.gmtime()),
            received=counters.packets_heard,
            received_ok=counters.packets_heard,
            forwarded=counters.packets_heard,
            acknowledged_tenths=1_000 * counters.push_acks // max(counters.push_data, 1),
            downlinks=counters.orders,
            transmitted=counters.programmed,
            temperature_tenths=ROOM_TEMPERATURE_TENTHS,
        )

    def _on_up(self, datagram: bytes) -> None:
        header = codec.read_header(datagram)
        if isinstance(header, codec.Refused) or header.version != PROTOCOL_VERSION:
            self.counters.unreadable += 1
            return
        if header.kind is Identifier.PUSH_ACK and header.token in self._unacknowledged:
            self.counters.push_acks += 1
            on_acknowledged = self._unacknowledged.pop(header.token)
            if on_acknowledged is not None:
                on_acknowledged()

    # --- down: orders

    def _pull(self) -> None:
        self.counters.pull_data += 1
        self._send(self._down, self._header(Identifier.PULL_DATA).encode())
        self._timers["pull"] = asyncio.get_running_loop().call_later(KEEPALIVE_S, self._pull)

    def _on_down(self, datagram: bytes) -> None:
        found = codec.decode(datagram)
        header = found.header
        if header is None or header.version != PROTOCOL_VERSION:
            self.counters.unreadable += 1
        elif header.kind is Identifier.PULL_ACK:
            self.counters.pull_acks += 1
        elif isinstance(found, codec.PullResp):
            self._on_order(header, found.order)
        else:
            self.counters.unreadable += 1

    def _on_order(self, header: Header, order: Txpk) -> None:
        self.counters.orders += 1
        now_us = monotonic_us()
        decision = self.forwarder.order(order, now_us)
        answer = self._answer(header, decision)
        if answer is not None:
            self._send(self._down, codec.encode(answer))
        if isinstance(decision, Programmed):
            self._on_programmed(self, order, decision, now_us)

    def _answer(self, header: Header, decision: Decision) -> TxAck | None:
        """The TX_ACK of a decision, counted; None where a real forwarder stays silent."""
        to = Header(PROTOCOL_VERSION, header.token, Identifier.TX_ACK, self.eui)
        if isinstance(decision, Ignored):
            self.counters.ignored += 1
            return None
        if isinstance(decision, Refused):
            self.counters.refused += 1
            return TxAck(to, error=decision.error)
        self.counters.programmed += 1
        if decision.warning_dbm is None:
            return TxAck(to)
        return TxAck(to, warning="TX_POWER", value_cdb=100 * decision.warning_dbm)

    # --- both

    def _header(self, kind: Identifier) -> Header:
        self._token = (self._token + 1) % TOKEN_MODULUS
        return Header(PROTOCOL_VERSION, self._token.to_bytes(2, "big"), kind, self.eui)

    def _send(self, socket: asyncio.DatagramTransport | None, datagram: bytes) -> None:
        if socket is not None and not socket.is_closing():
            socket.sendto(datagram, self.config.hotspot.pair)


class _Port(asyncio.DatagramProtocol):
    """One socket: passes on what the hotspot sends, and nothing from anyone else."""

    def __init__(self, station: Station, on_datagram: Callable[[bytes], None]) -> None:
        self._hotspot = station.config.hotspot.pair
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if cast("tuple[str, int]", addr[:2]) == self._hotspot:
            self._on_datagram(data)


def monotonic_us() -> int:
    """The ether's clock, which is also the event loop's."""
    return time.monotonic_ns() // 1_000


def _marked(datagram: bytes, header_bytes: int, mark: str) -> bytes:
    """A status report whose description says that its sender is simulated."""
    body = json.loads(datagram[header_bytes:])
    body["stat"]["desc"] = mark
    return datagram[:header_bytes] + json.dumps(body, separators=(",", ":")).encode()
