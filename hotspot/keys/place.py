"""The key of a hotspot's directory: exactly one of a plain file, an encrypted file, or the name of a token's key."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from hotspot.files import sync_directory
from hotspot.keys import files, passphrase, sealed
from hotspot.keys.device import DeviceKey, KeyProblemError, SoftwareSigner, new_software_key, software_key

if TYPE_CHECKING:
    from hotspot.keys.token import TokenName

KEY_FILE, SEALED_FILE, TOKEN_FILE = "device.pem", "device.sealed.json", "device.pkcs11.json"
KINDS = {KEY_FILE: "plain file", SEALED_FILE: "encrypted file", TOKEN_FILE: "PKCS#11 token"}
Ask = passphrase.Ask


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be said of a key without opening it."""

    hotspot_id: str
    public_key: str
    kind: str
    path: Path


# --- looking ------------------------------------------------------------------------------------------------------


def exists(directory: Path) -> bool:
    """True if the directory holds a key of any kind."""
    return bool(_present(directory))


def load(directory: Path, file: Path | None = None, ask: Ask | None = None) -> DeviceKey:
    """The key of a hotspot's directory, opened with the passphrase in `file`, else see `passphrase.find`.

    KeyProblemError when it is missing, readable or replaceable by others, does not open, or is not P-256.
    """
    path = _the_one(directory)
    _dump_no_core()
    if path.name == KEY_FILE:
        return _parse_pem(_read(path), path)
    if path.name == SEALED_FILE:
        one = sealed.decode(_read(path), path)
        return sealed.unseal(one, passphrase.find(str(path), file, ask), path)
    from hotspot.keys import token

    return token.open_key(token.decode(_read(path), path), file, ask)


def show(directory: Path) -> Shown:
    """The id and public key of a directory's key, without a passphrase. KeyProblemError."""
    path = _the_one(directory)
    if path.name == SEALED_FILE:
        one = sealed.decode(_read(path), path)
        return Shown(one.hotspot_id, one.public_key, KINDS[SEALED_FILE], path)
    if path.name == TOKEN_FILE:
        from hotspot.keys import token

        name = token.decode(_read(path), path)
        return Shown(name.hotspot_id, name.public_key, KINDS[TOKEN_FILE], path)
    key = load(directory)
    return Shown(key.hotspot_id.hex(), key.public_hex, KINDS[KEY_FILE], path)


def _dump_no_core() -> None:
    """A process that holds a key leaves no copy of its memory behind when it crashes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _present(directory: Path) -> list[Path]:
    return [directory / name for name in KINDS if os.path.lexists(directory / name)]


def _the_one(directory: Path) -> Path:
    found = _present(directory)
    if not found:
        raise KeyProblemError(
            f"{directory / KEY_FILE} does not exist, nor any other key; `farfield hotspot register` makes one, "
            "`farfield hotspot keys restore` brings one back."
        )
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise KeyProblemError(f"{directory} holds {names}; a hotspot has one key. Move one of them away.")
    return found[0]


def _read(path: Path) -> bytes:
    try:
        return files.read(path)
    except FileNotFoundError as error:
        raise KeyProblemError(f"{path} does not exist.") from error


def _parse_pem(pem: bytes, path: Path) -> DeviceKey:
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyProblemError(f"{path} holds no private key; restore it from your backup.") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise KeyProblemError(f"{path} is not a P-256 key; restore the right file from your backup.")
    return software_key(private)


# --- making -------------------------------------------------------------------------------------------------------


def create(directory: Path) -> DeviceKey:
    """Makes a key in a plain file (0600, synced to disk); KeyProblemError if there is one already."""
    refuse_second(directory)
    return keep_plain(directory, new_software_key())


def create_sealed(directory: Path, secret: str) -> DeviceKey:
    """Makes a key in an encrypted file; KeyProblemError."""
    refuse_second(directory)
    return keep_sealed(directory, new_software_key(), secret)


def create_in_token(directory: Path, name: TokenName, pin: str) -> DeviceKey:
    """Makes a key that never leaves its token, and the file that names it; KeyProblemError."""
    from hotspot.keys import token

    refuse_second(directory)
    return _keep_token(directory, name, token.generate(name, pin))


def attach_token(directory: Path, name: TokenName, pin: str) -> DeviceKey:
    """Uses a key a token holds already; KeyProblemError."""
    from hotspot.keys import token

    refuse_second(directory)
    return _keep_token(directory, name, token.open_with(name, pin))


def put_into_token(directory: Path, name: TokenName, pin: str, key: DeviceKey) -> DeviceKey:
    """Moves a key from memory into a token; KeyProblemError."""
    from hotspot.keys import token

    refuse_second(directory)
    if not isinstance(key.signer, SoftwareSigner):
        raise KeyProblemError("A token does not give its key away; use the token's own backup.")
    return _keep_token(directory, name, token.take_in(name, pin, key.signer.scalar()))


def _keep_token(directory: Path, name: TokenName, key: DeviceKey) -> DeviceKey:
    from hotspot.keys import token

    files.write_new(directory / TOKEN_FILE, token.encode(name, key))
    return key


def keep_plain(directory: Path, key: DeviceKey) -> DeviceKey:
    """Writes a key in memory as a plain file."""
    if not isinstance(key.signer, SoftwareSigner):
        raise KeyProblemError("A token does not give its key away; use the token's own backup.")
    private = ec.derive_private_key(int.from_bytes(key.signer.scalar(), "big"), ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files.write_new(directory / KEY_FILE, pem)
    return key


def keep_sealed(directory: Path, key: DeviceKey, secret: str) -> DeviceKey:
    """Writes a key in memory as an encrypted file."""
    files.write_new(directory / SEALED_FILE, sealed.seal(key, secret).encode())
    return key


def refuse_second(directory: Path) -> None:
    """KeyProblemError if the directory holds a key."""
    found = _present(directory)
    if found:
        raise KeyProblemError(f"{found[0]} exists; a hotspot keeps its key for life.")


# --- changing, saving, bringing back ------------------------------------------------------------------------------


def encrypt(directory: Path, key: DeviceKey, secret: str) -> Path:
    """Seals the directory's key with a new passphrase and removes what it replaces. Safe to interrupt and repeat.

    The new file is written aside, read back and opened before anything is removed.
    """
    path, aside = directory / SEALED_FILE, directory / f".{SEALED_FILE}.new"
    aside.unlink(missing_ok=True)
    files.write_new(aside, sealed.seal(key, secret).encode())
    sealed.unseal(sealed.decode(files.read(aside), aside), secret, aside)
    aside.replace(path)
    sync_directory(directory)
    (directory / KEY_FILE).unlink(missing_ok=True)
    sync_directory(directory)
    return path


def plain_left_over(directory: Path) -> DeviceKey | None:
    """The plain key, where `encrypt` was interrupted between making the encrypted file and removing the plain one."""
    if [path.name for path in _present(directory)] != [KEY_FILE, SEALED_FILE]:
        return None
    key = _parse_pem(_read(directory / KEY_FILE), directory / KEY_FILE)
    one = sealed.decode(_read(directory / SEALED_FILE), directory / SEALED_FILE)
    return key if one.hotspot_id == key.hotspot_id.hex() else None


def back_up(key: DeviceKey, path: Path, secret: str) -> None:
    """Writes an encrypted copy of a key, and opens what was written to be sure; KeyProblemError."""
    files.write_new(path, sealed.seal(key, secret).encode())
    sealed.unseal(sealed.decode(files.read(path), path), secret, path)


def from_backup(path: Path, file: Path | None = None, ask: Ask | None = None) -> DeviceKey:
    """The key in a backup; an encrypted file, or a plain one an earlier release told you to copy. KeyProblemError."""
    data = _read(path)
    if data.lstrip().startswith(b"-----BEGIN"):
        return _parse_pem(data, path)
    one = sealed.decode(data, path)
    return sealed.unseal(one, passphrase.find(str(path), file, ask), path)


def is_same(directory: Path, key: DeviceKey) -> bool:
    """True if the directory holds this very key already."""
    return exists(directory) and show(directory).hotspot_id == key.hotspot_id.hex()
