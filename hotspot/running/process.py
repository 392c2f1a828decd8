"""The running process: ports first, then the network, as soon as there is one.

It listens from the first second. With a key and a network it plays; while chain or validators do not answer it says so
and asks again; without key or network it goes on listening and looks now and then whether they have come.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from chain.network import NetworkFile, NetworkFileError, load
from chain.reader import ChainReader
from hotspot import config as configs
from hotspot import keys
from hotspot.clock import Clock, SystemClock
from hotspot.config import CONFIG_FILE
from hotspot.doctor import forwarder_file, running
from hotspot.doctor.findings import Finding, Level, finding
from hotspot.keys.passphrase import VARIABLE
from hotspot.looking.status import StatusServer, as_json
from hotspot.looking.status_client import write_pointer
from hotspot.page.serve import Page
from hotspot.playing.daemon import Daemon, Player, joined
from hotspot.running.ears import Ears
from hotspot.running.start import (
    FAILED,
    UNREACHABLE,
    Home,
    Played,
    StartError,
    common_directory,
    load_key,
    locked,
    nobody_asked,
    open_homes,
)

FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 1_000, 30_000
LOOK_MS = 3_000
"""How often a process that only listens looks for a key and a network."""
EXAMINE_MS = 10_000
NOTHING_HEARD_MS = 10 * 60_000
"""A quiet place may hear nothing for a while; `doctor` says so at once, the counter only after this."""
NO_KEY = "There is no key yet: `farfield hotspot register` makes one. Until then it only listens."
NO_NETWORK = "No network is named: give its network.json with `farfield hotspot register --network`. It only listens."
TRIED_AGAIN = "It is tried again once its file changes, or after a restart."
LISTENING, WAITING, PLAYING = "listening", "waiting", "playing"


class Process:
    """All hotspots of one process, from their ports to the end."""

    def __init__(
        self,
        homes: Sequence[Home],
        network: str | None = None,
        clock: Clock | None = None,
        environ: Mapping[str, str] = os.environ,
        flags: Mapping[str, Any] | None = None,
    ) -> None:
        """`network`: file or address; None: what hotspot.toml names, or `environ` or `flags`, which win over it."""
        self.clock = clock or SystemClock()
        self.ears = [Ears(home.directory, home.config, self.clock) for home in homes]
        self.status = StatusServer()
        self.file: NetworkFile | None = None
        self.daemon: Daemon | None = None
        self.waiting_for = ""
        self.on_joined: Callable[[Played], None] = lambda played: None
        self.on_waiting: Callable[[str], None] = lambda sentence: None
        self._keys = {home.directory: home.device for home in homes}
        self._given, self._environ, self._flags = network, environ, flags
        self._problems: dict[Path, Finding] = {}
        """Why a key or a hotspot.toml that came while it ran cannot be used."""
        self._tried_keys: dict[Path, tuple[object, Finding]] = {}
        """The files of a key that could not be used: it is tried again when they are others."""
        self._unwritten: set[int] = set()
        """Hotspots whose pointer could not be written."""
        self._port = 0
        self._log = structlog.get_logger()
        self._page = Page(self)

    # --- ports ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Binds every port and says where; StartError if one is taken."""
        for one in self.ears:
            await self._open_ears(one)
        wanted = self.ears[0].config.status_port
        self.status.answer("/status.json", lambda: as_json(self.snapshot()))
        self._page.start()
        try:
            self._port = await self.status.start(wanted)
        except OSError as error:
            raise StartError(
                f"Cannot show the status on port {wanted} ({error.strerror}). Choose another `status_port`."
            ) from error
        for index in range(len(self.ears)):
            self._publish(index)

    @staticmethod
    async def _open_ears(ears: Ears) -> None:
        try:
            await ears.open()
        except OSError as error:
            raise StartError(
                f"Cannot listen on {ears.config.listen} ({error.strerror}). Stop what uses that port, or choose "
                f"another with `listen` in {ears.directory / CONFIG_FILE}."
            ) from error

    def _publish(self, index: int) -> None:
        """Answers for one hotspot, and writes down where."""
        ears, name = self.ears[index], self.name(index)
        self.status.answer(f"/{name}/status.json", lambda: as_json(self.hotspot_snapshot(index)))
        self._page.add(index)
        self.status.stream(f"/{name}/frames", partial(_frames, ears))
        self._point(index)

    def _point(self, index: int) -> None:
        """Writes down where it answers; on a full disk, the radio goes on without and this is tried again."""
        ears = self.ears[index]
        try:
            write_pointer(ears.directory, self._port, self.name(index), ears.listen)
        except OSError as error:
            if index not in self._unwritten:
                ears.counters.count("status", "pointer_not_written")
                self._log.warning("pointer_not_written", directory=str(ears.directory), problem=error.strerror)
            self._unwritten.add(index)
        else:
            self._unwritten.discard(index)

    @property
    def port(self) -> int:
        """Where page and status are."""
        return self._port

    def name(self, index: int) -> str:
        """What a hotspot is called in paths: its id, or its number before there is a key."""
        device = self._keys[self.ears[index].directory]
        return f"listener-{index + 1}" if device is None else device.hotspot_id.hex()

    def close(self) -> None:
        """Closes every port."""
        self.status.stop()
        for one in self.ears:
            one.close()

    # --- running ----------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Listens until `stop` is set, and plays whenever it can. StartError if the network is not what it claims."""
        watching = asyncio.ensure_future(self._watch())
        try:
            await self._play_again_and_again(stop)
        finally:
            watching.cancel()

    async def _play_again_and_again(self, stop: asyncio.Event) -> None:
        pause_ms = FIRST_PAUSE_MS
        while not stop.is_set():
            try:
                await self._play(stop)
                pause_ms = FIRST_PAUSE_MS
            except StartError as error:
                if error.code != UNREACHABLE:
                    raise
                self._wait_for(str(error))
                await self._pause(stop, random.randint(pause_ms // 2, pause_ms))
                pause_ms = min(2 * pause_ms, LONGEST_PAUSE_MS)

    async def _play(self, stop: asyncio.Event) -> None:
        """Plays until `stop`, or returns after a moment if something is missing."""
        looking = asyncio.ensure_future(self._missing())
        if not await _first(looking, stop):
            return
        missing = looking.result()
        if missing:
            self._wait_for(missing)
            await self._pause(stop, LOOK_MS)
            return
        players = [Player(device, ears) for ears in self.ears if (device := self._keys[ears.directory]) is not None]
        place = common_directory([ears.directory for ears in self.ears])
        async with contextlib.AsyncExitStack() as stack:
            joining = asyncio.ensure_future(self._join(stack, players, place))
            if not await _first(joining, stop):
                return
            daemon, played = joining.result()
            self.daemon, self.waiting_for = daemon, ""
            self.on_joined(played)
            try:
                await daemon.run(stop)
            finally:
                self.daemon = None

    async def _join(
        self, stack: contextlib.AsyncExitStack, players: Sequence[Player], place: Path
    ) -> tuple[Daemon, Played]:
        self.file = await asyncio.to_thread(self._network)
        return await stack.enter_async_context(joined(ChainReader(self.file), players, place))

    async def _missing(self) -> str:
        """What keeps it from playing; looks for keys and a network that came meanwhile."""
        problems: dict[Path, Finding] = {}
        for index, ears in enumerate(self.ears):
            if self._keys[ears.directory] is None:
                problem = await self._look_for_key(index)
                problems |= {} if problem is None else {ears.directory: problem}
        source = self._source(problems)
        self._problems = problems
        if problems:
            return next(iter(problems.values())).sentence
        if any(device is None for device in self._keys.values()):
            return NO_KEY
        return "" if source is not None else NO_NETWORK

    async def _look_for_key(self, index: int) -> Finding | None:
        """Opening a key takes seconds, so a thread does it; a token counts wrong PINs, so none is tried twice."""
        directory = self.ears[index].directory
        files = _key_files(directory, self._environ)
        tried = self._tried_keys.get(directory)
        if tried is not None and tried[0] == files:
            return tried[1]
        try:
            self._keys[directory] = await asyncio.to_thread(load_key, directory, nobody_asked)
        except StartError as error:
            found = finding("key_unusable", problem=f"{error} {TRIED_AGAIN}")
            self._tried_keys[directory] = files, found
            return found
        if self._keys[directory] is not None:
            self._publish(index)
        return None

    def _source(self, problems: dict[Path, Finding]) -> str | None:
        """Where the network is; what is wrong with a hotspot.toml is added to `problems`."""
        if self._given is not None:
            return self._given
        found = [self._named_in(ears.directory, problems) for ears in self.ears]
        return next((one for one in found if one is not None), None)

    def _named_in(self, directory: Path, problems: dict[Path, Finding]) -> str | None:
        try:
            return configs.load(directory, self._environ, self._flags).network
        except configs.ConfigError as error:
            problems.setdefault(directory, finding("config_invalid", problem=str(error)))
            return None

    def _network(self) -> NetworkFile:
        """The network's file, which may be an address that takes its time."""
        source = self._source({})
        if source is None:  # it was there a moment ago
            raise StartError(NO_NETWORK, UNREACHABLE)
        try:
            return load(source)
        except NetworkFileError as error:
            may_come = source.lower().startswith(("http://", "https://")) or bool(self.waiting_for)
            raise StartError(str(error), UNREACHABLE if may_come else FAILED) from error

    def _wait_for(self, sentence: str) -> None:
        if sentence != self.waiting_for:
            self.waiting_for = sentence
            self.on_waiting(sentence)
            self._log.warning("waiting", why=sentence)

    async def _pause(self, stop: asyncio.Event, duration_ms: int) -> None:
        await _first(asyncio.ensure_future(self.clock.sleep_ms(duration_ms)), stop)

    async def _watch(self) -> None:
        """Looks for what is wrong every few seconds; each finding is counted and logged when it begins."""
        while True:
            for index in range(len(self.ears)):
                self._examine(index)
            for index in tuple(self._unwritten):
                self._point(index)
            await self.clock.sleep_ms(EXAMINE_MS)

    def _examine(self, index: int) -> None:
        ears = self.ears[index]
        facts = self._facts(index)
        found = [*running.find(facts, NOTHING_HEARD_MS), *self._forwarder_file(ears), *self._unusable(ears, facts)]
        known = {one.code for one in ears.findings}
        for code in dict.fromkeys(one.code for one in found if one.code not in known):
            first = next(one for one in found if one.code == code)
            ears.counters.count("findings", code)
            if first.level is Level.PROBLEM:
                self._log.warning(code, hotspot=self.name(index)[:16], problem=first.sentence, fix=first.fix)
        ears.findings = tuple(found)

    def _unusable(self, ears: Ears, facts: dict[str, Any]) -> Iterator[Finding]:
        """A key or settings that came while it ran, or a key that stopped signing."""
        if ears.directory in self._problems:
            yield self._problems[ears.directory]
        problem = next((one["key_problem"] for one in facts["validators"] if one.get("key_problem")), "")
        if problem:
            yield finding("key_unusable", problem=problem)

    @staticmethod
    def _forwarder_file(ears: Ears) -> list[Finding]:
        config = ears.config
        return forwarder_file.find(Path(config.forwarder_config), config.listen.port) if config.forwarder_config else []

    # --- what it says -----------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """listening (nothing to play), waiting (for chain or validators) or playing."""
        if self.daemon is not None:
            return PLAYING
        return LISTENING if self._problems or self.waiting_for in ("", NO_KEY, NO_NETWORK) else WAITING

    def network_snapshot(self) -> dict[str, Any] | None:
        """The network it plays or wants to play."""
        if self.file is None:
            return None
        simulated = self.file.simulated
        return {
            "name": self.file.name,
            "chain_id": self.file.chain_id,
            "simulated": None if simulated is None else simulated.get("what"),
            "map_url": self.file.map_url,
        }

    def hotspot_snapshot(self, index: int) -> dict[str, Any]:
        """Everything about one hotspot, for somebody who looks."""
        if self.daemon is not None:
            self.daemon.look()
        return self._facts(index) | {"findings": [asdict(one) for one in self.ears[index].findings]}

    def _facts(self, index: int) -> dict[str, Any]:
        ears = self.ears[index]
        device = self._keys[ears.directory]
        shape = ears.snapshot() | {
            "state": self.state,
            "waiting_for": self.waiting_for,
            "hotspot_id": None if device is None else device.hotspot_id.hex(),
            "pid": os.getpid(),
            "now_ms": self.clock.now_ms(),
            "network": self.network_snapshot(),
            "unknown_validators": self._unknown_validators(ears),
        }
        if self.daemon is None or device is None:
            return shape | {"validators": []}
        return shape | self.daemon.hotspot_snapshot(device.hotspot_id)

    def _unknown_validators(self, ears: Ears) -> list[str]:
        known = set() if self.file is None else {bytes(one.owner) for one in self.file.validators}
        return [] if self.file is None else [f"0x{one.hex()}" for one in ears.config.validators if one not in known]

    def snapshot(self) -> dict[str, Any]:
        """The process as a whole."""
        shape = {
            "pid": os.getpid(),
            "state": self.state,
            "waiting_for": self.waiting_for,
            "network": self.network_snapshot(),
            "hotspots": [self.name(index) for index in range(len(self.ears))],
        }
        return shape if self.daemon is None else shape | self.daemon.snapshot()


def _key_files(directory: Path, environ: Mapping[str, str]) -> tuple[object, ...]:
    """What is seen of a key's files, and of the one that opens it, without reading them."""
    opener = environ.get(VARIABLE)
    paths = [directory / name for name in (keys.KEY_FILE, keys.SEALED_FILE, keys.TOKEN_FILE)]
    return tuple(_seen(path) for path in (*paths, *([Path(opener)] if opener else [])))


def _seen(path: Path) -> object:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_mode, stat.st_uid


async def _first(work: asyncio.Future[Any], stop: asyncio.Event) -> bool:
    """True when the work is done (its exception is raised), False when `stop` came first and it was cancelled."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    if work.done():
        work.result()
        return True
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return False


async def _frames(ears: Ears) -> AsyncIterator[bytes]:
    """Every frame heard from now on, one JSON object a line; an empty line while there is nothing."""
    queue = ears.subscribe()
    if queue is None:
        return
    try:
        while True:
            try:
                async with asyncio.timeout(1.0):
                    frame = await queue.get()
            except TimeoutError:
                yield b"\n"
                continue
            shape = asdict(frame) | {
                "payload": base64.b64encode(frame.payload).decode("ascii"),
                "gateway": frame.gateway.hex(),
            }
            yield json.dumps(shape).encode() + b"\n"
    finally:
        ears.unsubscribe(queue)


@contextlib.contextmanager
def prepared(
    directories: Sequence[Path], network: str | None, flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> Iterator[Process]:
    """A process whose directories are read and held. StartError with a sentence."""
    homes = open_homes(directories, flags, environ)
    with locked([*directories, common_directory(directories)]):
        yield Process(homes, network, environ=environ, flags=flags)
