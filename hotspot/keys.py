"""The device's P-256 key: one PEM file that only its owner can read, and what is signed with it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hotspot.files import sync_directory
from protocol.encoding import Network, signed_bytes
from protocol.ids import HotspotId
from protocol.keys import PrivateKey, coordinates, hotspot_id, sign_device

KEY_FILE = "device.pem"
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyProblemError(Exception):
    """The key file cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A hotspot's identity. The private part never leaves this object."""

    private: PrivateKey = field(repr=False)
    hotspot_id: HotspotId

    @property
    def coordinates(self) -> tuple[bytes, bytes]:
        """(X, Y) of the public key, 32 bytes each."""
        return coordinates(self.private.public_key())

    def sign(self, type_name: str, network: Network, canonical: bytes) -> bytes:
        """64 bytes r || s over the type, the network and the canonical bytes."""
        return sign_device(self.private, signed_bytes(type_name, network, canonical))


def create(directory: Path) -> DeviceKey:
    """Makes a key and its file (0600, synced to disk); KeyProblemError if there is one already."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = directory / KEY_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyProblemError(f"{path} exists; a hotspot keeps its key for life.") from error
    except OSError as error:
        raise KeyProblemError(f"Cannot write {path}: {error.strerror}. Choose a directory you may write to.") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(directory)
    return DeviceKey(private, hotspot_id(private.public_key()))


def load(directory: Path) -> DeviceKey:
    """The key of a hotspot's directory; KeyProblemError when it is missing, readable by others, or not P-256."""
    path = directory / KEY_FILE
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            pem = file.read()
    except FileNotFoundError as error:
        raise KeyProblemError(f"{path} does not exist; `farfield hotspot register` makes it.") from error
    except OSError as error:
        raise KeyProblemError(f"Cannot read {path}: {error.strerror}.") from error
    if mode & OTHERS:
        raise KeyProblemError(f"{path} can be read by other users; run `chmod 600 {path}` and try again.")
    return _parse(pem, path)


def _parse(pem: bytes, path: Path) -> DeviceKey:
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyProblemError(f"{path} holds no private key; restore it from your backup.") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise KeyProblemError(f"{path} is not a P-256 key; restore the right file from your backup.")
    return DeviceKey(private, hotspot_id(private.public_key()))
