"""A small TCP server of lines: bounded lines, bounded clients, and a client that does not read is let go."""

from __future__ import annotations

import asyncio
import re

MAX_LINE_BYTES = 16 * 1024
MAX_CLIENTS = 1_024
MAX_UNREAD_BYTES = 256 * 1024
READ_BYTES = 4_096
END_OF_LINE = rb"\r?\n"


class Peer:
    """One connected client."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def send(self, line: str) -> None:
        """Sends a line; a client with too much unread is disconnected instead."""
        if self._writer.is_closing():
            return
        self._writer.write(line.encode() + b"\r\n")
        if self._writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._writer.transport.abort()


class LineServer:
    """What a line server does with its clients; subclasses answer lines."""

    terminator = END_OF_LINE
    """Regular expression of what ends a line."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    def greet(self, peer: Peer) -> None:
        """A client has connected."""

    async def answer(self, peer: Peer, line: str) -> None:
        """A client has sent a line, without its end; bytes that are no UTF-8 are replaced."""
        raise NotImplementedError

    def refuse_long_line(self, peer: Peer) -> None:
        """A client's line has no end within the bound; it is disconnected after this."""

    def gone(self, peer: Peer) -> None:
        """A client has left."""

    async def open(self, host: str, port: int) -> int:
        """Listens and returns the port; OSError if it is taken."""
        self._server = await asyncio.start_server(self._serve, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stops listening and lets every client go, after what was sent to it."""
        if self._server is not None:
            self._server.close()
        others = self._clients - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._clients) >= MAX_CLIENTS:
            writer.close()
            return
        self._clients.add(task)
        peer = Peer(writer)
        try:
            self.greet(peer)
            await self._read_lines(peer, reader)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass  # the client is gone or the server is closing: nothing is left to do for it
        finally:
            self._clients.discard(task)
            self.gone(peer)
            writer.close()

    async def _read_lines(self, peer: Peer, reader: asyncio.StreamReader) -> None:
        unread = b""
        while chunk := await reader.read(READ_BYTES):
            *lines, unread = re.split(self.terminator, unread + chunk)
            for line in lines:
                await self._answer_if_any(peer, line)
            if len(unread) > MAX_LINE_BYTES:
                self.refuse_long_line(peer)
                return
        await self._answer_if_any(peer, unread)

    async def _answer_if_any(self, peer: Peer, line: bytes) -> None:
        text = line.decode(errors="replace").strip()
        if text:
            await self.answer(peer, text)
