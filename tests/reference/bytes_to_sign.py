"""Hashes, canonical bytes and device signatures, as protocol.md 1, 2, 3 and 4 write them."""

from __future__ import annotations

from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.reference.inputs import Beacon, Hotspot, Network, Witness

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

# Field name to width in bytes; a negative width is a signed number, None a string of bytes as it stands.
BEGINNING = {"chain_id": 8, "contract": None, "hotspot_id": None, "epoch": 8, "salt": None}
RADIO = {"frequency_hz": 5, "spreading_factor": 1, "bandwidth_hz": 4}
BEACON = {**BEGINNING, "slot": 4, "nonce": None, **RADIO, "power_cdb": -2, "sent_at_ms": 6, "cell": 8}
WITNESS = {
    **BEGINNING,
    "tag": None,
    **RADIO,
    "rssi_cdb": -2,
    "snr_cdb": -2,
    "received_at_ms": 6,
    "tmst_us": 4,
    "fine_time_ns": 4,
    "cell": 8,
}


def number(value: int, width: int) -> bytes:
    return value.to_bytes(width, "big")


def canonical(report: Beacon | Witness) -> bytes:
    """Fixed-width, big-endian, in the order of the record."""
    layout = BEACON if isinstance(report, Beacon) else WITNESS
    parts = []
    for name, width in layout.items():
        value = getattr(report, name)
        parts.append(value if width is None else value.to_bytes(abs(width), "big", signed=width < 0))
    return b"".join(parts)


def report_id(report: Beacon | Witness) -> bytes:
    return sha256(b"farfield/report" + canonical(report)).digest()


def entropy(purpose: str, network: Network, epoch: int, block_hash: bytes) -> bytes:
    """seed_e with purpose `seed` and the hash of B_e, draw_e with purpose `draw` and the hash of S_e."""
    start = b"farfield/" + purpose.encode()
    return sha256(start + number(network.chain_id, 8) + network.contract + number(epoch, 8) + block_hash).digest()


def tag(seed: bytes, hotspot_id: bytes, slot: int, nonce: bytes) -> bytes:
    return sha256(b"farfield/beacon" + seed + hotspot_id + number(slot, 4) + nonce).digest()[:21]


def is_signed_by(hotspot: Hotspot, network: Network, report: Beacon | Witness, signature: bytes) -> bool:
    """64 bytes r || s, 1 <= r, s < n, low s, over the prefixed canonical bytes."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or not 1 <= r < P256_ORDER or not 1 <= s <= P256_ORDER // 2:
        return False
    prefix = b"farfield/report".ljust(32, b"\0") + number(network.chain_id, 8) + network.contract
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + hotspot.x + hotspot.y)
    try:
        key.verify(encode_dss_signature(r, s), prefix + canonical(report), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
