"""One validator as a process: starts, serves, ends at a signal, says in a sentence why it cannot start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from chain.errors import ChainUnavailable, TransactionFailed
from chain.key_files import KeyFileError
from chain.network import dump
from protocol.keys import EpochRoot
from tests.factories import DEVNET_FILE, validator_key
from tests.validator.disks import FullDisk
from tests.validator.fakes import DOMAIN, FakeSender
from tests.validator.nodes import (
    CELLS_FILE,
    ENGINE,
    LocalNetwork,
    all_hear_all,
    owner_of,
    start_ms,
    three_devices,
    until,
)
from tests.validator.server import served
from validator import daemon
from validator.config import Config
from validator.daemon import Ports, StartError
from validator.disk import Disk
from validator.signer import Signer

DEVICES = three_devices()


class World:
    """A directory a validator could start from, and the fake chain beneath it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.network = LocalNetwork(directory / "others")
        self.chain, self.clock = self.network.chain, self.network.clock
        self.chain.register(*DEVICES)
        self.clock.time_ms = start_ms(1) + 5_000
        self.directory, self.files = directory / "validator", directory / "params"
        self.directory.mkdir()
        self.files.mkdir()
        (self.files / "devnet.toml").write_bytes(DEVNET_FILE)
        (self.files / "devnet.cells").write_bytes(CELLS_FILE)
        key = self.directory / "validator.key"
        key.write_text(validator_key("v1").secret.hex(), encoding="ascii")
        key.chmod(0o600)
        self.network_file = directory / "network.json"
        self.write_network()
        self.senders: list[FakeSender] = []
        monkeypatch.setattr(daemon, "ChainReader", lambda network: self.chain)
        monkeypatch.setattr(daemon, "History", lambda reader: self.chain)
        monkeypatch.setattr(daemon, "Sender", self._sender)

    def _sender(self, reader: object, secret: bytes, path: Path) -> FakeSender:
        self.senders.append(FakeSender(self.chain, owner_of(1)))
        return self.senders[-1]

    def write_network(self) -> None:
        self.network_file.write_text(dump(self.chain.network), encoding="utf-8")

    def config(self, **bent: Any) -> Config:
        fields = {"network": str(self.network_file), "listen": "127.0.0.1:0", "files": self.files}
        return Config(**{"directory": self.directory, **fields, **bent})

    def ports(self, disk: Disk | None = None) -> Ports:
        return Ports(self.clock, self.clock, disk or Disk(), lambda: ENGINE)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


@asynccontextmanager
async def running(world: World, **bent: Any) -> AsyncIterator[tuple[asyncio.Task[None], int]]:
    """The daemon with its port; ended by SIGTERM unless it ends by itself."""
    with capture_logs() as logs:
        task = asyncio.create_task(daemon.run(world.config(**bent), world.ports()))
        await until(lambda: task.done() or any(one["event"] == "validator_serves" for one in logs))
        if task.done():
            task.result()
        [served] = [one for one in logs if one["event"] == "validator_serves"]
        try:
            yield task, served["port"]
        finally:
            if not task.done():
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.wait_for(task, 10)


def open_files() -> list[str]:
    """What this process has open."""
    found = []
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(one.readlink()))
    return found


def test_a_validator_starts_serves_and_ends_at_a_signal(world: World) -> None:
    async def test() -> None:
        async with running(world) as (task, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING
        assert task.done()
        assert task.exception() is None
        assert [one for one in open_files() if str(world.directory) in one] == []

    asyncio.run(test())


def test_a_validator_settles_epochs_as_a_process(world: World) -> None:
    """Three others in this process settle with it; it is the daemon's own loop that ticks."""

    async def test() -> None:
        await world.network.start(2, 3, 4)
        async with running(world):
            await world.network.feed(all_hear_all(world.network.world(1, *DEVICES)))
            world.clock.time_ms = start_ms(2)
            await world.network.run(start_ms(2) + 20_000, step_ms=2_000)
            await until(lambda: any(path.name.startswith("epoch-") for path in (world.directory / "epochs").iterdir()))
        await world.network.stop()

    asyncio.run(test())


def test_what_a_crash_left_unsent_is_sent_again(world: World) -> None:
    async def test() -> None:
        async with running(world):
            await until(lambda: world.senders[0].recovered)

    asyncio.run(test())


def test_transactions_that_cannot_be_sent_are_said_and_end_nothing(world: World) -> None:
    async def test() -> None:
        stopping = asyncio.Event()

        class Stuck:
            def recover(self) -> None:
                stopping.set()
                raise TransactionFailed("The account cannot pay the gas.")

        with capture_logs() as logs:
            await daemon._send_again(Stuck(), stopping)  # type: ignore[arg-type]
        assert [(one["event"], one["why"]) for one in logs] == [
            ("transactions_wait", "The account cannot pay the gas.")
        ]

    asyncio.run(test())


# --- following the chain ------------------------------------------------------------------------------------------


def test_a_chain_that_falls_silent_is_said_once_and_followed_again(world: World) -> None:
    async def test() -> None:
        stopping, asked = asyncio.Event(), []

        class View:
            final = world.chain.block_numbered(200)

            def refresh(self) -> None:
                asked.append(len(asked))
                if len(asked) in (2, 3):
                    raise ChainUnavailable("No RPC address answers.")
                if len(asked) == 5:
                    stopping.set()

            def epoch_at(self, time_ms: int) -> int:
                return 0

            def keys(self, epoch: int) -> None:
                return None

        with pytest.MonkeyPatch.context() as patched, capture_logs() as logs:
            patched.setattr(daemon, "CHAIN_EVERY_S", 0.001)
            await daemon._follow(View(), stopping)  # type: ignore[arg-type]
        assert [one["event"] for one in logs] == ["chain_unavailable"]
        assert len(asked) == 5

    asyncio.run(test())


def test_a_validator_that_can_no_longer_follow_the_chain_ends_instead_of_going_blind(world: World) -> None:
    async def test() -> None:
        async with running(world) as (task, _):

            def broken() -> None:
                raise ZeroDivisionError("a bug")

            world.chain.refresh = broken  # type: ignore[method-assign,assignment]
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(asyncio.shield(task), 10)

    asyncio.run(test())


# --- why it cannot start ------------------------------------------------------------------------------------------


def break_files(world: World) -> None:
    (world.files / "devnet.toml").write_bytes(DEVNET_FILE + b"\n")


def break_listed(world: World) -> None:
    (world.files / "devnet.cells").unlink()


def break_journal(world: World) -> None:

    signer = Signer(validator_key("v1"), DOMAIN, world.directory / "signed.log", Disk())
    for epoch in (1, 2, 3):
        signer.manifest(epoch, bytes(32))
    signer.close()
    path = world.directory / "signed.log"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def break_record(world: World) -> None:
    (world.directory / "epochs").mkdir()
    (world.directory / "epochs" / "epoch-0000000001.json").write_text("{", encoding="utf-8")


def no_member(world: World) -> None:
    (world.directory / "validator.key").write_text(validator_key("nobody").secret.hex(), encoding="ascii")


def wrong_chain(world: World) -> None:
    world.chain.findings = ["The chain has another id. Nothing is signed for it."]


def no_chain(world: World) -> None:
    world.chain.down = True


def far_behind(world: World) -> None:
    world.chain.accept(EpochRoot(1, 1, bytes(32), bytes(32), 1))
    world.clock.time_ms += 10_000


BROKEN: list[tuple[Callable[[World], None], str]] = [
    (break_files, "No params file has the params hash on chain"),
    (break_listed, "is not to be had. Put it into the directory given by --files."),
    (break_journal, "signed.log has lost 1 of the signatures this key has given"),
    (break_record, "epoch-0000000001.json is damaged"),
    (no_member, "is no validator's key on chain"),
    (wrong_chain, "The chain has another id"),
    (no_chain, "No RPC address answers"),
    (far_behind, "The network's state cannot be taken up: the summary of epoch 1 is not to be had"),
]


@pytest.mark.parametrize(("break_it", "sentence"), BROKEN, ids=[one.__name__ for one, _ in BROKEN])
def test_what_keeps_it_from_starting_is_a_sentence(
    world: World, break_it: Callable[[World], None], sentence: str
) -> None:
    break_it(world)
    with pytest.raises(StartError) as why:
        asyncio.run(daemon.run(world.config(), world.ports()))
    assert sentence in str(why.value)


def test_a_missing_key_is_said(world: World) -> None:
    (world.directory / "validator.key").unlink()
    with pytest.raises(KeyFileError, match="farfield validator keys new"):
        asyncio.run(daemon.run(world.config(), world.ports()))


def test_a_port_that_is_taken_is_said(world: World) -> None:
    async def test() -> None:
        async with running(world) as (_, port):
            with pytest.raises(StartError, match=f"127.0.0.1:{port} cannot be listened on"):
                await daemon.run(replace(world.config(), listen=f"127.0.0.1:{port}"), world.ports())

    asyncio.run(test())


def test_a_disk_that_is_full_at_the_start_is_an_error_of_the_disk(world: World) -> None:
    disk = FullDisk()
    disk.fail("append")
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(daemon.run(world.config(), world.ports(disk)))


def test_params_and_listed_files_are_had_from_peers_too(world: World) -> None:
    """A second directory with only network.json and a key."""

    async def test() -> None:
        await world.network.start(2)
        node = world.network.nodes[2]
        for blob in (node.rules.params_file, CELLS_FILE):
            node.store.put(blob)
        async with served(node) as client:
            world.chain.endpoints[owner_of(2)] = f"127.0.0.1:{client.port}"
            world.write_network()
            async with running(world, files=None) as (task, _):
                assert not task.done()
        await world.network.stop()

    asyncio.run(test())
