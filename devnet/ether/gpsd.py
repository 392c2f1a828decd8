"""The positions of mobile stations, served as the GPS daemon gpsd serves a receiver (its JSON protocol, one TCP port).

Every mobile station is a device `/dev/NAME`. A client that watches it gets its position at once, every second, and
right after each of its transmissions. In a trace the position is where the station's next frame was measured, digit
for digit as in the file.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from devnet.ether.places import Place
from devnet.ether.serving import LineServer, Peer

DEVICE_PREFIX = "/dev/"
FIX_INTERVAL_S = 1.0
PROTOCOL_MAJOR, PROTOCOL_MINOR = 3, 14
DRIVER = "Farfield devnet ether (no satellite was heard)"
FIX_3D = 3

Positions = Callable[[], dict[str, Place]]


class Gpsd(LineServer):
    """The server. `positions` gives the place of every device, by device name, at the moment of the call."""

    terminator = rb"[;\r\n]"

    def __init__(self, positions: Positions) -> None:
        super().__init__()
        self._positions = positions
        self._watchers: dict[Peer, str | None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, host: str, port: int) -> int:
        """Listens and returns the port; OSError if it is taken."""
        bound = await super().open(host, port)
        self._tick()
        return bound

    async def close(self) -> None:
        """Stops the clock and lets every client go."""
        if self._timer is not None:
            self._timer.cancel()
        await super().close()

    def publish(self, station: str) -> None:
        """Tells the watchers of a station where it is now."""
        device = DEVICE_PREFIX + station
        positions = self._positions() if self._watchers else {}
        for peer, wanted in self._watchers.items():
            if wanted in (None, device):
                self._send_fixes(peer, device, positions)

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(FIX_INTERVAL_S, self._tick)
        if self._watchers:
            positions = self._positions()
            for peer, wanted in self._watchers.items():
                self._send_fixes(peer, wanted, positions)

    def _send_fixes(self, peer: Peer, wanted: str | None, positions: dict[str, Place]) -> None:
        for device in positions if wanted is None else (wanted,):
            if device in positions:
                peer.send(_fix(device, positions[device]))

    def greet(self, peer: Peer) -> None:
        peer.send(_line(_version()))

    def gone(self, peer: Peer) -> None:
        self._watchers.pop(peer, None)

    def refuse_long_line(self, peer: Peer) -> None:
        peer.send(_line(_error("the request is too long")))

    async def answer(self, peer: Peer, line: str) -> None:
        """?VERSION; ?DEVICES; or ?WATCH={...};"""
        name, _, argument = line.partition("=")
        if name == "?VERSION":
            peer.send(_line(_version()))
        elif name == "?DEVICES":
            peer.send(_line(self._devices()))
        elif name == "?WATCH":
            self._watch(peer, argument)
        else:
            peer.send(_line(_error(f"unrecognized request {line[:64]!r}")))

    def _watch(self, peer: Peer, argument: str) -> None:
        try:
            policy = json.loads(argument) if argument else {}
        except (ValueError, RecursionError):
            policy = None
        if not isinstance(policy, dict):
            peer.send(_line(_error("WATCH needs a JSON object")))
            return
        if policy.get("enable", True) is False:
            self._watchers.pop(peer, None)
            peer.send(_line({"class": "WATCH", "enable": False}))
            return
        device = policy.get("device")
        wanted = device if isinstance(device, str) else None
        positions = self._positions()
        self._watchers[peer] = wanted
        if wanted is not None and wanted not in positions:
            peer.send(_line(_error(f"there is no device {wanted[:128]!r} yet; its positions follow when there is")))
            return
        peer.send(_line(self._devices()))
        peer.send(_line({"class": "WATCH", "enable": True, "json": True, **({"device": wanted} if wanted else {})}))
        self._send_fixes(peer, wanted, positions)

    def _devices(self) -> dict[str, Any]:
        devices = [{"class": "DEVICE", "path": device, "driver": DRIVER} for device in self._positions()]
        return {"class": "DEVICES", "devices": devices}


def _version() -> dict[str, Any]:
    release = "farfield-ether"
    return {"class": "VERSION", "release": release, "proto_major": PROTOCOL_MAJOR, "proto_minor": PROTOCOL_MINOR}


def _error(message: str) -> dict[str, Any]:
    return {"class": "ERROR", "message": message}


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _fix(device: str, where: Place) -> str:
    """A TPV whose degrees have the very digits of the place, which is why it is not made by a JSON library."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = _line({"class": "TPV", "device": device, "mode": FIX_3D, "time": moment})
    return f'{head[:-1]},"lat":{where.latitude_text},"lon":{where.longitude_text},"alt":0.0}}'
