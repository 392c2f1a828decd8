"""The key file: made once, 0600, refused when others can read it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hotspot import keys
from protocol.encoding import Network, signed_bytes
from protocol.ids import Address
from protocol.keys import hotspot_id, public_key, verify_device


def test_a_new_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    keys.create(tmp_path)
    assert stat.S_IMODE((tmp_path / keys.KEY_FILE).stat().st_mode) == 0o600


def test_loads_the_key_it_made(tmp_path: Path) -> None:
    assert keys.create(tmp_path).hotspot_id == keys.load(tmp_path).hotspot_id


def test_never_replaces_a_key(tmp_path: Path) -> None:
    keys.create(tmp_path)
    with pytest.raises(keys.KeyProblemError, match="keeps its key for life"):
        keys.create(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_refuses_a_key_others_can_read(tmp_path: Path, mode: int) -> None:
    keys.create(tmp_path)
    (tmp_path / keys.KEY_FILE).chmod(mode)
    with pytest.raises(keys.KeyProblemError, match="chmod 600"):
        keys.load(tmp_path)


def test_names_the_command_that_makes_a_missing_key(tmp_path: Path) -> None:
    with pytest.raises(keys.KeyProblemError, match="farfield hotspot register"):
        keys.load(tmp_path)


@pytest.mark.parametrize("private", [ec.generate_private_key(ec.SECP256K1()), ed25519.Ed25519PrivateKey.generate()])
def test_refuses_another_kind_of_key(tmp_path: Path, private: object) -> None:
    path = tmp_path / keys.KEY_FILE
    path.touch(mode=0o600)
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))  # type: ignore[attr-defined]
    with pytest.raises(keys.KeyProblemError, match="not a P-256 key"):
        keys.load(tmp_path)


def test_refuses_a_file_that_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / keys.KEY_FILE
    path.touch(mode=0o600)
    path.write_text("hello")
    with pytest.raises(keys.KeyProblemError, match="no private key"):
        keys.load(tmp_path)


def test_signs_what_the_protocol_verifies(tmp_path: Path) -> None:
    device, network = keys.create(tmp_path), Network(31_337, Address(bytes(20)))
    public = public_key(*device.coordinates)
    assert public is not None
    assert hotspot_id(public) == device.hotspot_id
    message = signed_bytes("farfield/report", network, b"report")
    assert verify_device(public, message, device.sign("farfield/report", network, b"report"))


def test_does_not_show_the_private_key_in_its_text(tmp_path: Path) -> None:
    assert "private" not in repr(keys.create(tmp_path))
