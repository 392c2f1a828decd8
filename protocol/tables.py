"""Tables made of a head and runs of rows: manifest, outcome table, state, summary. Decoding is total."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from protocol.encoding import Record, concatenate, split

Rows = Sequence[Record]


def encode_table(head: Record, *runs: Rows) -> bytes:
    """The head's bytes, then every run of rows in order."""
    return head.encode() + b"".join(concatenate(rows) for rows in runs)


def split_table(data: bytes, head_bytes: int, runs: Sequence[tuple[type[Record], int]]) -> list[list[Record]] | None:
    """The rows of each (record, count) run after the head, or None if lengths or rows are not canonical."""
    at, decoded = head_bytes, []
    for record, count in runs:
        rows = split(record, data[at : at + count * record.width()])
        if rows is None or len(rows) != count:
            return None
        decoded.append(list(rows))
        at += count * record.width()
    return decoded if at == len(data) else None


def is_strictly_sorted(keys: Sequence[Any]) -> bool:
    """True if every key is smaller than the next one: sorted and without duplicates."""
    return all(left < right for left, right in pairwise(keys))
