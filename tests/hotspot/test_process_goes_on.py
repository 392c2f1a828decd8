"""A process that listens goes on listening: whatever comes or breaks while it runs, its port answers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chain.network import dump
from hotspot import keys
from hotspot.config import CONFIG_FILE, setting
from hotspot.files import write_whole
from hotspot.keys.device import DeviceKey, KeyProblemError
from hotspot.keys.passphrase import VARIABLE
from hotspot.looking.status_client import STATUS_FILE, read_pointer
from hotspot.playing import daemon
from hotspot.playing.rules import RulesLoader
from hotspot.running.process import Process, prepared
from hotspot.running.start import UNREACHABLE, Played, StartError, open_homes
from protocol.parameters import params_hash
from tests.hotspot import world
from tests.hotspot.clocks import until
from tests.hotspot.test_process import endpoint, listening_home, name_network
from tests.hotspot.test_rules import PARAMS, REGION_ROWS, TEXT, Validator
from tests.hotspot.test_start import FILE
from tests.hotspot.virtual_forwarder import VirtualForwarder

SECRET = "correct horse battery"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_MS", "FIRST_PAUSE_MS", "LONGEST_PAUSE_MS", "EXAMINE_MS"):
        monkeypatch.setattr(f"hotspot.running.process.{name}", 20)
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def playable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def join(reader: Any, clients: Any, home: Path) -> Played:
        return Played(reader.network, 1_700_000_000_000, world.RULES, ())

    monkeypatch.setattr(daemon, "join", join)


@contextlib.asynccontextmanager
async def running(process: Process) -> AsyncIterator[Process]:
    await process.open()
    stop = asyncio.Event()
    task = asyncio.ensure_future(process.run(stop))
    try:
        yield process
        assert not task.done(), task
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)
        process.close()


def listener(directory: Path, environ: Mapping[str, str] | None = None) -> Process:
    return Process(open_homes([listening_home(directory)]), environ=environ or {})


def findings(process: Process) -> list[str]:
    return [one.code for one in process.ears[0].findings]


async def answers(process: Process) -> bool:
    """Whether a keep-alive gets its answer."""
    async with VirtualForwarder(endpoint(process)) as forwarder:
        forwarder.pull()
        await until(lambda: process.ears[0].server.forwarders())
        return process.ears[0].server.forwarders()[0].alive


# --- keys ---------------------------------------------------------------------------------------------------------


def make_sealed(directory: Path) -> None:
    """As `keys encrypt` does it: the key in a file only a passphrase opens."""
    from hotspot.keys import sealed
    from tests.hotspot.test_delivery import device

    (directory / keys.SEALED_FILE).write_bytes(sealed.seal(device(), SECRET).encode())
    (directory / keys.SEALED_FILE).chmod(0o600)


@pytest.mark.usefixtures("cheap_scrypt")
@pytest.mark.parametrize("is_terminal", [False, True])
def test_an_encrypted_key_made_meanwhile_is_said_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    monkeypatch.setattr("sys.stdin", type("Stdin", (), {"isatty": lambda self: is_terminal})())
    monkeypatch.setattr("getpass.getpass", lambda *_: pytest.fail("the terminal was asked"))

    async def act() -> None:
        async with running(listener(tmp_path)) as process:
            make_sealed(tmp_path)
            await until(lambda: "key_unusable" in findings(process))
            assert process.ears[0].counters.of("findings", "key_unusable") == 1
            assert (process.state, VARIABLE in process.waiting_for) == ("listening", True)
            assert await answers(process)

    asyncio.run(act())


@pytest.mark.usefixtures("cheap_scrypt", "playable")
def test_an_encrypted_key_plays_once_its_passphrase_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opener = tmp_path / "passphrase"
    write_whole(opener, b"wrong\n", mode=0o600)
    monkeypatch.setenv(VARIABLE, str(opener))

    async def act() -> None:
        async with running(listener(tmp_path, os.environ)) as process:
            make_sealed(tmp_path)
            name_network(tmp_path)
            await until(lambda: "key_unusable" in findings(process))
            write_whole(opener, SECRET.encode() + b"\n", mode=0o600)
            await until(lambda: process.state == "playing")
            await until(lambda: "key_unusable" not in findings(process))

    asyncio.run(act())


def test_a_key_that_does_not_open_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Path] = []

    def load(directory: Path, **_: object) -> DeviceKey:
        tries.append(directory)
        raise KeyProblemError("The token refuses the PIN.")

    monkeypatch.setattr(keys, "load", load)

    async def act() -> None:
        async with running(listener(tmp_path)) as process:
            (tmp_path / keys.TOKEN_FILE).write_text("{}")
            await until(lambda: "key_unusable" in findings(process))
            passes: list[str] = []
            monkeypatch.setattr(process, "_wait_for", passes.append)
            await until(lambda: len(passes) >= 5)

    asyncio.run(act())
    assert tries == [tmp_path]


def test_the_port_answers_while_a_key_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening, go_on = threading.Event(), threading.Event()

    def load(directory: Path, **_: object) -> DeviceKey:
        opening.set()
        assert go_on.wait(10)
        raise KeyProblemError("The token is away.")

    monkeypatch.setattr(keys, "load", load)

    async def act() -> None:
        async with running(listener(tmp_path)) as process:
            (tmp_path / keys.TOKEN_FILE).write_text("{}")
            await until(opening.is_set)
            assert await answers(process)
            go_on.set()

    asyncio.run(act())


def test_a_key_that_stops_signing_while_it_plays_is_named(tmp_path: Path) -> None:
    process = listener(tmp_path)
    facts = {"validators": [{"key_problem": ""}, {"key_problem": "The token is away."}]}
    found = list(process._unusable(process.ears[0], facts))
    assert [(one.code, one.sentence) for one in found] == [("key_unusable", "The token is away.")]


# --- settings -----------------------------------------------------------------------------------------------------


def test_a_typo_in_the_settings_is_waited_for_while_the_chain_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def join(reader: Any, clients: Any, home: Path) -> Played:
        raise StartError("The chain does not answer.", UNREACHABLE)

    monkeypatch.setattr(daemon, "join", join)
    keys.create(listening_home(tmp_path))
    name_network(tmp_path)
    good = (tmp_path / CONFIG_FILE).read_text()

    async def act() -> None:
        async with running(Process(open_homes([tmp_path]), environ={})) as process:
            await until(lambda: process.state == "waiting")
            (tmp_path / CONFIG_FILE).write_text("listn = 1\n" + good)
            await until(lambda: "config_invalid" in findings(process))
            assert "did you mean `listen`" in process.waiting_for
            assert process.ears[0].counters.of("findings", "config_invalid") == 1
            (tmp_path / CONFIG_FILE).write_text(good)
            await until(lambda: process.waiting_for == "The chain does not answer.")

    asyncio.run(act())


@pytest.mark.usefixtures("playable")
def test_a_network_named_by_the_environment_is_played(tmp_path: Path) -> None:
    keys.create(listening_home(tmp_path))
    (tmp_path / "network.json").write_text(dump(FILE))
    environ = {"FARFIELD_HOTSPOT_NETWORK": str(tmp_path / "network.json")}

    async def act(process: Process) -> None:
        async with running(process):
            await until(lambda: process.state == "playing")

    with prepared([tmp_path], None, {}, environ) as process:
        asyncio.run(act(process))


def test_a_network_file_that_comes_later_and_is_wrong_is_waited_for(tmp_path: Path) -> None:
    async def act() -> None:
        async with running(listener(tmp_path)) as process:
            await until(lambda: process.waiting_for)
            (tmp_path / CONFIG_FILE).write_text(setting("network", str(tmp_path / "nowhere.json")) + "\n")
            keys.create(tmp_path)
            await until(lambda: "nowhere.json does not exist" in process.waiting_for)

    asyncio.run(act())


# --- a network at an address --------------------------------------------------------------------------------------


@pytest.fixture
def silent_address() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/network.json"


def test_the_port_answers_while_the_network_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent_address: str
) -> None:
    monkeypatch.setattr("chain.network.FETCH_TIMEOUT_S", 1)
    fetching = threading.Event()
    load = Process._network

    def told(process: Process) -> Any:
        fetching.set()
        return load(process)

    monkeypatch.setattr(Process, "_network", told)
    keys.create(listening_home(tmp_path))

    async def act() -> None:
        loop = asyncio.get_running_loop()
        async with running(Process(open_homes([tmp_path]), silent_address, environ={})) as process:
            await until(fetching.is_set)
            before = loop.time()
            assert await answers(process)
            assert loop.time() - before < 0.5
            await until(lambda: "cannot be fetched" in process.waiting_for)

    asyncio.run(act())


# --- a full disk --------------------------------------------------------------------------------------------------


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def names(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir())


def test_a_full_disk_at_the_start_is_passed_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            process = listener(tmp_path)
            await process.open()
        assert names(tmp_path) == [CONFIG_FILE]
        assert process.ears[0].counters.of("status", "pointer_not_written") == 1
        stop = asyncio.Event()
        task = asyncio.ensure_future(process.run(stop))
        await until(lambda: STATUS_FILE in names(tmp_path))
        assert read_pointer(tmp_path).port == process.port
        stop.set()
        await task
        process.close()

    asyncio.run(act())


def test_rules_that_cannot_be_kept_are_played_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full)
    loader = RulesLoader(params_hash(PARAMS, TEXT), TEXT, tmp_path, [Validator(PARAMS, REGION_ROWS)])
    assert asyncio.run(loader.load()).params.name == "devnet"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_file_that_could_not_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (tmp_path / "kept").write_bytes(b"old")
    fails: Callable[..., None] = full
    monkeypatch.setattr(*{"fsync": (os, "fsync", fails), "replace": (Path, "replace", fails)}[step])
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "kept", b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("kept", b"old")]
