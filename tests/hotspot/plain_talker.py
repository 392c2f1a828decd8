"""A server that answers everything with the same bytes, HTTP or not."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def talking(answer: bytes) -> Iterator[int]:
    """The port on 127.0.0.1 of such a server."""

    class Talker(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(4_096)
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talker) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def http(body: bytes) -> bytes:
    """An answer in HTTP."""
    return b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
