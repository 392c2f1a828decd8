"""SIGKILL while beaconing: what was stored arrives, with the bytes it was stored with, and nothing is said twice.

Real processes and sockets: the daemon with two hotspots that hear each other, a packet forwarder each, two validators.
Half of the kills come at a random moment, half within 150 ms of something that matters: an order to transmit, a frame
heard, a commit, a reveal. FARFIELD_KILLS=200 FARFIELD_BEACONS=50 is the long run; its result stands in docs/hotspot.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hotspot import keys
from hotspot.config import CONFIG_FILE
from hotspot.radio.gwmp.fields import Txpk
from hotspot.reporting.outbox import OUTBOX_FILE
from protocol.encoding import report_id
from protocol.keys import PublicKey
from protocol.records import Beacon, Witness
from tests.hotspot.clocks import until
from tests.hotspot.fake_validator import FakeValidator
from tests.hotspot.killable import REFUSED, Settings
from tests.hotspot.virtual_forwarder import VirtualForwarder, accepted, lora_packet

KILLS = int(os.environ.get("FARFIELD_KILLS", "12"))
BEACONS = int(os.environ.get("FARFIELD_BEACONS", "4"))
HOTSPOTS = 2
LONGEST_LIFE_S = 2.5
NEAR_S = 0.15
PULL_EVERY_S = 0.02
ANSWER_WITHIN_S = 90.0
LOG = "log"
SEED = int(os.environ.get("FARFIELD_KILL_SEED", "1"))


class KeepingValidator(FakeValidator):
    """Keeps every byte it is ever sent, whatever becomes of it."""

    def __init__(self, name: str, public: list[PublicKey], moments: Moments) -> None:
        super().__init__(name, public)
        self.moments = moments
        self.sent: list[tuple[bytes, bytes]] = []

    async def SubmitCommits(self, request: Any, context: Any) -> Any:
        self.moments.came("commit")
        return await super().SubmitCommits(request, context)

    async def SubmitReports(self, request: Any, context: Any) -> Any:
        self.moments.came("reveal")
        self.sent += [(one.report, one.signature) for one in request.reports]
        return await super().SubmitReports(request, context)


class Moments:
    """Tells the killer when something that matters happens."""

    def __init__(self) -> None:
        self.happened = asyncio.Event()
        self.counts: Counter[str] = Counter()

    def came(self, what: str) -> None:
        self.counts[what] += 1
        self.happened.set()


@dataclasses.dataclass
class Stored:
    """What was ever found in the outbox: report id -> (report, signature)."""

    reports: dict[bytes, tuple[bytes, bytes]] = dataclasses.field(default_factory=dict)

    def look(self, place: Path) -> None:
        """Looks into a copy of what is on disk; the files themselves are left as the kill left them."""
        with tempfile.TemporaryDirectory() as aside:
            for name in (OUTBOX_FILE, f"{OUTBOX_FILE}-wal"):
                if (place / name).exists():
                    shutil.copy(place / name, aside)
            found = dict(self._read(Path(aside) / OUTBOX_FILE))
        for id_, said in self.reports.items():
            assert found.get(id_) == said, "a stored report is gone or has changed"
        self.reports.update(found)

    @staticmethod
    def _read(path: Path) -> Iterator[tuple[bytes, tuple[bytes, bytes]]]:
        with contextlib.closing(sqlite3.connect(path)) as db:
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                return  # killed before the file was made
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            for id_, report, signature in db.execute("SELECT id, report, signature FROM report WHERE draft = 0"):
                yield id_, (report, signature)


@dataclasses.dataclass
class Nursery:
    """Forks hotspots and kills them; see killable.py."""

    process: asyncio.subprocess.Process
    pid: int = 0

    @classmethod
    async def opened(cls, settings: Path, stderr: Any) -> Nursery:
        command = (sys.executable, "-m", "tests.hotspot.killable", str(settings))
        return cls(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=stderr))

    async def fork(self) -> None:
        """A new life."""
        self._say(b"fork\n")
        self.pid = int((await self._hears(b"forked ")).split()[1])

    async def ready(self) -> None:
        await self._hears(b"ready")

    async def end(self, how: signal.Signals) -> int:
        """Ends the life, and returns its exit code, negative for a signal."""
        os.kill(self.pid, how)
        self.pid = 0
        self._say(b"reap\n")
        return int((await self._hears(b"reaped ")).split()[1])

    async def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()

    def _say(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)

    async def _hears(self, start: bytes) -> bytes:
        assert self.process.stdout is not None
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while not (line := await self.process.stdout.readline()).startswith(start):
                assert line, "the hotspots' parent ended"
                assert not line.startswith(b"failed"), f"a hotspot ended by itself; see {LOG}"
        return line


@dataclasses.dataclass
class Scene:
    """Validators and forwarders, and the hotspot that is killed again and again."""

    place: Path
    validators: list[KeepingValidator]
    forwarders: list[VirtualForwarder]
    moments: Moments
    nursery: Nursery
    stored: Stored = dataclasses.field(default_factory=Stored)

    @property
    def beacons(self) -> int:
        reports = [Beacon.decode(report) for report, _ in self.stored.reports.values()]
        return sum(one is not None for one in reports)

    async def live_and_die(self, chance: random.Random) -> None:
        """One life: starts, and dies at a random moment or just after something that matters."""
        self.moments.happened.clear()
        await self.nursery.fork()
        if chance.random() < 0.1:  # before it has even started
            await asyncio.sleep(chance.uniform(0, NEAR_S))
        else:
            await self.nursery.ready()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chance.uniform(0, LONGEST_LIFE_S)):
                    if chance.random() < 0.5:
                        await asyncio.Event().wait()
                    await self.moments.happened.wait()
                    await asyncio.sleep(chance.uniform(0, NEAR_S))
        assert await self.nursery.end(signal.SIGKILL) == -signal.SIGKILL
        self.stored.look(self.place)

    async def live_until_all_is_told(self) -> None:
        """A last life without a kill, until every report has come to its end."""
        for forwarder in self.forwarders:
            forwarder.answer = lambda order: None  # no new beacons
        await self.nursery.fork()
        await self.nursery.ready()
        await until(lambda: self.waiting() == 0, deadline_s=ANSWER_WITHIN_S)
        assert await self.nursery.end(signal.SIGTERM) == 0
        self.stored.look(self.place)

    def waiting(self) -> int:
        """Reports that have not come to their end; read while the hotspot runs."""
        with contextlib.closing(sqlite3.connect(self.place / OUTBOX_FILE)) as db:
            question = "SELECT count(*) FROM report WHERE outcome IS NULL AND draft = 0"
            return int(db.execute(question).fetchone()[0])


def free_ports(count: int) -> list[int]:
    """UDP ports nobody gets by chance while a killed hotspot does not hold them: below the ephemeral ones."""
    found: list[int] = []
    for port in random.SystemRandom().sample(range(10_000, 20_000), 1_000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    pytest.skip("no free UDP port below 20000")


@asynccontextmanager
async def scene(path: Path, place: Path) -> AsyncIterator[Scene]:
    ports, devices, homes = free_ports(HOTSPOTS), [], []
    for number, port in enumerate(ports):
        home = path / f"h{number}"
        home.mkdir(mode=0o700)
        devices.append(keys.create(home))
        (home / CONFIG_FILE).write_text(f'listen = "127.0.0.1:{port}"\n')
        homes.append(str(home))
    moments = Moments()
    async with AsyncExitStack() as stack:
        public = [device.public for device in devices]
        validators = [KeepingValidator(f"v{number}", public, moments) for number in range(2)]
        for validator in validators:
            await stack.enter_async_context(validator)
        forwarders = [
            await stack.enter_async_context(VirtualForwarder(("127.0.0.1", port), eui=b"forward" + bytes([number])))
            for number, port in enumerate(ports)
        ]
        told = tuple((one.owner.hex(), one.address.hex(), one.endpoint) for one in validators)
        genesis_ms = time.time_ns() // 1_000_000 - 50_000
        Settings(str(place), tuple(homes), genesis_ms, told).write(path / "settings.json")
        log = stack.enter_context((path / LOG).open("wb"))
        nursery = await Nursery.opened(path / "settings.json", log)
        stack.push_async_callback(nursery.close)
        made = Scene(place, validators, forwarders, moments, nursery)
        tasks = [asyncio.ensure_future(keep_pulling(forwarders)), asyncio.ensure_future(be_an_ether(made))]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def keep_pulling(forwarders: list[VirtualForwarder]) -> None:
    while True:
        for forwarder in forwarders:
            forwarder.pull()
        await asyncio.sleep(PULL_EVERY_S)


async def be_an_ether(made: Scene) -> None:
    """What one forwarder sends the other hears, and hears again later, as relays that repeat themselves do."""
    loop = asyncio.get_running_loop()
    for sender, hearer in zip(made.forwarders, reversed(made.forwarders), strict=True):

        def answer(order: Txpk, hearer: VirtualForwarder = hearer) -> Any:
            made.moments.came("order")
            packet = lora_packet(order.payload, frequency_hz=order.frequency_hz, rate=order.rate)
            for delay_s in (0.08, 1.5, 3.0):
                loop.call_later(delay_s, hear, hearer, packet)
            return accepted(order)

        def hear(hearer: VirtualForwarder, packet: Any) -> None:
            if not hearer.up.transport.is_closing():
                made.moments.came("heard")
                hearer.push(packet)

        sender.answer = answer
    await asyncio.Event().wait()


def check(made: Scene) -> Counter[str]:
    """Nothing lost, nothing told twice with different bytes, nothing told that was not stored."""
    stored = made.stored.reports
    for validator in made.validators:
        said: dict[bytes, set[tuple[bytes, bytes]]] = {}
        for report, signature in validator.sent:
            said.setdefault(report_id(report), set()).add((report, signature))
        assert all(len(bytes_) == 1 for bytes_ in said.values()), "one report was sent with different bytes"
        assert all(stored[id_] in bytes_ for id_, bytes_ in said.items()), "something was sent that was not stored"
        assert {commit.report_id for commit in validator.commits} <= set(stored)
        assert set(validator.reports) == set(stored), "a stored report did not arrive"
    about: Counter[tuple[Any, ...]] = Counter()
    kinds: Counter[str] = Counter()
    for report, _ in stored.values():
        beacon, witness = Beacon.decode(report), Witness.decode(report)
        if beacon is not None:
            about[beacon.hotspot_id, beacon.epoch, beacon.slot] += 1
        if witness is not None:
            about[witness.hotspot_id, witness.tag] += 1
        kinds["beacon" if beacon is not None else "witness"] += 1
    assert max(about.values()) == 1, "one slot or one frame was reported twice"
    return kinds


async def kill_again_and_again(made: Scene, kills: int, beacons: int, between: Any = None) -> Counter[str]:
    chance = random.Random(SEED)
    lives = 0
    deadline_s = asyncio.get_running_loop().time() + 30 * (kills + beacons)
    while lives < kills or made.beacons < beacons:
        assert asyncio.get_running_loop().time() < deadline_s, f"only {made.beacons} beacons after {lives} kills"
        if between is not None:
            between(chance)
        await made.live_and_die(chance)
        lives += 1
    if between is not None:
        between(None)
    await made.live_until_all_is_told()
    return check(made) + Counter(kills=lives)


def tell(kinds: Counter[str]) -> None:
    """What was measured, for whoever runs this with -s."""
    sys.stdout.write(f"\n{dict(kinds)}\n")


@pytest.mark.slow
def test_sigkill_at_random_points_loses_no_report_and_sends_none_twice(tmp_path: Path) -> None:
    async def act() -> Counter[str]:
        place = tmp_path
        async with scene(tmp_path, place) as made:
            return await kill_again_and_again(made, KILLS, BEACONS)

    kinds = asyncio.run(act())
    tell(kinds)
    assert kinds["kills"] >= KILLS and kinds["beacon"] >= BEACONS and kinds["witness"] > 0


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """A file system of 1 MB; skips where this user may not make one."""
    at.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(at)], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {made.stderr.decode().strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


class Ballast:
    """Takes all the room there is on a small disk, again and again, while `heavy`."""

    def __init__(self, place: Path) -> None:
        self._place, self._file = place, place / "ballast"
        self.heavy = False

    def turn(self, chance: random.Random | None) -> None:
        """Before each life: heavy or not. None: never again."""
        self.heavy = chance is not None and chance.random() < 0.5
        if not self.heavy:
            self._file.unlink(missing_ok=True)

    async def press(self) -> None:
        """Never returns; cancel it."""
        while True:
            if self.heavy:
                state = os.statvfs(self._place)
                with contextlib.suppress(OSError), self._file.open("ab") as file:
                    file.write(bytes(state.f_bavail * state.f_frsize))
            await asyncio.sleep(0.02)


@pytest.mark.slow
def test_the_same_with_a_disk_that_is_full_now_and_then(tmp_path: Path) -> None:
    async def act(place: Path) -> Counter[str]:
        ballast = Ballast(place)
        pressing = asyncio.ensure_future(ballast.press())
        try:
            async with scene(tmp_path, place) as made:
                return await kill_again_and_again(made, KILLS, BEACONS, ballast.turn)
        finally:
            pressing.cancel()
            await asyncio.wait({pressing})

    with small_disk(tmp_path / "small") as place:
        kinds = asyncio.run(act(place))
    kinds["refused writes"] = (tmp_path / LOG).read_text().count(REFUSED)
    tell(kinds)
    assert kinds["kills"] >= KILLS and kinds["beacon"] >= BEACONS and kinds["refused writes"] > 0
