"""Folds of events: what the chain said up to a block. Pure; anyone with the same events gets the same values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chain import events
from protocol.closing import Member
from protocol.ids import Address
from protocol.records import RegistryRow
from protocol.registry import Registered as RegistryEntry
from protocol.schedule import EpochLength, since_epoch


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """The validators in force, sorted by owner account."""

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


def registry(
    registrations: Iterable[events.Registered], block: int, genesis_ms: int, windows: EpochLength
) -> list[RegistryEntry]:
    """The hotspots registered up to `block`, sorted by id."""
    rows = (_entry(one, genesis_ms, windows) for one in registrations if one.block <= block)
    return sorted(rows, key=lambda entry: entry.row.hotspot_id)


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


def validators(joined: Iterable[events.ValidatorJoined], block: int) -> ValidatorSet:
    """The set of validators at `block`."""
    members, set_id = {}, 0
    for one in joined:
        if one.block <= block:
            members[one.owner] = Member(one.owner, one.key, one.stake)
            set_id = max(set_id, one.set_id)
    return ValidatorSet(set_id, tuple(members[owner] for owner in sorted(members)))
