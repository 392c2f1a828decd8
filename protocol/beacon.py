"""What goes on air: 24 bytes, of which 21 are a tag only the beaconer can explain (protocol.md §3)."""

from __future__ import annotations

from protocol.encoding import U32, sha256
from protocol.ids import HotspotId

TAG_BYTES = 21
PROPRIETARY_HEADER = b"\xe0"
"""LoRaWAN MHDR of a proprietary frame: network servers ignore it."""
MAGIC_AND_VERSION = b"\xfa\x01"
PREFIX = PROPRIETARY_HEADER + MAGIC_AND_VERSION


def tag(seed: bytes, hotspot_id: HotspotId, slot_index: int, nonce: bytes) -> bytes:
    """First 21 bytes of sha256("farfield/beacon" || seed_e || hotspot_id || k || nonce32)."""
    return sha256(b"farfield/beacon", seed, hotspot_id, U32.encode(slot_index), nonce)[:TAG_BYTES]


def frame(beacon_tag: bytes) -> bytes:
    """The 24 bytes to transmit."""
    if len(beacon_tag) != TAG_BYTES:
        raise ValueError(f"a tag has {TAG_BYTES} bytes, not {len(beacon_tag)}")
    return PREFIX + beacon_tag


def tag_in(payload: bytes) -> bytes | None:
    """The tag of a received payload, or None if it is not one of our beacons."""
    if len(payload) != len(PREFIX) + TAG_BYTES or not payload.startswith(PREFIX):
        return None
    return payload[len(PREFIX) :]
