"""Signatures: P-256 device keys (FIPS 186, low s, 64 bytes) and secp256k1 quorum keys over EIP-712 digests."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import coincurve
import sha3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from protocol.encoding import BYTES20, BYTES32, U256
from protocol.ids import SIGNATURE_BYTES, Address, HotspotId

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
QUORUM_SIGNATURE_BYTES = 65
PublicKey = ec.EllipticCurvePublicKey
PrivateKey = ec.EllipticCurvePrivateKey


def keccak256(*parts: bytes) -> bytes:
    """32 bytes: Ethereum's Keccak-256 of the parts one after the other."""
    digest = sha3.keccak_256()
    for part in parts:
        digest.update(part)
    return bytes(digest.digest())


# --- device keys, P-256 -----------------------------------------------------------------------------------------


def public_key(x: bytes, y: bytes) -> PublicKey | None:
    """The key at (x, y), or None if that is not a point of the curve."""
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1())
    try:
        return numbers.public_key()
    except ValueError:
        return None


def parse_public_key(sec1: bytes) -> PublicKey | None:
    """The key in its SEC1 form (33 or 65 bytes, prefix 02, 03 or 04), or None."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sec1)
    except ValueError:
        return None


def coordinates(key: PublicKey) -> tuple[bytes, bytes]:
    """(X, Y) of a public key, 32 bytes each."""
    numbers = key.public_numbers()
    return numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")


def hotspot_id(key: PublicKey) -> HotspotId:
    """keccak256(X || Y) with bit 255 set, so that no account id can equal it."""
    digest = keccak256(*coordinates(key))
    return HotspotId(bytes([digest[0] | 0x80]) + digest[1:])


def sign_device(key: PrivateKey, message: bytes) -> bytes:
    """64 bytes r || s, RFC 6979, s at most n/2."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


def verify_device(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """True for exactly 64 bytes with 1 <= r, s < n, low s (libraries accept high s), signed by `key`."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (1 <= r < P256_ORDER and 1 <= s <= P256_ORDER // 2):
        return False
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


# --- quorum keys, secp256k1 over EIP-712 ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Typed:
    """Base of the EIP-712 structs; each field is one 32-byte word."""

    type_string: ClassVar[str] = ""

    def struct_hash(self) -> bytes:
        words = (_word(getattr(self, f.name)) for f in fields(self))
        return keccak256(keccak256(self.type_string.encode("ascii")), *words)


def _word(value: int | bytes) -> bytes:
    if isinstance(value, int):
        return U256.encode(value)
    return value.rjust(32, b"\0") if len(value) == BYTES20.width else BYTES32.encode(value)


@dataclass(frozen=True, slots=True)
class EpochRoot(Typed):
    """The root of one epoch, signed as a member of set `set_id`."""

    type_string: ClassVar[str] = "EpochRoot(uint64 epoch,uint64 setId,bytes32 root,bytes32 dataHash,uint128 cumTotal)"

    epoch: int
    set_id: int
    root: bytes
    data_hash: bytes
    cumulative_total: int


@dataclass(frozen=True, slots=True)
class ManifestSigned(Typed):
    """The poster's own signature under its manifest."""

    type_string: ClassVar[str] = "Manifest(uint64 epoch,bytes32 manifestHash)"

    epoch: int
    manifest_hash: bytes


@dataclass(frozen=True, slots=True)
class Available(Typed):
    """A peer keeps the manifest and every segment it lists."""

    type_string: ClassVar[str] = "Available(uint64 epoch,address validator,bytes32 manifestHash)"

    epoch: int
    validator: bytes
    manifest_hash: bytes


@dataclass(frozen=True, slots=True)
class Receipt(Typed):
    """A validator has stored every entry of a batch, and synced it to disk."""

    type_string: ClassVar[str] = "Receipt(bytes32 batchHash,uint64 entries,uint64 storedAtMs)"

    batch_hash: bytes
    entries: int
    stored_at_ms: int


@dataclass(frozen=True, slots=True)
class Veto(Typed):
    """A validator of set `set_id` wants the waiting root of an epoch dropped."""

    type_string: ClassVar[str] = "Veto(uint64 epoch,uint64 setId,bytes32 root)"

    epoch: int
    set_id: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Pause(Typed):
    """A validator of set `set_id` wants roots and claims stopped, for the `number`th time since genesis."""

    type_string: ClassVar[str] = "Pause(uint64 setId,uint64 number)"

    set_id: int
    number: int


@dataclass(frozen=True, slots=True)
class Domain:
    """The EIP-712 domain {name Farfield, version 1, chain id, Epochs contract}."""

    chain_id: int
    epochs: Address

    def separator(self) -> bytes:
        kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        return keccak256(
            keccak256(kind), keccak256(b"Farfield"), keccak256(b"1"), _word(self.chain_id), _word(self.epochs)
        )

    def digest(self, message: Typed) -> bytes:
        """keccak256(0x1901 || separator || struct hash), EIP-712."""
        return keccak256(b"\x19\x01", self.separator(), message.struct_hash())


def quorum_address(key: coincurve.PrivateKey) -> Address:
    """The account of a secp256k1 key."""
    return Address(keccak256(key.public_key.format(compressed=False)[1:])[12:])


def sign_quorum(key: coincurve.PrivateKey, digest: bytes) -> bytes:
    """65 bytes r || s || v with v 27 or 28, low s, RFC 6979."""
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([signature[64] + 27])


def recover_quorum(digest: bytes, signature: bytes) -> Address | None:
    """The account that signed, or None: 65 bytes, 1 <= r < n, 1 <= s <= n/2, v 27 or 28, as OpenZeppelin's ECDSA."""
    if len(signature) != QUORUM_SIGNATURE_BYTES or signature[64] not in (27, 28):
        return None
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if not (1 <= r < SECP256K1_ORDER and 1 <= s <= SECP256K1_ORDER // 2):
        return None
    try:
        key = coincurve.PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - 27]), digest, hasher=None
        )
    except ValueError:
        return None
    except Exception as error:  # coincurve raises a bare Exception when no point fits the signature
        if type(error) is not Exception:
            raise
        return None
    return Address(keccak256(key.format(compressed=False)[1:])[12:])
