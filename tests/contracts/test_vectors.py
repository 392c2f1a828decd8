"""The shared vectors through the contracts themselves: digests, signatures, quorums, trees, device signatures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import coincurve
import pytest

from chain import calls
from chain.calls import Claim
from chain.deploy import FirstValidator, deploy
from chain.errors import ContractRefused
from chain.libraries import Web3
from chain.network import checksum
from protocol.encoding import sha256
from protocol.ids import Address
from protocol.keys import coordinates, parse_public_key, quorum_address, sign_quorum
from protocol.parameters import TOKEN, Emission
from tests.chain.world import DEPLOYER, Anvil, World, build_plan, first_set, owner_account
from tests.factories import SHARED

VECTORS = SHARED / "vectors"
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason="needs ../shared/vectors beside the checkout")
pytestmark = needs_vectors


def cases(name: str, part: str) -> list[Any]:
    path = VECTORS / f"{name}.json"
    if not path.is_file():
        return []
    return [pytest.param(one, id=one["id"]) for one in json.loads(path.read_text())[part]]


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


# --- EIP-712 ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def code_of_epochs() -> Iterator[Callable[[dict[str, Any]], Any]]:
    """The Epochs contract of a chain with the case's id, put at the case's address."""
    chains: dict[int, tuple[Anvil, str]] = {}

    def at(case: dict[str, Any]) -> Any:
        chain_id = int(case["chain_id"])
        if chain_id not in chains:
            chain = Anvil(chain_id=chain_id)
            deployed = deploy(chain.url, DEPLOYER, chain_id, build_plan(chain, first_set([TOKEN])))
            chains[chain_id] = chain, chain.rpc("eth_getCode", checksum(deployed.contracts.epochs), "latest")
        chain, code = chains[chain_id]
        chain.rpc("anvil_setCode", case["verifying_contract"], code)
        return chain

    yield at
    for chain, _ in chains.values():
        chain.stop()


@pytest.mark.parametrize("case", cases("eip712", "cases"))
def test_contract_hashes_a_root_as_eip_712_has_it(case: dict[str, Any], code_of_epochs: Callable[..., Any]) -> None:
    from chain.artifacts import artifact

    chain = code_of_epochs(case)
    message = case["message"]
    root = (
        int(message["epoch"]),
        int(message["setId"]),
        raw(message["root"]),
        raw(message["dataHash"]),
        int(message["cumTotal"]),
    )
    data = Web3().eth.contract(abi=artifact("Epochs").abi).encode_abi("rootDigest", args=[root])
    assert chain.rpc("eth_call", {"to": case["verifying_contract"], "data": data}, "latest") == case["digest"]


def plan_with(world: World, members: list[tuple[Address, int]]) -> World:
    """A world like this one whose validators sign with the given keys; stakes are whole tokens."""
    import dataclasses

    first = tuple(FirstValidator(owner_account(200 + i), key, stake * TOKEN) for i, (key, stake) in enumerate(members))
    plan = dataclasses.replace(world.plan, validators=first)
    deployed = deploy(world.anvil.url, DEPLOYER, world.anvil.chain_id, plan)
    network = dataclasses.replace(world.network, contracts=deployed.contracts)
    return World(world.anvil, network, plan, ())


@pytest.mark.parametrize("case", cases("eip712", "cases"))
def test_contract_counts_the_signatures_of_a_case(case: dict[str, Any], world: World) -> None:
    members = [(Address(raw(one["address"])), 1) for one in case["signatures"]]
    other = plan_with(world, members)
    packed = b"".join(raw(one["signature"]) for one in case["signatures"])
    try:
        assert other.call("Epochs", "quorumValid", raw(case["digest"]), packed) is True
    finally:
        other.reader.close()


@pytest.mark.parametrize("case", cases("eip712", "invalid"))
def test_contract_refuses_a_signature_that_must_not_count(case: dict[str, Any], world: World) -> None:
    other = plan_with(world, [(Address(raw(case["claimed_address"])), 1)])
    try:
        assert other.call("Epochs", "quorumValid", raw(case["digest"]), raw(case["signature"])) is False
    finally:
        other.reader.close()


# A network without stake cannot be deployed; protocol.quorum's own test has that line of the table.
STAKED = [one for one in cases("eip712", "quorum") if one.values[0]["total_stake"] != "0"]


@pytest.mark.parametrize("case", STAKED)
def test_contract_draws_the_line_of_a_quorum(case: dict[str, Any], world: World) -> None:
    signed, total = int(case["signed_stake"]), int(case["total_stake"])
    key = coincurve.PrivateKey(b"\x07" * 32)
    rest = [] if signed == total else [(owner_account(3), total - signed)]
    other = plan_with(world, [(quorum_address(key), signed), *rest])
    digest = b"\x55" * 32
    try:
        assert other.call("Epochs", "quorumValid", digest, sign_quorum(key, digest)) is case["quorum"]
    finally:
        other.reader.close()


# --- Merkle trees ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("merkle", "cases"))
def test_contract_takes_exactly_the_leaves_of_a_tree(case: dict[str, Any], make_world: Callable[..., World]) -> None:
    """A good proof is paid, or refused for what comes after it: nobody registered these hotspots."""
    world = make_world(emission=Emission(2**127, 1_000))
    world.make_live(world.root(1, raw(case["root"]), 2**128 - 1))
    for proof in case["proofs"]:
        leaf_id, amount = case["values"][proof["index"]]
        one = Claim(
            int(leaf_id).to_bytes(32, "big"),
            int(proof.get("amount_instead", amount)),
            tuple(raw(sibling) for sibling in proof["proof"]),
        )
        outcome = "paid"
        try:
            world.estimate({"to": checksum(world.network.contracts.epochs), "data": _claim_data(world, one)})
        except ContractRefused as refusal:
            outcome = refusal.name
        assert (outcome in ("paid", "NotRegistered", "NotAnId", "AboveTotal")) is proof["valid"]
        assert (outcome == "BadProof") is not proof["valid"]


def _claim_data(world: World, one: Claim) -> str:
    return "0x" + calls.claim(world.network, one).data.hex()


# --- P-256 -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def probe(anvil_chain: Anvil, probe_code: dict[str, Any]) -> Callable[..., bool]:
    """Asks the deployed probe, with the precompile and without."""
    address = "0x00000000000000000000000000000000000F256F"
    anvil_chain.rpc("anvil_setCode", address, probe_code["deployedBytecode"]["object"])
    contract = Web3().eth.contract(abi=probe_code["abi"])

    def ask(function: str, *words: bytes) -> bool:
        data = contract.encode_abi(function, args=list(words))
        return bool(int(anvil_chain.rpc("eth_call", {"to": address, "data": data}, "latest"), 16))

    return ask


@pytest.mark.parametrize("function", ["verify", "verifySolidity"])
@pytest.mark.parametrize("case", cases("p256", "cases"))
def test_chain_verifies_a_device_signature(case: dict[str, Any], function: str, probe: Callable[..., bool]) -> None:
    key, signature = raw(case["public_key_uncompressed"]), raw(case["signature"])
    assert probe(function, raw(case["sha256"]), signature[:32], signature[32:], key[1:33], key[33:]) is True


@pytest.mark.parametrize("case", cases("p256", "cases"))
def test_contract_gives_a_device_its_id(case: dict[str, Any], world: World) -> None:
    key = raw(case["public_key_uncompressed"])
    x, y = int.from_bytes(key[1:33], "big"), int.from_bytes(key[33:], "big")
    assert world.call("Hotspots", "idOf", x, y) == int(case["hotspot_id_decimal"])


# The ABI takes r and s as two words: a signature of another length cannot even be sent.
TWO_WORDS = [one for one in cases("p256", "invalid") if len(raw(one.values[0]["signature"])) == 64]


@pytest.mark.parametrize("function", ["verify", "verifySolidity"])
@pytest.mark.parametrize("case", TWO_WORDS)
def test_chain_refuses_what_must_be_refused(case: dict[str, Any], function: str, probe: Callable[..., bool]) -> None:
    key, signature = raw(case["public_key"]), raw(case["signature"])
    parsed = parse_public_key(key)
    if parsed is not None:
        x, y = coordinates(parsed)
    elif len(key) == 65:
        x, y = key[1:33], key[33:]
    else:
        x, y = key[-32:].rjust(32, b"\0"), bytes(32)
    assert probe(function, sha256(raw(case["message"])), signature[:32], signature[32:], x, y) is False
