"""A UDP port that answers first and works later.

A forwarder that waits for its acknowledgement hears nothing meanwhile. So whatever has arrived is answered before any
of it is read, and reading gives way to the rest of the program every few milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Endpoint = tuple[str, int]
Work = TypeVar("Work")

MAX_DATAGRAM_BYTES = 65_535
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
MAX_AT_ONCE = 64
MAX_WAITING = 512
"""Datagrams answered and not read yet; beyond, they wait in the kernel's buffer."""
LONGEST_TURN_S = 0.01


class UdpPort(Generic[Work]):
    """One bound socket. `first` answers a datagram and returns what is left to do, `then` does it."""

    def __init__(
        self,
        first: Callable[[bytes, Endpoint], Work | None],
        then: Callable[[Work], None],
        problem: Callable[[str], None],
    ) -> None:
        """`problem` is told of what the socket could not do, by name."""
        self._first, self._then, self._problem = first, then, problem
        self._socket: socket.socket | None = None
        self._buffer = bytearray(MAX_DATAGRAM_BYTES)
        self._waiting: deque[Work] = deque()
        self._again: asyncio.Handle | None = None

    def open(self, host: str, port: int) -> Endpoint:
        """Binds, within a running loop; OSError if the address is taken. Port 0 picks one; returns what was bound."""
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            sock.bind((host, port))
        except BaseException:
            sock.close()
            raise
        asyncio.get_running_loop().add_reader(sock, self._readable)
        self._socket = sock
        bound = sock.getsockname()
        return bound[0], bound[1]

    def close(self) -> None:
        """Closes the socket and drops what waits."""
        if self._again is not None:
            self._again.cancel()
        self._waiting.clear()
        if self._socket is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def send(self, data: bytes, address: Endpoint) -> bool:
        """Sends now or not at all; a datagram that does not fit into the kernel's buffer is lost and counted."""
        if self._socket is None:
            return False
        try:
            self._socket.sendto(data, address)
        except BlockingIOError:
            self._problem("send_buffer_full")
            return False
        except OSError:
            self._problem("socket_error")
            return False
        return True

    def _readable(self) -> None:
        for _ in range(MAX_AT_ONCE):
            if self._socket is None or len(self._waiting) >= MAX_WAITING:
                break
            try:
                size, address = self._socket.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            except OSError:
                self._problem("socket_error")
                continue
            work = self._first(bytes(memoryview(self._buffer)[:size]), address)
            if work is not None:
                self._waiting.append(work)
        if self._again is None:
            self._work()

    def _work(self) -> None:
        loop = asyncio.get_running_loop()
        self._again = None
        end = loop.time() + LONGEST_TURN_S
        try:
            while self._waiting:
                self._then(self._waiting.popleft())
                if loop.time() >= end:
                    break
        finally:
            if self._waiting:
                self._again = loop.call_soon(self._work)
