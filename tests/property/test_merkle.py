"""Trees of random leaves: every leaf proves itself, nothing else does, and no two lists share a root."""

from __future__ import annotations

from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from protocol import merkle
from tests.property.strategies import shuffled

EXAMPLES = settings(max_examples=80, deadline=None)
SEEDS = st.integers(0, 2**64 - 1)


def random_leaves(seed: int) -> list[tuple[bytes, int]]:
    random = Random(seed)
    return [
        (random.randbytes(32), random.choice([0, 1, random.randrange(2**128)])) for _ in range(random.randint(1, 12))
    ]


LEAVES = SEEDS.map(random_leaves)


@given(leaves=LEAVES)
@EXAMPLES
def test_every_leaf_proves_itself(leaves: list[tuple[bytes, int]]) -> None:
    tree = merkle.build(leaves)
    proofs = [tree.proof(*leaf) for leaf in leaves]
    assert all(
        proof is not None and merkle.verify(tree.root, *leaf, proof) for leaf, proof in zip(leaves, proofs, strict=True)
    )


@given(leaves=LEAVES, more=st.integers(1, 2**127), data=st.data())
@EXAMPLES
def test_no_other_amount_verifies(leaves: list[tuple[bytes, int]], more: int, data: st.DataObject) -> None:
    tree = merkle.build(leaves)
    leaf_id, amount = data.draw(st.sampled_from(leaves))
    proof = tree.proof(leaf_id, amount)
    assert proof is not None
    assert not merkle.verify(tree.root, leaf_id, amount + more, proof)


@given(leaves=LEAVES, data=st.data())
@EXAMPLES
def test_a_bent_proof_does_not_verify(leaves: list[tuple[bytes, int]], data: st.DataObject) -> None:
    assume(len(leaves) > 1)
    tree, leaf = merkle.build(leaves), data.draw(st.sampled_from(leaves))
    proof = tree.proof(*leaf)
    assert proof is not None
    at = data.draw(st.integers(0, len(proof) - 1))
    bent = [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
    assert [merkle.verify(tree.root, *leaf, wrong) for wrong in (bent, proof[:-1], [*proof, bytes(32)])] == [False] * 3


@given(leaves=LEAVES, seed=SEEDS)
@EXAMPLES
def test_the_order_of_leaves_changes_nothing(leaves: list[tuple[bytes, int]], seed: int) -> None:
    assert merkle.build(shuffled(leaves, seed)) == merkle.build(leaves)


@given(one=LEAVES, other=LEAVES)
@EXAMPLES
def test_no_two_lists_share_a_root(one: list[tuple[bytes, int]], other: list[tuple[bytes, int]]) -> None:
    assert (merkle.build(one).root == merkle.build(other).root) == (one == other)


@given(leaves=LEAVES, data=st.data())
@EXAMPLES
def test_a_shorter_list_has_another_root(leaves: list[tuple[bytes, int]], data: st.DataObject) -> None:
    left_out = data.draw(st.sampled_from(leaves))
    assert merkle.build([leaf for leaf in leaves if leaf != left_out]).root != merkle.build(leaves).root


@given(leaves=LEAVES)
@EXAMPLES
def test_an_inner_node_does_not_pass_for_a_leaf(leaves: list[tuple[bytes, int]]) -> None:
    """Two nodes put together are 64 bytes, as a leaf's id and amount are; the double hash tells them apart."""
    assume(len(leaves) > 1)
    tree = merkle.build(leaves)
    left, right = sorted(tree.nodes[1:3])
    assert not merkle.verify(tree.root, left, int.from_bytes(right, "big"), [])
