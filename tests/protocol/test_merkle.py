"""Trees and proofs against vectors made with OpenZeppelin's own library."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import merkle
from tests.protocol.vectors import cases, unhex


def leaves(case: dict[str, Any]) -> list[tuple[bytes, int]]:
    return [(int(one).to_bytes(32, "big"), int(amount)) for one, amount in case["values"]]


@pytest.mark.parametrize("case", cases("merkle.json"))
def test_the_root_is_that_of_the_library(case: dict[str, Any]) -> None:
    assert merkle.build(leaves(case)).root == unhex(case["root"])


@pytest.mark.parametrize("case", cases("merkle.json"))
def test_proofs_are_those_of_the_library(case: dict[str, Any]) -> None:
    tree, values = merkle.build(leaves(case)), leaves(case)
    valid = [proof for proof in case["proofs"] if proof["valid"]]
    made = [tree.proof(*values[proof["index"]]) for proof in valid]
    assert made == [[unhex(one) for one in proof["proof"]] for proof in valid]


@pytest.mark.parametrize("case", cases("merkle.json"))
def test_leaf_hashes_are_those_of_the_library(case: dict[str, Any]) -> None:
    values = leaves(case)
    valid = [proof for proof in case["proofs"] if proof["valid"]]
    assert [merkle.leaf_hash(*values[one["index"]]) for one in valid] == [unhex(one["leaf"]) for one in valid]


@pytest.mark.parametrize("case", cases("merkle.json"))
def test_verifies_good_proofs_and_refuses_a_changed_amount(case: dict[str, Any]) -> None:
    root, values = unhex(case["root"]), leaves(case)
    wrong = []
    for proof in case["proofs"]:
        leaf_id, amount = values[proof["index"]]
        amount = int(proof.get("amount_instead", amount))
        if merkle.verify(root, leaf_id, amount, [unhex(one) for one in proof["proof"]]) != proof["valid"]:
            wrong.append(proof)
    assert wrong == []


def test_no_leaves_have_the_root_that_pays_nobody() -> None:
    assert merkle.build([]).root == merkle.EMPTY_ROOT


def test_a_leaf_the_tree_does_not_have_has_no_proof() -> None:
    assert merkle.build([(bytes(32), 1)]).proof(bytes(32), 2) is None
