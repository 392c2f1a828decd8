"""A TCP proxy on loopback before an RPC address, which a test can take down and bring back."""

from __future__ import annotations

import contextlib
import select
import socket
import threading

CHUNK_BYTES = 65_536
JOIN_S = 10


class Proxy:
    """Forwards to a port of this machine; while it is down it takes no connection and has cut every one."""

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self._lock = threading.Lock()
        self._clients: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept, self._listener)

    def down(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for client in self._clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(JOIN_S)
            assert not thread.is_alive()
        self._threads = []

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while self._listener is listener:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with self._lock:
                    self._clients.add(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server, contextlib.suppress(OSError):
            others = {client: server, server: client}
            while self._listener is not None:
                for ready in select.select([client, server], [], [], 0.05)[0]:
                    chunk = ready.recv(CHUNK_BYTES)
                    if not chunk:
                        return
                    others[ready].sendall(chunk)
        with self._lock:
            self._clients.discard(client)
