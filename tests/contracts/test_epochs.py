"""Epochs: manifests and roots. Every refusal has its name, and the cheap checks come first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from chain import calls
from chain.network import checksum
from protocol.keys import SECP256K1_ORDER, Available, EpochRoot, ManifestSigned, quorum_address, sign_quorum
from protocol.parameters import TOKEN, Emission
from protocol.quorum import is_quorum
from tests.chain.world import EMISSION, RELAYER, WINDOWS, World, owner_account, refuses, validator_key

FUNDING_WEI = 10**20
MANIFEST = b"\x44" * 32


def fund(world: World, account: bytes) -> None:
    world.anvil.rpc("anvil_setBalance", checksum(account), hex(FUNDING_WEI))


def post(world: World, number: int, epoch: int, signatures: Sequence[bytes] | None = None) -> object:
    key = world.keys[number]
    fund(world, quorum_address(key))
    own = sign_quorum(key, world.network.domain.digest(ManifestSigned(epoch, MANIFEST)))
    call = calls.post_manifest(world.network, epoch, MANIFEST, [own] if signatures is None else signatures)
    return world.send(call, key.secret)


# --- manifests -----------------------------------------------------------------------------------------------------


def test_posts_a_manifest_once_per_validator_and_epoch(world: World) -> None:
    world.warp_past(1)
    post(world, 0, 1)
    post(world, 1, 1)
    assert world.call("Epochs", "hasPosted", 1, checksum(owner_account(0))) is True
    assert world.call("Epochs", "hasPosted", 1, checksum(owner_account(2))) is False
    with refuses("AlreadyPosted"):
        post(world, 0, 1)


def test_posts_for_many_epochs_are_kept_apart(world: World) -> None:
    world.warp_past(7)
    for epoch in range(1, 8):
        post(world, 0, epoch)
    assert [world.call("Epochs", "hasPosted", epoch, checksum(owner_account(0))) for epoch in range(9)] == (
        [False] + [True] * 7 + [False]
    )


def test_event_carries_manifest_and_signatures_in_order(world: World) -> None:
    world.warp_past(1)
    digest = world.network.domain.digest(Available(1, owner_account(0), MANIFEST))
    signatures = [sign_quorum(key, digest) for key in world.keys]
    receipt = post(world, 0, 1, signatures)
    from chain.events import Decoder, ManifestPosted

    [log] = world.reader.logs(int(receipt["blockNumber"], 16), int(receipt["blockNumber"], 16))
    event = Decoder().decode("Epochs", log, 0)
    assert isinstance(event, ManifestPosted)
    assert (event.epoch, event.validator, event.manifest_hash) == (1, owner_account(0), MANIFEST)
    assert event.signatures == tuple(signatures)


def test_only_a_signing_key_posts(world: World) -> None:
    world.warp_past(1)
    with refuses("NotAValidator"):
        world.send(calls.post_manifest(world.network, 1, MANIFEST, [bytes(65)]), RELAYER)


def test_refuses_a_manifest_of_the_set_up_epoch(world: World) -> None:
    world.warp_past(1)
    with refuses("NoManifestForSetUp"):
        post(world, 0, 0)


def test_refuses_a_manifest_before_the_epochs_end(world: World) -> None:
    world.anvil.warp(world.end_of(1) - 30)
    with refuses("EpochNotOver"):
        post(world, 0, 1)


def test_takes_manifests_for_seven_epochs_after_the_end(world: World) -> None:
    world.anvil.warp(world.end_of(8) - 30)
    post(world, 0, 1)
    world.anvil.warp(world.end_of(8))
    with refuses("EpochClosed"):
        post(world, 1, 1)


@pytest.mark.parametrize("count", [0, 65])
def test_refuses_a_wrong_number_of_signatures(world: World, count: int) -> None:
    world.warp_past(1)
    with refuses("WrongNumberOfSignatures"):
        post(world, 0, 1, [bytes(65)] * count)


@pytest.mark.parametrize("length", [0, 64, 66])
def test_refuses_a_signature_of_another_length(world: World, length: int) -> None:
    world.warp_past(1)
    with refuses("BadSignatureLength"):
        post(world, 0, 1, [bytes(65), bytes(length)])


# --- roots: what is checked before any signature ---------------------------------------------------------------------


def test_accepts_a_root_and_makes_it_live_after_the_window(world: World) -> None:
    world.warp_past(1)
    root = world.root(1, total=123)
    world.submit(root)
    waiting = tuple(world.call("Epochs", "pending"))
    assert waiting[:3] == (root.root, 123, 1)
    assert tuple(world.call("Epochs", "live")) == (bytes(32), 0, 0, 0)
    world.anvil.warp(waiting[3])
    assert tuple(world.call("Epochs", "live")) == waiting
    assert tuple(world.call("Epochs", "pending")) == (bytes(32), 0, 0, 0)


def test_live_root_stays_while_the_next_one_waits(world: World) -> None:
    for epoch in (1, 2, 3):
        world.make_live(world.root(epoch, total=epoch))
    world.warp_past(5)
    world.submit(world.root(5, total=5))
    assert world.call("Epochs", "live")[2] == 3
    assert world.call("Epochs", "pending")[2] == 5


def test_root_becomes_live_not_a_second_early(world: World) -> None:
    world.warp_past(1)
    world.submit(world.root(1))
    active_at = world.call("Epochs", "pending")[3]
    world.anvil.warp(active_at - 1)
    assert world.call("Epochs", "live")[2] == 0
    world.anvil.warp(active_at)
    assert world.call("Epochs", "live")[2] == 1


def test_refuses_a_root_before_the_epochs_end(world: World) -> None:
    world.anvil.warp(world.end_of(1) - 30)
    with refuses("EpochNotOver"):
        world.submit(world.root(1))


def test_refuses_a_root_for_the_far_future(world: World) -> None:
    with refuses("EpochNotOver"):
        world.submit(world.root(2**64 - 1))


def test_refuses_the_set_up_epoch(world: World) -> None:
    world.warp_past(0)
    with refuses("EpochNotNew"):
        world.submit(world.root(0))


@pytest.mark.parametrize("epoch", [1, 2])
def test_refuses_an_epoch_that_is_not_newer(world: World, epoch: int) -> None:
    world.make_live(world.root(2))
    with refuses("EpochNotNew"):
        world.submit(world.root(epoch))


def test_refuses_another_set(world: World) -> None:
    world.warp_past(1)
    with refuses("WrongSet"):
        world.submit(world.root(1, set_id=2))


def test_refuses_to_overwrite_a_root_in_its_window(world: World) -> None:
    world.warp_past(2)
    world.submit(world.root(1))
    with refuses("RootPending"):
        world.submit(world.root(2))


def test_refuses_a_total_below_the_last(world: World) -> None:
    world.make_live(world.root(1, total=5))
    world.warp_past(2)
    with refuses("TotalFell"):
        world.submit(world.root(2, total=4))


def test_takes_everything_emitted_and_not_one_unit_more(world: World) -> None:
    world.warp_past(1)
    emitted = EMISSION.of(0) + EMISSION.of(1)
    with refuses("AboveEmission"):
        world.submit(world.root(1, total=emitted + 1))
    world.submit(world.root(1, total=emitted))
    assert world.call("Epochs", "pending")[1] == emitted


def test_a_skipped_epoch_is_paid_by_a_later_one(world: World) -> None:
    world.make_live(world.root(1, total=1))
    world.make_live(world.root(4, total=4))
    assert world.call("Epochs", "live")[2] == 4


def test_a_late_copy_costs_its_sender_little(world: World) -> None:
    """The epoch is checked before the first recovery: a copy with 64 signatures fails as cheaply as one with none."""
    world.make_live(world.root(1))
    root = (1, 1, bytes(32), bytes(32), 0)
    contract = world.reader.contract("Epochs")
    for packed in (b"", bytes(65 * 64)):
        data = contract.encode_abi("submitRoot", args=[root, packed])
        limit = hex(45_000 + 4 * len(packed) + 12 * len(packed))
        with refuses("EpochNotNew"):
            world.estimate({"to": contract.address, "data": data, "gas": limit})


# --- roots: signatures ------------------------------------------------------------------------------------------------


def submit_packed(world: World, root: EpochRoot, packed: bytes) -> None:
    value = (root.epoch, root.set_id, root.root, root.data_hash, root.cumulative_total)
    contract = world.reader.contract("Epochs")
    world.estimate({"to": contract.address, "data": contract.encode_abi("submitRoot", args=[value, packed])})


@pytest.fixture
def ended(world: World) -> World:
    world.warp_past(1)
    return world


def ascending(world: World, root: EpochRoot, signers: Sequence[int]) -> list[bytes]:
    ordered = sorted(signers, key=lambda number: quorum_address(world.keys[number]))
    return world.signatures(root, ordered)


def test_refuses_no_signature(ended: World) -> None:
    with refuses("WrongNumberOfSignatures"):
        submit_packed(ended, ended.root(1), b"")


def test_refuses_a_piece_of_a_signature(ended: World) -> None:
    root = ended.root(1)
    with refuses("WrongNumberOfSignatures"):
        submit_packed(ended, root, b"".join(ascending(ended, root, range(4)))[:-1])


def test_refuses_more_signatures_than_validators_can_exist(ended: World) -> None:
    with refuses("WrongNumberOfSignatures"):
        submit_packed(ended, ended.root(1), bytes(65 * 65))


def test_refuses_unordered_signers(ended: World) -> None:
    root = ended.root(1)
    with refuses("SignersNotAscending"):
        submit_packed(ended, root, b"".join(reversed(ascending(ended, root, range(4)))))


def test_refuses_a_signer_twice(ended: World) -> None:
    root = ended.root(1)
    one, *_ = ascending(ended, root, range(4))
    with refuses("SignersNotAscending"):
        submit_packed(ended, root, one * 3)


def test_refuses_a_strangers_signature(ended: World) -> None:
    root = ended.root(1)
    stranger = sign_quorum(validator_key(99), ended.network.domain.digest(root))
    packed = calls.pack_signatures(ended.network.domain.digest(root), [*ended.signatures(root), stranger])
    with refuses("UnknownSigner"):
        submit_packed(ended, root, packed)


def test_refuses_signatures_over_another_root(ended: World) -> None:
    other = ascending(ended, ended.root(1, total=1), range(4))
    with refuses("UnknownSigner", "SignersNotAscending", "BadSignature"):
        submit_packed(ended, ended.root(1), b"".join(other))


def test_refuses_a_high_s(ended: World) -> None:
    root = ended.root(1)
    first, *rest = ascending(ended, root, range(4))
    high = SECP256K1_ORDER - int.from_bytes(first[32:64], "big")
    twin = first[:32] + high.to_bytes(32, "big") + bytes([27 + 28 - first[64]])
    with refuses("BadSignature"):
        submit_packed(ended, root, b"".join([twin, *rest]))


@pytest.mark.parametrize("v", [0, 1, 26, 29])
def test_refuses_another_v(ended: World, v: int) -> None:
    root = ended.root(1)
    first, *rest = ascending(ended, root, range(4))
    with refuses("BadSignature"):
        submit_packed(ended, root, b"".join([first[:64] + bytes([v]), *rest]))


@pytest.mark.parametrize("where", ["chain", "contract"])
def test_refuses_signatures_of_another_network(make_world: Callable[..., World], where: str) -> None:
    world = make_world()
    other = make_world()
    world.warp_past(1)
    other.warp_past(1)
    root = world.root(1)
    domain = other.network.domain
    if where == "chain":
        from protocol.keys import Domain

        domain = Domain(world.network.chain_id + 1, world.network.domain.epochs)
    keys = sorted(world.keys, key=quorum_address)
    packed = b"".join(sign_quorum(key, domain.digest(root)) for key in keys)
    with refuses("UnknownSigner", "SignersNotAscending", "BadSignature"):
        submit_packed(world, root, packed)


@pytest.mark.parametrize(("signers", "accepted"), [((0, 1), False), ((0, 1, 2), True), ((0, 1, 2, 3), True)])
def test_four_equal_validators_need_three(ended: World, signers: tuple[int, ...], accepted: bool) -> None:
    if accepted:
        ended.submit(ended.root(1), signers)
        assert ended.call("Epochs", "pending")[2] == 1
    else:
        with refuses("NoQuorum"):
            ended.submit(ended.root(1), signers)


@pytest.mark.parametrize(
    ("stakes", "signers"),
    [
        ((1, 1, 1), (0, 1)),  # exactly two thirds
        ((2, 1), (0,)),  # exactly two thirds
        ((2, 1), (0, 1)),
        ((201, 99), (0,)),
        ((200, 101), (0,)),
        ((1, 1, 1, 1, 1, 1, 1), (0, 1, 2, 3)),
        ((1, 1, 1, 1, 1, 1, 1), (0, 1, 2, 3, 4)),
        ((2**40 - 1, 2**40 - 1, 2**40 - 1), (0, 1)),
        ((2**40 - 1, 2**40 - 1, 2**40 - 1), (0, 1, 2)),
        ((2**40 - 1, 1), (0,)),
    ],
)
def test_contract_counts_stake_as_the_protocol_does(
    make_world: Callable[..., World], stakes: tuple[int, ...], signers: tuple[int, ...]
) -> None:
    world = make_world(stakes=[stake * TOKEN for stake in stakes])
    digest = b"\x55" * 32
    packed = calls.pack_signatures(digest, [sign_quorum(world.keys[number], digest) for number in signers])
    ours = is_quorum(sum(stakes[number] for number in signers), sum(stakes))
    assert world.call("Epochs", "quorumValid", digest, packed) is ours


def test_quorum_view_says_false_to_anything_malformed(world: World) -> None:
    digest = b"\x55" * 32
    good = calls.pack_signatures(digest, [sign_quorum(key, digest) for key in world.keys])
    assert world.call("Epochs", "quorumValid", digest, good) is True
    for bad in (b"", good[:-1], good[65:] + good[:65], good[:65] * 4, bytes(260), bytes(65 * 65)):
        assert world.call("Epochs", "quorumValid", digest, bad) is False


# --- emission, set, deployment ----------------------------------------------------------------------------------------


def test_emission_halves_and_sums_as_the_protocols_formula(make_world: Callable[..., World]) -> None:
    emission = Emission(first=1_000_003, halving_epochs=3)
    world = make_world(emission=emission)
    total = 0
    for epoch in range(75):
        total += emission.of(epoch)
        assert world.call("Epochs", "emission", epoch) == emission.of(epoch)
        assert world.call("Epochs", "emittedThrough", epoch) == total
    assert emission.of(74) == 0
    assert world.call("Epochs", "emittedThrough", 2**64 - 1) == total


def test_emission_of_the_largest_numbers_does_not_overflow(make_world: Callable[..., World]) -> None:
    largest = Emission(first=2**128 - 1, halving_epochs=2**64 - 1)
    world = make_world(emission=largest)
    assert world.call("Epochs", "emittedThrough", 2**64 - 1) == (2**64 - 1) * (2**128 - 1) + 2**127 - 1


def test_first_set_is_told_by_events_and_views(world: World) -> None:
    for number, key in enumerate(world.keys):
        assert world.call("Epochs", "validatorOf", checksum(quorum_address(key))) == checksum(owner_account(number))
        assert world.call("Epochs", "keyOf", checksum(owner_account(number))) == checksum(quorum_address(key))
        assert world.call("Epochs", "stakeOf", checksum(owner_account(number))) == world.plan.validators[number].stake
    assert world.call("Epochs", "totalStake") == sum(one.stake for one in world.plan.validators)
    assert world.call("Epochs", "setId") == 1
    assert world.call("Epochs", "stakeOf", checksum(bytes(20))) == 0
    assert world.call("Epochs", "paramsHash") == world.network.params_hash


def test_takes_64_validators(make_world: Callable[..., World]) -> None:
    world = make_world(stakes=(TOKEN,) * 64)
    world.warp_past(1)
    with refuses("NoQuorum"):
        world.submit(world.root(1), range(42))
    world.submit(world.root(1), range(43))
    assert world.call("Epochs", "pending")[2] == 1


def deployment_refused(world: World, name: str, changes: dict[str, object]) -> None:
    """Asks the chain to construct Epochs with changed arguments and expects a refusal by this name."""
    from chain import deploy
    from chain.artifacts import artifact

    config, params_hash, members = deploy._constructors(world.network.contracts, world.plan)["Epochs"]
    code = artifact("Epochs")
    factory = world.reader.rpc.web3.eth.contract(abi=code.abi, bytecode="0x" + code.bytecode.hex())
    arguments = (changes.get("config", config), params_hash, changes.get("members", members))
    with refuses(name):
        world.estimate({"data": factory.constructor(*arguments).data_in_transaction})


def _config(world: World, **changes: int) -> tuple[object, ...]:
    from chain import deploy

    names = ("token", "hotspots", "timelock", "genesis", "length", "close_after", "finality", "window", "first")
    names += ("halving", "unbonding", "founder_lock")
    config = deploy._constructors(world.network.contracts, world.plan)["Epochs"][0]
    return tuple(changes.get(name, value) for name, value in zip(names, config, strict=True))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"close_after": 47}, "WindowsDoNotFit"),
        ({"length": 0, "close_after": 0, "finality": 0, "window": 0}, "WindowsDoNotFit"),
        ({"length": 2**64 - 1}, "WindowsDoNotFit"),
        ({"close_after": 2**64 - 1, "finality": 2**64 - 1, "window": 2**64 - 1}, "WindowsDoNotFit"),
        ({"first": 0}, "NoEmission"),
        ({"halving": 0}, "NoEmission"),
    ],
)
def test_refuses_to_be_deployed_with_numbers_that_do_not_fit(world: World, changes: dict[str, int], name: str) -> None:
    deployment_refused(world, name, {"config": _config(world, **changes)})


@pytest.mark.parametrize("contract", ["token", "hotspots"])
def test_refuses_to_be_deployed_beside_an_account(world: World, contract: str) -> None:
    deployment_refused(world, "WrongContract", {"config": _config(world, **{contract: checksum(owner_account(0))})})


def test_refuses_to_be_deployed_for_a_token_that_expects_another_minter(world: World) -> None:
    deployment_refused(world, "WrongContract", {})


def test_windows_that_leave_one_second_fit(make_world: Callable[..., World]) -> None:
    import dataclasses

    world = make_world(windows=dataclasses.replace(WINDOWS, close_after_ms=46_000))
    assert world.call("Epochs", "closeAfter") == 46
