"""Folds: pure values of events up to a block."""

from __future__ import annotations

from chain import events, folds
from protocol.closing import Binding, Member
from protocol.ids import Address, HotspotId
from protocol.registry import Registered as Entry
from protocol.registry import fold_hash
from tests.chain.world import HOME, WINDOWS

GENESIS_MS = 1_000_000_000


def registered(number: int, block: int = 1, time_ms: int = 0) -> events.Registered:
    return events.Registered(
        block=block,
        log_index=number,
        block_time_ms=time_ms,
        hotspot_id=HotspotId(bytes([0x80 + number]) * 32),
        owner=Address(b"\1" * 20),
        cell=HOME,
        gain_cdb=200,
        elevation_m=10,
        kind=0,
        x=b"\2" * 32,
        y=b"\3" * 32,
    )


def joined(number: int, block: int = 1, set_id: int = 1, effective_epoch: int = 0) -> events.ValidatorJoined:
    account = Address(bytes([number]) * 20)
    return events.ValidatorJoined(
        block=block,
        log_index=number,
        block_time_ms=0,
        owner=account,
        key=Address(bytes([number + 100]) * 20),
        stake=number,
        effective_epoch=effective_epoch,
        set_id=set_id,
    )


def test_registry_is_sorted_by_id_and_ends_at_the_block() -> None:
    entries = folds.registry([registered(3), registered(1), registered(2, block=9)], 8, GENESIS_MS, WINDOWS)
    assert [entry.hotspot_id[0] for entry in entries] == [0x81, 0x83]


def test_registry_includes_the_block_itself() -> None:
    assert len(folds.registry([registered(1, block=8)], 8, GENESIS_MS, WINDOWS)) == 1


def test_registry_carries_chain_fields_and_the_key() -> None:
    event = registered(1, block=5, time_ms=GENESIS_MS)
    [entry] = folds.registry([event], 5, GENESIS_MS, WINDOWS)
    assert isinstance(entry, Entry)
    assert (entry.x, entry.y, entry.owner) == (event.x, event.y, event.owner)
    assert (entry.row.block, entry.row.log_index, entry.row.frozen) == (5, 1, 0)
    assert len(fold_hash([entry])) == 32


def test_plays_from_the_epoch_after_its_registration() -> None:
    times = [GENESIS_MS - 1, GENESIS_MS, GENESIS_MS + WINDOWS.length_ms - 1, GENESIS_MS + WINDOWS.length_ms]
    entries = folds.registry([registered(i, time_ms=time) for i, time in enumerate(times)], 1, GENESIS_MS, WINDOWS)
    assert [entry.row.since_epoch for entry in entries] == [0, 1, 1, 2]


# --- what changes a hotspot


def at(block: int, time_ms: int = 0, log_index: int = 0) -> dict[str, int]:
    return {"block": block, "log_index": log_index, "block_time_ms": time_ms}


ONE = registered(1).hotspot_id
MOVED_MS = GENESIS_MS + 5 * WINDOWS.length_ms


def folded(*told: folds.RegistryEvent, block: int = 100) -> Entry:
    [entry] = folds.registry([registered(1, block=2), *told], block, GENESIS_MS, WINDOWS)
    return entry


def located(block: int, *, moved: bool, cell: int = HOME) -> events.Located:
    return events.Located(
        **at(block, MOVED_MS, 7), hotspot_id=ONE, cell=cell, gain_cdb=300, elevation_m=25, moved=moved
    )


def test_a_move_makes_a_hotspot_new_at_its_place() -> None:
    row = folded(located(9, moved=True, cell=HOME + 1)).row
    assert (row.cell, row.gain_cdb, row.elevation_m) == (HOME + 1, 300, 25)
    assert (row.since_epoch, row.block, row.log_index) == (6, 9, 7)


def test_a_new_antenna_at_the_same_place_does_not() -> None:
    row = folded(located(9, moved=False)).row
    assert (row.cell, row.gain_cdb, row.elevation_m) == (HOME, 300, 25)
    assert (row.since_epoch, row.block, row.log_index) == (0, 2, 1)


def test_the_owner_is_whoever_runs_it() -> None:
    operator = Address(b"\7" * 20)
    changed = events.OperatorChanged(**at(9), hotspot_id=ONE, operator=operator)
    assert folded(changed).owner == operator
    assert folded(changed, block=8).owner == registered(1).owner


def test_frozen_is_what_the_last_vote_said() -> None:
    def vote(block: int, frozen: bool) -> events.FrozenSet:
        return events.FrozenSet(**at(block), hotspot_id=ONE, frozen=frozen, reason_hash=bytes(32))

    assert folded(vote(9, True)).row.frozen == 1
    assert folded(vote(9, True), vote(10, False)).row.frozen == 0
    assert folded(vote(9, True), vote(10, False), block=9).row.frozen == 1


def test_changes_of_one_hotspot_leave_the_others_alone() -> None:
    told = [registered(1), registered(2), located(9, moved=True, cell=HOME + 1)]
    one, two = folds.registry(told, 100, GENESIS_MS, WINDOWS)
    assert (one.row.cell, two.row.cell) == (HOME + 1, HOME)


# --- validators


def key_of(number: int) -> Address:
    return Address(bytes([number]) * 20)


def key_changed(number: int, key: int, *, block: int, effective: int, set_id: int = 2) -> events.KeyChanged:
    return events.KeyChanged(
        **at(block), owner=key_of(number), key=key_of(key), effective_epoch=effective, set_id=set_id
    )


def left(number: int, *, block: int, effective: int, set_id: int = 2) -> events.ValidatorLeft:
    why = events.Departure.LEFT
    return events.ValidatorLeft(**at(block), owner=key_of(number), effective_epoch=effective, set_id=set_id, why=why)


def test_validators_are_sorted_by_owner() -> None:
    found = folds.validators([joined(2), joined(1)], 1, 0)
    assert found.members == (
        Member(Address(b"\1" * 20), Address(b"\x65" * 20), 1),
        Member(Address(b"\2" * 20), Address(b"\x66" * 20), 2),
    )


def test_a_change_waits_for_its_epoch_and_its_block() -> None:
    told = [joined(1), joined(2, block=5, set_id=2, effective_epoch=4)]
    assert [one.stake for one in folds.validators(told, 5, 3).members] == [1]
    assert [one.stake for one in folds.validators(told, 4, 4).members] == [1]
    found = folds.validators(told, 5, 4)
    assert ([one.stake for one in found.members], found.set_id) == ([1, 2], 2)


def test_a_key_change_keeps_owner_and_stake() -> None:
    told = [joined(1), key_changed(1, 77, block=5, effective=3)]
    assert folds.validators(told, 9, 2).members[0].key == joined(1).key
    assert folds.validators(told, 9, 3).members == (Member(key_of(1), key_of(77), 1),)


def test_who_left_is_gone_from_its_epoch_on() -> None:
    told = [joined(1), joined(2), left(1, block=5, effective=3)]
    assert len(folds.validators(told, 9, 2).members) == 2
    assert [one.owner for one in folds.validators(told, 9, 3).members] == [key_of(2)]


def test_who_left_and_came_back_in_one_epoch_stays_with_its_new_key() -> None:
    back = events.ValidatorJoined(**at(6), owner=key_of(1), key=key_of(78), stake=9, effective_epoch=3, set_id=2)
    told = [joined(1), left(1, block=5, effective=3), back]
    assert folds.validators(told, 9, 3).members == (Member(key_of(1), key_of(78), 9),)


def test_finds_a_member_by_its_key() -> None:
    found = folds.validators([joined(1)], 1, 0)
    assert found.owner_of(Address(b"\x65" * 20)) == b"\1" * 20
    assert found.owner_of(Address(b"\x66" * 20)) is None
    assert (found.total_stake, found.stakes) == (1, {b"\1" * 20: 1})


def test_a_key_is_bound_from_the_block_that_names_it() -> None:
    told = [joined(1), key_changed(1, 77, block=5, effective=9), left(1, block=6, effective=10)]
    assert folds.bindings(told, 4) == {joined(1).key: Binding(key_of(1), 1)}
    assert folds.bindings(told, 6) == {joined(1).key: Binding(key_of(1), 1), key_of(77): Binding(key_of(1), 5)}


# --- votes and shares


def test_only_the_last_vote_on_an_account_counts() -> None:
    told = [
        events.Admitted(**at(1), owner=key_of(1), admitted=True),
        events.Admitted(**at(2), owner=key_of(2), admitted=True),
        events.Admitted(**at(3), owner=key_of(1), admitted=False),
    ]
    assert folds.admitted(told, 2) == {key_of(1), key_of(2)}
    assert folds.admitted(told, 3) == {key_of(2)}


def test_the_params_in_force_are_those_set_last() -> None:
    told = [events.ParamsSet(**at(block), params_hash=bytes([block]) * 32) for block in (1, 5)]
    assert folds.params_hash(told, 0) is None
    assert [folds.params_hash(told, block) for block in (1, 4, 5)] == [b"\1" * 32, b"\1" * 32, b"\5" * 32]


def test_shares_follow_every_transfer() -> None:
    def moved(block: int, sender: int, receiver: int, amount: int) -> events.SharesMoved:
        return events.SharesMoved(**at(block), sender=key_of(sender), receiver=key_of(receiver), moves=((ONE, amount),))

    told = [moved(1, 0, 1, 10_000), moved(2, 1, 2, 2_500), moved(3, 2, 1, 2_500)]
    assert folds.holders(told, 2) == {ONE: {key_of(1): 7_500, key_of(2): 2_500}}
    assert folds.holders(told, 3) == {ONE: {key_of(1): 10_000}}


def test_no_events_give_empty_values() -> None:
    assert folds.registry([], 1, GENESIS_MS, WINDOWS) == []
    assert folds.validators([], 1, 0) == folds.ValidatorSet(0, ())
    assert folds.bindings([], 1) == folds.holders([], 1) == {}
