"""Reports as rows of 64-bit integers, ready for the rulebook: signatures, squares, slots and draws are settled here.

Everything below is a pure function of the evidence, the registry, the params and the chain's seed and draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property

from protocol import free_space, geo
from protocol.encoding import Network, signed_bytes, witness_draw
from protocol.evidence import Evidence, Report, recorded_on_time
from protocol.ids import Address, HotspotId
from protocol.keys import PublicKey, verify_device
from protocol.limits import (
    MAX_MAPPER_RESOLUTION,
    MAX_REGISTERED_RESOLUTION,
    MIN_MAPPER_RESOLUTION,
    MIN_REGISTERED_RESOLUTION,
)
from protocol.parameters import Parameters, Plan, Reach
from protocol.quorum import is_blocking, stake_of
from protocol.records import REPORT, Account, Beacon, Position, Witness
from protocol.regions import RegionMap, plan_of
from protocol.registry import Registered
from protocol.schedule import Slot, slot, slots_of

UNKNOWN = -1
SELECTION_LEVEL = 8
SNR_FLOORS_CDB = {5: -250, 6: -500, 7: -750, 8: -1_000, 9: -1_250, 10: -1_500, 11: -1_750, 12: -2_000}
NOISE_OVER_125KHZ_CDB = {125_000: 0, 250_000: 300, 500_000: 600}


@dataclass(frozen=True)
class Setting:
    """What an epoch's reports are judged against. `draw` may be empty for provisional verdicts, which select nobody."""

    network: Network
    params: Parameters
    regions: RegionMap
    epoch: int
    start_ms: int
    seed: bytes
    draw: bytes
    registry: Mapping[HotspotId, Registered]
    stakes: Mapping[Address, int]
    accounts: Mapping[bytes, Account]
    positions: Mapping[int, Position]

    @cached_property
    def total_stake(self) -> int:
        return sum(self.stakes.values())

    @cached_property
    def keys(self) -> Mapping[HotspotId, PublicKey | None]:
        return {hotspot_id: one.key() for hotspot_id, one in self.registry.items()}

    @cached_property
    def home_regions(self) -> Mapping[HotspotId, int]:
        """Region of each registered cell; UNKNOWN where there is none."""
        return {hotspot_id: self.region_of(one.row.cell) for hotspot_id, one in self.registry.items()}

    def region_of(self, cell: int) -> int:
        if not geo.is_cell(cell, MIN_MAPPER_RESOLUTION, MAX_REGISTERED_RESOLUTION):
            return UNKNOWN
        found = self.regions.of(cell)
        return UNKNOWN if found is None else found

    def position_of(self, cell: int) -> Position:
        """The agreed position of a cell; one nobody has placed yet is where h3 says."""
        return self.positions.get(cell) or geo.position(cell)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a report was made: a position known to within `radius_m`."""

    cell: int
    position: Position
    radius_m: int


@dataclass(frozen=True, slots=True)
class Moves:
    """Two reports of one mapper: the chord between them and what it may have travelled, metres squared (travel.py)."""

    id: int
    other: int
    chord_squared: int
    allowed_squared: int


@dataclass(frozen=True, slots=True)
class BeaconRow:
    """One beacon report as the rulebook sees it."""

    id: int
    hotspot: int
    registered: int
    frozen: int
    region: int
    signed: int
    slot: int
    slots: int
    committers: int
    validators: int
    on_time: int
    frequency_hz: int
    slot_frequency_hz: int
    spreading_factor: int
    slot_spreading_factor: int
    bandwidth_hz: int
    slot_bandwidth_hz: int
    eirp_cdb: int
    slot_eirp_cdb: int


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """One witness report as the rulebook sees it, beside the valid beacon it heard (beacon = UNKNOWN: none)."""

    id: int
    hotspot: int
    registered: int
    frozen: int
    signed: int
    beacon: int
    committers: int
    validators: int
    on_time: int
    beacon_hotspot: int
    owner: int
    beacon_owner: int
    region: int
    beacon_region: int
    frequency_hz: int
    beacon_frequency_hz: int
    spreading_factor: int
    beacon_spreading_factor: int
    bandwidth_hz: int
    beacon_bandwidth_hz: int
    distance_squared: int
    farthest_squared: int
    nearest_squared: int
    free_space_squared: int
    wifi: int
    """1 if the beacon was sent by Wi-Fi."""
    own_wifi: int
    snr_cdb: int
    snr_floor_cdb: int
    noise_excess_cdb: int
    fixed_link: int
    heard_before: int
    beacon_accepted_before: int
    cell: int
    draw: int


Row = BeaconRow | WitnessRow | Moves


def column_names(kind: type[Row]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


@dataclass(frozen=True, slots=True)
class ValidBeacon:
    """A beacon that passed every beacon rule: what witnesses of it are compared with."""

    id: int
    report: Report
    hotspot: Registered
    slot: Slot
    region: int
    plan: Plan
    place: Place

    @property
    def beacon(self) -> Beacon:
        assert isinstance(self.report.report, Beacon)
        return self.report.report


class Numbering:
    """Dense numbers for ids, so that SQL compares integers; equal ids get equal numbers."""

    def __init__(self, values: Iterable[bytes]) -> None:
        self._numbers = {value: number for number, value in enumerate(sorted(set(values)))}

    def __getitem__(self, value: bytes) -> int:
        return self._numbers[value]


# --- shared by both roles ------------------------------------------------------------------------------------------


def is_signed(setting: Setting, report: Report) -> bool:
    """True if any copy of the report carries a signature of the registered key."""
    key = setting.keys.get(report.hotspot_id)
    message = signed_bytes(REPORT, setting.network, report.canonical)
    return key is not None and any(verify_device(key, message, signature) for signature in report.signatures)


def place_of(setting: Setting, hotspot: Registered, reported_cell: int) -> Place | None:
    """Where a report was made: a mapper where it says, a fixed hotspot where registered; None if that is no cell."""
    if hotspot.kind.is_mapper:
        cell, least, most = reported_cell, MIN_MAPPER_RESOLUTION, MAX_MAPPER_RESOLUTION
    else:
        cell, least, most = hotspot.row.cell, MIN_REGISTERED_RESOLUTION, MAX_REGISTERED_RESOLUTION
    if not geo.is_cell(cell, least, most):
        return None
    return Place(cell, setting.position_of(cell), setting.params.positions.radius_m[geo.resolution(cell)])


def region_at(setting: Setting, hotspot: Registered, place: Place | None) -> int:
    """Region of the registered cell, if a mapper's reported cell lies in it too; else UNKNOWN."""
    home = setting.home_regions[hotspot.hotspot_id]
    if place is None or (hotspot.kind.is_mapper and setting.region_of(place.cell) != home):
        return UNKNOWN
    return home


def _commit_columns(setting: Setting, evidence: Evidence, report: Report, slot_start_ms: int | None) -> tuple[int, int]:
    """(validators that recorded the commit on time, whether they hold > 1/3 of stake)."""
    if slot_start_ms is None:
        return 0, 0
    times = evidence.commits.get((report.hotspot_id, report.report_id), {})
    on_time = recorded_on_time(times, slot_start_ms, setting.params.epoch)
    return len(on_time), int(is_blocking(stake_of(on_time, setting.stakes), setting.total_stake))


# --- beacons ----------------------------------------------------------------------------------------------------------


def slot_of_beacon(setting: Setting, report: Report) -> Slot | None:
    """The slot a beacon names, or None if its hotspot does not have it."""
    hotspot, beacon = setting.registry.get(report.hotspot_id), report.report
    assert isinstance(beacon, Beacon)
    if hotspot is None or beacon.slot >= slots_of(setting.params.slots, hotspot.kind):
        return None
    home = setting.home_regions[hotspot.hotspot_id]
    if home == UNKNOWN:
        return None
    plan = plan_of(setting.params.radio, hotspot.kind, home)
    return slot(setting.params, plan, setting.seed, hotspot.hotspot_id, hotspot.kind, setting.start_ms, beacon.slot)


def beacon_rows(setting: Setting, evidence: Evidence) -> list[BeaconRow]:
    """Rows of every beacon, numbered in the order of the evidence."""
    hotspots = Numbering(report.hotspot_id for report in evidence.beacons)
    return [
        _beacon_row(setting, evidence, report, number, hotspots[report.hotspot_id])
        for number, report in enumerate(evidence.beacons)
    ]


def _beacon_row(setting: Setting, evidence: Evidence, report: Report, number: int, hotspot_number: int) -> BeaconRow:
    hotspot, beacon = setting.registry.get(report.hotspot_id), report.report
    assert isinstance(beacon, Beacon)
    drawn = slot_of_beacon(setting, report)
    place = place_of(setting, hotspot, beacon.cell) if hotspot else None
    committers, on_time = _commit_columns(setting, evidence, report, drawn.start_ms if drawn else None)
    return BeaconRow(
        id=number,
        hotspot=hotspot_number,
        registered=int(hotspot is not None),
        frozen=hotspot.row.frozen if hotspot else 0,
        region=region_at(setting, hotspot, place) if hotspot else UNKNOWN,
        signed=int(is_signed(setting, report)),
        slot=beacon.slot,
        slots=slots_of(setting.params.slots, hotspot.kind) if hotspot else 0,
        committers=committers,
        validators=len(setting.stakes),
        on_time=on_time,
        frequency_hz=beacon.frequency_hz,
        slot_frequency_hz=drawn.frequency_hz if drawn else 0,
        spreading_factor=beacon.spreading_factor,
        slot_spreading_factor=drawn.spreading_factor if drawn else 0,
        bandwidth_hz=beacon.bandwidth_hz,
        slot_bandwidth_hz=drawn.bandwidth_hz if drawn else 0,
        eirp_cdb=beacon.power_cdb + (hotspot.row.gain_cdb if hotspot else 0),
        slot_eirp_cdb=drawn.eirp_cdb if drawn else 0,
    )


def valid_beacon(setting: Setting, report: Report, number: int) -> ValidBeacon:
    """What witnesses need of a beacon the rulebook accepted."""
    hotspot, drawn = setting.registry[report.hotspot_id], slot_of_beacon(setting, report)
    place = place_of(setting, hotspot, report.report.cell)
    assert drawn is not None and place is not None, "the rulebook accepts no beacon without slot and place"
    region = region_at(setting, hotspot, place)
    return ValidBeacon(
        number, report, hotspot, drawn, region, plan_of(setting.params.radio, hotspot.kind, region), place
    )


# --- witnesses --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Numbers of the ids in an epoch's witness reports and the beacons they heard."""

    hotspots: Numbering
    owners: Numbering
    draws: Numbering


def witness_rows(setting: Setting, evidence: Evidence, beacons: Mapping[bytes, ValidBeacon]) -> list[WitnessRow]:
    """Rows of every witness report, numbered in the order of the evidence; `beacons` are by tag."""
    numbers = _witness_numbers(setting, evidence, beacons)
    rows = []
    for number, report in enumerate(evidence.witnesses):
        assert isinstance(report.report, Witness)
        beacon, hotspot = beacons.get(report.report.tag), setting.registry.get(report.hotspot_id)
        if hotspot is None or beacon is None:
            rows.append(_unpaired_row(setting, report, hotspot, numbers, number))
            continue
        place = place_of(setting, hotspot, report.report.cell)
        rows.append(_paired_row(setting, evidence, report, (hotspot, place, beacon), numbers, number))
    return rows


def _witness_numbers(setting: Setting, evidence: Evidence, beacons: Mapping[bytes, ValidBeacon]) -> _Numbers:
    heard = list(beacons.values())
    return _Numbers(
        Numbering([one.hotspot_id for one in evidence.witnesses] + [one.hotspot.hotspot_id for one in heard]),
        Numbering([one.owner for one in setting.registry.values()]),
        Numbering(_draw(setting, one) for one in evidence.witnesses),
    )


def _draw(setting: Setting, report: Report) -> bytes:
    assert isinstance(report.report, Witness)
    return witness_draw(setting.draw, report.report.tag, report.hotspot_id)


def _unpaired_row(
    setting: Setting, report: Report, hotspot: Registered | None, numbers: _Numbers, number: int
) -> WitnessRow:
    """A report no rule past NO_VALID_BEACON will look at: everything about the pair is zero."""
    known = {
        "id": number,
        "hotspot": numbers.hotspots[report.hotspot_id],
        "registered": int(hotspot is not None),
        "frozen": hotspot.row.frozen if hotspot else 0,
        "signed": int(is_signed(setting, report)),
        "beacon": UNKNOWN,
    }
    return WitnessRow(**{name: known.get(name, 0) for name in column_names(WitnessRow)})


def _paired_row(
    setting: Setting,
    evidence: Evidence,
    report: Report,
    pair: tuple[Registered, Place | None, ValidBeacon],
    numbers: _Numbers,
    number: int,
) -> WitnessRow:
    (hotspot, place, heard), witness, rules = pair, report.report, setting.params.rules
    assert isinstance(witness, Witness)
    committers, on_time = _commit_columns(setting, evidence, report, heard.slot.start_ms)
    reach = rules.wifi if heard.hotspot.kind.is_wifi else rules.lora
    fixed_link = not (hotspot.kind.is_mapper or heard.hotspot.kind.is_mapper)
    distance, farthest, nearest, free = _distances(
        setting, heard, hotspot, place, witness, reach, fixed_link=fixed_link
    )
    factor, bandwidth_hz = heard.slot.spreading_factor, heard.slot.bandwidth_hz
    noise_cdb = rules.noise_125khz_cdb + NOISE_OVER_125KHZ_CDB.get(bandwidth_hz, 0)
    return WitnessRow(
        id=number,
        hotspot=numbers.hotspots[report.hotspot_id],
        registered=1,
        frozen=hotspot.row.frozen,
        signed=int(is_signed(setting, report)),
        beacon=heard.id,
        committers=committers,
        validators=len(setting.stakes),
        on_time=on_time,
        beacon_hotspot=numbers.hotspots[heard.hotspot.hotspot_id],
        owner=numbers.owners[hotspot.owner],
        beacon_owner=numbers.owners[heard.hotspot.owner],
        region=region_at(setting, hotspot, place),
        beacon_region=heard.region,
        frequency_hz=witness.frequency_hz,
        beacon_frequency_hz=heard.slot.frequency_hz,
        spreading_factor=witness.spreading_factor,
        beacon_spreading_factor=factor,
        bandwidth_hz=witness.bandwidth_hz,
        beacon_bandwidth_hz=bandwidth_hz,
        distance_squared=distance,
        farthest_squared=farthest,
        nearest_squared=nearest,
        free_space_squared=free,
        wifi=int(heard.hotspot.kind.is_wifi),
        own_wifi=int(hotspot.kind.is_wifi),
        snr_cdb=witness.snr_cdb,
        snr_floor_cdb=SNR_FLOORS_CDB.get(factor, 0),
        noise_excess_cdb=witness.rssi_cdb - (noise_cdb + witness.snr_cdb),
        fixed_link=int(fixed_link),
        heard_before=_was(setting, hotspot, "last_heard"),
        beacon_accepted_before=_was(setting, heard.hotspot, "last_accepted"),
        cell=geo.parent(place.cell, SELECTION_LEVEL) if place else 0,
        draw=numbers.draws[_draw(setting, report)],
    )


def _distances(
    setting: Setting,
    heard: ValidBeacon,
    hotspot: Registered,
    place: Place | None,
    witness: Witness,
    reach: Reach,
    *,
    fixed_link: bool,
) -> tuple[int, int, int, int]:
    """(distance, farthest, nearest, free-space reach) of a link, each squared, square metres; zeros without a place."""
    if place is None:
        return 0, 0, 0, 0
    radii_m = place.radius_m + heard.place.radius_m
    eirp_cdb = min(heard.plan.max_eirp_cdb, heard.beacon.power_cdb + heard.hotspot.row.gain_cdb)
    power_cdb = free_space.packet_power_cdb(witness.rssi_cdb, witness.snr_cdb)
    excess_cdb = eirp_cdb + hotspot.row.gain_cdb - power_cdb + setting.params.rules.free_space_margin_cdb
    return (
        geo.chord_squared(place.position, heard.place.position),
        max(reach.max_distance_m - radii_m, 0) ** 2,
        (reach.min_distance_m + radii_m) ** 2 if fixed_link else 0,
        (free_space.reach_m(excess_cdb, heard.slot.frequency_hz) + radii_m) ** 2,
    )


def _was(setting: Setting, hotspot: Registered, what: str) -> int:
    """1 if the state says the hotspot was heard, or accepted as a witness, in the last epoch at its present cell."""
    account = setting.accounts.get(hotspot.hotspot_id)
    if account is None or setting.epoch <= 1 or account.since_epoch != hotspot.row.since_epoch:
        return 0
    return int(getattr(account, what) == setting.epoch - 1)
