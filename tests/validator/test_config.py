"""Settings and the key file: what is wrong is a sentence with the next step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chain.key_files import KeyFileError, create_key, load_key
from tests.factories import validator_key
from validator.config import Config, ConfigError, load


def write(directory: Path, text: str) -> Path:
    (directory / "validator.toml").write_text(text, encoding="utf-8")
    return directory


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path) == Config(directory=tmp_path)


def test_the_file_holds_and_flags_win(tmp_path: Path) -> None:
    write(tmp_path, 'network = "other.json"\nlisten = "127.0.0.1:1"\n')
    config = load(tmp_path, listen="127.0.0.1:2", network=None)
    assert (config.network, config.listen) == ("other.json", "127.0.0.1:2")


def test_paths_in_the_file_are_relative_to_its_directory(tmp_path: Path) -> None:
    (tmp_path / "params").mkdir()
    write(tmp_path, 'key_file = "my.key"\nfiles = "params"\n')
    config = load(tmp_path)
    assert (config.key_path, config.files) == (tmp_path / "my.key", tmp_path / "params")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('lisen = "127.0.0.1:1"', "unknown key lisen. Did you mean listen?"),
        ('keyfile = "a"', "unknown key keyfile. Did you mean key_file?"),
        ('zzz = "a"', "unknown key zzz. Known keys: network, key_file, listen, files."),
        ('directory = "a"', "unknown key directory."),
        ("listen = 7400", "listen should be a text."),
        ("listen = ", "is not TOML"),
        ('files = "nowhere"', "nowhere is no directory."),
    ],
)
def test_what_is_wrong_in_the_file_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        load(write(tmp_path, text))
    assert sentence in str(wrong.value)


def test_a_file_that_is_no_text_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "validator.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(tmp_path)


def test_a_settings_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "validator.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


# --- the key ------------------------------------------------------------------------------------------------------


def test_a_new_key_is_its_owners_only_and_can_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "validator.key"
    made = create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path).secret == made.secret


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "validator.key"
    made = create_key(path)
    with pytest.raises(KeyFileError, match="exists already"):
        create_key(path)
    assert load_key(path).secret == made.secret


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o601])
def test_a_key_others_can_touch_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "validator.key"
    create_key(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        load_key(path)


def test_a_missing_key_is_said_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="farfield validator keys new"):
        load_key(tmp_path / "validator.key")


SECRET = validator_key("v1").secret.hex()


@pytest.mark.parametrize("text", [SECRET, f"0x{SECRET}", f"  {SECRET}\n"])
def test_a_key_is_read_with_or_without_prefix_and_space(tmp_path: Path, text: str) -> None:
    assert load_key(key_file(tmp_path, text)).secret.hex() == SECRET


def key_file(directory: Path, text: str) -> Path:
    path = directory / "validator.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("text", ["", "zz", SECRET[:-2], SECRET + "00", "0" * 64, "f" * 64, "01"])
def test_what_is_no_key_is_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(KeyFileError, match="holds no secp256k1 key: expected 64 hexadecimal digits"):
        load_key(key_file(tmp_path, text))


def test_a_key_file_that_is_no_text_is_a_sentence(tmp_path: Path) -> None:
    path = key_file(tmp_path, "")
    path.write_bytes(b"\xff" * 32)
    with pytest.raises(KeyFileError, match="cannot be read"):
        load_key(path)


def test_a_key_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory", encoding="utf-8")
    with pytest.raises(KeyFileError, match="cannot be made"):
        create_key(tmp_path / "file" / "validator.key")


def test_a_new_key_is_on_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    create_key(tmp_path / "validator.key")
    assert str(tmp_path / "validator.key") in synced
    assert str(tmp_path) in synced
