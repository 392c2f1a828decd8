"""The encrypted key file: scrypt makes a key of the passphrase, AES-256-GCM seals the private number with it.

What is said openly (id, public key, cost) is authenticated with the rest, so a file that was tampered with does not
open. The cost is bounded in both directions: a file cannot ask for more memory than a small board has.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hotspot.keys.device import DeviceKey, KeyProblemError, SoftwareSigner, software_key

FORMAT, VERSION = "farfield device key", 1
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 3
"""32 MiB and about a quarter of a second on a small board."""
LEAST_N, MOST_N, MOST_P = 2**14, 2**18, 16
LEAST_PASSPHRASE = 8
SALT_BYTES, NONCE_BYTES, TAG_BYTES, SCALAR_BYTES = 16, 12, 16, 32


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an encrypted key file says openly, and the sealed part."""

    hotspot_id: str
    public_key: str
    n: int
    p: int
    salt: bytes
    nonce: bytes
    box: bytes

    def head(self) -> dict[str, Any]:
        """Everything but the sealed part: what is authenticated with it."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "hotspot_id": self.hotspot_id,
            "public_key": self.public_key,
            "kdf": {"name": "scrypt", "n": self.n, "r": SCRYPT_R, "p": self.p, "salt": self.salt.hex()},
            "cipher": {"name": "aes-256-gcm", "nonce": self.nonce.hex()},
        }

    def encode(self) -> bytes:
        """The file's bytes."""
        return json.dumps(self.head() | {"sealed": self.box.hex()}, indent=2).encode() + b"\n"


def seal(key: DeviceKey, passphrase: str) -> Sealed:
    """Seals a key that is in memory; KeyProblemError for a token's key or a passphrase that is too short."""
    if len(passphrase) < LEAST_PASSPHRASE:
        raise KeyProblemError(f"A passphrase has at least {LEAST_PASSPHRASE} characters.")
    if not isinstance(key.signer, SoftwareSigner):
        raise KeyProblemError("A token does not give its key away; use the token's own backup.")
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    one = Sealed(key.hotspot_id.hex(), key.public_hex, SCRYPT_N, SCRYPT_P, salt, nonce, b"")
    box = AESGCM(_stretched(one, passphrase)).encrypt(nonce, key.signer.scalar(), _authenticated(one))
    return Sealed(one.hotspot_id, one.public_key, one.n, one.p, salt, nonce, box)


def unseal(one: Sealed, passphrase: str, name: object) -> DeviceKey:
    """The key in an encrypted file, called `name` in the KeyProblemError when the passphrase does not open it."""
    try:
        scalar = AESGCM(_stretched(one, passphrase)).decrypt(one.nonce, one.box, _authenticated(one))
        key = software_key(ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()))
    except (InvalidTag, ValueError) as error:
        raise KeyProblemError(f"That passphrase does not open {name}, or the file was changed.") from error
    if (key.hotspot_id.hex(), key.public_hex) != (one.hotspot_id, one.public_key):
        raise KeyProblemError(f"{name} does not hold the key it names; restore it from your backup.")
    return key


def decode(data: bytes, name: object) -> Sealed:
    """An encrypted key file's parts; KeyProblemError, with the file called `name`, if it is none."""
    try:
        tree = json.loads(data)
        kdf, cipher = tree["kdf"], tree["cipher"]
        known = (tree["format"], kdf["name"], kdf["r"], cipher["name"]) == (FORMAT, "scrypt", SCRYPT_R, "aes-256-gcm")
        if known and tree["version"] != VERSION:
            raise KeyProblemError(f"{name} was written by a later release. Update Farfield.")
        one = _parts(tree, kdf, cipher)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise KeyProblemError(f"{name} is not an encrypted device key; restore it from your backup.") from error
    if not known or not _is_sane(one):
        raise KeyProblemError(f"{name} is not an encrypted device key; restore it from your backup.")
    return one


def _parts(tree: Mapping[str, Any], kdf: Mapping[str, Any], cipher: Mapping[str, Any]) -> Sealed:
    return Sealed(
        hotspot_id=bytes.fromhex(tree["hotspot_id"]).hex(),
        public_key=bytes.fromhex(tree["public_key"]).hex(),
        n=kdf["n"],
        p=kdf["p"],
        salt=bytes.fromhex(kdf["salt"]),
        nonce=bytes.fromhex(cipher["nonce"]),
        box=bytes.fromhex(tree["sealed"]),
    )


def _is_sane(one: Sealed) -> bool:
    cost = isinstance(one.n, int) and LEAST_N <= one.n <= MOST_N and one.n & (one.n - 1) == 0
    passes = isinstance(one.p, int) and 1 <= one.p <= MOST_P
    lengths = (len(one.salt), len(one.nonce), len(one.box)) == (SALT_BYTES, NONCE_BYTES, SCALAR_BYTES + TAG_BYTES)
    return cost and passes and lengths


def _stretched(one: Sealed, passphrase: str) -> bytes:
    text = unicodedata.normalize("NFC", passphrase).encode()
    return Scrypt(salt=one.salt, length=32, n=one.n, r=SCRYPT_R, p=one.p).derive(text)


def _authenticated(one: Sealed) -> bytes:
    return json.dumps(one.head(), sort_keys=True, separators=(",", ":")).encode()
