"""A support bundle holds what a helper needs and nothing secret."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotspot import keys
from hotspot.command import group
from hotspot.config import CONFIG_FILE
from hotspot.looking import support

SECRETS = ("hunter2", "s3cr3tkey", "bob:", "PRIVATE KEY")
SETTINGS = """network = "https://bob:hunter2@rpc.example/v3/s3cr3tkey?x=1"
listen = "127.0.0.1:0"
# gpsd_password = "hunter2"
"""


def bundle(directory: Path) -> dict[str, str]:
    out = directory / "bundle.tar.gz"
    arguments = ["support-bundle", "--directory", str(directory), "--out", str(out), "--json"]
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 0, result.output
    assert out.stat().st_mode & 0o077 == 0
    with tarfile.open(out) as tar:
        return {one.name: tar.extractfile(one).read().decode() for one in tar.getmembers()}  # type: ignore[union-attr]


def test_keeps_keys_and_passwords_out(tmp_path: Path) -> None:
    device = keys.create(tmp_path)
    (tmp_path / CONFIG_FILE).write_text(
        SETTINGS.replace("https://bob:hunter2@rpc.example", "http://bob:hunter2@127.0.0.1:1")
    )
    text = json.dumps(bundle(tmp_path))
    pem = (tmp_path / keys.KEY_FILE).read_text().splitlines()[1]
    assert [secret for secret in (*SECRETS, pem, device.signer.scalar().hex()) if secret in text] == []


def test_holds_versions_settings_status_and_findings(tmp_path: Path) -> None:
    files = bundle(tmp_path)
    assert {name.rpartition("/")[2] for name in files} == {"versions.json", "status.json", "doctor.json"}
    assert "key_missing" in files["farfield-support/doctor.json"]


def test_addresses_keep_their_host_only() -> None:
    text = support.without_secrets("at https://bob:hunter2@rpc.example:8545/v3/s3cr3tkey?k=1 and http://plain.example")
    assert text == "at https://rpc.example:8545/*** and http://plain.example"


def test_secret_settings_and_places_are_hidden() -> None:
    text = SETTINGS + 'home = [48.4, 9.99]\n[[quiet_zones]]\nlatitude = 48.41\n[wifi]\npassphrase = ["hunter2"]\n'
    tree = support.settings_without_secrets(text)
    assert tree == {
        "network": "https://rpc.example/***",
        "listen": "127.0.0.1:0",
        "home": "***",
        "quiet_zones": "***",
        "wifi": {"passphrase": "***"},
    }


def test_a_file_that_is_no_toml_is_not_packed() -> None:
    assert "hunter2" not in support.settings_without_secrets("password = 'hunter2")


def test_where_a_mapper_is_stays_at_home() -> None:
    tree = support.tree_without_secrets({"position": {"cell": "8a1f"}, "counters": {"position": {"fix": 3}}})
    assert "8a1f" not in str(tree)


def test_secret_names_are_hidden_in_trees() -> None:
    tree = support.tree_without_secrets({"api_key": "a", "list": [{"passphrase": "b"}], "count": 1})
    assert tree == {"api_key": "***", "list": [{"passphrase": "***"}], "count": 1}


def test_refuses_to_write_a_private_key() -> None:
    with pytest.raises(support.LeakError):
        support.pack({"x": "-----BEGIN PRIVATE KEY-----"}, 0)


def test_the_tar_can_be_read() -> None:
    with tarfile.open(fileobj=io.BytesIO(support.pack({"a.json": {"b": 1}}, 5))) as tar:
        assert tar.getnames() == ["farfield-support/a.json"]
