"""Folds: pure values of events up to a block."""

from __future__ import annotations

from chain import events, folds
from protocol.closing import Member
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


def joined(number: int, block: int = 1, set_id: int = 1) -> events.ValidatorJoined:
    account = Address(bytes([number]) * 20)
    return events.ValidatorJoined(
        block=block,
        log_index=number,
        block_time_ms=0,
        owner=account,
        key=Address(bytes([number + 100]) * 20),
        stake=number,
        effective_epoch=0,
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


def test_validators_are_sorted_by_owner() -> None:
    found = folds.validators([joined(2), joined(1)], 1)
    assert found.set_id == 1
    assert [member.owner[0] for member in found.members] == [1, 2]
    assert found.total_stake == 3
    assert found.stakes == {Address(b"\1" * 20): 1, Address(b"\2" * 20): 2}


def test_validators_of_a_later_block_do_not_count_yet() -> None:
    assert folds.validators([joined(1), joined(2, block=5, set_id=2)], 4).set_id == 1
    assert len(folds.validators([joined(1), joined(2, block=5, set_id=2)], 5).members) == 2


def test_finds_a_member_by_its_key() -> None:
    found = folds.validators([joined(1)], 1)
    assert found.members == (Member(Address(b"\1" * 20), Address(b"\x65" * 20), 1),)
    assert found.owner_of(Address(b"\x65" * 20)) == Address(b"\1" * 20)
    assert found.owner_of(Address(b"\1" * 20)) is None


def test_no_events_give_empty_values() -> None:
    assert folds.registry([], 1, GENESIS_MS, WINDOWS) == []
    assert folds.validators([], 1) == folds.ValidatorSet(0, ())
