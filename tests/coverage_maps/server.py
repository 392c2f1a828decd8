"""A real map server over a synthetic world, in a thread of the test.

`python -m tests.coverage_maps.server PORT [SECONDS]` serves it by hand; every so many seconds an epoch settles.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from granian.constants import Interfaces
from granian.server.embed import Server

from coverage_maps.api import Service, create_app
from coverage_maps.events import Hub
from coverage_maps.follower import Follower
from coverage_maps.serve import PAGE, bound_port, is_listening, notice
from coverage_maps.static import load_assets
from tests.coverage_maps import factories

START_TIMEOUT_S = 10


@dataclass
class Running:
    """A server under test."""

    address: str
    chain: factories.FakeChain
    follower: Follower
    loop: asyncio.AbstractEventLoop
    hub: Hub

    def look(self) -> None:
        """What the follower's thread does on its own in the product: look at the chain, tell the browsers."""
        while self.follower.step():
            pass
        self.loop.call_soon_threadsafe(self.hub.publish, notice(self.follower.snapshot))


@contextmanager
def running(chain: factories.FakeChain, port: int = 0, given_area: bytes | None = None) -> Iterator[Running]:
    """Serves a world until the block ends."""
    port, ready, box = bound_port("127.0.0.1", port), threading.Event(), {}
    follower = factories.follower_of(chain)

    async def serve() -> None:
        hub = Hub()
        service = Service(lambda: follower.snapshot, hub, load_assets(PAGE), given_area)
        server = Server(
            create_app(service), port=port, interface=Interfaces.ASGINL, websockets=False, log_enabled=False
        )
        box.update(hub=hub, server=server, loop=asyncio.get_running_loop())
        serving = asyncio.create_task(server.serve())
        if await is_listening("127.0.0.1", port, serving):
            ready.set()
        await serving

    def stop() -> None:
        box["hub"].close()
        box["server"].stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="map server")
    thread.start()
    assert ready.wait(START_TIMEOUT_S), "the map server did not start"
    one = Running(f"http://127.0.0.1:{port}", chain, follower, box["loop"], box["hub"])
    one.look()
    try:
        yield one
    finally:
        box["loop"].call_soon_threadsafe(stop)
        thread.join(START_TIMEOUT_S)
        assert not thread.is_alive(), "the map server did not end"


def main() -> None:
    """Serves the city world; every argument second a new epoch settles."""
    world = factories.World(factories.city_devices())
    for _ in range(3):
        world.play()
    with running(factories.FakeChain(world), int(sys.argv[1])) as server:
        sys.stdout.write(f"{server.address}\n")
        sys.stdout.flush()
        while len(sys.argv) > 2:
            time.sleep(float(sys.argv[2]))
            world.play()
            server.look()
        threading.Event().wait()


if __name__ == "__main__":
    main()
