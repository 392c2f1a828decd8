"""Taking single packets out of a PUSH_DATA body without touching a byte of the others. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass

STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
FLAT_OBJECT = rb'\{[^{}\[\]"]*+(?:' + STRING + rb'[^{}\[\]"]*+)*+\}'
TOKEN = re.compile(FLAT_OBJECT + b"|" + STRING + rb'|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
"""An object without another inside is one token: nearly every packet is such."""
OPENING, CLOSING = (b"[", b"{"), (b"]", b"}")


@dataclass(frozen=True, slots=True)
class Packets:
    """Where the entries of `rxpk` stand in a body, and whether the body says anything else."""

    start: int
    end: int
    """What lies between the brackets."""
    entries: tuple[tuple[int, int], ...]
    others: bool


def without(body: bytes, indexes: Set[int]) -> bytes | None:
    """The body without these entries of its rxpk; None if nothing would be left. The body has been read before."""
    packets = find(body)
    if packets is None:
        return body
    kept = [body[start:end] for at, (start, end) in enumerate(packets.entries) if at not in indexes]
    if not kept and not packets.others:
        return None
    return body[: packets.start] + b",".join(kept) + body[packets.end :]


def find(body: bytes) -> Packets | None:
    """The last `rxpk` of a body's object, the one a reader of JSON takes; None if it has none."""
    found: Packets | None = None
    members = depth = 0
    key: bytes | None = None
    tokens = TOKEN.finditer(body)
    for token in tokens:
        text = token.group()
        if depth == 1 and text == b":" and key is not None:
            members += 1
            if _is_rxpk(key):
                found = _entries(body, tokens) or found
        depth += (text in OPENING) - (text in CLOSING)
        key = text
    return found and Packets(found.start, found.end, found.entries, members > 1)


def _is_rxpk(key: bytes) -> bool:
    return key == b'"rxpk"' or (b"\\" in key and json.loads(key) == "rxpk")


def _entries(body: bytes, tokens: Iterator[re.Match[bytes]]) -> Packets | None:
    """Consumes the array that follows; None, and nothing but one token consumed, if it is no array."""
    opening = next(tokens)
    if opening.group() != b"[":
        return None
    entries: list[tuple[int, int]] = []
    depth, start, end = 0, None, opening.end()
    for token in tokens:
        text = token.group()
        if depth == 0 and text in (b",", b"]"):
            if start is not None:
                entries.append((start, end))
            start = None
            if text == b"]":
                return Packets(opening.end(), token.start(), tuple(entries), False)
            continue
        start = token.start() if start is None else start
        end = token.end()
        depth += (text in OPENING) - (text in CLOSING)
    return None
