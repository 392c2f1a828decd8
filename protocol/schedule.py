"""When and how a hotspot beacons in an epoch: everything follows from the epoch's seed (protocol.md §2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocol.encoding import U32, sha256
from protocol.ids import HotspotId, Kind
from protocol.limits import MIN_SLOT_SPREAD_MS
from protocol.parameters import Parameters, Plan, Slots


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot: when it starts and what it sends."""

    index: int
    start_ms: int
    frequency_hz: int
    bandwidth_hz: int
    spreading_factor: int
    eirp_cdb: int


class EpochLength(Protocol):
    """Whatever knows L: the parameters' windows, or the Epochs contract's own configuration."""

    @property
    def length_ms(self) -> int:
        """L, milliseconds."""


def epoch_start_ms(genesis_ms: int, windows: EpochLength, epoch: int) -> int:
    """Unix milliseconds at which an epoch starts; it ends where the next starts."""
    return genesis_ms + epoch * windows.length_ms


def epoch_at(genesis_ms: int, windows: EpochLength, time_ms: int) -> int:
    """The epoch a moment lies in; negative before genesis."""
    return (time_ms - genesis_ms) // windows.length_ms


def since_epoch(genesis_ms: int, windows: EpochLength, block_time_ms: int) -> int:
    """sinceEpoch of a registration: 0 before genesis, else the epoch after the block's."""
    return 0 if block_time_ms < genesis_ms else 1 + epoch_at(genesis_ms, windows, block_time_ms)


def slots_of(slots: Slots, kind: Kind) -> int:
    """B: how many slots a hotspot of this kind has in an epoch."""
    return slots.mapper if kind.is_mapper else slots.fixed


def slot(
    params: Parameters, plan: Plan, seed: bytes, hotspot_id: HotspotId, kind: Kind, start_ms: int, index: int
) -> Slot:
    """Slot `index` of a hotspot in the epoch that starts at `start_ms` and has this seed."""
    drawn = sha256(seed, hotspot_id, U32.encode(index))
    part_ms = (params.epoch.length_ms - params.epoch.guard_ms) // slots_of(params.slots, kind)
    offset_ms = int.from_bytes(drawn[0:8], "big") % (part_ms - MIN_SLOT_SPREAD_MS)
    channel, factor, eirp = (int.from_bytes(drawn[at : at + 4], "big") for at in (8, 12, 16))
    return Slot(
        index=index,
        start_ms=start_ms + index * part_ms + offset_ms,
        frequency_hz=plan.channels_hz[channel % len(plan.channels_hz)],
        bandwidth_hz=plan.bandwidth_hz,
        spreading_factor=plan.spreading_factors[factor % len(plan.spreading_factors)],
        eirp_cdb=plan.eirps_cdb[eirp % len(plan.eirps_cdb)],
    )


def schedule(
    params: Parameters, plan: Plan, seed: bytes, hotspot_id: HotspotId, kind: Kind, start_ms: int
) -> list[Slot]:
    """All slots of a hotspot in one epoch, in order of time."""
    return [
        slot(params, plan, seed, hotspot_id, kind, start_ms, index) for index in range(slots_of(params.slots, kind))
    ]
