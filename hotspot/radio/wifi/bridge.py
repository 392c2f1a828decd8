# SPDX-License-Identifier: GPL-2.0-or-later
"""The loop: what the port hears goes to every hotspot connected, what a hotspot orders goes out through the port.

While nobody sends, the radio goes from one channel to the next; a beacon is repeated on its channel long enough that
every listener that goes round as the hotspot told it meets some of the copies.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

from hotspot.radio import messages
from hotspot.radio.messages import Counts, Decoder, Heard, Hello, Listen, Message, Problem, Refused, Sent, Transmit
from hotspot.radio.wifi import frames
from hotspot.radio.wifi.elements import problem_of
from hotspot.radio.wifi.tuning import Tuner

MAX_CLIENTS = 4
MAX_UNSENT_BYTES = 256 * 1024
READ_BYTES = 4_096
MAX_READS_PER_S = 1_000
"""Beacons of ours that scapy may read a second, as many as a small board can; more is a flood, and is counted."""
MAX_OWN_SOURCES = 16
MAX_COPIES, LEAST_GAP_US, MAX_BURST_US = 50, 10_000, 5_000_000
LEAST_DWELL_MS = 50
COUNTS_EVERY_S = 10
TIMER_MODULUS = 2**32
LOCAL, GROUP_BIT = 0x02, 0x01


class Port(Protocol):
    """A monitor interface, as far as the bridge needs one."""

    tuner: Tuner | None

    def start(self, on_frame: Callable[[bytes], None], on_problem: Callable[[str], None]) -> None: ...

    def send(self, frame: bytes) -> str: ...

    def close(self) -> None: ...


class Bridge:
    """One port and the hotspots connected. `failed` holds a sentence once the port cannot go on."""

    def __init__(self, port: Port, name: str) -> None:
        self.counts: Counter[str] = Counter()
        self.failed = ""
        self._port, self._name = port, name
        self._clients: set[asyncio.StreamWriter] = set()
        self._own_sources: deque[str] = deque(maxlen=MAX_OWN_SOURCES)
        self._read_at: deque[float] = deque(maxlen=MAX_READS_PER_S)
        self._channels_hz: tuple[int, ...] = ()
        self._dwell_ms = LEAST_DWELL_MS
        self._burst: asyncio.Task[None] | None = None
        self._sequence = 0
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ends `run`."""
        self._stop.set()

    async def run(self) -> None:
        """Runs until `stop`, or until the port fails."""
        self._port.start(self.on_frame, self._on_problem)
        jobs = [asyncio.ensure_future(job) for job in (self._hop(), self._tell_counts())]
        try:
            await self._stop.wait()
        finally:
            for job in (*jobs, *([self._burst] if self._burst else [])):
                job.cancel()
            for client in list(self._clients):
                client.close()
            self._port.close()

    # --- what the port hears --------------------------------------------------------------------------------

    def on_frame(self, frame: bytes) -> None:
        """Takes in one captured frame; it is counted under exactly one name."""
        self.counts[self._take(frame)] += 1

    def _take(self, frame: bytes) -> str:
        now = time.monotonic()
        received_at_ms = time.time_ns() // 1_000_000
        problem = problem_of(frame)
        if problem:
            return problem
        if len(self._read_at) == MAX_READS_PER_S and now - self._read_at[0] < 1:
            return "too_many_beacons"
        self._read_at.append(now)
        found = frames.read(frame)
        if isinstance(found, frames.NoBeacon):
            return found.reason
        if found.source in self._own_sources:
            return "own_beacon"
        timer_us = time.monotonic_ns() // 1_000 if found.timer_us is None else found.timer_us
        self._broadcast(
            Heard(
                frequency_hz=found.frequency_hz,
                rssi_cdb=found.rssi_cdb,
                snr_cdb=found.rssi_cdb - found.noise_cdb,
                received_at_ms=received_at_ms,
                timer_us=timer_us % TIMER_MODULUS,
                payload=found.payload,
            )
        )
        return "beacon"

    def _on_problem(self, reason: str) -> None:
        self.counts[reason] += 1
        if reason in ("interface_down", "receive_failed"):
            self.failed = f"{self._name} went away ({reason}). Bring it up again."
            self.stop()

    async def _hop(self) -> None:
        """From channel to channel, as long as somebody asked for it and the port can."""
        at = 0
        while True:
            tuner = self._port.tuner
            if tuner is not None and self._channels_hz and self._burst is None:
                at = (at + 1) % len(self._channels_hz)
                problem = tuner.tune(self._channels_hz[at])
                if problem:
                    self.counts[problem] += 1
            await asyncio.sleep(self._dwell_ms / 1_000)

    # --- what hotspots order --------------------------------------------------------------------------------

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One hotspot, from its greeting until it hangs up."""
        if len(self._clients) >= MAX_CLIENTS:
            self._send(writer, Problem("too_many_clients"))
            writer.close()
            return
        self._clients.add(writer)
        self._send(writer, Hello(messages.VERSION, self._port.tuner is not None, self._name))
        self._send(writer, self._told())
        decoder = Decoder()
        try:
            while not decoder.broken and (data := await reader.read(READ_BYTES)):
                for message in decoder.feed(data):
                    self._send(writer, self._answer(message))
        except ConnectionError:
            self.counts["client_lost"] += 1
        except asyncio.CancelledError:
            pass  # the bridge ends, and says so by hanging up
        finally:
            self._clients.discard(writer)
            writer.close()

    def _answer(self, message: Message | Refused) -> Message | None:
        if isinstance(message, Transmit):
            problem, power_cdb = self._start_burst(message)
            self.counts[f"transmit_{problem or 'started'}"] += 1
            return Sent(message.token, power_cdb, time.time_ns() // 1_000_000, problem)
        if isinstance(message, Listen):
            self._channels_hz, self._dwell_ms = message.channels_hz, max(message.dwell_ms, LEAST_DWELL_MS)
            return None
        reason = message.reason if isinstance(message, Refused) else "not_for_a_bridge"
        self.counts[f"client_{reason}"] += 1
        return Problem(reason)

    def _start_burst(self, order: Transmit) -> tuple[str, int]:
        """Sends the first copy; (why not, or an empty text; the power used)."""
        unfit = not 1 <= order.copies <= MAX_COPIES or order.copies * order.gap_us > MAX_BURST_US
        if unfit or (order.copies > 1 and order.gap_us < LEAST_GAP_US):
            return "bad_order", 0
        if self._burst is not None:
            return "busy", 0
        if time.time_ns() // 1_000_000 > order.latest_start_ms:
            return "late", 0
        problem, power_cdb = self._prepare(order)
        if problem:
            return problem, 0
        source = bytearray(secrets.token_bytes(6))
        source[0] = source[0] & ~GROUP_BIT | LOCAL
        self._own_sources.append(source.hex(":"))
        problem = self._send_copy(order, bytes(source), power_cdb)
        if not problem and order.copies > 1:
            self._burst = asyncio.ensure_future(self._repeat(order, bytes(source), power_cdb))
        return problem, power_cdb

    def _prepare(self, order: Transmit) -> tuple[str, int]:
        """Channel and power; the power as the driver gives it, or as asked where it cannot be set here."""
        tuner = self._port.tuner
        if tuner is None:
            return "", order.power_cdb
        problem = tuner.tune(order.frequency_hz) or tuner.set_power(order.power_cdb)
        if problem:
            return problem, 0
        used_cdb = tuner.power_cdb()
        if used_cdb is None:
            used_cdb = order.power_cdb
        fits = order.least_power_cdb <= used_cdb <= order.power_cdb
        return ("", used_cdb) if fits else ("power_refused", 0)

    def _send_copy(self, order: Transmit, source: bytes, power_cdb: int) -> str:
        self._sequence += 1
        timestamp_us = time.monotonic_ns() // 1_000
        frame = frames.build(order.payload, source, order.frequency_hz, power_cdb // 100, self._sequence, timestamp_us)
        return "bad_order" if frame is None else self._port.send(frame)

    async def _repeat(self, order: Transmit, source: bytes, power_cdb: int) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            for copy in range(1, order.copies):
                await asyncio.sleep(start + copy * order.gap_us / 1_000_000 - loop.time())
                problem = self._send_copy(order, source, power_cdb)
                self.counts[problem or "copy_sent"] += 1
        finally:
            self._burst = None

    # --- telling hotspots -----------------------------------------------------------------------------------

    async def _tell_counts(self) -> None:
        while True:
            await asyncio.sleep(COUNTS_EVERY_S)
            self._broadcast(self._told())

    def _told(self) -> Counts:
        return Counts(json.dumps(self.counts, sort_keys=True))

    def _broadcast(self, message: Message) -> None:
        for client in list(self._clients):
            self._send(client, message)

    def _send(self, client: asyncio.StreamWriter, message: Message | None) -> None:
        """A hotspot that does not read is let go."""
        if message is None or client.is_closing():
            return
        client.write(messages.encode(message))
        if client.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.counts["client_not_reading"] += 1
            client.transport.abort()
