"""The process's own tiny HTTP server on 127.0.0.1: status as JSON, the page, metrics. status_client.py asks it.

Only loopback names are answered, so that no web site can read it through the owner's browser. It serves what others
registered; nothing here changes anything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from hotspot.looking.status_client import HOST

MAX_REQUEST_BYTES = 8_192
REQUEST_TIMEOUT_S = 2.0
MAX_STREAMS = 8
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a path answers."""

    body: bytes
    content_type: str = "application/json"
    status: str = "200 OK"


Handler = Callable[[], Answer]
Stream = Callable[[], AsyncIterator[bytes]]


def as_json(shape: Any, status: str = "200 OK") -> Answer:
    """A JSON answer."""
    return Answer(json.dumps(shape).encode(), status=status)


class StatusServer:
    """Answers GET requests for the paths it was given."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._streams: dict[str, Stream] = {}
        self._streaming: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def answer(self, path: str, handler: Handler) -> None:
        """Answers a path."""
        self._handlers[path] = handler

    def stream(self, path: str, stream: Stream) -> None:
        """Answers a path with JSON lines until whoever asked goes away."""
        self._streams[path] = stream

    async def start(self, port: int) -> int:
        """Listens on 127.0.0.1; OSError if the port is taken. Returns the port."""
        self._server = await asyncio.start_server(self._serve, HOST, port, limit=MAX_REQUEST_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Stops listening and ends every stream."""
        if self._server is not None:
            self._server.close()
        for task in self._streaming:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
            path = _path(head)
            stream = self._streams.get(path) if isinstance(path, str) else None
            if stream is not None:
                await self._serve_stream(stream, writer)
            else:
                writer.write(_encoded(path if isinstance(path, Answer) else self._answer(path)))
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked went away or never finished; nobody is owed an answer
        finally:
            writer.close()

    async def _serve_stream(self, stream: Stream, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if len(self._streaming) >= MAX_STREAMS or task is None:
            writer.write(_encoded(as_json({"error": "too many listen already"}, "503 Service Unavailable")))
            return
        self._streaming.add(task)
        try:
            writer.write(_head("200 OK", "application/x-ndjson"))
            async for piece in stream():
                writer.write(piece)
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    await writer.drain()
        finally:
            self._streaming.discard(task)

    def _answer(self, path: str) -> Answer:
        handler = self._handlers.get(path)
        return as_json({"error": "nothing is here"}, "404 Not Found") if handler is None else handler()


def _path(head: bytes) -> str | Answer:
    """The path a request asks for, or why it gets nothing."""
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split()
    if len(parts) != 3 or parts[0] != "GET":
        return as_json({"error": "only GET"}, "405 Method Not Allowed")
    hosts = [value.strip() for name, _, value in (line.partition(":") for line in lines[1:]) if name.lower() == "host"]
    if len(hosts) != 1 or urlsplit(f"//{hosts[0]}").hostname not in LOOPBACK_NAMES:
        return as_json({"error": "ask for 127.0.0.1"}, "403 Forbidden")
    return unquote(parts[1].partition("?")[0])


def _head(status: str, content_type: str, *more: str) -> bytes:
    headers = (
        f"Content-Type: {content_type}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        f"Content-Security-Policy: {CONTENT_POLICY}",
        "Connection: close",
        *more,
    )
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode("ascii")


def _encoded(answer: Answer) -> bytes:
    return _head(answer.status, answer.content_type, f"Content-Length: {len(answer.body)}") + answer.body
