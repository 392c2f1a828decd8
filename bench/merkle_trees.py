"""Building a Merkle tree, against the bare hashes it is made of."""

from __future__ import annotations

from collections.abc import Iterator

from bench.timing import best_s, line
from protocol import merkle
from protocol.keys import keccak256

LEAVES = 20_000
HASHES_PER_LEAF = 3


def lines() -> Iterator[str]:
    """Leaves a second, and a third of the bare hashes a second."""
    leaves = [(number.to_bytes(32, "big"), number * 10**18) for number in range(1, LEAVES + 1)]
    pieces = [leaf for leaf, _ in leaves]

    def hash_all() -> None:
        for _ in range(HASHES_PER_LEAF):
            for piece in pieces:
                keccak256(piece, piece)

    ours_s, bare_s = best_s(lambda: merkle.build(leaves)), best_s(hash_all)
    yield line(f"Merkle tree of {LEAVES:,} leaves", LEAVES / ours_s, "3 Keccak each", LEAVES / bare_s)
