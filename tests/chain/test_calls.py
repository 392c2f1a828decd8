"""Calls: typed values become exactly the bytes the contracts take."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain import calls
from chain.calls import Call, Claim
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
