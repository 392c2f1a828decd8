"""Hotspot processes for tests that kill them: the real daemon over real sockets, with a chain that is always there.

`python -m tests.hotspot.killable SETTINGS.json` has everything imported and forks a hotspot for each line `fork` on its
standard input; `reap` waits for the last one's end. So a life costs no start of Python. It answers `forked PID`, the
hotspot says `ready` when its ports are open, and `reaped STATUS` follows its end.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import structlog

from chain.network import NetworkFile, ValidatorEntry
from hotspot.clock import SystemClock
from hotspot.playing.daemon import Daemon, Player, clients_for
from hotspot.playing.epochs import Anchor
from hotspot.playing.rules import Rules
from hotspot.reporting.outbox import OUTBOX_FILE, Change, StorageError, Store
from hotspot.running.process import Process
from hotspot.running.start import Home, Played, open_homes
from protocol.closing import Member
from protocol.ids import Address
from tests.hotspot import world
from tests.hotspot.test_start import FILE

REFUSED = "the disk refused a write"
DENSE = dataclasses.replace(
    world.PARAMS,
    epoch=dataclasses.replace(
        world.PARAMS.epoch,
        length_ms=24_000,
        guard_ms=2_000,
        commit_window_ms=4_000,
        reveal_after_ms=2_000,
        close_after_ms=3_600_000,
    ),
    slots=dataclasses.replace(world.PARAMS.slots, fixed=6),
)
"""Six slots in 24 s, and as long after the end to bring the reports as on a real network."""
RULES = Rules(DENSE, world.RULES.regions)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What parent and child agree on."""

    place: str
    homes: tuple[str, ...]
    genesis_ms: int
    validators: tuple[tuple[str, str, str], ...]
    """(owner, signing account, endpoint), hexadecimal."""

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Settings:
        tree: dict[str, Any] = json.loads(path.read_text())
        return cls(tree["place"], tuple(tree["homes"]), tree["genesis_ms"], tuple(map(tuple, tree["validators"])))

    @property
    def network(self) -> NetworkFile:
        entries = (
            ValidatorEntry(Address(bytes.fromhex(owner)), Address(bytes.fromhex(key)), endpoint)
            for owner, key, endpoint in self.validators
        )
        return dataclasses.replace(FILE, validators=tuple(entries))


class Chain:
    """The registry of these hotspots, final at once."""

    def __init__(self, homes: Sequence[Home], network: NetworkFile) -> None:
        rows = [
            world.row(home.device.hotspot_id, owner=bytes([number]) * 20)
            for number, home in enumerate(homes, start=1)
            if home.device
        ]
        members = tuple(Member(Address(one.owner), Address(one.key), 1) for one in network.validators)
        self._found = dataclasses.replace(world.anchor(*rows), members=members)

    async def anchor(self, epoch: int, deadline_ms: int) -> Anchor | None:
        return self._found


class TellingStore(Store):
    """Says on standard error when the disk refuses a write."""

    def apply(self, groups: Sequence[Sequence[Change]]) -> list[StorageError | None]:
        results = super().apply(groups)
        if any(problem is not None and problem.passes for problem in results):
            sys.stderr.write(f"{REFUSED}\n")
        return results


async def opened(path: Path) -> Store:
    """The outbox, as soon as the disk has room for it."""
    while True:
        try:
            store = TellingStore(path)
            store.drop_drafts(SystemClock().now_ms())
        except StorageError as error:
            if not error.passes:
                raise
            await asyncio.sleep(0.05)
        else:
            return store


async def run(settings: Settings) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    homes = open_homes([Path(one) for one in settings.homes])
    network = settings.network
    process = Process(homes)
    await process.open()
    tell("ready")
    store = await opened(Path(settings.place) / OUTBOX_FILE)
    clients = clients_for(network, [home.config.validators for home in homes])
    players = [Player(home.device, ears) for home, ears in zip(homes, process.ears, strict=True) if home.device]
    played = Played(network, settings.genesis_ms, RULES, ())
    daemon = Daemon(players, played, Chain(homes, network), clients, store)
    await daemon.run(stop)
    process.close()
    for client in clients.values():
        await client.close()


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def live(settings: Settings) -> NoReturn:
    """One hotspot's life, in a process of its own."""
    random.seed()
    status = 1
    try:
        asyncio.run(run(settings))
        status = 0
    except Exception:
        traceback.print_exc()
        tell("failed")
    finally:
        os._exit(status)


def serve(settings: Settings) -> None:
    """Forks and reaps as it is told, until its input ends."""
    pid = 0
    while line := os.read(0, 5).decode():
        if line == "fork\n":
            pid = os.fork()
            if pid == 0:
                live(settings)
            tell(f"forked {pid}")
        elif line == "reap\n":
            tell(f"reaped {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")
            pid = 0
    if pid:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    serve(Settings.read(Path(sys.argv[1])))
