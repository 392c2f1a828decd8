"""A secp256k1 key's file, of a signing key or of an account: hexadecimal text nobody but its owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import coincurve

KEY_BYTES = 32


class KeyFileError(Exception):
    """The key file cannot be used; the message is a sentence with the next step."""


def load_key(path: Path) -> coincurve.PrivateKey:
    """The secp256k1 key in a file; KeyFileError if it is missing, readable by others, or no key."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError as error:
        raise KeyFileError(f"{path} does not exist. Make a key with `farfield validator keys new`.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} cannot be read: {error}. Check its permissions.") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(f"{path} can be read by others. Run `chmod 600 {path}`, and think about a new key.")
    try:
        secret = bytes.fromhex(text.removeprefix("0x"))
        if len(secret) == KEY_BYTES:
            return coincurve.PrivateKey(secret)
    except ValueError:
        pass
    raise KeyFileError(
        f"{path} holds no secp256k1 key: expected {2 * KEY_BYTES} hexadecimal digits. Restore it from its backup."
    )


def create_key(path: Path) -> coincurve.PrivateKey:
    """A new key in a new file of mode 0600; KeyFileError if the file exists or cannot be made."""
    key = coincurve.PrivateKey()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists already. Move it away first: a lost key cannot be made again.") from error
    except OSError as error:
        raise KeyFileError(f"{path} cannot be made: {error.strerror}. Name another place for it.") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.secret.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    _sync_directory(path.parent)
    return key


def _sync_directory(path: Path) -> None:
    """The directory's entries survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
