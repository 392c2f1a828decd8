"""farfield hotspot keys, as an owner types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hotspot import keys
from hotspot.command import group
from hotspot.keys import place
from tests.hotspot.tokens import softhsm

KEY_PROBLEM = 6


@pytest.fixture(autouse=True)
def _cheap(cheap_scrypt: None) -> None:
    """These tests are not about the cost."""


def farfield(*arguments: object) -> Result:
    return CliRunner().invoke(group, ["keys", *map(str, arguments)])


def answer(*arguments: object) -> dict[str, Any]:
    result = farfield(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return written(tmp_path / "passphrase", "correct horse")


def written(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def private_hex(home: Path, secret: Path) -> str:
    return place.load(home, secret).signer.scalar().hex()  # type: ignore[attr-defined]


def test_makes_shows_saves_and_brings_back_a_key_without_printing_it(tmp_path: Path, secret: Path) -> None:
    home, second = tmp_path / "home", tmp_path / "second"
    said = [farfield("create", "--directory", home, "--new-passphrase-file", secret)]
    said.append(farfield("show", "--directory", home))
    files = ("--passphrase-file", secret, "--new-passphrase-file", secret)
    said.append(farfield("backup", "--directory", home, "--out", tmp_path / "backup", *files))
    said.append(farfield("restore", tmp_path / "backup", "--directory", second, *files))
    assert [one.exit_code for one in said] == [0, 0, 0, 0], [one.output for one in said]
    assert place.show(home).hotspot_id == place.show(second).hotspot_id
    private = private_hex(home, secret)
    assert private_hex(second, secret) == private
    everything = "".join(one.output for one in said)
    assert private not in everything
    assert "correct horse" not in everything


def test_a_plain_key_becomes_an_encrypted_one(tmp_path: Path, secret: Path) -> None:
    before = answer("create", "--plain", "--directory", tmp_path / "home")
    after = answer("encrypt", "--directory", tmp_path / "home", "--new-passphrase-file", secret)
    assert (before["kept_in"], after["kept_in"]) == ("plain file", "encrypted file")
    assert before["hotspot_id"] == after["hotspot_id"]
    assert not (tmp_path / "home" / keys.KEY_FILE).exists()


def test_a_restored_key_never_replaces_another(tmp_path: Path, secret: Path) -> None:
    answer("create", "--plain", "--directory", tmp_path / "one")
    other = answer("create", "--plain", "--directory", tmp_path / "two")
    answer("backup", "--directory", tmp_path / "one", "--out", tmp_path / "backup", "--new-passphrase-file", secret)
    refused = farfield("restore", tmp_path / "backup", "--directory", tmp_path / "two", "--passphrase-file", secret)
    assert refused.exit_code == KEY_PROBLEM
    assert "keeps its key for life" in refused.output
    assert place.show(tmp_path / "two").hotspot_id == other["hotspot_id"]


def test_restoring_what_is_there_already_changes_nothing(tmp_path: Path, secret: Path) -> None:
    made = answer("create", "--plain", "--directory", tmp_path / "one")
    answer("backup", "--directory", tmp_path / "one", "--out", tmp_path / "backup", "--new-passphrase-file", secret)
    again = answer("restore", tmp_path / "backup", "--directory", tmp_path / "one", "--passphrase-file", secret)
    assert again == made


def test_a_plain_copy_of_a_key_is_a_backup_too(tmp_path: Path, secret: Path) -> None:
    made = answer("create", "--plain", "--directory", tmp_path / "one")
    restored = answer(
        "restore", tmp_path / "one" / keys.KEY_FILE, "--directory", tmp_path / "two", "--new-passphrase-file", secret
    )
    assert (restored["hotspot_id"], restored["kept_in"]) == (made["hotspot_id"], "encrypted file")


def test_a_key_moves_from_a_backup_into_a_token(tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = softhsm(tmp_path, monkeypatch)
    made = answer("create", "--new-passphrase-file", secret, "--directory", tmp_path / "one")
    backup = tmp_path / "one" / keys.SEALED_FILE
    moved = answer(
        "restore", backup, "--directory", tmp_path / "two", "--passphrase-file", secret, "--pkcs11", token.uri()
    )
    assert (moved["hotspot_id"], moved["kept_in"]) == (made["hotspot_id"], "PKCS#11 token")
    assert keys.load(tmp_path / "two").public_hex == made["public_key"]


def test_makes_and_attaches_a_tokens_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = softhsm(tmp_path, monkeypatch)
    made = answer("create", "--directory", tmp_path / "one", "--pkcs11", token.uri())
    attached = answer("attach", token.uri(), "--directory", tmp_path / "two")
    assert attached["hotspot_id"] == made["hotspot_id"]


@pytest.mark.parametrize("command", [["show"], ["encrypt"], ["backup", "--out", "x"]])
def test_a_missing_key_is_exit_code_6(tmp_path: Path, command: list[str]) -> None:
    result = farfield(*command, "--directory", tmp_path)
    assert result.exit_code == KEY_PROBLEM
    assert "farfield hotspot register" in result.output


def test_a_key_is_in_one_place(tmp_path: Path) -> None:
    result = farfield("create", "--directory", tmp_path / "x", "--plain", "--pkcs11", "pkcs11:token=a")
    assert result.exit_code == 2


def test_showing_a_key_loads_no_token_library(tmp_path: Path) -> None:
    answer("create", "--plain", "--directory", tmp_path / "home")
    program = (
        "import sys; from farfield import main\n"
        f"try: main(['hotspot', 'keys', 'show', '--directory', {str(tmp_path / 'home')!r}])\n"
        "except SystemExit: pass\n"
        "heavy = {'pkcs11', 'grpc', 'web3', 'h3'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
