"""Runs the map: a thread follows the chain, one event loop serves the page. Ends cleanly on SIGTERM and Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chain.network import NetworkFile
from coverage_maps.api import Service, create_app
from coverage_maps.chain_facts import ChainFacts
from coverage_maps.events import Hub
from coverage_maps.follower import Follower, Snapshot
from coverage_maps.keeping import Keeping
from coverage_maps.peers import Peers
from coverage_maps.static import load_assets

POLL_S = 1.0
START_TIMEOUT_S, START_STEP_S = 10.0, 0.02
STOP_TIMEOUT_S = 8.0
PAGE = Path(__file__).parent / "page"
MAPLIBRE = "vendor/maplibre-gl/maplibre-gl.mjs"


class ServeError(Exception):
    """The map cannot be served; the message is a sentence with the next step."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where and how to serve. Port 0 takes any free one."""

    network: NetworkFile
    directory: Path
    host: str = "127.0.0.1"
    port: int = 8080
    given_area: bytes | None = None


def bound_port(host: str, port: int) -> int:
    """The port to serve on, checked to be free; ServeError if it is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ServeError(f"Port {port} is taken by another program; choose another one with --port.") from error
            raise ServeError(f"{host}:{port} cannot be served on: {error.strerror}.") from error
        return int(probe.getsockname()[1])


def notice(snapshot: Snapshot) -> dict[str, Any]:
    """What browsers are told when it changes."""
    return {
        "newest_epoch": snapshot.newest.epoch if snapshot.newest else None,
        "newest_root": max(snapshot.roots, default=None),
        "hotspots": len(snapshot.registry),
        "claimed": str(sum(snapshot.claimed.values())),
        "waiting": list(snapshot.waiting),
        "trouble": snapshot.trouble,
    }


def run(settings: Settings, ready: Callable[[int], None]) -> None:
    """Serves until SIGTERM or SIGINT; `ready` is called with the port. ServeError if that is not possible."""
    port = bound_port(settings.host, settings.port)
    chain, peers = ChainFacts(settings.network), Peers(settings.network)
    store = Keeping(settings.directory / "evidence", peers.all)
    follower = Follower(chain, store.fetch, peers.ask)
    try:
        asyncio.run(_serve(settings, port, follower, ready))
    finally:
        peers.close()
        chain.close()


async def _serve(settings: Settings, port: int, follower: Follower, ready: Callable[[int], None]) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    hub, loop, ending = Hub(), asyncio.get_running_loop(), threading.Event()
    service = Service(lambda: follower.snapshot, hub, load_assets(PAGE), settings.given_area)
    server = Server(
        create_app(service),
        address=settings.host,
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        log_enabled=False,
    )

    def stop() -> None:
        ending.set()
        hub.close()
        server.stop()

    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop)
    following = asyncio.create_task(asyncio.to_thread(follow, follower, ending, _telling(loop, hub)))
    following.add_done_callback(lambda _: None if ending.is_set() else stop())
    serving = asyncio.create_task(server.serve())
    listening = await is_listening(settings.host, port, serving)
    if listening:
        ready(port)
    else:
        stop()
    await serving
    ending.set()
    await asyncio.wait_for(following, STOP_TIMEOUT_S)
    if not listening:
        raise ServeError(f"The server did not start on {settings.host}:{port}; try another --port.")


async def is_listening(host: str, port: int, serving: asyncio.Task[None]) -> bool:
    """True once the server takes connections; False if it ended, or does not within START_TIMEOUT_S."""
    for _ in range(round(START_TIMEOUT_S / START_STEP_S)):
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            done, _ = await asyncio.wait({serving}, timeout=START_STEP_S)
            if done:
                return False
            continue
        writer.close()
        return True
    return False


def _telling(loop: asyncio.AbstractEventLoop, hub: Hub) -> Callable[[Snapshot], None]:
    def tell(snapshot: Snapshot) -> None:
        loop.call_soon_threadsafe(hub.publish, notice(snapshot))

    return tell


def follow(follower: Follower, ending: threading.Event, tell: Callable[[Snapshot], None]) -> None:
    """Steps until told to end; an error nobody foresaw ends the server, which then shows it."""
    while not ending.is_set():
        more = follower.step()
        if not ending.is_set():
            tell(follower.snapshot)
        ending.wait(0 if more else POLL_S)
