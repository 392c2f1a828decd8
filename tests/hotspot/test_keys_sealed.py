"""The encrypted key file: opens with its passphrase alone, and not after anybody touched it."""

from __future__ import annotations

import copy
import json
import os
import pickle
import stat
from pathlib import Path
from typing import Any

import pytest

from hotspot import keys
from hotspot.keys import passphrase, place, sealed
from hotspot.keys.device import DeviceKey, new_software_key

SECRET = "correct horse"


@pytest.fixture(autouse=True)
def _cheap(cheap_scrypt: None) -> None:
    """These tests are not about the cost."""


def ask(answer: str) -> passphrase.Ask:
    return lambda what: answer


@pytest.fixture
def key() -> DeviceKey:
    return new_software_key()


@pytest.fixture
def data(key: DeviceKey) -> bytes:
    return sealed.seal(key, SECRET).encode()


def test_an_encrypted_key_comes_back_with_its_passphrase(tmp_path: Path) -> None:
    made = place.create_sealed(tmp_path, SECRET)
    assert keys.load(tmp_path, ask=ask(SECRET)).hotspot_id == made.hotspot_id
    assert stat.S_IMODE((tmp_path / keys.SEALED_FILE).stat().st_mode) == 0o600


def test_a_passphrase_typed_in_another_unicode_form_is_the_same(tmp_path: Path) -> None:
    place.create_sealed(tmp_path, "schl\u00fcsselbund")
    assert keys.load(tmp_path, ask=ask("schlu\u0308sselbund"))


def test_a_wrong_passphrase_is_refused(key: DeviceKey, data: bytes) -> None:
    with pytest.raises(keys.KeyProblemError, match="does not open"):
        sealed.unseal(sealed.decode(data, "x"), SECRET + "!", "x")


def test_a_short_passphrase_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(keys.KeyProblemError, match="at least 8"):
        place.create_sealed(tmp_path, "1234567")
    assert list(tmp_path.iterdir()) == []


def test_the_file_says_who_it_is_and_not_the_private_number(key: DeviceKey, data: bytes) -> None:
    tree = json.loads(data)
    assert (tree["hotspot_id"], tree["public_key"]) == (key.hotspot_id.hex(), key.public_hex)
    assert key.signer.scalar().hex().encode() not in data  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("hotspot_id",), "80" + "00" * 31),
        (("public_key",), "04" + "11" * 64),
        (("kdf", "p"), 4),
        (("kdf", "salt"), "00" * 16),
        (("cipher", "nonce"), "00" * 12),
        (("sealed",), "00" * 48),
    ],
)
def test_a_file_that_was_changed_does_not_open(data: bytes, where: tuple[str, ...], value: Any) -> None:
    tree = json.loads(data)
    inner = tree
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value
    with pytest.raises(keys.KeyProblemError, match="does not open"):
        sealed.unseal(sealed.decode(json.dumps(tree).encode(), "x"), SECRET, "x")


@pytest.mark.parametrize("n", [2**13, 2**19, 2**30, 40_000, -1, True, "32768", 32_768.0])
def test_a_file_cannot_ask_for_more_or_less_work_than_is_sane(data: bytes, n: Any) -> None:
    tree = json.loads(data)
    tree["kdf"]["n"] = n
    with pytest.raises(keys.KeyProblemError, match="not an encrypted device key"):
        sealed.decode(json.dumps(tree).encode(), "x")


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"null", b"\xff", b"[" * 10_000, b'{"format":"farfield device key"}']
)
def test_a_file_that_is_no_key_is_refused(text: bytes) -> None:
    with pytest.raises(keys.KeyProblemError, match="not an encrypted device key"):
        sealed.decode(text, "x")


def test_a_file_of_a_later_release_says_so(data: bytes) -> None:
    with pytest.raises(keys.KeyProblemError, match="Update Farfield"):
        sealed.decode(json.dumps(json.loads(data) | {"version": 2}).encode(), "x")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_refuses_an_encrypted_key_others_can_read(tmp_path: Path, mode: int) -> None:
    place.create_sealed(tmp_path, SECRET)
    (tmp_path / keys.SEALED_FILE).chmod(mode)
    with pytest.raises(keys.KeyProblemError, match="chmod 600"):
        keys.load(tmp_path, ask=ask(SECRET))


@pytest.mark.parametrize("mode", [0o770, 0o703, 0o777])
def test_refuses_a_directory_where_others_can_replace_the_key(tmp_path: Path, mode: int) -> None:
    place.create_sealed(tmp_path, SECRET)
    tmp_path.chmod(mode)
    try:
        with pytest.raises(keys.KeyProblemError, match="chmod go-w"):
            keys.load(tmp_path, ask=ask(SECRET))
    finally:
        tmp_path.chmod(0o700)


def test_a_sticky_directory_protects_what_is_in_it(tmp_path: Path) -> None:
    place.create_sealed(tmp_path, SECRET)
    tmp_path.chmod(0o1777)
    assert keys.load(tmp_path, ask=ask(SECRET))


def test_refuses_a_fifo_instead_of_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / keys.SEALED_FILE, 0o600)
    with pytest.raises(keys.KeyProblemError, match="is not a file"):
        keys.load(tmp_path, ask=ask(SECRET))


def test_refuses_two_keys_in_one_directory(tmp_path: Path) -> None:
    keys.create(tmp_path)
    (tmp_path / keys.SEALED_FILE).touch(mode=0o600)
    with pytest.raises(keys.KeyProblemError, match=r"device\.pem and device\.sealed\.json"):
        keys.load(tmp_path)


# --- encrypt, back up, restore ------------------------------------------------------------------------------------


def test_encrypting_removes_the_plain_file_and_keeps_the_identity(tmp_path: Path) -> None:
    key = keys.create(tmp_path)
    place.encrypt(tmp_path, key, SECRET)
    assert [path.name for path in tmp_path.iterdir()] == [keys.SEALED_FILE]
    assert keys.load(tmp_path, ask=ask(SECRET)).hotspot_id == key.hotspot_id


def test_an_interrupted_encryption_is_finished_by_repeating_it(tmp_path: Path) -> None:
    key = keys.create(tmp_path)
    pem = (tmp_path / keys.KEY_FILE).read_bytes()
    place.encrypt(tmp_path, key, SECRET)
    (tmp_path / keys.KEY_FILE).touch(mode=0o600)
    (tmp_path / keys.KEY_FILE).write_bytes(pem)
    left = place.plain_left_over(tmp_path)
    assert left is not None
    place.encrypt(tmp_path, left, "another passphrase")
    assert keys.load(tmp_path, ask=ask("another passphrase")).hotspot_id == key.hotspot_id


def test_another_hotspots_plain_key_is_no_left_over(tmp_path: Path) -> None:
    keys.create(tmp_path)
    (tmp_path / keys.SEALED_FILE).touch(mode=0o600)
    (tmp_path / keys.SEALED_FILE).write_bytes(sealed.seal(new_software_key(), SECRET).encode())
    assert place.plain_left_over(tmp_path) is None


def test_a_backup_brings_the_same_hotspot_back(tmp_path: Path) -> None:
    key = keys.create(tmp_path)
    place.back_up(key, tmp_path / "backup", SECRET)
    assert place.from_backup(tmp_path / "backup", ask=ask(SECRET)).hotspot_id == key.hotspot_id


def test_a_backup_replaces_no_file(tmp_path: Path) -> None:
    key = keys.create(tmp_path)
    (tmp_path / "backup").write_text("something")
    with pytest.raises(keys.KeyProblemError, match="not replaced"):
        place.back_up(key, tmp_path / "backup", SECRET)
    assert (tmp_path / "backup").read_text() == "something"


# --- where the passphrase comes from ------------------------------------------------------------------------------


def secret_file(path: Path, text: str = f"{SECRET}\nsecond line\n", mode: int = 0o600) -> Path:
    path.touch(mode=mode)
    path.write_text(text)
    return path


def test_a_service_reads_the_passphrase_from_the_file_its_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.create_sealed(tmp_path, SECRET)
    monkeypatch.setenv(passphrase.VARIABLE, str(secret_file(tmp_path / "secret")))
    assert keys.load(tmp_path)


def test_a_service_reads_the_passphrase_from_its_managers_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.create_sealed(tmp_path, SECRET)
    secret_file(tmp_path / passphrase.CREDENTIAL, mode=0o440)
    monkeypatch.setenv(passphrase.CREDENTIALS, str(tmp_path))
    assert keys.load(tmp_path)


def test_a_passphrase_file_others_can_read_is_refused(tmp_path: Path) -> None:
    secret_file(tmp_path / "secret").chmod(0o644)
    with pytest.raises(keys.KeyProblemError, match="chmod 600"):
        passphrase.find("x", tmp_path / "secret")


def test_says_how_to_give_the_passphrase_where_nobody_can_type_it(tmp_path: Path) -> None:
    place.create_sealed(tmp_path, SECRET)
    with pytest.raises(keys.KeyProblemError, match=passphrase.VARIABLE):
        keys.load(tmp_path)


def test_a_new_passphrase_is_typed_twice(tmp_path: Path) -> None:
    answers = iter(["one passphrase", "another one"])
    with pytest.raises(keys.KeyProblemError, match="not the same"):
        passphrase.new(ask=lambda what: next(answers))


# --- the key stays where it is ------------------------------------------------------------------------------------


def test_a_key_in_memory_is_not_printed_copied_or_pickled(key: DeviceKey) -> None:
    scalar = key.signer.scalar()  # type: ignore[attr-defined]
    for text in (repr(key), str(key), repr(key.signer)):
        assert scalar.hex() not in text
        assert str(int.from_bytes(scalar, "big")) not in text
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="not copied"):
            copied(key.signer)  # type: ignore[operator]
