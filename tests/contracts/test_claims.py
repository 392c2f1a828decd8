"""Claims: only the live root pays, only the payee is paid, and never more than was granted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chain import calls
from chain.calls import Claim
from chain.network import checksum
from protocol import merkle
from protocol.ids import account_id
from tests.chain.world import FEES, STAKE, World, device, owner_account, refuses

ALICE, BOB = owner_account(50), owner_account(51)
HOTSPOT = device(1)
TOTAL = 1_000


def tree_of(leaves: Sequence[tuple[bytes, int]]) -> tuple[merkle.MerkleTree, list[Claim]]:
    tree = merkle.build(leaves)
    return tree, [Claim(leaf_id, amount, tuple(tree.proof(leaf_id, amount) or ())) for leaf_id, amount in leaves]


def grant(world: World, epoch: int, leaves: Sequence[tuple[bytes, int]], total: int | None = None) -> list[Claim]:
    """Makes a root over these leaves live and returns a claim for each."""
    tree, claims = tree_of(leaves)
    world.make_live(world.root(epoch, tree.root, sum(amount for _, amount in leaves) if total is None else total))
    return claims


def balance(world: World, account: bytes) -> int:
    return int(world.call("FarfieldToken", "balanceOf", checksum(account)))


def supply(world: World) -> int:
    return int(world.call("FarfieldToken", "totalSupply"))


def claim(world: World, one: Claim) -> Any:
    return world.send(calls.claim(world.network, one))


def test_pays_an_account_whoever_sends_the_claim(world: World) -> None:
    one, _ = grant(world, 1, [(account_id(ALICE), 600), (account_id(BOB), 400)])
    claim(world, one)
    assert balance(world, ALICE) == 600
    assert balance(world, BOB) == 0
    assert world.call("Epochs", "claimed", int.from_bytes(one.leaf_id, "big")) == 600


def test_a_hotspots_income_pays_its_fee_and_then_its_owner(world: World) -> None:
    """The owner never had a coin: somebody else registers, claims and has it paid out."""
    world.register(HOTSPOT, ALICE)
    [one] = grant(world, 1, [(HOTSPOT.id, FEES.registration + 70_000)])
    claim(world, one)
    number = int.from_bytes(HOTSPOT.id, "big")
    assert world.call("Hotspots", "debtOf", number) == 0
    assert world.call("FarfieldToken", "burned") == FEES.registration
    assert world.call("Hotspots", "collectable", number, checksum(ALICE)) == 70_000
    world.send(calls.collect_for(world.network, ALICE, [HOTSPOT.id]))
    assert balance(world, ALICE) == 70_000


def test_income_below_the_fee_is_all_burned(world: World) -> None:
    world.register(HOTSPOT, ALICE)
    [one] = grant(world, 1, [(HOTSPOT.id, 77)])
    claim(world, one)
    number = int.from_bytes(HOTSPOT.id, "big")
    assert world.call("Hotspots", "debtOf", number) == FEES.registration - 77
    assert world.call("FarfieldToken", "totalSupply") == world.call("FarfieldToken", "genesisSupply")
    assert world.call("Epochs", "totalClaimed") == 77


def test_a_later_root_pays_only_the_difference(world: World) -> None:
    [first] = grant(world, 1, [(account_id(ALICE), 600)])
    claim(world, first)
    [second] = grant(world, 2, [(account_id(ALICE), 1_000)])
    claim(world, second)
    assert balance(world, ALICE) == 1_000
    assert world.call("Epochs", "totalClaimed") == 1_000


def test_a_claim_that_was_missed_is_paid_by_the_next_root(world: World) -> None:
    grant(world, 1, [(account_id(ALICE), 600)])
    [second] = grant(world, 2, [(account_id(ALICE), 1_000)])
    claim(world, second)
    assert balance(world, ALICE) == 1_000


def test_refuses_to_pay_twice(world: World) -> None:
    [one] = grant(world, 1, [(account_id(ALICE), 600)])
    claim(world, one)
    with refuses("NothingToClaim"):
        claim(world, one)


def test_refuses_a_lower_amount_than_was_paid(world: World) -> None:
    [one] = grant(world, 1, [(account_id(ALICE), 600)])
    claim(world, one)
    [lower] = grant(world, 2, [(account_id(ALICE), 500)], total=600)
    with refuses("NothingToClaim"):
        claim(world, lower)


def test_refuses_before_the_window_has_passed(world: World) -> None:
    tree, [one] = tree_of([(account_id(ALICE), 600)])
    world.warp_past(1)
    world.submit(world.root(1, tree.root, 600))
    with refuses("BadProof"):
        claim(world, one)


def test_refuses_everything_before_the_first_root(world: World) -> None:
    with refuses("BadProof"):
        claim(world, Claim(account_id(ALICE), 0, ()))


@pytest.mark.parametrize("change", ["amount", "id", "proof"])
def test_refuses_a_leaf_the_root_does_not_have(world: World, change: str) -> None:
    one, _ = grant(world, 1, [(account_id(ALICE), 600), (account_id(BOB), 400)])
    forged = {
        "amount": Claim(one.leaf_id, 601, one.proof),
        "id": Claim(account_id(BOB), 600, one.proof),
        "proof": Claim(one.leaf_id, 600, (bytes(32),)),
    }
    with refuses("BadProof"):
        claim(world, forged[change])


def test_an_inner_node_is_no_leaf(world: World) -> None:
    """The two children of the root, taken as (id, amount), hash to the root once but not twice."""
    leaves = [(account_id(ALICE), 600), (account_id(BOB), 400)]
    tree, _ = tree_of(leaves)
    grant(world, 1, leaves)
    left, right = sorted(tree.nodes[1:3])
    with refuses("BadProof"):
        claim(world, Claim(left, int.from_bytes(right, "big"), ()))


@pytest.mark.parametrize("leaf_id", [0, 1 << 160, 1 << 254, (1 << 255) - 1])
def test_refuses_an_id_that_is_neither_account_nor_hotspot(world: World, leaf_id: int) -> None:
    [one] = grant(world, 1, [(leaf_id.to_bytes(32, "big"), 5)])
    with refuses("NotAnId"):
        claim(world, one)


def test_pays_the_largest_account(world: World) -> None:
    [one] = grant(world, 1, [(account_id(b"\xff" * 20), 5)])
    claim(world, one)
    assert balance(world, b"\xff" * 20) == 5


def test_refuses_a_hotspot_that_is_not_registered(world: World) -> None:
    [one] = grant(world, 1, [(device(9).id, 5)])
    with refuses("NotRegistered"):
        claim(world, one)


def test_never_pays_more_than_the_roots_total(world: World) -> None:
    """A wrong tree can misdirect, but not inflate."""
    first, second = grant(world, 1, [(account_id(ALICE), 600), (account_id(BOB), 400)], total=999)
    claim(world, first)
    with refuses("AboveTotal"):
        claim(world, second)


def test_many_claims_in_one_transaction(world: World) -> None:
    world.register(HOTSPOT, BOB)
    claims = grant(world, 1, [(account_id(ALICE), 600), (account_id(BOB), 300), (HOTSPOT.id, 100)])
    world.send(calls.claim_many(world.network, claims))
    assert (balance(world, ALICE), balance(world, BOB)) == (600, 300)
    assert world.call("FarfieldToken", "burned") == 100
    assert world.call("Epochs", "totalClaimed") == 1_000


def test_many_claims_pass_over_what_is_paid_already(world: World) -> None:
    first, second = grant(world, 1, [(account_id(ALICE), 600), (account_id(BOB), 400)])
    claim(world, first)
    world.send(calls.claim_many(world.network, [first, second, second]))
    assert (balance(world, ALICE), balance(world, BOB)) == (600, 400)
    assert world.call("Epochs", "totalClaimed") == 1_000


def test_one_wrong_proof_refuses_all_claims(world: World) -> None:
    first, second = grant(world, 1, [(account_id(ALICE), 600), (account_id(BOB), 400)])
    with refuses("BadProof"):
        world.send(calls.claim_many(world.network, [first, Claim(second.leaf_id, 401, second.proof)]))
    assert supply(world) == 4 * STAKE


def test_many_claims_never_pay_more_than_the_roots_total(world: World) -> None:
    claims = grant(world, 1, [(account_id(ALICE), 600), (account_id(BOB), 400)], total=999)
    with refuses("AboveTotal"):
        world.send(calls.claim_many(world.network, claims))


def test_supply_is_genesis_and_what_was_claimed(world: World) -> None:
    genesis = int(world.call("FarfieldToken", "genesisSupply"))
    assert genesis == 4 * STAKE
    paid = 0
    for epoch in range(1, 5):
        claims = grant(world, epoch, [(account_id(owner_account(60 + i)), (i + 1) * epoch * 10) for i in range(5)])
        world.send(calls.claim_many(world.network, claims[epoch:]))
        paid = int(world.call("Epochs", "totalClaimed"))
        assert supply(world) == genesis + paid
        assert paid <= world.call("Epochs", "live")[1] <= world.call("Epochs", "emittedThrough", epoch)
    assert paid > 0


def test_live_root_pays_while_the_next_one_waits(world: World) -> None:
    [one] = grant(world, 1, [(account_id(ALICE), 600)])
    world.warp_past(2)
    world.submit(world.root(2, total=TOTAL))
    claim(world, one)
    assert balance(world, ALICE) == 600


def test_trees_of_every_small_size_pay_every_leaf(make_world: Callable[..., World]) -> None:
    world = make_world()
    for size in range(1, 12):
        claims = grant(world, size, [(account_id(owner_account(100 + i)), size * 100 + i) for i in range(size)])
        world.send(calls.claim_many(world.network, claims))
        for i in range(size):
            assert balance(world, owner_account(100 + i)) == size * 100 + i
