"""The UDP server packet forwarders talk to: it acknowledges first, reads later, and transmits on order.

Nothing here is authenticated, so the server belongs on the loopback interface or behind a firewall. What is not for
this hotspot goes to a `Passage`, if there is one, as the very bytes that came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hotspot.clock import Clock
from hotspot.counters import Counters
from hotspot.radio.frames import RxFrame, TxRequest, TxResult
from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.fields import Crc, Rxpk, Stat
from hotspot.radio.gwmp.forwarder import Forwarder, Forwarders
from hotspot.radio.gwmp.orders import UNREADABLE, Answered, Orders, with_token
from hotspot.radio.gwmp.port import Endpoint, UdpPort
from hotspot.radio.gwmp.transmitter import Transmitter

DATAGRAMS, PACKETS, FORWARDERS = "datagrams", "rxpk", "forwarders"
CRC_OUTCOMES = {Crc.BAD: "crc_bad", Crc.NONE: "crc_none"}


class Passage(Protocol):
    """Whoever takes what forwarders send beyond our own frames; it gets every datagram after it was answered."""

    def pushed(self, header: codec.Header, datagram: bytes, push: codec.PushData | None) -> None:
        """A PUSH_DATA; None if its body could not be read."""

    def pulled(self, header: codec.Header, datagram: bytes) -> None:
        """A PULL_DATA of a forwarder that is known."""


@dataclass(frozen=True, slots=True)
class ForwarderStatus:
    """One forwarder, for the status page."""

    eui: str
    version: int
    alive: bool
    seconds_since_pull: int | None
    """None: it sends packets but never asks for orders; its `serv_port_down` is wrong."""
    shares_its_eui: bool
    packets: int
    seconds_since_packet: int | None
    counter_restarts: int
    concentrator: str | None
    """"SX1302" or "SX1301", as its packets and status look; None while it sent neither."""
    power_used_dbm: dict[int, int]
    """Where the concentrator sends with another power than asked for."""
    stat: Stat | None
    """What it last said of itself."""


class GwmpServer:
    """One UDP port. Frames heard go to `on_frame`, once per copy, in order of arrival."""

    def __init__(
        self,
        clock: Clock,
        counters: Counters,
        on_frame: Callable[[RxFrame], None],
        transmit_eui: bytes | None = None,
        transmit_delay_ms: int | None = None,
    ) -> None:
        """`transmit_delay_ms`: how long the forwarder takes from order to air; None: as its packets look."""
        self.passage: Passage | None = None
        self.bound_port: int | None = None
        self._clock = clock
        self._counters = counters
        self._on_frame = on_frame
        self._forwarders = Forwarders(transmit_eui)
        self._orders = Orders()
        self._port = UdpPort(self._acknowledge, self._read, self._count_datagram)
        self._transmitter = Transmitter(
            clock, counters, self._forwarders, self._orders, self._port.send, transmit_delay_ms
        )

    @property
    def least_delay_ms(self) -> int:
        """How long before a frame is due it may be ordered: no forwarder takes less."""
        return self._transmitter.least_delay_ms

    async def start(self, host: str, port: int) -> Endpoint:
        """Binds; OSError if the address is taken. Port 0 picks one; the endpoint bound is returned."""
        bound = self._port.open(host, port)
        self.bound_port = bound[1]
        return bound

    def stop(self) -> None:
        """Closes the port; orders still waiting for an answer end as timeouts."""
        self._transmitter.stop()
        self._port.close()

    def forwarders(self) -> list[ForwarderStatus]:
        """Every forwarder, in the order they came."""
        now_ms = self._clock.monotonic_ms()
        return [_status(one, now_ms) for one in self._forwarders.all()]

    # --- datagrams in ---------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: Endpoint) -> None:
        """Acknowledges, counts and takes in one datagram; never raises for what a peer sent."""
        work = self._acknowledge(data, addr)
        if work is not None:
            self._read(work)

    def _count_datagram(self, outcome: str) -> None:
        self._counters.count(DATAGRAMS, outcome)

    def _acknowledge(self, data: bytes, address: Endpoint) -> tuple[codec.Header, bytes, Endpoint] | None:
        header = codec.read_header(data)
        if isinstance(header, codec.Refused):
            self._count_datagram(header.reason)
            return None
        ack = header.ack
        if ack is not None:
            self._port.send(ack, address)
        return header, data, address

    def _read(self, work: tuple[codec.Header, bytes, Endpoint]) -> None:
        header, data, address = work
        if header.kind is codec.Identifier.PUSH_DATA:
            outcome = self._take_push(header, data)
        elif header.kind is codec.Identifier.PULL_DATA:
            outcome = self._take_pull(header, data, address)
        elif header.kind is codec.Identifier.TX_ACK:
            outcome = self._take_answer(header, data)
        else:
            outcome = "not_for_a_server"
        self._count_datagram(outcome)

    def _take_push(self, header: codec.Header, data: bytes) -> str:
        push = codec.read_body(header, data)
        if self.passage is not None:
            self.passage.pushed(header, data, push if isinstance(push, codec.PushData) else None)
        if not isinstance(push, codec.PushData):
            return push.reason if isinstance(push, codec.Refused) else header.kind.name
        forwarder = self._forwarders.pushed(header.eui, header.version, self._clock.monotonic_ms())
        if forwarder is not None and push.stat is not None:
            forwarder.stat = push.stat
        for dropped in push.dropped:
            self._counters.count(PACKETS, dropped.reason)
        if push.beyond:
            self._counters.count(PACKETS, "too_many", push.beyond)
        for packet in push.packets:
            frame = self._frame(header.eui, forwarder, packet)
            if isinstance(frame, str):
                self._counters.count(PACKETS, frame)
            else:
                self._on_frame(frame)
        return header.kind.name

    def _take_pull(self, header: codec.Header, data: bytes, address: Endpoint) -> str:
        now_ms = self._clock.monotonic_ms()
        self._orders.expire(now_ms)
        known = self._forwarders.get(header.eui)
        shared_before = known is not None and known.shares_its_eui(now_ms)
        forwarder = self._forwarders.pulled(header.eui, header.version, address, now_ms)
        if forwarder is None:
            return "too_many_forwarders"
        if forwarder.shares_its_eui(now_ms) and not shared_before:
            self._counters.count(FORWARDERS, "shared_eui")
        if self.passage is not None:
            self.passage.pulled(header, data)
        return header.kind.name

    def _take_answer(self, header: codec.Header, data: bytes) -> str:
        body = codec.read_body(header, data)
        answer = body if isinstance(body, codec.TxAck) else codec.TxAck(header, error=UNREADABLE)
        asked = self._orders.answer(answer, data)
        if isinstance(body, codec.Refused):
            return body.reason
        return header.kind.name if asked else "tx_ack_unasked"

    def _frame(self, eui: bytes, forwarder: Forwarder | None, packet: Rxpk) -> RxFrame | str:
        now_ms = self._clock.monotonic_ms()
        if forwarder is not None:
            restarts = forwarder.counter_restarts
            if not forwarder.heard(packet, now_ms):
                return "repeated"
            if forwarder.counter_restarts > restarts:
                self._counters.count(FORWARDERS, "counter_restarted")
        if packet.crc is not Crc.OK:
            return CRC_OUTCOMES[packet.crc]
        rate, best = packet.rate, packet.best
        if rate.spreading_factor is None or rate.bandwidth_hz is None:
            return "not_lora"
        rssi_cdb = best.signal_rssi_cdb if best.rssi_cdb is None else best.rssi_cdb
        if rssi_cdb is None or best.snr_cdb is None:
            return "no_level"
        return RxFrame(
            payload=packet.payload,
            frequency_hz=packet.frequency_hz,
            spreading_factor=rate.spreading_factor,
            bandwidth_hz=rate.bandwidth_hz,
            rssi_cdb=rssi_cdb,
            snr_cdb=best.snr_cdb,
            received_at_ms=self._clock.now_ms(),
            received_monotonic_ms=now_ms,
            tmst_us=packet.tmst_us,
            fine_time_ns=packet.fine_time_ns,
            gateway=eui,
        )

    # --- orders out -----------------------------------------------------------------------------------------

    def relay(self, eui: bytes, order: bytes, answered: Answered) -> bool:
        """Sends another's PULL_RESP to this forwarder, its token alone replaced; False if that cannot be done now."""
        now_ms = self._clock.monotonic_ms()
        forwarder = self._forwarders.get(eui)
        if forwarder is None or forwarder.address is None or not forwarder.is_alive(now_ms):
            return False
        token = self._orders.place(eui, answered, now_ms)
        if token is None:
            return False
        sent = self._port.send(with_token(order, token), forwarder.address)
        if not sent:
            self._orders.withdraw(eui, token)
        return sent

    def milliseconds_until(self, eui: bytes, tmst_us: int) -> int | None:
        """How far ahead a value of this forwarder's counter lies; None while no packet has told."""
        forwarder = self._forwarders.get(eui)
        return None if forwarder is None else forwarder.counter.milliseconds_until(tmst_us, self._clock.monotonic_ms())

    async def transmit(self, request: TxRequest) -> TxResult:
        """Sends one frame at once; waits for the forwarder's answer, 5 s at most. Never two at a time."""
        return await self._transmitter.transmit(request)


def _status(one: Forwarder, now_ms: int) -> ForwarderStatus:
    return ForwarderStatus(
        eui=one.eui.hex(),
        version=one.version,
        alive=one.is_alive(now_ms),
        seconds_since_pull=_seconds_since(one.last_pull_ms, now_ms),
        shares_its_eui=one.shares_its_eui(now_ms),
        packets=one.packets,
        seconds_since_packet=_seconds_since(one.last_packet_ms, now_ms),
        counter_restarts=one.counter_restarts,
        concentrator=one.concentrator,
        power_used_dbm={asked: used for asked, used in one.power_used_dbm.items() if asked != used},
        stat=one.stat,
    )


def _seconds_since(then_ms: int | None, now_ms: int) -> int | None:
    return None if then_ms is None else (now_ms - then_ms) // 1_000
