"""Identifiers: what they are made of and what a well-formed one looks like."""

from __future__ import annotations

from enum import IntEnum
from typing import NewType

HotspotId = NewType("HotspotId", bytes)
"""32 bytes: keccak256(X || Y) of the device's P-256 key with bit 255 set."""
ReportId = NewType("ReportId", bytes)
"""32 bytes: sha256("farfield/report" || canonical report). It is the commit, the evidence and the verdict's key."""
Address = NewType("Address", bytes)
"""20 bytes: an EVM account."""
CellId = NewType("CellId", int)
"""An H3 index as an unsigned 64-bit integer."""

HASH_BYTES = 32
ADDRESS_BYTES = 20
SIGNATURE_BYTES = 64
NO_CELL = CellId(0)
"""What a fixed hotspot writes where a mapper writes its cell."""


class Kind(IntEnum):
    """What a hotspot registered as. Bit 0: it moves. Bit 1: its radio is Wi-Fi, else LoRa."""

    FIXED = 0
    MAPPER = 1
    FIXED_WIFI = 2
    MAPPER_WIFI = 3

    @property
    def is_mapper(self) -> bool:
        return bool(self & 1)

    @property
    def is_wifi(self) -> bool:
        return bool(self & 2)


class Role(IntEnum):
    """Which side of a link a report speaks for."""

    BEACON = 1
    WITNESS = 2


def is_hotspot_id(value: bytes) -> bool:
    """True for 32 bytes with the top bit set; account ids never have it (they are below 2**160)."""
    return len(value) == HASH_BYTES and value[0] >= 0x80


def account_id(address: Address) -> bytes:
    """The 32-byte leaf id of an account: its address, left-padded with zeros."""
    return bytes(HASH_BYTES - ADDRESS_BYTES) + address
