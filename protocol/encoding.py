"""Canonical bytes: the only place where bytes to be hashed or signed are made.

A record is a frozen dataclass whose fields are annotated with one of the field types below, laid out in order,
big-endian, without padding. Decoding is total: it returns the value or None, and never accepts bytes that do not
encode back to themselves. protobuf carries records on the wire; its own output is never hashed or signed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from protocol.ids import HASH_BYTES, Address, HotspotId, ReportId

TYPE_TAG_BYTES = 32


@dataclass(frozen=True, slots=True)
class FieldType:
    """How one field is laid out: an integer of `width` bytes, signed or not, or `width` raw bytes."""

    name: str
    width: int
    signed: bool = False
    raw: bool = False

    def encode(self, value: Any) -> bytes:
        """Bytes of `value`; ValueError or OverflowError if it does not fit (that is our bug, never a peer's)."""
        if self.raw:
            if len(value) != self.width:
                raise ValueError(f"{self.name} takes {self.width} bytes, not {len(value)}")
            return bytes(value)
        return int(value).to_bytes(self.width, "big", signed=self.signed)

    def decode(self, data: bytes) -> Any:
        return data if self.raw else int.from_bytes(data, "big", signed=self.signed)


U8, U16, U32, U64, U128, U256 = (FieldType(f"u{8 * w}", w) for w in (1, 2, 4, 8, 16, 32))
U40, U48 = FieldType("u40", 5), FieldType("u48", 6)
I8, I16, I32, I64 = (FieldType(f"i{8 * w}", w, signed=True) for w in (1, 2, 4, 8))
BYTES16, BYTES20, BYTES21, BYTES32, BYTES64 = (FieldType(f"bytes{w}", w, raw=True) for w in (16, 20, 21, 32, 64))


def field(kind: FieldType, meaning: str) -> Any:
    """A record's field: its layout and, for docs/records.md, what it means with its unit."""
    return dataclasses.field(metadata={"type": kind, "meaning": meaning})


Layout = tuple[tuple[str, FieldType, str], ...]
_LAYOUTS: dict[Any, Layout] = {}
"""One entry per record class."""


def layout(record: Any) -> Layout:
    """(name, field type, meaning) of every field of a record class, in order."""
    if record not in _LAYOUTS:
        parts = ((f.name, f.metadata["type"], f.metadata["meaning"]) for f in dataclasses.fields(record))
        _LAYOUTS[record] = tuple(parts)
    return _LAYOUTS[record]


@dataclass(frozen=True, slots=True)
class Record:
    """Base of every canonical record. A subclass may refuse values in `is_canonical`."""

    purpose: ClassVar[str] = ""

    @classmethod
    def width(cls) -> int:
        """Bytes of one encoded record."""
        return sum(kind.width for _, kind, _ in layout(cls))

    def encode(self) -> bytes:
        """The canonical bytes."""
        return b"".join(kind.encode(getattr(self, name)) for name, kind, _ in layout(type(self)))

    def is_canonical(self) -> bool:
        """False for values that fit their fields but mean nothing; such bytes do not decode."""
        return True

    @classmethod
    def decode(cls, data: bytes) -> Self | None:
        """The record, or None if the bytes are not exactly one canonical record."""
        if len(data) != cls.width():
            return None
        values, at = {}, 0
        for name, kind, _ in layout(cls):
            values[name] = kind.decode(data[at : at + kind.width])
            at += kind.width
        record = cls(**values)
        return record if record.is_canonical() else None


def concatenate(records: Iterable[Record]) -> bytes:
    """Records one after the other, in the order given."""
    return b"".join(record.encode() for record in records)


R = TypeVar("R", bound=Record)


def split(record: type[R], data: bytes) -> list[R] | None:
    """The records of a concatenation, or None if any of it is not canonical."""
    decoded = [record.decode(piece) for piece in pieces(record.width(), data)]
    good = [one for one in decoded if one is not None]
    return good if len(good) == len(decoded) else None


def pieces(width: int, data: bytes) -> Iterator[bytes]:
    """`data` cut every `width` bytes; the last piece is shorter when it does not divide."""
    for at in range(0, len(data), width):
        yield data[at : at + width]


def sha256(*parts: bytes) -> bytes:
    """32 bytes: SHA-256 (FIPS 180-4) of the parts one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Network:
    """What every signed byte is bound to: an EVM chain id and the Hotspots contract on it."""

    chain_id: int
    hotspots: Address

    def encode(self) -> bytes:
        """chain_id u64 || Hotspots address 20: 28 bytes."""
        return U64.encode(self.chain_id) + BYTES20.encode(self.hotspots)


def signed_bytes(type_name: str, network: Network, canonical: bytes) -> bytes:
    """What a device key signs: type (32 bytes, zero-padded) || chain_id || Hotspots address || canonical bytes."""
    tag = type_name.encode("ascii")
    if len(tag) > TYPE_TAG_BYTES:
        raise ValueError(f"type name {type_name!r} is longer than {TYPE_TAG_BYTES} bytes")
    return tag.ljust(TYPE_TAG_BYTES, b"\0") + network.encode() + canonical


def report_id(report: bytes) -> ReportId:
    """sha256("farfield/report" || canonical report): the commit, before anything of the report is public."""
    return ReportId(sha256(b"farfield/report", report))


def epoch_seed(network: Network, epoch: int, block_hash: bytes) -> bytes:
    """seed_e = sha256("farfield/seed" || chain_id || contract || e || hash of B_e)."""
    return sha256(b"farfield/seed", network.encode(), U64.encode(epoch), BYTES32.encode(block_hash))


def epoch_draw(network: Network, epoch: int, block_hash: bytes) -> bytes:
    """draw_e = sha256("farfield/draw" || chain_id || contract || e || hash of S_e)."""
    return sha256(b"farfield/draw", network.encode(), U64.encode(epoch), BYTES32.encode(block_hash))


def witness_draw(draw: bytes, tag: bytes, hotspot_id: HotspotId) -> bytes:
    """The order in which a beacon's witnesses are selected: sha256(draw_e || tag || hotspot_id)."""
    return sha256(draw, tag, hotspot_id)


assert BYTES32.width == HASH_BYTES
