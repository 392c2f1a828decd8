"""The plain values the reference reads: hotspots, reports, manifests, one epoch, and what earlier ones left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAPPER_KINDS = (1, 3)
WIFI_KINDS = (2, 3)

Place = tuple[int, int, int]  # whole-metre ECEF coordinates
Here = tuple[bytes, int]  # hotspot id and sinceEpoch


@dataclass(frozen=True)
class Hotspot:
    """One registered device as the chain has it at B_e, with its public key."""

    id: bytes
    x: bytes
    y: bytes
    owner: bytes
    cell: int
    gain_cdb: int
    kind: int
    since_epoch: int
    block: int
    log_index: int
    frozen: bool

    @property
    def here(self) -> Here:
        """What a history belongs to: a hotspot that moves starts anew."""
        return self.id, self.since_epoch

    @property
    def is_mapper(self) -> bool:
        return self.kind in MAPPER_KINDS

    @property
    def is_wifi(self) -> bool:
        return self.kind in WIFI_KINDS


@dataclass(frozen=True)
class Beacon:
    """A beaconer's report."""

    chain_id: int
    contract: bytes
    hotspot_id: bytes
    epoch: int
    salt: bytes
    slot: int
    nonce: bytes
    frequency_hz: int
    spreading_factor: int
    bandwidth_hz: int
    power_cdb: int
    sent_at_ms: int
    cell: int


@dataclass(frozen=True)
class Witness:
    """A witness's report."""

    chain_id: int
    contract: bytes
    hotspot_id: bytes
    epoch: int
    salt: bytes
    tag: bytes
    frequency_hz: int
    spreading_factor: int
    bandwidth_hz: int
    rssi_cdb: int
    snr_cdb: int
    received_at_ms: int
    tmst_us: int
    fine_time_ns: int
    cell: int


@dataclass(frozen=True)
class Signed:
    """One copy of a report with the signature it came with."""

    report: Beacon | Witness
    signature: bytes


@dataclass(frozen=True)
class Commit:
    """One commit as one validator recorded it."""

    hotspot_id: bytes
    report_id: bytes
    received_at_ms: int


@dataclass(frozen=True)
class Manifest:
    """One counted manifest with its segments' rows."""

    validator: bytes
    commits: tuple[Commit, ...]
    reports: tuple[Signed, ...]
    positions: Mapping[int, Place]

    @property
    def is_empty(self) -> bool:
        return not self.commits and not self.reports


@dataclass(frozen=True)
class Network:
    """What does not change from epoch to epoch. `params` is the parsed parameter file, `region_cells` its rows."""

    chain_id: int
    contract: bytes
    params: Mapping[str, Any]
    region_cells: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Epoch:
    """One epoch: its entropy, its registry and stakes at B_e, and the counted manifests in the chain's order."""

    number: int
    start_ms: int
    seed: bytes
    draw: bytes
    hotspots: Mapping[bytes, Hotspot]
    stakes: Mapping[bytes, int]
    manifests: tuple[Manifest, ...]

    @property
    def is_empty(self) -> bool:
        return all(manifest.is_empty for manifest in self.manifests)


@dataclass(frozen=True)
class BaselineRow:
    """One measurement: the canonical row of a listed file."""

    cell: int
    radio_class: str
    contributor: int
    signal_cdb: int
    weight_u: int
    day: int


@dataclass(frozen=True)
class BaselineFile:
    """One listed file and what params say of it. A crowd-sourced file with contributors has no cap of its own."""

    radio_class: str
    rows: tuple[BaselineRow, ...]
    votes_u: int | None
    half_life_days: int


@dataclass
class Tier:
    """The tier in force, and the one seen since."""

    in_force: int = 0
    seen: int = 0
    seen_epochs: int = 0


@dataclass
class History:
    """What earlier epochs left behind. The reference keeps whole histories where the state keeps bits and counters."""

    non_empty: set[int] = field(default_factory=set)
    heard: dict[Here, set[int]] = field(default_factory=dict)
    witnessed: dict[Here, set[int]] = field(default_factory=dict)
    signalled: dict[Here, set[int]] = field(default_factory=dict)
    tiers: dict[Here, Tier] = field(default_factory=dict)
    positions: dict[int, Place] = field(default_factory=dict)
    cumulative: dict[bytes, int] = field(default_factory=dict)
    reserve: int = 0
