"""The history: every final event once, in order, whatever the node does in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chain import calls
from chain.calls import Claim
from chain.errors import ChainUnavailable, RequestRefused
from chain.history import History
from protocol import merkle
from protocol.ids import Address, account_id
from protocol.keys import ManifestSigned, Veto, quorum_address, sign_quorum
from tests.chain.world import (
    PARAMS_HASH,
    RELAYER,
    STAKE,
    Anvil,
    World,
    checksum_of,
    device,
    owner_account,
    owner_key,
    validator_key,
)
from tests.contracts.test_epochs import fund

ALICE = owner_account(50)


@pytest.fixture
def told(world: World) -> World:
    """A world in which everything has happened once."""
    world.register(device(2), ALICE, kind=1)
    world.register(device(1), ALICE)
    world.warp_past(1)
    for number in (2, 0):
        key = world.keys[number]
        fund(world, quorum_address(key))
        own = sign_quorum(key, world.network.domain.digest(ManifestSigned(1, b"\4" * 32)))
        world.send(calls.post_manifest(world.network, 1, b"\4" * 32, [own]), key.secret)
    tree = merkle.build([(account_id(ALICE), 5)])
    world.make_live(world.root(1, tree.root, 5))
    world.send(calls.claim(world.network, Claim(account_id(ALICE), 5, ())))
    world.anvil.finalize()
    return world


def test_tells_everything_that_is_final(told: World) -> None:
    history = History(told.reader)
    block = history.refresh()
    assert block == told.reader.final_block() == history.block
    assert [one.hotspot_id for one in history.registrations()] == [device(2).id, device(1).id]
    assert [one.validator for one in history.manifests(1)] == [owner_account(2), owner_account(0)]
    assert history.manifests(2) == []
    [root] = history.roots()
    assert (root.epoch, root.set_id, root.cumulative_total) == (1, 1, 5)
    assert sorted(root.signers) == sorted(owner_account(number) for number in range(4))
    assert history.root(1) == root
    assert history.root(2) is None
    [claim] = history.claims()
    assert (claim.leaf_id, claim.payee, claim.amount, claim.epoch) == (account_id(ALICE), ALICE, 5, 1)


def test_events_carry_their_place_and_the_blocks_time(told: World) -> None:
    history = History(told.reader)
    history.refresh()
    for event in [*history.registrations(), *history.manifests(1), *history.roots(), *history.claims()]:
        assert event.block_time_ms == told.reader.fresh_block(event.block).timestamp_ms


def test_folds_registry_and_validators_at_a_block(told: World) -> None:
    history = History(told.reader)
    history.refresh()
    first, second = history.registrations()
    assert [entry.hotspot_id for entry in history.registry_at(first.block)] == [device(2).id]
    both = history.registry_at(second.block)
    assert [entry.hotspot_id for entry in both] == sorted([device(1).id, device(2).id])
    found = history.validators_at(second.block, 0)
    assert found.set_id == 1
    assert [(one.owner, one.key, one.stake) for one in found.members] == sorted(
        (owner_account(number), quorum_address(key), STAKE) for number, key in enumerate(told.keys)
    )
    assert history.validators_at(told.network.deployed_block - 1, 0).members == ()


def test_tells_nothing_that_is_not_final_yet(world: World) -> None:
    world.register(device(1), ALICE)
    history = History(world.reader)
    history.refresh()
    assert history.registrations() == []
    world.anvil.finalize()
    history.refresh()
    assert len(history.registrations()) == 1


def test_tells_everything_once_however_often_it_is_asked(told: World) -> None:
    history = History(told.reader)
    for _ in range(3):
        history.refresh()
    told.register(device(3), ALICE)
    told.anvil.finalize()
    history.refresh()
    history.refresh()
    assert [one.hotspot_id for one in history.registrations()] == [device(2).id, device(1).id, device(3).id]
    assert len(history.claims()) == 1


def test_before_the_first_refresh_nothing_is_known(world: World) -> None:
    history = History(world.reader)
    assert history.block is None
    assert history.registrations() == []


def limited(history: History, world: World, monkeypatch: pytest.MonkeyPatch, most: int) -> list[tuple[int, int]]:
    """The node refuses more than `most` blocks at once. Returns what it was asked for."""
    asked: list[tuple[int, int]] = []
    logs = world.reader.logs

    def refuse(start: int, end: int) -> Any:
        asked.append((start, end))
        if end - start + 1 > most:
            raise RequestRefused("query returned more than 10000 results")
        return logs(start, end)

    monkeypatch.setattr(world.reader, "logs", refuse)
    return asked


def test_halves_what_a_node_refuses(told: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = History(told.reader)
    whole.refresh()
    history = History(told.reader)
    asked = limited(history, told, monkeypatch, 3)
    history.refresh()
    assert history.registrations() == whole.registrations()
    assert history.claims() == whole.claims()
    assert max(end - start + 1 for start, end in asked) > 3


def test_gives_up_when_a_node_refuses_a_single_block(told: World, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(told.reader)
    limited(history, told, monkeypatch, 0)
    with pytest.raises(RequestRefused):
        history.refresh()
    assert history.block is None


def test_an_outage_half_way_loses_and_doubles_nothing(told: World, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(told.reader)
    logs, calls_made = told.reader.logs, []

    def fails_every_third_time(start: int, end: int) -> Any:
        calls_made.append(start)
        if len(calls_made) % 3 == 0:
            raise ChainUnavailable("The chain cannot be reached.")
        return logs(start, min(end, start + 1)) if end > start + 1 and _refuse() else logs(start, end)

    def _refuse() -> bool:
        raise RequestRefused("too many")

    monkeypatch.setattr(told.reader, "logs", fails_every_third_time)
    failures = 0
    while history.block != told.reader.final_block():
        try:
            history.refresh()
        except ChainUnavailable:
            failures += 1
    assert failures > 0
    assert [one.hotspot_id for one in history.registrations()] == [device(2).id, device(1).id]
    assert len(history.manifests(1)) == 2


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_forgets_what_a_reorganisation_took_and_no_more(
    depth: int, start_anvil: Callable[..., Anvil], make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks taken for final are replaced: their events go, those below stay and are not read again."""
    chain = start_anvil()
    world = make_world(chain, confirmations=0)
    history = History(world.reader)
    for number in range(1, 15):
        world.register(device(number), ALICE)
        history.refresh()
    chain.rpc("anvil_reorg", depth, [])
    asked: list[int] = []
    logs = world.reader.logs
    monkeypatch.setattr(world.reader, "logs", lambda start, end: (asked.append(start), logs(start, end))[1])
    history.refresh()
    assert [one.hotspot_id for one in history.registrations()] == [device(n).id for n in range(1, 15 - depth)]
    assert min(asked) == chain.block_number() - depth + 1
    world.register(device(20), ALICE)
    history.refresh()
    assert history.registrations()[-1].hotspot_id == device(20).id
    assert len(history.registry_at(history.block.number)) == 15 - depth


def test_roots_and_manifests_go_with_their_blocks(
    start_anvil: Callable[..., Anvil], make_world: Callable[..., World]
) -> None:
    chain = start_anvil()
    world = make_world(chain, confirmations=0)
    history = History(world.reader)
    world.warp_past(1)
    history.refresh()
    key = world.keys[0]
    fund(world, quorum_address(key))
    own = sign_quorum(key, world.network.domain.digest(ManifestSigned(1, b"\4" * 32)))
    world.send(calls.post_manifest(world.network, 1, b"\4" * 32, [own]), key.secret)
    world.submit(world.root(1))
    history.refresh()
    assert (len(history.manifests(1)), history.rooted_through()) == (1, 1)
    chain.rpc("anvil_reorg", 2, [])
    history.refresh()
    assert (history.manifests(1), history.roots(), history.rooted_through()) == ([], [], 0)


def test_a_chain_that_turns_while_it_is_read_is_not_believed(
    start_anvil: Callable[..., Anvil], make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The logs came from blocks that are gone by the time their last block is asked for."""
    chain = start_anvil()
    world = make_world(chain, confirmations=0)
    world.register(device(1), ALICE)
    history = History(world.reader)
    logs = world.reader.logs

    def turning(start: int, end: int) -> Any:
        found = logs(start, end)
        chain.rpc("anvil_reorg", 1, [])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(world.reader, "logs", turning)
        with pytest.raises(ChainUnavailable, match="changed while it was read"):
            history.refresh()
    assert history.registrations() == []
    history.refresh()
    assert history.registrations() == []


def test_an_event_a_node_tells_twice_counts_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.register(device(1), ALICE)
    world.register(device(2), ALICE)
    world.anvil.finalize()
    logs = world.reader.logs
    monkeypatch.setattr(world.reader, "logs", lambda start, end: list(reversed([*logs(start, end), *logs(start, end)])))
    history = History(world.reader)
    history.refresh()
    assert [one.hotspot_id for one in history.registrations()] == [device(1).id, device(2).id]


def test_a_dropped_root_is_no_root_but_closes_its_epoch(world: World) -> None:
    world.warp_past(1)
    root = world.root(1)
    world.submit(root)
    digest = world.network.domain.digest(Veto(1, 1, root.root))
    packed = calls.pack_signatures(digest, [sign_quorum(key, digest) for key in world.keys[:2]])
    world.send(calls.veto(world.network, 1, root.root, packed))
    world.anvil.finalize()
    history = History(world.reader)
    history.refresh()
    assert (history.roots(), history.root(1), history.rooted_through()) == ([], None, 1)


def test_folds_what_owners_and_validators_change(world: World) -> None:
    """Shares sold, a key replaced, a validator gone: as the contracts say themselves."""
    one = device(1)
    holder = Address(bytes.fromhex(checksum_of(RELAYER)[2:]))
    world.register(one, holder)
    world.send(calls.transfer_shares(world.network, holder, ALICE, one.id, 6_000), RELAYER)
    for number in range(2):
        fund(world, owner_account(number))
    world.send(calls.set_key(world.network, quorum_address(validator_key(30))), owner_key(0))
    world.send(calls.leave(world.network), owner_key(1))
    world.anvil.finalize()
    history = History(world.reader)
    block = history.refresh().number
    assert history.holders_at(block) == {one.id: {holder: 4_000, ALICE: 6_000}}
    assert [entry.owner for entry in history.registry_at(block)] == [ALICE]
    epoch = world.call("Epochs", "currentEpoch")
    now, later = history.validators_at(block, epoch), history.validators_at(block, epoch + 1)
    assert (now.set_id, now.total_stake) == (world.call("Epochs", "setId"), world.call("Epochs", "totalStake"))
    assert [one.owner for one in later.members] == sorted(owner_account(number) for number in (0, 2, 3))
    assert later.owner_of(quorum_address(validator_key(30))) == owner_account(0)
    keys = history.signing_keys_at(block)
    assert {keys[quorum_address(validator_key(number))].owner for number in (0, 30)} == {owner_account(0)}
    assert history.params_hash_at(block) == PARAMS_HASH
    assert history.admitted_at(block) == {owner_account(number) for number in range(4)}


def test_waits_for_a_node_that_is_behind(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(confirmations=0)
    history = History(world.reader)
    world.register(device(1), ALICE)
    newest = history.refresh()
    older = world.reader.fresh_block(newest.number - 2)
    monkeypatch.setattr(world.reader, "final_block", lambda: older)
    assert history.refresh() == newest
    assert len(history.registrations()) == 1
