"""The hotspot's side of the Wi-Fi bridge: frames in, orders out, over a local socket. See messages.py.

The bridge is another program, which may be restarted at any time: this side connects again by itself. An order that was
under way when the bridge went is taken to have gone out, as with a packet forwarder that does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotspot.clock import Clock
from hotspot.counters import Counters
from hotspot.radio import messages
from hotspot.radio.frames import WIFI_SPREADING_FACTOR, RxFrame, TxRequest, TxResult, TxState
from hotspot.radio.gwmp.transmitter import TRANSMISSIONS
from hotspot.radio.messages import Counts, Decoder, Heard, Hello, Listen, Message, Refused, Sent, Transmit

COPIES, GAP_US = 10, 102_400
"""A beacon is sent as an access point would, every 102.4 ms, for a second."""
DWELL_MS = 300
"""On each of three channels: whoever goes round them meets two copies at least of every beacon."""
FRAME_AIRTIME_US = 1_250
"""192 us of preamble and at most 132 bytes at 1 Mb/s."""
BEACON_AIRTIME_US = COPIES * FRAME_AIRTIME_US
DEFAULT_CHANNELS_HZ = (2_412_000_000, 2_437_000_000, 2_462_000_000)
BANDWIDTH_HZ = 20_000_000
RETRY_MS = 1_000
HELLO_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_MS = 5_000
READ_BYTES = 65_536
TOKENS = 2**32
BRIDGE = "wifi_bridge"
NO_BRIDGE = "no_wifi_bridge"


@dataclass(frozen=True, slots=True)
class BridgeStatus:
    """What is known of the bridge, for the status page. `counts`: what it counted since it started."""

    connected: bool
    socket: str
    interface: str
    tunes: bool
    problem: str
    counts: dict[str, int]


class WifiBridge:
    """One bridge. Frames heard go to `on_frame`, once per copy, in order of arrival."""

    def __init__(self, path: Path, clock: Clock, counters: Counters, on_frame: Callable[[RxFrame], None]) -> None:
        """`path`: of the bridge's socket."""
        self._path, self._clock, self._counters, self._on_frame = path, clock, counters, on_frame
        self._channels_hz, self._bandwidth_hz = DEFAULT_CHANNELS_HZ, BANDWIDTH_HZ
        self._writer: asyncio.StreamWriter | None = None
        self._hello: Hello | None = None
        self._problem = "not connected yet"
        self._counts: dict[str, int] = {}
        self._one_at_a_time = asyncio.Lock()
        self._token = 0
        self._waiting: dict[int, asyncio.Future[Sent | None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connects, and goes on connecting, until `stop`."""
        self._task = asyncio.ensure_future(self._run())

    def stop(self) -> None:
        """Hangs up."""
        if self._task is not None:
            self._task.cancel()
        self._hang_up()

    def listen_on(self, channels_hz: tuple[int, ...], bandwidth_hz: int) -> None:
        """The channels the network plays on."""
        self._channels_hz, self._bandwidth_hz = channels_hz, bandwidth_hz
        self._send(Listen.on(channels_hz, DWELL_MS))

    def status(self) -> BridgeStatus:
        """What is known now."""
        hello = self._hello
        return BridgeStatus(
            connected=hello is not None,
            socket=str(self._path),
            interface=hello.interface if hello else "",
            tunes=hello.tunes if hello else False,
            problem="" if hello else self._problem,
            counts=dict(self._counts),
        )

    # --- the connection ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            self._problem = await self._connection()
            self._counters.count(BRIDGE, "lost" if self._hello else "not_reached")
            self._hang_up()
            await self._clock.sleep_ms(RETRY_MS)

    async def _connection(self) -> str:
        """One connection from its beginning; why it ended."""
        try:
            with messages.address(self._path) as where:
                reader, self._writer = await asyncio.open_unix_connection(where)
            decoder = Decoder()
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                data = await reader.read(READ_BYTES)
            problem = self._take_all(decoder, data)
            while not problem and (data := await reader.read(READ_BYTES)):
                problem = self._take_all(decoder, data)
        except TimeoutError:
            return f"what listens at {self._path} does not greet"
        except OSError as error:
            return f"no bridge answers at {self._path}: {error.strerror or error}"
        return problem or "the bridge hung up"

    def _take_all(self, decoder: Decoder, data: bytes) -> str:
        """Takes in what arrived; why the connection must end, or an empty text."""
        for message in decoder.feed(data):
            problem = self._take(message)
            if problem:
                return problem
        return "the bridge's messages cannot be followed" if decoder.broken else ""

    def _take(self, message: Message | Refused) -> str:
        if self._hello is None:
            return self._greet(message)
        if isinstance(message, Heard):
            self._on_frame(self._frame(message))
        elif isinstance(message, Sent):
            waiting = self._waiting.get(message.token)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif isinstance(message, Counts):
            self._take_counts(message.text)
        else:
            self._counters.count(BRIDGE, getattr(message, "reason", "not_for_a_hotspot"))
        return ""

    def _greet(self, message: Message | Refused) -> str:
        if not isinstance(message, Hello):
            return f"the bridge refuses: {getattr(message, 'reason', 'it does not greet')}"
        if message.version != messages.VERSION:
            self._counters.count(BRIDGE, "other_version")
            return f"the bridge speaks version {message.version}, this hotspot {messages.VERSION}; update both"
        self._hello = message
        self._counters.count(BRIDGE, "connected")
        self._send(Listen.on(self._channels_hz, DWELL_MS))
        return ""

    def _take_counts(self, text: str) -> None:
        with contextlib.suppress(ValueError):  # a text cut at its bound; the next one may be whole
            found = json.loads(text)
            if isinstance(found, dict):
                self._counts = {str(name): count for name, count in found.items() if isinstance(count, int)}

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = self._hello = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)

    def _send(self, message: Message) -> None:
        if self._writer is not None and self._hello is not None and not self._writer.is_closing():
            self._writer.write(messages.encode(message))

    def _frame(self, heard: Heard) -> RxFrame:
        return RxFrame(
            payload=heard.payload,
            frequency_hz=heard.frequency_hz,
            spreading_factor=WIFI_SPREADING_FACTOR,
            bandwidth_hz=self._bandwidth_hz,
            rssi_cdb=heard.rssi_cdb,
            snr_cdb=heard.snr_cdb,
            received_at_ms=heard.received_at_ms,
            received_monotonic_ms=self._clock.monotonic_ms(),
            tmst_us=heard.timer_us,
            fine_time_ns=None,
            gateway=b"",
        )

    # --- transmissions ----------------------------------------------------------------------------------------

    async def transmit(self, request: TxRequest) -> TxResult:
        """Sends one beacon, repeated; returns when its first copy is out. Never two at a time."""
        async with self._one_at_a_time:
            result = await self._transmit(request)
        self._counters.count(TRANSMISSIONS, result.reason or result.state)
        return result

    async def _transmit(self, request: TxRequest) -> TxResult:
        if self._hello is None:
            return TxResult(TxState.REFUSED, NO_BRIDGE)
        self._token = (self._token + 1) % TOKENS
        answer: asyncio.Future[Sent | None] = asyncio.get_running_loop().create_future()
        self._waiting[self._token] = answer
        try:
            self._send(_order(request, self._token))
            return _result(await self._answered(answer))
        finally:
            del self._waiting[self._token]

    async def _answered(self, answer: asyncio.Future[Sent | None]) -> Sent | None:
        timer = asyncio.ensure_future(self._clock.sleep_ms(ANSWER_TIMEOUT_MS))
        waits: set[asyncio.Future[Any]] = {answer, timer}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        return answer.result() if answer.done() and not answer.cancelled() else None


def _order(request: TxRequest, token: int) -> Transmit:
    return Transmit(
        token=token,
        frequency_hz=request.frequency_hz,
        power_cdb=request.power_dbm * 100,
        least_power_cdb=request.least_power_dbm * 100,
        latest_start_ms=request.latest_start_ms,
        copies=COPIES,
        gap_us=GAP_US,
        payload=request.payload,
    )


def _result(sent: Sent | None) -> TxResult:
    if sent is None:
        return TxResult(TxState.TIMEOUT)
    if sent.reason == TxState.LATE:
        return TxResult(TxState.LATE)
    if sent.reason:
        return TxResult(TxState.REFUSED, sent.reason)
    return TxResult(TxState.SENT, power_cdb=sent.power_cdb, started_at_ms=sent.started_at_ms)
