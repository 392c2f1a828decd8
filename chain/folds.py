"""Folds of events: what the chain said up to a block. Pure; anyone with the same events gets the same values.

Events come in the chain's order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from chain import events
from protocol.closing import Binding, Member
from protocol.ids import Address, HotspotId
from protocol.records import RegistryRow
from protocol.registry import Registered as RegistryEntry
from protocol.schedule import EpochLength, since_epoch

SetEvent = events.ValidatorJoined | events.KeyChanged | events.ValidatorLeft
RegistryEvent = events.Registered | events.Located | events.OperatorChanged | events.FrozenSet


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """The validators of one epoch, sorted by owner account."""

    set_id: int
    members: tuple[Member, ...]

    @property
    def total_stake(self) -> int:
        return sum(member.stake for member in self.members)

    @property
    def stakes(self) -> dict[Address, int]:
        """Stake by owner account."""
        return {member.owner: member.stake for member in self.members}

    def owner_of(self, key: Address) -> Address | None:
        """The owner account of a signing key, or None if it is no member's."""
        return next((member.owner for member in self.members if member.key == key), None)


def registry(told: Iterable[RegistryEvent], block: int, genesis_ms: int, windows: EpochLength) -> list[RegistryEntry]:
    """The hotspots as they were at `block`, sorted by id."""
    entries: dict[HotspotId, RegistryEntry] = {}
    for event in told:
        if event.block > block:
            continue
        if isinstance(event, events.Registered):
            entries[event.hotspot_id] = _entry(event, genesis_ms, windows)
        else:
            old = entries[event.hotspot_id]
            changes = _changes(event, since_epoch(genesis_ms, windows, event.block_time_ms))
            entries[event.hotspot_id] = RegistryEntry(replace(old.row, **changes), old.x, old.y)
    return sorted(entries.values(), key=lambda entry: entry.row.hotspot_id)


def _entry(event: events.Registered, genesis_ms: int, windows: EpochLength) -> RegistryEntry:
    row = RegistryRow(
        hotspot_id=event.hotspot_id,
        owner=event.owner,
        cell=event.cell,
        gain_cdb=event.gain_cdb,
        elevation_m=event.elevation_m,
        kind=event.kind,
        since_epoch=since_epoch(genesis_ms, windows, event.block_time_ms),
        block=event.block,
        log_index=event.log_index,
        frozen=0,
    )
    return RegistryEntry(row, event.x, event.y)


def _changes(event: events.Located | events.OperatorChanged | events.FrozenSet, next_epoch: int) -> dict[str, object]:
    """What an event changes of a hotspot's row. Only a move makes it new at its place."""
    match event:
        case events.OperatorChanged():
            return {"owner": event.operator}
        case events.FrozenSet():
            return {"frozen": int(event.frozen)}
    place: dict[str, object] = {"gain_cdb": event.gain_cdb, "elevation_m": event.elevation_m}
    if not event.moved:
        return place
    return place | {
        "cell": event.cell,
        "since_epoch": next_epoch,
        "block": event.block,
        "log_index": event.log_index,
    }


def validators(told: Iterable[SetEvent], block: int, epoch: int) -> ValidatorSet:
    """The set in force in `epoch` as far as `block` knows: what was changed later, or for later epochs, is left out."""
    members: dict[Address, Member] = {}
    set_id = 0
    for event in told:
        if event.block > block or event.effective_epoch > epoch:
            continue
        set_id = event.set_id
        match event:
            case events.ValidatorJoined():
                members[event.owner] = Member(event.owner, event.key, event.stake)
            case events.KeyChanged():
                members[event.owner] = replace(members[event.owner], key=event.key)
            case events.ValidatorLeft():
                members.pop(event.owner, None)
    return ValidatorSet(set_id, tuple(members[owner] for owner in sorted(members)))


def bindings(told: Iterable[SetEvent], block: int) -> Mapping[Address, Binding]:
    """Which owner account each signing key is bound to, for ever, by the events up to `block`."""
    return {
        event.key: Binding(event.owner, event.block)
        for event in told
        if event.block <= block and not isinstance(event, events.ValidatorLeft)
    }


def admitted(told: Iterable[events.Admitted], block: int) -> frozenset[Address]:
    """The accounts that may join the validators at `block`."""
    last = {event.owner: event.admitted for event in told if event.block <= block}
    return frozenset(owner for owner, may in last.items() if may)


def holders(told: Iterable[events.SharesMoved], block: int) -> Mapping[HotspotId, Mapping[Address, int]]:
    """Who holds how many shares of each hotspot at `block`."""
    shares: defaultdict[HotspotId, defaultdict[Address, int]] = defaultdict(lambda: defaultdict(int))
    for event in told:
        if event.block > block:
            continue
        for hotspot, amount in event.moves:
            shares[hotspot][event.sender] -= amount
            shares[hotspot][event.receiver] += amount
    return {
        hotspot: {holder: amount for holder, amount in sorted(of.items()) if amount > 0}
        for hotspot, of in shares.items()
    }


def params_hash(told: Iterable[events.ParamsSet], block: int) -> bytes | None:
    """The params hash in force at `block`, or None before the first."""
    hashes = [event.params_hash for event in told if event.block <= block]
    return hashes[-1] if hashes else None
