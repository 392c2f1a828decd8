"""The UDP server packet forwarders talk to: it acknowledges first, reads later, and transmits on order.

A forwarder that waits for its acknowledgement hears nothing meanwhile, hence the order. Nothing here is authenticated,
so the server belongs on the loopback interface or behind a firewall.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hotspot.clock import Clock
from hotspot.counters import Counters
from hotspot.radio.frames import RxFrame, TxRequest, TxResult, TxState
from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.fields import Crc, DataRate, Modulation, Rxpk, Txpk
from hotspot.radio.gwmp.forwarder import Endpoint, Forwarder, Forwarders

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
TX_ACK_TIMEOUT_MS = 5_000
"""Forwarders drop an order they cannot read without a word."""
MAX_POWER_STEPS = 16
DATAGRAMS, PACKETS, TRANSMISSIONS = "datagrams", "rxpk", "transmissions"
CRC_OUTCOMES = {Crc.BAD: "crc_bad", Crc.NONE: "crc_none"}
TX_POWER = "TX_POWER"


@dataclass(frozen=True, slots=True)
class ForwarderStatus:
    """One forwarder, for the status page."""

    eui: str
    version: int
    alive: bool
    seconds_since_pull: int
    shares_its_eui: bool


class GwmpServer(asyncio.DatagramProtocol):
    """One UDP port. Frames heard go to `on_frame`, once per copy, in order of arrival."""

    def __init__(
        self,
        clock: Clock,
        counters: Counters,
        on_frame: Callable[[RxFrame], None],
        transmit_eui: bytes | None = None,
        transmit_delay_ms: int = 0,
    ) -> None:
        """`transmit_delay_ms`: how long the forwarder takes from order to air (80 on SX1302, 1,000 on SX1301)."""
        self._clock = clock
        self._counters = counters
        self._on_frame = on_frame
        self._transmit_delay_ms = transmit_delay_ms
        self._forwarders = Forwarders(transmit_eui)
        self._transport: asyncio.DatagramTransport | None = None
        self._one_at_a_time = asyncio.Lock()
        self._waiting: dict[bytes, asyncio.Future[codec.TxAck]] = {}

    async def start(self, host: str, port: int) -> Endpoint:
        """Binds; OSError if the address is taken. Port 0 picks one; the endpoint bound is returned."""
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            sock.bind((host, port))
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=sock)
        except BaseException:
            sock.close()
            raise
        self._transport = transport
        bound = sock.getsockname()
        return bound[0], bound[1]

    def stop(self) -> None:
        """Closes the port; orders still waiting for an answer end as timeouts."""
        for answer in self._waiting.values():
            answer.cancel()
        if self._transport is not None:
            self._transport.close()

    def forwarders(self) -> list[ForwarderStatus]:
        """Every forwarder that pulled, in the order they came."""
        now_ms = self._clock.monotonic_ms()
        return [
            ForwarderStatus(
                eui=one.eui.hex(),
                version=one.version,
                alive=one.is_alive(now_ms),
                seconds_since_pull=(now_ms - one.last_pull_ms) // 1_000,
                shares_its_eui=one.shares_its_eui(now_ms),
            )
            for one in self._forwarders.all()
        ]

    # --- datagrams in ---------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: Endpoint) -> None:
        """Acknowledges, counts and takes in one datagram; never raises for what a peer sent."""
        header = codec.read_header(data)
        if isinstance(header, codec.Refused):
            self._counters.count(DATAGRAMS, header.reason)
            return
        self._send(header.ack, addr)
        datagram = codec.read_body(header, data)
        if isinstance(datagram, codec.Refused):
            self._counters.count(DATAGRAMS, datagram.reason)
            return
        self._counters.count(DATAGRAMS, self._take(datagram, addr))

    def error_received(self, exc: Exception) -> None:
        self._counters.count(DATAGRAMS, "socket_error")

    def _send(self, data: bytes | None, address: Endpoint) -> None:
        if data is not None and self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, address)

    def _take(self, datagram: codec.Datagram, address: Endpoint) -> str:
        header = datagram.header
        if isinstance(datagram, codec.PushData):
            self._take_packets(datagram)
        elif isinstance(datagram, codec.TxAck):
            return self._take_answer(datagram)
        elif header.kind is codec.Identifier.PULL_DATA:
            known = self._forwarders.pulled(header.eui, header.version, address, self._clock.monotonic_ms())
            if known is None:
                return "too_many_forwarders"
        else:
            return "not_for_a_server"
        return header.kind.name

    def _take_answer(self, answer: codec.TxAck) -> str:
        waiting = self._waiting.get(answer.header.token + answer.header.eui)
        if waiting is None or waiting.done():
            return "tx_ack_unasked"
        waiting.set_result(answer)
        return answer.header.kind.name

    def _take_packets(self, push: codec.PushData) -> None:
        for dropped in push.dropped:
            self._counters.count(PACKETS, dropped.reason)
        for packet in push.packets:
            frame = self._frame(push.header.eui, packet)
            if isinstance(frame, str):
                self._counters.count(PACKETS, frame)
            else:
                self._on_frame(frame)

    def _frame(self, eui: bytes, packet: Rxpk) -> RxFrame | str:
        best = packet.best
        if packet.crc is not Crc.OK:
            return CRC_OUTCOMES[packet.crc]
        if packet.rate.spreading_factor is None or packet.rate.bandwidth_hz is None:
            return "not_lora"
        if best.rssi_cdb is None or best.snr_cdb is None:
            return "no_level"
        forwarder = self._forwarders.get(eui)
        if forwarder is not None and forwarder.is_repeated(packet.tmst_us, packet.payload):
            return "repeated"
        return RxFrame(
            payload=packet.payload,
            frequency_hz=packet.frequency_hz,
            spreading_factor=packet.rate.spreading_factor,
            bandwidth_hz=packet.rate.bandwidth_hz,
            rssi_cdb=best.rssi_cdb,
            snr_cdb=best.snr_cdb,
            received_at_ms=self._clock.now_ms(),
            received_monotonic_ms=self._clock.monotonic_ms(),
            tmst_us=packet.tmst_us,
            fine_time_ns=packet.fine_time_ns,
            gateway=eui,
        )

    # --- transmissions out ----------------------------------------------------------------------------------

    async def transmit(self, request: TxRequest) -> TxResult:
        """Sends one frame at once; waits for the forwarder's answer, 5 s at most. Never two at a time."""
        async with self._one_at_a_time:
            result = await self._transmit(request)
        self._counters.count(TRANSMISSIONS, result.reason or result.state)
        return result

    async def _transmit(self, request: TxRequest) -> TxResult:
        forwarder = self._forwarders.transmitter(self._clock.monotonic_ms())
        if forwarder is None:
            return TxResult(TxState.NO_FORWARDER)
        power_dbm = forwarder.power_used_dbm.get(request.power_dbm, request.power_dbm)
        if power_dbm > request.power_dbm:
            return TxResult(TxState.REFUSED, "least_power_is_too_much")
        result = TxResult(TxState.REFUSED, TX_POWER)
        for _ in range(MAX_POWER_STEPS):
            if power_dbm < request.least_power_dbm:
                break
            result = await self._order(forwarder, request, power_dbm)
            if result.state is TxState.SENT:
                forwarder.power_used_dbm[request.power_dbm] = -(-result.power_cdb // 100)
            if result.reason != TX_POWER:
                break
            power_dbm -= 1  # forwarders for SX1301 refuse what is not in their table, instead of going below
        return result

    async def _order(self, forwarder: Forwarder, request: TxRequest, power_dbm: int) -> TxResult:
        starts_at_ms = self._clock.now_ms() + self._transmit_delay_ms
        if starts_at_ms > request.latest_start_ms:
            return TxResult(TxState.LATE)
        token = secrets.token_bytes(2)
        header = codec.Header(forwarder.version, token, codec.Identifier.PULL_RESP)
        key, answer = token + forwarder.eui, asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        try:
            self._send(codec.encode(codec.PullResp(header, _order_of(request, power_dbm))), forwarder.address)
            if forwarder.version == 1:
                return TxResult(TxState.SENT, "unanswered_version_1", power_dbm * 100, starts_at_ms)
            return _result(await self._answer(answer), power_dbm, starts_at_ms)
        finally:
            del self._waiting[key]

    async def _answer(self, answer: asyncio.Future[codec.TxAck]) -> codec.TxAck | None:
        timer = asyncio.ensure_future(self._clock.sleep_ms(TX_ACK_TIMEOUT_MS))
        waits: set[asyncio.Future[Any]] = {answer, timer}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        return answer.result() if answer.done() and not answer.cancelled() else None


def _order_of(request: TxRequest, power_dbm: int) -> Txpk:
    rate = DataRate(Modulation.LORA, spreading_factor=request.spreading_factor, bandwidth_hz=request.bandwidth_hz)
    return Txpk(
        frequency_hz=request.frequency_hz,
        rate=rate,
        payload=request.payload,
        immediate=True,
        rf_chain=0,
        power_dbm=power_dbm,
        cr_denominator=5,
        inverted=False,
        preamble_symbols=8,
        no_crc=False,
    )


def _result(answer: codec.TxAck | None, power_dbm: int, starts_at_ms: int) -> TxResult:
    if answer is None:
        return TxResult(TxState.TIMEOUT)
    if answer.error is not None:
        return TxResult(TxState.REFUSED, answer.error)
    used_cdb = power_dbm * 100
    if answer.warning == TX_POWER and answer.value_cdb is not None:
        used_cdb = answer.value_cdb
    return TxResult(TxState.SENT, power_cdb=used_cdb, started_at_ms=starts_at_ms)
