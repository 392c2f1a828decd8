"""One epoch as a whole: what its digest covers, what it leaves for the next, what an empty one does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocol import geo
from protocol.encoding import sha256
from protocol.epoch import EpochInputs, EpochResult, decode_outcomes, decode_summary, pay_weight_u, settle
from protocol.ids import Address, Kind, account_id
from protocol.merkle import EMPTY_ROOT, verify
from protocol.need import LORA, NeedMap, NeedSource
from protocol.parameters import Baseline
from protocol.reasons import Reason
from protocol.records import BaselineRow, Position
from protocol.registry import fold_hash
from protocol.state import fresh_account, genesis_state
from protocol.verdicts import Engine
from protocol.version import PROTOCOL_VERSION
from tests.factories import DEVNET, GENESIS_MS, World, make_device, north_of_ulm
from tests.protocol.rulebook_cases import A, B, C, honest_world

EMISSION = DEVNET.emission


def settled(world: World, engine: Engine) -> EpochResult:
    return settle(world.inputs(), engine)


def next_world(result: EpochResult, inputs: EpochInputs) -> World:
    """An empty world that follows an epoch."""
    world = World(epoch=result.epoch + 1, before=result.state, maps=(inputs.need_next, result.need_map))
    world.add(A, B, C)
    return world


# --- an empty epoch


def test_an_empty_epoch_pays_nobody_and_keeps_its_emission(engine: Engine) -> None:
    world = World()
    world.add(A, B)
    result = settled(world, engine)
    assert (result.earned, result.tree.root) == ({}, EMPTY_ROOT)
    assert result.state.reserve == EMISSION.of(0) + EMISSION.of(1)


def test_an_epoch_without_a_counted_manifest_is_empty(engine: Engine) -> None:
    inputs = replace(honest_world().inputs(), counted=())
    result = settle(inputs, engine)
    assert (result.earned, result.state.non_empty) == ({}, 0)


def test_a_commit_alone_makes_an_epoch_count(engine: Engine) -> None:
    world = honest_world()
    world.beacons.clear()
    world.witnesses.clear()
    result = settled(world, engine)
    assert (result.state.non_empty, len(result.earned)) == (1, len(world.stakes))


def test_an_empty_epoch_leaves_what_hotspots_have_shown_alone(engine: Engine) -> None:
    world = honest_world()
    inputs = world.inputs()
    first = settle(inputs, engine)
    second = settled(next_world(first, inputs), engine)
    assert second.state.accounts == first.state.accounts


def test_need_is_published_on_in_an_empty_epoch(engine: Engine) -> None:
    row = BaselineRow(north_of_ulm(0, 9), LORA, 1, 0, -13_000, 1_000_000, 0)
    listed = Baseline("a file", "", "lora", 1, 8_000_000, 365)
    world = World()
    inputs = replace(world.inputs(), need=NeedSource(DEVNET.need, ((listed, (row,)),)))
    cells = settle(inputs, engine).state.cells
    assert [(one.direction, one.count) for one in cells] == [(1, 1)]


def test_the_emission_of_epoch_zero_is_in_the_genesis_reserve() -> None:
    halving = replace(EMISSION, halving_epochs=1)
    state, _ = genesis_state(NeedSource(DEVNET.need, ()), GENESIS_MS, halving)
    assert (state.epoch, state.reserve, state.non_empty, state.leaves()) == (0, EMISSION.first, 0, [])


@pytest.mark.parametrize(("is_empty", "after"), [(False, 0b1111_1111), (True, 0b1111_1110)])
def test_eight_epochs_of_emptiness_are_remembered(is_empty: bool, after: int, engine: Engine) -> None:
    world = World() if is_empty else honest_world()
    inputs = world.inputs()
    result = settle(replace(inputs, before=replace(inputs.before, non_empty=0b1111_1111)), engine)
    assert result.state.non_empty == after


# --- pay


def test_everything_emitted_is_paid_or_kept(engine: Engine) -> None:
    result = settled(honest_world(), engine)
    assert result.state.cumulative_total + result.state.reserve == EMISSION.of(0) + EMISSION.of(1)
    assert sum(result.earned.values()) == result.state.cumulative_total


def test_validators_share_their_part_by_the_stake_of_counted_manifests(engine: Engine) -> None:
    world = honest_world()
    one, two, silent, *_ = sorted(world.stakes)
    world.stakes.update({one: 300, two: 100, silent: 1_000})
    world.block_order = [one, two]
    earned = settled(world, engine).earned
    assert earned[account_id(one)] == 3 * earned[account_id(two)]
    assert account_id(silent) not in earned


def test_every_leaf_of_the_root_proves_its_amount(engine: Engine) -> None:
    result = settled(honest_world(), engine)
    leaves = result.state.leaves()
    proofs = [result.tree.proof(*leaf) for leaf in leaves]
    assert len(leaves) == 7
    assert all(
        proof is not None and verify(result.tree.root, *leaf, proof) for leaf, proof in zip(leaves, proofs, strict=True)
    )


def test_amounts_are_cumulative(engine: Engine) -> None:
    world = honest_world()
    inputs = world.inputs()
    first = settle(inputs, engine)
    again = next_world(first, inputs)
    for one in (A, B, C):
        again.beacon(one)
        for other in (A, B, C):
            if other is not one:
                again.hears(other, one)
    second = settled(again, engine)
    now = dict(second.state.leaves())
    assert {one: now[one] - before for one, before in first.state.leaves()} == dict(second.earned)


def test_a_validator_that_is_not_in_the_set_earns_nothing(engine: Engine) -> None:
    inputs = honest_world().inputs()
    stranger = replace(inputs.counted[0], manifest=replace(inputs.counted[0].manifest, validator=Address(bytes(20))))
    earned = settle(replace(inputs, counted=(*inputs.counted, stranger)), engine).earned
    assert account_id(Address(bytes(20))) not in earned


def test_a_mapper_earns_nothing(engine: Engine) -> None:
    van = make_device("van", north_of_ulm(1), kind=Kind.MAPPER)
    world = honest_world()
    world.add(van)
    world.beacon(van, cell=north_of_ulm(2, 9))
    for one in (A, B):
        world.hears(one, van)
    assert van.hotspot_id not in settled(world, engine).earned


@pytest.mark.parametrize(("need_u", "weight"), [(0, 250_000), (300_000, 1_375_000), (1_000_000, 4_000_000)])
def test_a_cell_pays_by_this_epochs_map(need_u: int, weight: int, engine: Engine) -> None:
    world = honest_world()
    cell = geo.parent(A.registered.row.cell, 8)
    now = NeedMap({(LORA, cell): need_u}, DEVNET.need.prior_u)
    inputs = replace(world.inputs(), need_now=now)
    table = decode_outcomes(settle(inputs, engine).outcome_table)
    assert table is not None
    assert {site.weight_u for site in table.sites if site.cell == cell} == {weight}
    assert pay_weight_u(DEVNET, inputs.need.classes, now, cell) == weight


def test_sites_are_sorted_by_cell_and_then_by_place(engine: Engine) -> None:
    table = decode_outcomes(settled(honest_world(), engine).outcome_table)
    assert table is not None
    keys = [(site.cell, -site.tier, site.rank) for site in table.sites if site.reason == Reason.ACCEPTED]
    assert keys == sorted(keys) and len(keys) == 9


# --- what the next epoch starts from


def test_a_hotspot_that_moved_starts_anew_and_keeps_what_it_earned(engine: Engine) -> None:
    world = honest_world()
    inputs = world.inputs()
    first = settle(inputs, engine)
    moved = next_world(first, inputs)
    at = moved.devices.index(A)
    row = replace(A.registered.row, cell=north_of_ulm(4), since_epoch=2, block=20)
    moved.devices[at] = replace(A, registered=replace(A.registered, row=row))
    moved.beacon(B)
    account = settled(moved, engine).state.accounts[A.hotspot_id]
    kept = replace(fresh_account(A.hotspot_id, 2), cumulative=first.earned[A.hotspot_id], uptime_epochs=1)
    assert account == kept


def test_a_late_registration_counts_the_epochs_since(engine: Engine) -> None:
    """Registered between B_e and the start of e: known an epoch later, and not up in the one it missed."""
    world = honest_world()
    inputs = world.inputs()
    first = settle(inputs, engine)
    later = next_world(first, inputs)
    late = make_device("late", north_of_ulm(4), since_epoch=1)
    later.add(late)
    later.beacon(B)
    account = settled(later, engine).state.accounts[late.hotspot_id]
    assert (account.uptime_epochs, account.uptime_bits) == (2, 0)


def test_an_epoch_whose_only_link_is_with_one_mapper_counts_as_uptime(engine: Engine) -> None:
    """No second owner heard the mapper, so it proves nothing; the hotspot was up all the same."""
    world, van = World(), make_device("van", north_of_ulm(1), kind=Kind.MAPPER)
    world.add(A, van)
    world.beacon(van, 1, cell=north_of_ulm(1, 9))
    world.hears(A, van, 1)
    result = settled(world, engine)
    assert (result.state.accounts[A.hotspot_id].uptime_bits, A.hotspot_id in result.earned) == (1, False)


def test_an_id_keeps_the_last_epoch_it_was_heard_in(engine: Engine) -> None:
    world = honest_world()
    inputs = world.inputs()
    first = settle(inputs, engine)
    quiet = next_world(first, inputs)
    quiet.beacon(A)
    account = settled(quiet, engine).state.accounts[A.hotspot_id]
    assert (account.last_heard, account.last_accepted, account.uptime_bits) == (1, 1, 0b10)


def test_the_first_counted_manifest_places_a_cell_for_ever(engine: Engine) -> None:
    world = honest_world()
    inputs = world.inputs()
    cell = A.registered.row.cell
    true = geo.position(cell)
    shifted = Position(cell, true.x_m + 1, true.y_m, true.z_m)
    head, *rest = inputs.counted
    places = tuple(shifted if one.cell == cell else one for one in head.manifest.positions)
    first = settle(
        replace(inputs, counted=(replace(head, manifest=replace(head.manifest, positions=places)), *rest)), engine
    )
    assert first.state.positions[cell] == shifted
    again = next_world(first, inputs)
    again.beacon(A)
    assert settled(again, engine).state.positions[cell] == shifted


def test_maps_move_one_epoch_on(engine: Engine) -> None:
    inputs = honest_world().inputs()
    state = settle(inputs, engine).state
    assert state.need_map_next == inputs.before.need_map_after


# --- the data hash


def test_the_summary_holds_what_it_says(engine: Engine) -> None:
    inputs = honest_world().inputs()
    result = settle(inputs, engine)
    summary = decode_summary(result.summary)
    assert summary is not None
    head = summary.head
    found = (
        head.protocol_version, head.params, head.registry, head.need_map,
        head.outcomes, head.state_before, head.state_after,
    )  # fmt: skip
    assert found == (
        PROTOCOL_VERSION, inputs.params_hash, fold_hash(inputs.registry.values()), inputs.before.need_map_next,
        sha256(result.outcome_table), inputs.before.digest(), result.state.digest(),
    )  # fmt: skip
    assert [one.digest for one in summary.manifests] == [one.manifest.digest() for one in inputs.counted]
    assert sha256(result.summary) == result.data_hash


CHANGES: dict[str, Callable[[EpochInputs], dict[str, Any]]] = {
    "params": lambda i: {"params_hash": bytes(32)},
    "registry": lambda i: {
        "registry": {**i.registry, A.hotspot_id: replace(A.registered, row=replace(A.registered.row, elevation_m=11))}
    },
    "manifests": lambda i: {"counted": i.counted[:3]},
    "state before": lambda i: {"before": replace(i.before, reserve=0)},
    "need map now": lambda i: {"before": replace(i.before, need_map_next=bytes(32))},
    "need map next": lambda i: {"before": replace(i.before, need_map_after=bytes(32))},
    "epoch": lambda i: {"epoch": 2, "before": replace(i.before, epoch=1)},
    "seed": lambda i: {"seed": bytes(32)},
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_data_hash_changes_with(name: str, engine: Engine) -> None:
    inputs = honest_world().inputs()
    changed = replace(inputs, **CHANGES[name](inputs))
    assert settle(changed, engine).data_hash != settle(inputs, engine).data_hash
