"""The address of a network server's name, looked up beside the work and again every few minutes."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from hotspot.clock import Clock
from hotspot.config import Endpoint
from hotspot.forwarding.upstream import Address

LOOK_UP_EVERY_MS = 300_000
LOOK_UP_AGAIN_MS = 10_000
"""After a name that could not be found."""


class ServerName:
    """One server's name. `address` is what was found last; a number is its own address."""

    def __init__(self, server: Endpoint, clock: Clock) -> None:
        self.server = server
        self.address: Address | None = _numeric(server)
        self._is_number = self.address is not None
        self._clock = clock
        self._look_up_at_ms = 0
        self._looking: asyncio.Task[None] | None = None

    def refresh(self) -> None:
        """Starts to look the name up if that is due; returns at once."""
        now_ms = self._clock.monotonic_ms()
        if not self._is_number and self._looking is None and now_ms >= self._look_up_at_ms:
            self._looking = asyncio.ensure_future(self._look_up())

    def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    async def _look_up(self) -> None:
        pause_ms = LOOK_UP_AGAIN_MS
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self.server.host, self.server.port, type=socket.SOCK_DGRAM
            )
            family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)  # as forwarders do
            self.address = int(family), (str(address[0]), int(address[1]))
            pause_ms = LOOK_UP_EVERY_MS
        except (OSError, UnicodeError):
            pass  # the old address stays, if there was one; Upstream counts what is lost without
        finally:
            self._look_up_at_ms = self._clock.monotonic_ms() + pause_ms
            self._looking = None


def _numeric(server: Endpoint) -> Address | None:
    try:
        number = ipaddress.ip_address(server.host)
    except ValueError:
        return None
    return (socket.AF_INET if number.version == 4 else socket.AF_INET6), (server.host, server.port)
