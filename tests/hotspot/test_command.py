"""farfield hotspot: light to start, a sentence and an exit code for everything that goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chain import calls
from chain.network import ValidatorEntry, dump
from hotspot import keys
from hotspot.command import group
from hotspot.config import CONFIG_FILE, load
from hotspot.looking.status_client import write_pointer
from protocol.records import Registration
from tests.chain.world import Anvil, World, build_world
from tests.hotspot.fake_validator import FakeValidator
from tests.hotspot.test_start import FILE

OWNER = "0x" + "ab" * 20


def farfield(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [str(one) for one in arguments])


@pytest.mark.parametrize("command", [["--help"], ["register", "--help"], ["run", "--help"], ["status", "--help"]])
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    program = (
        "import sys; from farfield import main\n"
        f"try: main(['hotspot', *{command!r}])\n"
        "except SystemExit: pass\n"
        "heavy = {'grpc', 'web3', 'h3', 'structlog', 'asyncio', 'cryptography', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_status_imports_nothing_heavy_and_is_quick(tmp_path: Path) -> None:
    program = (
        "import sys; from farfield import main\n"
        f"try: main(['hotspot', 'status', '--directory', {str(tmp_path)!r}])\n"
        "except SystemExit: pass\n"
        "heavy = {'grpc', 'web3', 'h3', 'structlog', 'cryptography', 'coincurve'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    before = os.times()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    after = os.times()
    assert done.returncode == 0, done.stderr
    spent_s = after.children_user - before.children_user + after.children_system - before.children_system
    assert spent_s < 0.2


# --- status and keys ----------------------------------------------------------------------------------------------

ANSWER = {
    "hotspot_id": "80" * 32, "listen": "127.0.0.1:1680", "state": "playing", "waiting_for": "", "heard": [],
    "registered": True, "kind": "fixed", "cell": "8a1f", "region": "EU868",
    "epoch": 7, "epoch_ends_at_ms": 0, "next_slot": None, "position": None,
    "forwarders": [{"eui": "aa555a0000000000", "alive": True, "shares_its_eui": True}],
    "network": {"name": "devnet", "chain_id": 1, "simulated": "radio ether"},
    "validators": [{"reachable": True}, {"reachable": False}, {"reachable": None}],
    "counters": {"beacons": {"sent": 3, "duty_cycle": 1}},
    "findings": [{"code": "copied_eui", "sentence": "Two forwarders share an EUI.", "fix": "Give each its own."}],
}  # fmt: skip


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Path]:
    """A directory whose hotspot answers ANSWER, served from a thread."""
    from hotspot.looking.status import StatusServer, as_json

    loop, server = asyncio.new_event_loop(), StatusServer()
    server.answer(f"/{ANSWER['hotspot_id']}/status.json", lambda: as_json(ANSWER))
    port = loop.run_until_complete(server.start(0))
    write_pointer(tmp_path, port, str(ANSWER["hotspot_id"]), "127.0.0.1:1680")
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield tmp_path
    loop.call_soon_threadsafe(server.stop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_status_reads_like_sentences_and_says_what_is_simulated(answering: Path) -> None:
    result = farfield("status", "--directory", answering)
    assert result.exit_code == 0
    for part in ("simulated: radio ether", "1 packet forwarder on", "1 of 3 answer", "sent 3", "Two forwarders share"):
        assert part in result.output


def test_status_gives_the_whole_answer_as_json(answering: Path) -> None:
    assert json.loads(farfield("status", "--directory", answering, "--json").output) == ANSWER


def test_status_of_a_hotspot_that_does_not_run_is_exit_code_5(tmp_path: Path) -> None:
    result = farfield("status", "--directory", tmp_path)
    assert result.exit_code == 5
    assert "farfield hotspot run --directory" in result.output


def test_keys_show_gives_id_and_public_key_and_nothing_private(tmp_path: Path) -> None:
    device = keys.create(tmp_path)
    shown = json.loads(farfield("keys", "show", "--directory", tmp_path, "--json").output)
    x, y = device.coordinates
    assert (shown["hotspot_id"], shown["public_key"]) == (device.hotspot_id.hex(), f"04{x.hex()}{y.hex()}")
    assert device.signer.scalar().hex() not in json.dumps(shown)


def test_a_key_that_cannot_be_used_is_exit_code_6(tmp_path: Path) -> None:
    keys.create(tmp_path)
    (tmp_path / keys.KEY_FILE).chmod(0o644)
    assert farfield("keys", "show", "--directory", tmp_path).exit_code == 6
    assert farfield("register", "--directory", tmp_path, "--owner", OWNER, "--at", "48.4,9.99").exit_code == 6


# --- usage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--owner", "0x12", "--at", "48.4,9.99"], "--owner"),
        (["--owner", "0xABab" + "ab" * 18, "--at", "48.4,9.99"], "typing error"),
        (["--owner", OWNER], "--at LAT,LON or with --cell"),
        (["--owner", OWNER, "--at", "48.4,9.99", "--cell", "8a1f83ffff7ffff"], "--at LAT,LON or with --cell"),
        (["--owner", OWNER, "--at", "91,0"], "--at"),
        (["--owner", OWNER, "--at", "48.4"], "--at"),
        (["--owner", OWNER, "--at", "nan,0"], "--at"),
        (["--owner", OWNER, "--cell", "881f8c"], "--cell"),
        (["--owner", OWNER, "--cell", "xyz"], "--cell"),
        (["--owner", OWNER, "--at", "48.4,9.99", "--resolution", "8"], "--resolution"),
        (["--owner", OWNER, "--at", "48.4,9.99", "--gain-dbi", "2.155"], "--gain-dbi"),
        (["--owner", OWNER, "--at", "48.4,9.99", "--gain-dbi", "15.01"], "--gain-dbi"),
        (["--owner", OWNER, "--at", "48.4,9.99", "--gain-dbi", "NaN"], "--gain-dbi"),
        (["--owner", OWNER, "--at", "48.4,9.99", "--gain-dbi", "1e30"], "--gain-dbi"),
        (["--owner", OWNER, "--at", "48.4,9.99", "--gain-dbi", "1e999999999"], "--gain-dbi"),
    ],
)
def test_wrong_arguments_are_named_and_make_no_key(tmp_path: Path, arguments: list[str], named: str) -> None:
    result = farfield("register", "--directory", tmp_path, *arguments)
    assert result.exit_code == 2
    assert named in result.output
    assert not (tmp_path / keys.KEY_FILE).exists()


def test_a_network_file_that_is_missing_is_a_sentence(tmp_path: Path) -> None:
    keys.create(tmp_path)
    result = farfield("run", "--directory", tmp_path, "--network", tmp_path / "none.json")
    assert result.exit_code == 1
    assert "does not exist" in result.output


@contextlib.contextmanager
def child(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended, and waited for, whatever the test does."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        timer = threading.Timer(30, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def lines_until(process: subprocess.Popen[str], start: str) -> list[str]:
    """Lines of its output up to the first that starts like this."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or not lines[-1].startswith(start):
        lines.append(process.stdout.readline())
        assert lines[-1], f"it ended by itself after {lines}"
    return lines


def run_command(directory: Path, *more: str) -> list[str]:
    arguments = ["hotspot", "run", "--directory", str(directory), "--listen", "127.0.0.1:0", *more]
    return [sys.executable, "-m", "farfield", *arguments]


def test_a_chain_nobody_serves_is_waited_for_and_said(tmp_path: Path) -> None:
    keys.create(tmp_path)
    (tmp_path / "network.json").write_text(dump(FILE))
    with child(run_command(tmp_path, "--network", str(tmp_path / "network.json"))) as process:
        lines = lines_until(process, "Listening, not playing yet")
        assert lines[0].startswith("Hotspot")
        assert "http://127.0.0.1:1" in lines[-1]
        assert farfield("status", "--directory", tmp_path).exit_code == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_listens_without_key_and_network(tmp_path: Path) -> None:
    assert farfield("init", "--non-interactive", "--directory", tmp_path, "--status-port", "0").exit_code == 0
    with child(run_command(tmp_path)) as process:
        lines_until(process, "Listening, not playing yet: There is no key yet")
        shown = farfield("status", "--directory", tmp_path).output
        assert "no key yet: it only listens" in shown
        assert "nothing heard yet" in shown
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


RUN = """
import sys
import hotspot.playing.daemon
from hotspot.running.start import Played
from tests.hotspot.world import RULES

async def join(reader, clients, home):
    return Played(reader.network, 1_700_000_000_000, RULES, ())

hotspot.playing.daemon.join = join
from farfield import main
main(["hotspot", "run", "--network", sys.argv[1], "--directory", sys.argv[2], "--listen", "127.0.0.1:0"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    keys.create(tmp_path)
    (tmp_path / "network.json").write_text(dump(FILE))
    with child([sys.executable, "-c", RUN, str(tmp_path / "network.json"), str(tmp_path)]) as process:
        lines_until(process, "Network test")
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Epochs last 1 min")
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(20) == 0
    assert "stays stored" in rest


# --- against a chain ----------------------------------------------------------------------------------------------


class Relay:
    """A validator in its own thread that puts registrations on a test chain."""

    def __init__(self, world: World) -> None:
        self.validator = FakeValidator("relay")
        self.validator.network = world.network.network
        self.validator.relay = self._relay
        self._world = world
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def _relay(self, registration: Registration, signature: bytes) -> bytes:
        receipt = self._world.send(calls.register(self._world.network, registration, signature))
        self._world.anvil.finalize()
        return bytes.fromhex(receipt["transactionHash"][2:])

    def __enter__(self) -> FakeValidator:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.validator.__aenter__(), self._loop).result(10)
        return self.validator

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.validator.__aexit__(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    chain = Anvil()
    made = build_world(chain)
    yield made
    made.reader.close()
    chain.stop()


@pytest.fixture
def network(world: World, tmp_path: Path) -> Iterator[tuple[Path, FakeValidator]]:
    with Relay(world) as validator:
        dead = world.network.validators[0]
        entries = (dead, ValidatorEntry(dead.owner, dead.key, validator.endpoint))
        path = tmp_path / "network.json"
        path.write_text(dump(dataclasses.replace(world.network, validators=entries)))
        yield path, validator


def registered(network: Path, directory: Path, *more: str) -> dict[str, Any]:
    at = ("--owner", OWNER, "--at", "48.4,9.99", "--gain-dbi", "2.15", "--json")
    result = farfield("register", "--network", network, "--directory", directory, *at, *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_registers_through_the_validator_that_answers_and_waits_until_final(
    network: tuple[Path, FakeValidator], tmp_path: Path
) -> None:
    path, validator = network
    told = registered(path, tmp_path / "mine")
    (one,) = validator.registrations
    assert (one.gain_cdb, one.owner.hex(), one.kind) == (215, "ab" * 20, 0)
    assert told["hotspot_id"] == keys.load(tmp_path / "mine").hotspot_id.hex()
    assert (told["final"], told["already"]) == (True, False)
    assert (tmp_path / "mine" / CONFIG_FILE).exists()


def test_registering_again_changes_nothing(network: tuple[Path, FakeValidator], tmp_path: Path) -> None:
    path, validator = network
    first = registered(path, tmp_path / "mine")
    again = registered(path, tmp_path / "mine")
    assert again["already"]
    assert again["hotspot_id"] == first["hotspot_id"]
    assert len(validator.registrations) == 1


def test_a_mapper_gets_its_gpsd_into_its_settings(network: tuple[Path, FakeValidator], tmp_path: Path) -> None:
    path, validator = network
    more = ("--kind", "mapper", "--gpsd", "127.0.0.1:2947", "--gpsd-device", "/dev/m1", "--listen", "127.0.0.1:0")
    registered(path, tmp_path / "mine", *more)
    text = (tmp_path / "mine" / CONFIG_FILE).read_text()
    assert 'gpsd = "127.0.0.1:2947"' in text
    assert validator.registrations[0].kind == 1


def test_a_mappers_home_stays_in_its_own_settings_for_its_owner_alone(
    network: tuple[Path, FakeValidator], tmp_path: Path
) -> None:
    path, _ = network
    directory = tmp_path / "mine"
    before = os.umask(0o002)
    try:
        registered(path, directory, "--kind", "mapper", "--listen", "127.0.0.1:0")
    finally:
        os.umask(before)
    assert load(directory).home is not None
    assert [one.stat().st_mode & 0o777 for one in (directory, directory / CONFIG_FILE)] == [0o755, 0o600]


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tree: tree.update(chain_id=1), "chain"),
        (lambda tree: tree.update(genesis_hash="0x" + "77" * 32), "genesis"),
        (lambda tree: tree.update(params_hash="0x" + "77" * 32), "params hash"),
    ],
    ids=["chain id", "genesis", "params hash"],
)
def test_refuses_to_run_on_another_network_than_the_file_names(
    network: tuple[Path, FakeValidator], tmp_path: Path, change: Change, sentence: str
) -> None:
    path, _ = network
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))
    keys.create(tmp_path)
    result = farfield("run", "--network", path, "--directory", tmp_path, "--listen", "127.0.0.1:0")
    assert result.exit_code == 1
    assert sentence in result.output
    assert result.output.strip().endswith(".")


def test_params_whose_hash_is_not_the_chains_are_waited_for(
    network: tuple[Path, FakeValidator], tmp_path: Path
) -> None:
    path, validator = network
    validator.blobs = {validator.params_file: b""}
    keys.create(tmp_path)
    with child(run_command(tmp_path, "--network", str(path))) as process:
        said = lines_until(process, "Listening, not playing yet")[-1]
    assert "No validator gave the params that the chain names" in said
