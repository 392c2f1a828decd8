"""A forwarder server with one forwarder in front of it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hotspot.counters import Counters
from hotspot.radio.frames import RxFrame, TxRequest
from hotspot.radio.gwmp.server import GwmpServer
from tests.hotspot.clocks import ManualClock, settle, until
from tests.hotspot.virtual_forwarder import VirtualForwarder


@dataclasses.dataclass
class Bench:
    server: GwmpServer
    clock: ManualClock
    counters: Counters
    frames: list[RxFrame]
    endpoint: tuple[str, int]

    def request(self, **changed: int) -> TxRequest:
        request = TxRequest(b"\xe0beacon", 868_100_000, 7, 125_000, 14, 0, self.clock.now_ms() + 1_000)
        return dataclasses.replace(request, **changed)

    async def pulled(self, forwarder: VirtualForwarder) -> None:
        before = self.counters.of("datagrams", "PULL_DATA")
        forwarder.pull()
        await until(lambda: self.counters.of("datagrams", "PULL_DATA") > before)

    async def pushed(self, forwarder: VirtualForwarder, *packets: object) -> None:
        before = self.counters.of("datagrams", "PUSH_DATA")
        forwarder.push(*packets)  # type: ignore[arg-type]
        await until(lambda: self.counters.of("datagrams", "PUSH_DATA") > before)


@asynccontextmanager
async def bench(transmit_eui: bytes | None = None, delay_ms: int | None = 0) -> AsyncIterator[Bench]:
    clock, counters, frames = ManualClock(), Counters(), []
    server = GwmpServer(clock, counters, frames.append, transmit_eui, delay_ms)
    endpoint = await server.start("127.0.0.1", 0)
    try:
        yield Bench(server, clock, counters, frames, endpoint)
    finally:
        server.stop()
        await settle()
