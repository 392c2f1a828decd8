"""A gpsd that tells what a test says."""

from __future__ import annotations

import asyncio
import json
from typing import Self

from hotspot.config import Endpoint

VERSION = {"class": "VERSION", "release": "3.25", "rev": "3.25", "proto_major": 3, "proto_minor": 15}


class FakeGpsd:
    """`requests` keeps the WATCH lines; `say` sends an object, or raw bytes, to everybody connected."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.endpoint = Endpoint("127.0.0.1", 0)
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.endpoint.port)
        self.endpoint = Endpoint(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(VERSION).encode() + b"\r\n")
        self.requests.append(await reader.readline())
        self.writers.append(writer)
        await reader.read()
        writer.close()

    def say(self, message: dict[str, object] | bytes) -> None:
        line = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\r\n"
        for writer in self.writers:
            writer.write(line)

    def drop(self) -> None:
        for writer in self.writers:
            writer.close()
        self.writers.clear()


def tpv(latitude_deg: float, longitude_deg: float, **changed: object) -> dict[str, object]:
    return {
        "class": "TPV", "device": "/dev/ttyACM0", "mode": 3, "lat": latitude_deg, "lon": longitude_deg, **changed
    }  # fmt: skip
