"""One hotspot's radio from its first second on: the port, the frames heard, the counts. It needs no key and no network.

Whoever plays for the hotspot attaches later and is handed every frame from then on; until then frames are shown and
counted, so that an owner sees the radio work before there is a registration.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hotspot.clock import Clock
from hotspot.config import Config
from hotspot.counters import Counters
from hotspot.doctor.findings import Finding
from hotspot.forwarding.forwarding import Forwarding
from hotspot.playing.duty_cycle import Ledger
from hotspot.radio.bridge import WifiBridge
from hotspot.radio.frames import RxFrame
from hotspot.radio.gwmp.server import PACKETS, GwmpServer
from hotspot.radio.kinds import kind_of
from hotspot.radio.scan import WifiScan
from protocol import beacon

MAX_HEARD = 50
MAX_LISTENERS = 8
MAX_QUEUED_FRAMES = 1_000


@dataclass(frozen=True, slots=True)
class Heard:
    """One frame, for status page and support."""

    at_ms: int
    what: str
    frequency_hz: int
    spreading_factor: int
    bandwidth_hz: int
    rssi_cdb: int
    snr_cdb: int
    size: int
    gateway: str


class Ears:
    """One hotspot's radio and what came in through it."""

    def __init__(self, directory: Path, config: Config, clock: Clock) -> None:
        self.directory, self.config, self.counters = directory, config, Counters()
        self.listen = ""
        self.opened_at_ms = 0
        self.first_heard_at_ms: int | None = None
        self.findings: tuple[Finding, ...] = ()
        """What is wrong, as process.py saw it last."""
        self.heard: deque[Heard] = deque(maxlen=MAX_HEARD)
        self.server = GwmpServer(
            clock, self.counters, self._on_frame, config.transmit_forwarder, config.transmit_delay_ms
        )
        self.ledger = Ledger("")
        """Everything this radio sends, from the first downlink of another network on."""
        self.forwarding = (
            Forwarding(config.network_servers, self.server, self.ledger, clock, self.counters)
            if config.network_servers
            else None
        )
        self.server.passage = self.forwarding
        self.bridge: WifiBridge | WifiScan | None = None
        """The Wi-Fi radio; with it there is no port for packet forwarders."""
        if config.wifi_bridge:
            self.bridge = WifiBridge(directory / config.wifi_bridge, clock, self.counters, self._on_frame)
        elif config.wifi_scan:
            self.bridge = WifiScan(clock, self.counters, self._on_frame)
        self._clock = clock
        self._play: Callable[[RxFrame], None] | None = None
        self._listeners: set[asyncio.Queue[RxFrame]] = set()

    async def open(self) -> None:
        """Binds the UDP port, or looks for the Wi-Fi bridge from now on; OSError if the port is taken."""
        if self.bridge is not None:
            self.bridge.start()
            self.listen = self.bridge.status().socket
        else:
            host, port = await self.server.start(self.config.listen.host, self.config.listen.port)
            self.listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.opened_at_ms = self._clock.now_ms()

    def close(self) -> None:
        """Closes the UDP port, or hangs up."""
        self.server.stop()
        if self.forwarding is not None:
            self.forwarding.stop()
        if self.bridge is not None:
            self.bridge.stop()

    def attach(self, play: Callable[[RxFrame], None] | None) -> None:
        """Hands every frame to whoever plays for the hotspot; None: to nobody."""
        self._play = play

    def subscribe(self) -> asyncio.Queue[RxFrame] | None:
        """A queue that gets every frame, or None when enough others listen; give it back with `unsubscribe`."""
        if len(self._listeners) >= MAX_LISTENERS:
            return None
        queue: asyncio.Queue[RxFrame] = asyncio.Queue(MAX_QUEUED_FRAMES)
        self._listeners.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[RxFrame]) -> None:
        self._listeners.discard(queue)

    def _on_frame(self, frame: RxFrame) -> None:
        if self.first_heard_at_ms is None:
            self.first_heard_at_ms = frame.received_at_ms
        self.heard.append(_heard(frame))
        for queue in self._listeners:
            if queue.full():
                self.counters.count("capture", "frame_lost")
            else:
                queue.put_nowait(frame)
        if self._play is None:
            self.counters.count(PACKETS, "foreign" if beacon.tag_in(frame.payload) is None else "beacon_not_playing")
        else:
            self._play(frame)

    def snapshot(self) -> dict[str, Any]:
        """What is to be said of the radio alone."""
        return {
            "directory": str(self.directory),
            "listen": self.listen,
            "opened_at_ms": self.opened_at_ms,
            "first_heard_at_ms": self.first_heard_at_ms,
            "forwarders": [asdict(one) for one in self.server.forwarders()],
            "network_servers": [] if self.forwarding is None else self.forwarding.snapshot(),
            "wifi": None if self.bridge is None else asdict(self.bridge.status()),
            "heard": [asdict(one) for one in reversed(self.heard)],
            "counters": self.counters.snapshot(),
        }


def _heard(frame: RxFrame) -> Heard:
    return Heard(
        at_ms=frame.received_at_ms,
        what=kind_of(frame.payload),
        frequency_hz=frame.frequency_hz,
        spreading_factor=frame.spreading_factor,
        bandwidth_hz=frame.bandwidth_hz,
        rssi_cdb=frame.rssi_cdb,
        snr_cdb=frame.snr_cdb,
        size=len(frame.payload),
        gateway=frame.gateway.hex(),
    )
