"""farfield validator: what people type, what they read, and the exit codes."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

import farfield
from chain.errors import ChainUnavailable
from chain.key_files import KeyFileError, load_key
from chain.network import dump
from protocol.keys import quorum_address
from tests.validator.nodes import LocalNetwork, owner_of
from validator import command, daemon
from validator.audit import Audit, AuditImpossibleError, OtherVersionError
from validator.config import Config
from validator.daemon import StartError


def typed(*words: str) -> Result:
    return CliRunner().invoke(farfield.main, ["validator", *words])


@pytest.fixture
def network_file(tmp_path: Path) -> str:
    path = tmp_path / "network.json"
    path.write_text(dump(LocalNetwork(tmp_path / "nodes").chain.network), encoding="utf-8")
    return str(path)


def test_help_lists_every_command_and_the_exit_codes() -> None:
    result = typed("--help")
    assert result.exit_code == 0
    assert all(name in result.output for name in ("run", "audit", "status", "keys"))
    assert "Exit codes: 0 fine" in result.output


# --- keys -----------------------------------------------------------------------------------------------------------


def test_a_new_key_is_made_and_its_address_printed(tmp_path: Path) -> None:
    path = tmp_path / "validator.key"
    result = typed("keys", "new", "--key-file", str(path), "--json")
    tree = json.loads(result.output)
    assert result.exit_code == 0
    assert tree["file"] == str(path)
    assert len(tree["key"]) == 42


def test_an_existing_key_is_kept_with_exit_code_6(tmp_path: Path) -> None:
    path = tmp_path / "validator.key"
    first = typed("keys", "new", "--key-file", str(path))
    second = typed("keys", "new", "--key-file", str(path))
    assert (first.exit_code, second.exit_code) == (0, 6)
    assert "exists already" in second.stderr


# --- run ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """What the daemon would run with."""
    configs: list[Config] = []

    async def run(config: Config, ports: object) -> None:
        configs.append(config)

    monkeypatch.setattr(daemon, "run", run)
    monkeypatch.setattr(command, "_log_json", lambda: None)
    return configs


def test_settings_come_from_the_file_where_no_flag_is_given(tmp_path: Path, started: list[Config]) -> None:
    (tmp_path / "validator.toml").write_text('network = "mine.json"\nlisten = "127.0.0.1:7500"\n', encoding="utf-8")
    assert typed("run", "--directory", str(tmp_path)).exit_code == 0
    assert (started[0].network, started[0].listen) == ("mine.json", "127.0.0.1:7500")


def test_flags_win_over_the_file(tmp_path: Path, started: list[Config]) -> None:
    (tmp_path / "validator.toml").write_text('network = "mine.json"\n', encoding="utf-8")
    typed("run", "--directory", str(tmp_path), "--network", "flag.json", "--listen", "127.0.0.1:1")
    assert (started[0].network, started[0].listen) == ("flag.json", "127.0.0.1:1")


def test_a_key_file_named_on_the_command_line_is_where_the_shell_says(
    tmp_path: Path, started: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed("run", "--directory", "data", "--key-file", "my.key")
    assert started[0].key_path == tmp_path / "my.key"


def raises(error: Exception) -> Callable[..., Any]:
    async def run(*_: object) -> None:
        raise error

    return run


STOPS: list[tuple[Exception, int]] = [
    (StartError("The port is taken."), 1),
    (KeyFileError("The key can be read by others."), 6),
    (ChainUnavailable("No RPC address answers."), 1),
    (PermissionError(13, "Permission denied", "/somewhere"), 1),
]


@pytest.mark.parametrize(("error", "code"), STOPS, ids=[type(error).__name__ for error, _ in STOPS])
def test_what_stops_a_validator_is_a_sentence_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    monkeypatch.setattr(daemon, "run", raises(error))
    monkeypatch.setattr(command, "_log_json", lambda: None)
    result = typed("run", "--directory", str(tmp_path))
    assert result.exit_code == code
    assert "Traceback" not in result.output
    assert str(error) in result.stderr or "/somewhere cannot be used: Permission denied." in result.stderr


def test_an_unknown_key_in_the_settings_is_a_sentence(tmp_path: Path, started: list[Config]) -> None:
    (tmp_path / "validator.toml").write_text('lisen = "a"\n', encoding="utf-8")
    result = typed("run", "--directory", str(tmp_path))
    assert (result.exit_code, started) == (1, [])
    assert "unknown key lisen. Did you mean listen?" in result.stderr


def test_a_missing_network_file_is_a_sentence_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_log_json", lambda: None)
    result = typed("run", "--directory", str(tmp_path / "data"), "--network", str(tmp_path / "none.json"))
    assert result.exit_code == 1
    assert "none.json does not exist. Give the network's file or address with --network" in result.stderr


def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path: Path, started: list[Config]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = typed("run", "--directory", str(tmp_path / "file" / "data"))
    assert result.exit_code == 1
    assert "cannot be used" in result.stderr


# --- audit ----------------------------------------------------------------------------------------------------------


def finds(monkeypatch: pytest.MonkeyPatch, outcome: Audit | Exception) -> None:
    async def audit(*_: object) -> Audit:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(command, "_audit", audit)


def found(difference: str = "") -> Audit:
    result: Any = SimpleNamespace(epoch=3, outcome_table=bytes(16), earned={})
    return Audit(3, "aa", "aa" if not difference else "bb", "cc", "cc", difference, result)


def test_an_audit_in_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path, network_file: str) -> None:
    place = tmp_path / "file"
    place.write_text("", encoding="utf-8")
    result = typed("audit", "3", "--network", network_file, "--directory", str(place))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{place}")
    assert "name a directory you can write to with --directory." in result.stderr
    assert "Traceback" not in result.output


def test_an_audit_on_a_disk_that_fills_up_names_where_it_kept_things(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    result = typed("audit", "3", "--directory", "evidence")
    assert result.exit_code == 1
    assert result.stderr.startswith("evidence cannot be used: No space left on device. Make room there")


def test_an_identical_audit_ends_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, found())
    result = typed("audit", "3")
    assert (result.exit_code, result.output) == (
        0,
        "Epoch 3 is what the validators signed: root 0xaa, dataHash 0xcc.\n",
    )


def test_a_difference_ends_with_7_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, found("outcomes, row 3: ..."))
    result = typed("audit", "3")
    assert result.exit_code == 7
    assert "DIFFERS from the root on chain. First difference: outcomes, row 3" in result.output


def test_broken_evidence_ends_with_7_and_explains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, Audit(3, "aa", "", "cc", "", "the certified manifest is not canonical", None))
    result = typed("audit", "3", "--explain", "report", "00" * 32)
    assert result.exit_code == 7
    assert "the certified manifest is not canonical" in result.output


def test_an_audit_as_json_is_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, found("sites, row 0"))
    result = typed("audit", "3", "--json", "--explain", "cell", "0x881fae6155fffff")
    tree = json.loads(result.output)
    assert result.exit_code == 7
    assert (tree["identical"], tree["root_on_chain"], tree["root_audited"]) == (False, "0xaa", "0xbb")
    assert tree["difference"] == "sites, row 0"
    assert tree["explained"] == ["Epoch 3 has nothing of this cell."]


FAILURES: list[tuple[Exception, int]] = [
    (OtherVersionError("Install the release of Farfield whose PROTOCOL_VERSION is 2."), 8),
    (AuditImpossibleError("Epoch 3 has no root on chain."), 5),
    (ChainUnavailable("No RPC address answers."), 5),
]


@pytest.mark.parametrize(("error", "code"), FAILURES, ids=[type(error).__name__ for error, _ in FAILURES])
def test_an_audit_that_cannot_be_made_is_a_sentence_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    finds(monkeypatch, error)
    result = typed("audit", "3")
    assert (result.exit_code, result.stderr) == (code, f"{error}\n")


def test_an_audit_without_a_network_file_is_a_sentence(tmp_path: Path) -> None:
    result = typed("audit", "3", "--network", str(tmp_path / "none.json"))
    assert result.exit_code == 1
    assert "does not exist" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("audit",),
        ("audit", "0"),
        ("audit", "-1"),
        ("audit", "x"),
        ("audit", "3", "--explain", "owner", "00" * 32),
        ("audit", "3", "--explain", "report", "zz"),
        ("audit", "3", "--explain", "report", "00" * 31),
        ("audit", "3", "--explain", "cell", "00" * 9),
        ("run",),
        ("keys", "new"),
        ("nothing",),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(words: tuple[str, ...]) -> None:
    result = typed(*words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("text", ["0x881fae6155fffff", "881fae6155fffff", "0881fae6155fffff"])
def test_a_cell_is_taken_as_people_write_it(text: str) -> None:
    assert command._explained(("cell", text)) == ("cell", bytes.fromhex("0881fae6155fffff"))


# --- status ---------------------------------------------------------------------------------------------------------


def test_status_says_who_does_not_answer_with_exit_code_5(network_file: str) -> None:
    result = typed("status", "--network", network_file, "--json")
    rows = json.loads(result.output)
    assert result.exit_code == 5
    assert [row["validator"] for row in rows] == [
        f"validator {number} (0x{owner_of(number).hex()[:8]})" for number in range(1, 5)
    ]
    assert not any(row["answers"] for row in rows)


def test_status_of_a_network_file_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "network.json"
    path.write_text("[]", encoding="utf-8")
    result = typed("status", "--network", str(path))
    assert result.exit_code == 1
    assert "should be an object with keys" in result.stderr


def test_the_key_printed_is_the_one_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "validator.key"
    output = typed("keys", "new", "--key-file", str(path)).output
    assert output == f"0x{quorum_address(load_key(path)).hex()} in {path}\n"
