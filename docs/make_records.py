"""Writes docs/records.md: every canonical record, byte by byte, from protocol/ itself.

Run `python -m docs.make_records` after a change of any layout; a test compares the file with what this makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from protocol.encoding import TYPE_TAG_BYTES, FieldType, Record, layout
from protocol.records import ALL_RECORDS
from protocol.regions import RegionCell
from protocol.version import PROTOCOL_VERSION

TARGET = Path(__file__).with_name("records.md")
RECORDS: tuple[type[Record], ...] = (*ALL_RECORDS, RegionCell)
BAR = r"\|"

INTRODUCTION = f"""# Canonical records

Generated from `protocol/` by `python -m docs.make_records`; do not edit. Protocol version {PROTOCOL_VERSION}.

What is hashed, signed or published is made of the records below: fixed width, big-endian, fields one after the
other without padding. `u16` is an unsigned number of 16 bits, `i16` a signed one in two's complement, `bytes32` 32
bytes as they stand. Decoding is total: other lengths, and values that mean nothing, are refused. protobuf carries these
bytes and is never what is signed.

A device signs `type || chain id (u64) || Hotspots address || record` with P-256 over SHA-256, the type padded with
zeros to {TYPE_TAG_BYTES} bytes. A report's id, and its commit, is `sha256("farfield/report" || report)`.
"""


def type_name(kind: FieldType) -> str:
    """How a field's type is written; a nested record by its own name."""
    return f"{kind.name} ({kind.width} bytes)" if kind.raw and not kind.name.startswith("bytes") else kind.name


def rows(record: type[Record]) -> Iterator[str]:
    """One table row per field, with its first byte."""
    at = 0
    for name, kind, meaning in layout(record):
        yield f"| {at} | {name} | {type_name(kind)} | {meaning.replace('|', BAR)} |"
        at += kind.width


def section(record: type[Record]) -> str:
    """The heading, purpose and table of one record."""
    head = f"## {record.__name__}, {record.width()} bytes\n\n{record.purpose[0].upper()}{record.purpose[1:]}.\n"
    return "\n".join([head, "| at | field | type | meaning |", "|---|---|---|---|", *rows(record)]) + "\n"


def text() -> str:
    """The whole document."""
    return "\n".join([INTRODUCTION, *map(section, RECORDS)])


def main() -> None:
    TARGET.write_text(text())


if __name__ == "__main__":
    main()
