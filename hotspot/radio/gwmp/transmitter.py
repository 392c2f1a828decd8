"""Sending a frame of ours through the chosen forwarder: one at a time, at a power its radio has, answered or not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from hotspot.clock import Clock
from hotspot.counters import Counters
from hotspot.radio.frames import TxRequest, TxResult, TxState
from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.fields import DataRate, Modulation, Txpk
from hotspot.radio.gwmp.forwarder import SX1301, Forwarder, Forwarders
from hotspot.radio.gwmp.orders import ANSWER_WITHIN_MS, Answered, Orders
from hotspot.radio.gwmp.port import Endpoint

MAX_POWER_STEPS = 16
SX1302_DELAY_MS, SX1301_DELAY_MS = 80, 1_000
"""From an order for now to air, as measured: the older program keeps a second's margin in its queue."""
RETRY_AFTER_MS = 700
"""A beacon that met a queued downlink is tried once more, when that is probably over."""
TRANSMISSIONS = "transmissions"
TX_POWER = "TX_POWER"
COLLISIONS = frozenset({"COLLISION_PACKET", "COLLISION_BEACON"})
CODE = re.compile(r"[A-Z0-9_]{1,32}", re.ASCII)
OTHER_CODE = "OTHER_CODE"


class Transmitter:
    """What orders frames of ours. `send` sends a datagram, or says that it could not."""

    def __init__(
        self,
        clock: Clock,
        counters: Counters,
        forwarders: Forwarders,
        orders: Orders,
        send: Callable[[bytes, Endpoint], bool],
        delay_ms: int | None,
    ) -> None:
        """`delay_ms`: how long the forwarder takes from order to air; None: as its packets look."""
        self._clock, self._counters = clock, counters
        self._forwarders, self._orders, self._send = forwarders, orders, send
        self._fixed_delay_ms = delay_ms
        self._one_at_a_time = asyncio.Lock()
        self._stopped = asyncio.Event()

    @property
    def least_delay_ms(self) -> int:
        """How long before a frame is due it may be ordered: no forwarder takes less."""
        return SX1302_DELAY_MS if self._fixed_delay_ms is None else self._fixed_delay_ms

    def stop(self) -> None:
        """Ends an order that waits for its answer as if none had come."""
        self._stopped.set()

    async def transmit(self, request: TxRequest) -> TxResult:
        """Sends one frame at once; waits for the forwarder's answer, 5 s at most. Never two at a time."""
        async with self._one_at_a_time:
            result = await self._transmit(request)
            if result.reason in COLLISIONS:
                await self._clock.sleep_ms(RETRY_AFTER_MS)
                result = await self._transmit(request)
        self._counters.count(TRANSMISSIONS, result.reason or result.state)
        return result

    async def _transmit(self, request: TxRequest) -> TxResult:
        forwarder = self._forwarders.transmitter(self._clock.monotonic_ms())
        if forwarder is None or forwarder.address is None:
            return TxResult(TxState.NO_FORWARDER)
        power_dbm = forwarder.power_used_dbm.get(request.power_dbm, request.power_dbm)
        if power_dbm > request.power_dbm:
            return TxResult(TxState.REFUSED, "least_power_is_too_much")
        result = TxResult(TxState.REFUSED, TX_POWER)
        for _ in range(MAX_POWER_STEPS):
            if power_dbm < request.least_power_dbm:
                break
            result = await self._order(forwarder, forwarder.address, request, power_dbm)
            if result.state is TxState.SENT:
                forwarder.power_used_dbm[request.power_dbm] = -(-result.power_cdb // 100)
            if result.reason != TX_POWER:
                break
            power_dbm -= 1  # forwarders for SX1301 refuse what is not in their table, instead of going below
        return result

    async def _order(self, forwarder: Forwarder, address: Endpoint, request: TxRequest, power_dbm: int) -> TxResult:
        starts_at_ms = self._clock.now_ms() + self._delay_ms(forwarder)
        if starts_at_ms > request.latest_start_ms:
            return TxResult(TxState.LATE)
        answer: asyncio.Future[codec.TxAck | None] = asyncio.get_running_loop().create_future()
        token = self._orders.place(forwarder.eui, _into(answer), self._clock.monotonic_ms())
        if token is None:
            return TxResult(TxState.REFUSED, "too_many_orders")
        header = codec.Header(forwarder.version, token, codec.Identifier.PULL_RESP)
        try:
            if not self._send(codec.encode(codec.PullResp(header, _order_of(request, power_dbm))), address):
                return TxResult(TxState.REFUSED, "not_sent_to_forwarder")
            if forwarder.version == 1:
                return TxResult(TxState.SENT, "unanswered_version_1", power_dbm * 100, starts_at_ms)
            return _result(await self._answer(answer), power_dbm, starts_at_ms)
        finally:
            self._orders.withdraw(forwarder.eui, token)

    def _delay_ms(self, forwarder: Forwarder) -> int:
        if self._fixed_delay_ms is not None:
            return self._fixed_delay_ms
        return SX1301_DELAY_MS if forwarder.concentrator == SX1301 else SX1302_DELAY_MS

    async def _answer(self, answer: asyncio.Future[codec.TxAck | None]) -> codec.TxAck | None:
        timer = asyncio.ensure_future(self._clock.sleep_ms(ANSWER_WITHIN_MS))
        stopped = asyncio.ensure_future(self._stopped.wait())
        waits: set[asyncio.Future[Any]] = {answer, timer, stopped}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            stopped.cancel()
        return answer.result() if answer.done() else None


def _into(future: asyncio.Future[codec.TxAck | None]) -> Answered:
    def answered(answer: codec.TxAck | None, datagram: bytes) -> None:
        if not future.done():
            future.set_result(answer)

    return answered


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
        return TxResult(TxState.REFUSED, answer.error if CODE.fullmatch(answer.error) else OTHER_CODE)
    used_cdb = power_dbm * 100
    if answer.warning == TX_POWER and answer.value_cdb is not None:
        used_cdb = answer.value_cdb
    return TxResult(TxState.SENT, power_cdb=used_cdb, started_at_ms=starts_at_ms)
