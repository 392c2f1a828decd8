"""One network server as one forwarder's gateway: a connected UDP socket that never waits.

A PULL_RESP does not say for which gateway it is, so every pair of forwarder and server has a socket of its own. Nothing
is queued here: a datagram the kernel cannot take now is lost and counted, as on any network.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from hotspot.radio.gwmp import codec

Address = tuple[int, tuple[str, int]]
"""Address family, and host and port as numbers."""
MAX_DATAGRAM_BYTES = 65_535
MAX_AT_ONCE = 32


class Upstream:
    """`on_order` gets every PULL_RESP, `count` the name of everything else that happens."""

    def __init__(
        self, on_order: Callable[[codec.Header, bytes], None], count: Callable[[str], None], own_port: int | None
    ) -> None:
        """`own_port`: where forwarders send to this machine; passing on to there would never end."""
        self._on_order, self._count, self._own_port = on_order, count, own_port
        self._socket: socket.socket | None = None
        self._address: Address | None = None

    def use(self, address: Address | None) -> None:
        """Talks to this address from now on; the same address changes nothing while its socket can be used."""
        if address is None or address == self._address:
            return
        self.close()
        family, endpoint = address
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.connect(endpoint)
        except OSError:
            sock.close()
            self._count("unreachable")
            return
        if sock.getsockname()[0] == endpoint[0] and endpoint[1] == self._own_port:
            sock.close()
            self._count("this_hotspot_itself")
            return
        asyncio.get_running_loop().add_reader(sock, self._readable)
        self._socket, self._address = sock, address

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        self._socket = self._address = None

    def send(self, datagram: bytes, name: str) -> None:
        """Sends now or not at all; counted under `name` when sent."""
        if self._socket is None:
            self._count("no_address")
            return
        try:
            try:
                self._socket.send(datagram)
            except ConnectionRefusedError:  # what came back for an earlier datagram; this one was not tried yet
                self._socket.send(datagram)
        except BlockingIOError:
            self._count("send_buffer_full")
        except ConnectionRefusedError:
            self._count("unreachable")
        except OSError:  # it may be bound to an address this machine no longer has; the next `use` takes a new one
            self._count("unreachable")
            self.close()
        else:
            self._count(name)

    def _readable(self) -> None:
        for _ in range(MAX_AT_ONCE):
            if self._socket is None:
                return
            try:
                datagram = self._socket.recv(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                self._count("unreachable")
                continue
            self._take(datagram)

    def _take(self, datagram: bytes) -> None:
        header = codec.read_header(datagram)
        if isinstance(header, codec.Refused):
            self._count("unreadable")
        elif header.kind is codec.Identifier.PULL_RESP:
            self._on_order(header, datagram)
        elif header.kind in (codec.Identifier.PUSH_ACK, codec.Identifier.PULL_ACK):
            self._count(header.kind.name)
        else:
            self._count("not_for_a_gateway")
