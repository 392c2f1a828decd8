"""What a running hotspot says of itself: a tiny HTTP server on 127.0.0.1. See status_client.py for who asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from hotspot.status_client import HOST

MAX_REQUEST_BYTES = 8_192
REQUEST_TIMEOUT_S = 2.0
Snapshot = Callable[[], dict[str, Any]]


class StatusServer:
    """GET / answers for the process, GET /HOTSPOT_ID for one hotspot; JSON either way."""

    def __init__(self, process: Snapshot) -> None:
        self._snapshots: dict[str, Snapshot] = {"/": process}
        self._server: asyncio.Server | None = None

    def add(self, hotspot_id: str, snapshot: Snapshot) -> None:
        """Answers for one hotspot."""
        self._snapshots[f"/{hotspot_id}"] = snapshot

    async def start(self, port: int) -> int:
        """Listens on 127.0.0.1; OSError if the port is taken. Returns the port."""
        self._server = await asyncio.start_server(self._serve, HOST, port, limit=MAX_REQUEST_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Stops listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer(head))
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked went away or never finished; nobody is owed an answer
        finally:
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        parts = head.split(b"\r\n", 1)[0].split()
        if len(parts) != 3 or parts[0] != b"GET":
            return _response("405 Method Not Allowed", {"error": "only GET"})
        snapshot = self._snapshots.get(parts[1].decode("ascii", "replace"))
        if snapshot is None:
            return _response("404 Not Found", {"error": "no such hotspot in this process"})
        return _response("200 OK", snapshot())


def _response(status: str, body: dict[str, Any]) -> bytes:
    data = json.dumps(body).encode()
    headers = ("Content-Type: application/json", f"Content-Length: {len(data)}", "Connection: close")
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode("ascii") + data
