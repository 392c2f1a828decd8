"""The local status: answers on loopback, bounded, and says how to start a hotspot that does not run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hotspot.looking.status import MAX_REQUEST_BYTES, StatusServer, as_json
from hotspot.looking.status_client import STATUS_FILE, NotRunningError, ask, write_pointer

ID = "80" * 32


async def served(request: bytes) -> bytes:
    server = StatusServer()
    server.answer("/", lambda: as_json({"pid": 1}))
    server.answer(f"/{ID}/status.json", lambda: as_json({"hotspot_id": ID}))
    port = await server.start(0)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        (b"GET / HTTP/1.1", b"200 OK", {"pid": 1}),
        (b"GET /" + ID.encode() + b"/status.json HTTP/1.1", b"200 OK", {"hotspot_id": ID}),
        (b"GET /other HTTP/1.1", b"404 Not Found", {"error": "nothing is here"}),
        (b"GET /\xff HTTP/1.1", b"404 Not Found", {"error": "nothing is here"}),
        (b"POST / HTTP/1.1", b"405 Method Not Allowed", {"error": "only GET"}),
        (b"", b"405 Method Not Allowed", {"error": "only GET"}),
    ],
)
def test_answers_get_and_nothing_else(request_line: bytes, status: bytes, body: dict[str, Any]) -> None:
    head, _, data = asyncio.run(served(request_line + b"\r\nHost: 127.0.0.1:1\r\n\r\n")).partition(b"\r\n\r\n")
    assert status in head
    assert json.loads(data) == body


@pytest.mark.parametrize("host", [b"", b"Host: evil.example", b"Host: 127.0.0.1.evil.example", b"Host: a\r\nHost: b"])
def test_a_web_site_under_another_name_reads_nothing(host: bytes) -> None:
    assert b"403 Forbidden" in asyncio.run(served(b"GET / HTTP/1.1\r\n" + host + b"\r\n\r\n"))


def test_an_endless_request_is_cut_off() -> None:
    assert asyncio.run(served(b"GET /" + b"x" * (2 * MAX_REQUEST_BYTES))) == b""


def test_the_command_finds_the_status_by_the_directory_alone(tmp_path: Path) -> None:
    async def act() -> dict[str, Any]:
        server = StatusServer()
        server.answer(f"/{ID}/status.json", lambda: as_json({"hotspot_id": ID, "epoch": 7}))
        write_pointer(tmp_path, await server.start(0), ID, "127.0.0.1:1680")
        try:
            return await asyncio.to_thread(ask, tmp_path)
        finally:
            server.stop()

    assert asyncio.run(act()) == {"hotspot_id": ID, "epoch": 7}


def test_another_hotspot_on_the_old_port_is_not_taken_for_this_one(tmp_path: Path) -> None:
    async def act() -> None:
        server = StatusServer()
        write_pointer(tmp_path, await server.start(0), ID, "127.0.0.1:1680")
        try:
            await asyncio.to_thread(ask, tmp_path)
        finally:
            server.stop()

    with pytest.raises(NotRunningError, match="does not run"):
        asyncio.run(act())


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"pid": 1}'])
def test_says_how_to_start_a_hotspot_that_never_ran(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / STATUS_FILE).write_bytes(content)
    with pytest.raises(NotRunningError, match="farfield hotspot run --directory"):
        ask(tmp_path)
