"""Calls: typed values become exactly the bytes the contracts take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain import calls
from chain.artifacts import artifact
from chain.calls import Call, Claim
from chain.network import NetworkFile, checksum
from protocol.keys import EpochRoot, recover_quorum, sign_quorum
from tests.chain.world import World, device, owner_account, validator_key

DIGEST = b"\x55" * 32
u64, u128 = st.integers(0, 2**64 - 1), st.integers(0, 2**128 - 1)
words = st.binary(min_size=32, max_size=32)


def decoded(world: World, call: Call) -> dict[str, object]:
    _, arguments = world.reader.contract(call.contract).decode_function_input(call.data)
    return arguments


def test_signatures_are_sorted_and_each_signer_counts_once() -> None:
    keys = [validator_key(number) for number in range(6)]
    signatures = [sign_quorum(key, DIGEST) for key in keys]
    packed = calls.pack_signatures(DIGEST, [*signatures, *signatures])
    pieces = [packed[at : at + 65] for at in range(0, len(packed), 65)]
    signers = [recover_quorum(DIGEST, piece) for piece in pieces]
    assert signers == sorted(set(signers))
    assert sorted(pieces) == sorted(signatures)


@pytest.mark.parametrize("bad", [b"", bytes(64), bytes(65), b"\xff" * 65])
def test_what_is_no_signature_is_left_out(bad: bytes) -> None:
    good = sign_quorum(validator_key(1), DIGEST)
    assert calls.pack_signatures(DIGEST, [bad, good]) == good


def test_a_registration_is_sent_as_it_was_signed(world: World) -> None:
    registration = device(1).registration(owner_account(5), gain_cdb=-7, elevation_m=-3, kind=3)
    call = calls.register(world.network, registration, b"\1" * 32 + b"\2" * 32)
    assert decoded(world, call) == {
        "x": int.from_bytes(registration.x, "big"),
        "y": int.from_bytes(registration.y, "big"),
        "owner": "0x" + "".join(decoded(world, call)["owner"][2:]),
        "cell": registration.cell,
        "gain": -7,
        "elevation": -3,
        "kind": 3,
        "r": b"\1" * 32,
        "s": b"\2" * 32,
    }
    assert bytes.fromhex(decoded(world, call)["owner"][2:]) == owner_account(5)
    assert call.to == world.network.contracts.hotspots


def test_claims_carry_their_leaf_and_proof(world: World) -> None:
    one = Claim(device(1).id, 5, (b"\1" * 32, b"\2" * 32))
    assert decoded(world, calls.claim(world.network, one)) == {
        "id": int.from_bytes(device(1).id, "big"),
        "cumulative": 5,
        "proof": [b"\1" * 32, b"\2" * 32],
    }
    assert len(decoded(world, calls.claim_many(world.network, [one] * 3))["claims"]) == 3


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(u64, u64, words, words, u128)
def test_contract_and_protocol_hash_a_root_alike(
    world: World, epoch: int, set_id: int, root: bytes, data_hash: bytes, total: int
) -> None:
    ours = world.network.domain.digest(EpochRoot(epoch, set_id, root, data_hash, total))
    assert world.call("Epochs", "rootDigest", (epoch, set_id, root, data_hash, total)) == ours


# --- one function for each of the contracts' ---

ROOT_A, ROOT_B = EpochRoot(1, 2, b"\3" * 32, b"\4" * 32, 5), EpochRoot(1, 2, b"\6" * 32, b"\4" * 32, 5)
SIGNATURES = (b"\7" * 65, b"\x08" * 65)
ALICE, BOB, HOTSPOT = owner_account(5), owner_account(6), device(1).id
NUMBER = int.from_bytes(HOTSPOT, "big")
LEAVES = Claim(HOTSPOT, 9, (b"\1" * 32,)), Claim(HOTSPOT, 8, (b"\2" * 32,))
ROWS = [(1, 2, b"\3" * 32, b"\4" * 32, 5), (1, 2, b"\6" * 32, b"\4" * 32, 5)]
DECISION: list[Any] = [[checksum(ALICE)], [6], [b"\1"], DIGEST]
MOTION = calls.Motion((Call("", ALICE, b"\1", ""),), (6,), DIGEST)
MADE: dict[str, tuple[Callable[[NetworkFile], Call], list[Any]]] = {
    "FarfieldToken.approve": (lambda n: calls.approve(n, ALICE, 5), [checksum(ALICE), 5]),
    "FarfieldToken.transfer": (lambda n: calls.transfer(n, ALICE, 5), [checksum(ALICE), 5]),
    "FarfieldToken.delegate": (lambda n: calls.delegate(n, ALICE), [checksum(ALICE)]),
    "Hotspots.locate": (lambda n: calls.locate(n, HOTSPOT, 7, -8, -9), [NUMBER, 7, -8, -9]),
    "Hotspots.safeTransferFrom": (
        lambda n: calls.transfer_shares(n, ALICE, BOB, HOTSPOT, 10),
        [checksum(ALICE), checksum(BOB), NUMBER, 10, b""],
    ),
    "Hotspots.collect": (lambda n: calls.collect(n, [HOTSPOT]), [[NUMBER]]),
    "Hotspots.collectFor": (lambda n: calls.collect_for(n, ALICE, [HOTSPOT]), [checksum(ALICE), [NUMBER]]),
    "Hotspots.setFrozen": (lambda n: calls.set_frozen(n, HOTSPOT, DIGEST, True), [NUMBER, DIGEST, True]),
    "Epochs.postManifest": (lambda n: calls.post_manifest(n, 4, DIGEST, SIGNATURES), [4, DIGEST, [*SIGNATURES]]),
    "Epochs.join": (lambda n: calls.join(n, ALICE, 10**18), [checksum(ALICE), 10**18]),
    "Epochs.leave": (calls.leave, []),
    "Epochs.setKey": (lambda n: calls.set_key(n, ALICE), [checksum(ALICE)]),
    "Epochs.unlockStake": (calls.unlock_stake, []),
    "Epochs.suspend": (lambda n: calls.suspend(n, ALICE), [checksum(ALICE)]),
    "Epochs.veto": (lambda n: calls.veto(n, 4, DIGEST, b"\1"), [4, DIGEST, b"\1"]),
    "Epochs.pause": (lambda n: calls.pause(n, b"\1"), [b"\1"]),
    "Epochs.cancelByProof": (
        lambda n: calls.cancel_by_proof(n, *LEAVES),
        [NUMBER, 9, [b"\1" * 32], 8, [b"\2" * 32]],
    ),
    "Epochs.slashEquivocation": (
        lambda n: calls.slash_equivocation(n, ROOT_A, ROOT_B, SIGNATURES),
        [*ROWS, *SIGNATURES],
    ),
    "Epochs.slashManifests": (
        lambda n: calls.slash_manifests(n, 4, (DIGEST, bytes(32)), SIGNATURES),
        [4, DIGEST, bytes(32), *SIGNATURES],
    ),
    "Epochs.slashAvailability": (
        lambda n: calls.slash_availability(n, 4, ALICE, (DIGEST, bytes(32)), SIGNATURES),
        [4, checksum(ALICE), DIGEST, bytes(32), *SIGNATURES],
    ),
    "Epochs.admit": (lambda n: calls.admit(n, ALICE, False), [checksum(ALICE), False]),
    "Epochs.setParamsHash": (lambda n: calls.set_params_hash(n, DIGEST), [DIGEST]),
    "Epochs.cancelRoot": (lambda n: calls.cancel_root(n, 4), [4]),
    "FarfieldGovernor.propose": (lambda n: calls.propose(n, [], "why"), [[], [], [], "why"]),
    "FarfieldGovernor.castVote": (lambda n: calls.cast_vote(n, 4, 1, ""), [4, 1]),
    "FarfieldGovernor.castVoteWithReason": (lambda n: calls.cast_vote(n, 4, 2, "so"), [4, 2, "so"]),
    "FarfieldGovernor.queue": (lambda n: calls.queue(n, MOTION), DECISION),
    "FarfieldGovernor.execute": (lambda n: calls.execute(n, MOTION), DECISION),
    "FarfieldGovernor.updateQuorumNumerator": (lambda n: calls.set_quorum(n, 5), [5]),
}
OTHERS = {"Hotspots.register", "Epochs.submitRoot", "Epochs.claim", "Epochs.claimMany"}
"""Have tests of their own above, and in tests/contracts."""
NOT_OURS = {
    "Hotspots.deposit": "the Epochs contract alone may send it",
    "Hotspots.setApprovalForAll": "wallets have it; nothing of ours asks for it",
    "Hotspots.safeBatchTransferFrom": "wallets have it; one hotspot after the other comes to the same",
}


@pytest.mark.parametrize("name", MADE)
def test_a_call_carries_what_it_was_made_of(world: World, name: str) -> None:
    make, expected = MADE[name]
    call = make(world.network)
    contract, _, function = name.partition(".")
    found, arguments = world.reader.contract(contract).decode_function_input(call.data)
    assert (call.contract, call.to) == (contract, world.network.contracts.of(contract))
    assert found.fn_name == function
    plain = [tuple(one.values()) if isinstance(one, dict) else one for one in arguments.values()]
    assert plain == expected
    assert not call.what.endswith(".")


def test_every_function_of_our_contracts_that_changes_something_has_a_call() -> None:
    changing = {
        f"{name}.{one['name']}"
        for name in ("Hotspots", "Epochs")
        for one in artifact(name).abi
        if one["type"] == "function" and one["stateMutability"] == "nonpayable"
    }
    assert changing == {one for one in MADE if one.startswith(("Hotspots", "Epochs"))} | OTHERS | set(NOT_OURS)
