"""Python and Solidity agree on digests, ids, leaves and quorums: more than 100,000 generated cases, no difference.

The deployed contracts answer, thousands of cases to a call; what they say is compared with protocol/ case by case.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import coincurve
import pytest

from chain.libraries import Web3
from chain.network import checksum
from protocol import merkle
from protocol.encoding import sha256, signed_bytes
from protocol.ids import Address, account_id
from protocol.keys import (
    Available,
    EpochRoot,
    ManifestSigned,
    Pause,
    Veto,
    hotspot_id,
    keccak256,
    quorum_address,
    sign_quorum,
)
from protocol.parameters import TOKEN, Emission
from protocol.quorum import is_quorum
from protocol.records import REGISTRATION, Registration
from tests.chain.world import RELAYER, Anvil, World, build_world, checksum_of, device, owner_account, validator_key

PLACE = "0x00000000000000000000000000000000000a6Ee1"
BATCH = 2_000
SEED = 20_261_124
ROOTS, IDS, REGISTRATIONS, LEAVES, VETOES = 40_000, 24_000, 16_000, 24_000, 2_000
MOST_MEMBERS = 31
SUBSETS = 40
EDGES = (0, 1, 2**8 - 1, 2**63, 2**64 - 1)
HOTSPOT_BIT = 1 << 255
Ask = Callable[..., bytes]


@pytest.fixture(scope="module")
def ask(anvil_chain: Anvil, agreement_code: dict[str, Any]) -> Ask:
    """One question to the probe, which asks the contracts; its answers packed."""
    anvil_chain.rpc("anvil_setCode", PLACE, agreement_code["deployedBytecode"]["object"])
    contract = Web3().eth.contract(abi=agreement_code["abi"])

    def put(function: str, *arguments: Any) -> bytes:
        data = contract.encode_abi(function, args=list(arguments))
        answer = anvil_chain.rpc("eth_call", {"to": PLACE, "data": data, "gas": hex(10**9)}, "latest")
        (packed,) = Web3().codec.decode(["bytes"], bytes.fromhex(answer[2:]))
        return bytes(packed)

    return put


def compare(cases: Sequence[bytes], expected: Sequence[bytes], answer: Callable[[bytes], bytes]) -> None:
    """Asks in batches; names the first case that differs."""
    for start in range(0, len(cases), BATCH):
        some = cases[start : start + BATCH]
        packed = answer(b"".join(some))
        assert len(packed) == 32 * len(some)
        for at, one in enumerate(some):
            assert packed[32 * at : 32 * (at + 1)] == expected[start + at], f"case {start + at}: {one.hex()}"


def number(source: random.Random, bits: int) -> int:
    """Any number of so many bits, the ends of the type among them."""
    edges = [edge for edge in (*EDGES, 2**bits - 1) if edge < 2**bits]
    return source.choice(edges) if source.random() < 0.1 else source.getrandbits(bits)


def word(source: random.Random) -> bytes:
    return source.choice([bytes(32), b"\xff" * 32]) if source.random() < 0.05 else source.randbytes(32)


# --- digests ---


def test_roots_have_the_same_digest(world: World, ask: Ask) -> None:
    source, domain = random.Random(SEED), world.network.domain
    roots = [
        EpochRoot(number(source, 64), number(source, 64), word(source), word(source), number(source, 128))
        for _ in range(ROOTS)
    ]
    cases = [
        one.epoch.to_bytes(8, "big")
        + one.set_id.to_bytes(8, "big")
        + one.root
        + one.data_hash
        + one.cumulative_total.to_bytes(16, "big")
        for one in roots
    ]
    epochs = checksum(world.network.contracts.epochs)
    compare(cases, [domain.digest(one) for one in roots], lambda packed: ask("rootDigests", epochs, packed))


def test_vetoes_have_the_same_digest(world: World, ask: Ask) -> None:
    source, domain = random.Random(SEED), world.network.domain
    vetoes = [Veto(number(source, 64), 1, word(source)) for _ in range(VETOES)]
    cases = [one.epoch.to_bytes(8, "big") + one.root for one in vetoes]
    epochs = checksum(world.network.contracts.epochs)
    compare(cases, [domain.digest(one) for one in vetoes], lambda packed: ask("vetoDigests", epochs, packed))


def test_a_pause_has_the_same_digest(world: World) -> None:
    assert bytes(world.call("Epochs", "pauseDigest")) == world.network.domain.digest(Pause(1, 1))


def test_manifests_and_availability_have_the_same_digest(world: World) -> None:
    """The contract shows these digests to nobody; but it slashes only whose two signatures fit them."""
    source, domain, key = random.Random(SEED), world.network.domain, world.keys[0]
    epochs, sender = world.reader.contract("Epochs").functions, {"from": checksum_of(RELAYER)}
    for _ in range(50):
        epoch, validator = number(source, 64), Address(source.randbytes(20))
        a, b = source.randbytes(32), source.randbytes(32)
        signed = [sign_quorum(key, domain.digest(ManifestSigned(epoch, one))) for one in (a, b)]
        epochs.slashManifests(epoch, a, b, *signed).call(sender)
        signed = [sign_quorum(key, domain.digest(Available(epoch, validator, one))) for one in (a, b)]
        epochs.slashAvailability(epoch, checksum(validator), a, b, *signed).call(sender)


# --- ids and registrations ---


def test_devices_have_the_same_id(world: World, ask: Ask) -> None:
    source = random.Random(SEED)
    cases = [word(source) + word(source) for _ in range(IDS)]
    expected = [(int.from_bytes(keccak256(one), "big") | HOTSPOT_BIT).to_bytes(32, "big") for one in cases]
    hotspots = checksum(world.network.contracts.hotspots)
    compare(cases, expected, lambda packed: ask("ids", hotspots, packed))


def test_keys_of_devices_have_the_same_id(world: World) -> None:
    for one in map(device, range(200)):
        registration = one.registration(owner_account(0))
        found = world.call(
            "Hotspots", "idOf", *(int.from_bytes(half, "big") for half in (registration.x, registration.y))
        )
        assert found.to_bytes(32, "big") == hotspot_id(one.key.public_key())


def test_registrations_are_signed_over_the_same_bytes(world: World, ask: Ask) -> None:
    source, network = random.Random(SEED), world.network.network
    registrations = [
        Registration(
            x=word(source),
            y=word(source),
            owner=source.randbytes(20),
            cell=number(source, 64),
            gain_cdb=source.randint(-(2**15), 2**15 - 1),
            elevation_m=source.choice([-(2**15), -1, 0, 2**15 - 1, source.randint(-400, 9_000)]),
            kind=source.randrange(4),
        )
        for _ in range(REGISTRATIONS)
    ]
    expected = [sha256(signed_bytes(REGISTRATION, network, one.encode())) for one in registrations]
    hotspots = checksum(world.network.contracts.hotspots)
    cases = [one.encode() for one in registrations]
    compare(cases, expected, lambda packed: ask("registrationHashes", hotspots, packed))


# --- leaves ---


def test_leaves_have_the_same_hash(ask: Ask) -> None:
    source = random.Random(SEED)
    pairs = [(word(source), number(source, 256)) for _ in range(LEAVES)]
    cases = [leaf_id + amount.to_bytes(32, "big") for leaf_id, amount in pairs]
    compare(cases, [merkle.leaf_hash(*one) for one in pairs], lambda packed: ask("leaves", packed))


@pytest.mark.parametrize("size", [*range(1, MOST_MEMBERS + 1), 64, 100, 257])
def test_the_contract_pays_exactly_the_leaves_of_a_tree(size: int, make_world: Callable[..., World], ask: Ask) -> None:
    """Every leaf of a tree of any small size is paid, and none of them with another amount."""
    source = random.Random(SEED + size)
    leaves = [(account_id(Address(source.randbytes(20))), source.randint(1, 10**18)) for _ in range(size)]
    tree = merkle.build(leaves)
    world = make_world(emission=Emission(2**127, 1_000))
    world.make_live(world.root(1, tree.root, sum(amount for _, amount in leaves)))
    good = [(leaf, amount, tree.proof(leaf, amount)) for leaf, amount in leaves]
    bad = [(leaf, amount + 1, proof) for leaf, amount, proof in good]
    rows = [(int.from_bytes(leaf, "big"), amount, proof) for leaf, amount, proof in [*bad, *good]]
    wrong = keccak256(b"BadProof(uint256)")[:1]
    assert ask("claims", checksum(world.network.contracts.epochs), rows) == wrong * size + bytes(size)


# --- quorums ---


@pytest.mark.parametrize("size", range(1, MOST_MEMBERS + 1))
@pytest.mark.parametrize("equal", [True, False], ids=["equal stakes", "any stakes"])
def test_a_quorum_is_the_same_for_both(size: int, equal: bool, anvil_chain: Anvil, ask: Ask) -> None:
    """Of n equal stakes, every number of signers; of any stakes, sets of signers near the line and anywhere."""
    source = random.Random(SEED + size)
    stakes = [1 if equal else source.choice([1, 2, 3, source.randint(1, 2**39)]) for _ in range(size)]
    world = build_world(anvil_chain, stakes=[stake * TOKEN for stake in stakes])
    sets = [list(range(count)) for count in range(1, size + 1)] if equal else _subsets(source, stakes)
    digest = source.randbytes(32)
    keys = [(quorum_address(key), number, key) for number, key in enumerate(map(validator_key, range(size)))]
    signed = [_signed([one for one in sorted(keys) if one[1] in chosen], digest) for chosen in sets]
    expected = bytes(is_quorum(sum(stakes[number] for number in chosen), sum(stakes)) for chosen in sets)
    assert ask("quorums", checksum(world.network.contracts.epochs), [digest] * len(sets), signed) == expected
    world.reader.close()


def _subsets(source: random.Random, stakes: Sequence[int]) -> list[list[int]]:
    """Sets of validators: at random, and grown one by one until just over two thirds of the stake."""
    size, total, chosen = len(stakes), sum(stakes), list[list[int]]()
    for _ in range(SUBSETS):
        chosen.append(source.sample(range(size), source.randint(1, size)))
        order = source.sample(range(size), size)
        weights = accumulate(stakes[at] for at in order)
        enough = next(count for count, weight in enumerate(weights, 1) if 3 * weight > 2 * total)
        chosen.append(order[:enough])
        if enough > 1:
            chosen.append(order[: enough - 1])
    return chosen


def _signed(members: Sequence[tuple[Address, int, coincurve.PrivateKey]], digest: bytes) -> bytes:
    return b"".join(sign_quorum(key, digest) for _, _, key in members)


def test_these_are_more_than_a_hundred_thousand_cases() -> None:
    assert ROOTS + IDS + REGISTRATIONS + LEAVES + VETOES > 100_000
