"""farfield network: what people and programs read, and the exit codes."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chain.command import group
from chain.network import NetworkFile, dump
from tests.chain.world import STAKE, World

NOWHERE = ("http://127.0.0.1:1",)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return tmp_path / "network.json"


def run(saved: Path, network: NetworkFile, *arguments: str) -> Result:
    saved.write_text(dump(network))
    return CliRunner().invoke(group, [*arguments, "--network", str(saved)])


def test_shows_windows_contracts_and_what_is_simulated(world: World, saved: Path) -> None:
    network = dataclasses.replace(world.network, simulated={"what": "the radio ether"})
    result = run(saved, network, "show")
    assert result.exit_code == 0
    for words in (
        "test: chain 31337",
        "simulated    the radio ether",
        "epoch        60 s long",
        "close 12 s after",
        "a root waits 10 s",
        "1000000 FAR an epoch, halved every 4 epochs",
        "4000000 FAR: 4000000 FAR of genesis, 0 FAR minted since, 0 FAR burned",
        "genesis      4000000 FAR in all, staked, and locked until ",
        "1000000 FAR of 0x",
        "fees         50 FAR to register, 20 FAR to move, burned",
        "vote         begins 5 s after the proposal and lasts 30 s",
        "timelock     10 s from a decision to its execution",
        "quorum       4 % of all tokens; 1000 FAR of votes to propose",
        "stays locked for 8 epochs",
    ):
        assert words in result.output


def test_shows_the_live_root(world: World, saved: Path) -> None:
    world.make_live(world.root(1, total=5 * 10**17))
    world.anvil.finalize()
    assert "live root    epoch 1, 0.5 FAR granted in all" in run(saved, world.network, "show").output


def test_shows_json(world: World, saved: Path) -> None:
    shown = json.loads(run(saved, world.network, "show", "--json").output)
    assert shown["file"] == json.loads(dump(world.network))
    assert shown["chain"]["windows_ms"]["epoch"] == 60_000
    supply = str(4 * STAKE)
    assert shown["chain"]["supply"] == {"genesis": supply, "minted": "0", "burned": "0", "total": supply}
    assert [one["stake"] for one in shown["chain"]["genesis"]["allocations"]] == [str(STAKE)] * 4
    assert shown["chain"]["fees"]["location"] == str(20 * 10**18)
    assert shown["chain"]["governance"]["quorum_percent"] == 4
    assert shown["chain"]["live_root"] is None


def test_shows_the_file_when_the_chain_is_out_of_reach(world: World, saved: Path) -> None:
    result = run(saved, dataclasses.replace(world.network, rpc_urls=NOWHERE), "show")
    assert result.exit_code == 5
    assert "test: chain 31337" in result.stdout
    assert "refuses the connection" in result.stderr


def test_check_finds_nothing_wrong(world: World, saved: Path) -> None:
    result = run(saved, world.network, "check")
    assert (result.exit_code, result.output) == (0, "test is what its file says.\n")


def test_check_says_what_is_wrong(world: World, saved: Path) -> None:
    result = run(saved, dataclasses.replace(world.network, params_hash=bytes(32)), "check")
    assert result.exit_code == 3
    assert result.output.startswith("The params hash on chain is another than the file's.")


def test_check_says_when_the_chain_is_another(world: World, saved: Path) -> None:
    result = run(saved, dataclasses.replace(world.network, chain_id=1), "check", "--json")
    assert result.exit_code == 3
    [finding] = json.loads(result.output)["findings"]
    assert "is chain 31337, not 1" in finding


def test_check_says_when_nothing_answers(world: World, saved: Path) -> None:
    result = run(saved, dataclasses.replace(world.network, rpc_urls=NOWHERE), "check", "--json")
    assert result.exit_code == 5
    assert json.loads(result.stdout)["reachable"] is False
    assert "refuses the connection" in result.stderr


@pytest.mark.parametrize("command", ["show", "check"])
def test_says_when_there_is_no_file(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(group, [command, "--network", str(tmp_path / "none.json")])
    assert result.exit_code == 1
    assert "does not exist. Give the network's file or address with --network" in result.stderr


def test_help_loads_no_heavy_library() -> None:
    program = "import sys; import chain.command; assert not {'web3', 'coincurve', 'requests'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
