"""With --json a failure is one object on stdout, however early it comes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chain.network import checksum
from tests.chain.terminal import Terminal
from tests.chain.world import owner_account

NEWCOMER = checksum(owner_account(77))


@pytest.fixture
def unreachable(terminal: Terminal) -> Terminal:
    file = terminal.directory / "network.json"
    tree = json.loads(file.read_text())
    file.write_text(json.dumps(tree | {"rpc_urls": ["http://127.0.0.1:1"]}))
    return terminal


@pytest.mark.parametrize(
    "words",
    [
        ("gov", "list"),
        ("gov", "propose", "admit", NEWCOMER, "--key", "{key}"),
        ("hotspot", "shares", "--owner", NEWCOMER),
        ("hotspot", "collect", "--key", "{key}"),
        ("validator", "unstake", "--key", "{key}"),
        ("network", "deploy", "--verify"),
    ],
)
def test_a_chain_that_does_not_answer_is_an_object(unreachable: Terminal, words: tuple[str, ...]) -> None:
    key = _key(unreachable)
    result = unreachable.type(*(word.format(key=key) for word in words), "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["exit_code"]) == (5, 5)
    assert told["error"] + "\n" == result.stderr


def _key(terminal: Terminal) -> Path:
    file = terminal.directory / "any.key"
    file.write_text("11" * 32)
    file.chmod(0o600)
    return file


def test_a_key_that_cannot_be_used_is_an_object(terminal: Terminal) -> None:
    result = terminal.type("hotspot", "collect", "--key", terminal.directory / "none", "--json")
    assert json.loads(result.stdout) == {"error": result.stderr.rstrip("\n"), "exit_code": 6}


def test_what_a_simulation_refuses_stays_one_object(terminal: Terminal) -> None:
    stranger = terminal.person("stranger")
    result = terminal.type("gov", "propose", "quorum", "5", "--key", stranger.file, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["steps"][0]["error"] == "GovernorInsufficientProposerVotes"


def test_without_json_stdout_stays_empty(unreachable: Terminal) -> None:
    assert unreachable.type("gov", "list").stdout == ""
