"""Merkle trees in the layout of OpenZeppelin's StandardMerkleTree, over (uint256 id, uint256 cumulative) leaves.

Leaf = keccak256(keccak256(abi.encode(id, cumulative))); leaves sorted by hash fill the array from its end; parent =
keccak256(smaller child || larger child). The double hash keeps a leaf from ever posing as an inner node.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.encoding import BYTES32, U256
from protocol.keys import keccak256

EMPTY_ROOT = bytes(32)
"""The root of no leaves; such a root pays nobody."""


def leaf_hash(leaf_id: bytes, cumulative: int) -> bytes:
    """32 bytes of one (id, cumulative) leaf."""
    return keccak256(keccak256(BYTES32.encode(leaf_id), U256.encode(cumulative)))


def _parent(left: bytes, right: bytes) -> bytes:
    return keccak256(left, right) if left < right else keccak256(right, left)


@dataclass(frozen=True, slots=True)
class MerkleTree:
    """All 2n-1 nodes, the root first; leaf i of the sorted hashes lies at 2n-2-i."""

    nodes: tuple[bytes, ...]
    leaves: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        return self.nodes[0] if self.nodes else EMPTY_ROOT

    def proof(self, leaf_id: bytes, cumulative: int) -> list[bytes] | None:
        """Siblings from the leaf up, or None if the tree has no such leaf."""
        target = leaf_hash(leaf_id, cumulative)
        place = bisect_left(self.leaves, target)
        if place == len(self.leaves) or self.leaves[place] != target:
            return None
        index, siblings = len(self.nodes) - 1 - place, []
        while index > 0:
            siblings.append(self.nodes[index - 1 if index % 2 == 0 else index + 1])
            index = (index - 1) // 2
        return siblings


def build(leaves: Sequence[tuple[bytes, int]]) -> MerkleTree:
    """The tree of (id, cumulative) pairs in any order."""
    hashes = sorted(leaf_hash(leaf_id, cumulative) for leaf_id, cumulative in leaves)
    size = len(hashes)
    nodes = [b""] * max(size - 1, 0) + hashes[::-1]
    for index in range(size - 2, -1, -1):
        nodes[index] = _parent(nodes[2 * index + 1], nodes[2 * index + 2])
    return MerkleTree(tuple(nodes), tuple(hashes))


def verify(root: bytes, leaf_id: bytes, cumulative: int, proof: Sequence[bytes]) -> bool:
    """True if the proof folds the leaf to the root."""
    node = leaf_hash(leaf_id, cumulative)
    for sibling in proof:
        node = _parent(node, sibling)
    return node == root
