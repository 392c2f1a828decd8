"""Mappers too fast: pairs of reports farther apart than the time between them allows (protocol.md §6).

Only reports that reach the rule are compared, and a report keeps few of the pairs it is in: what one mapper can make
a validator remember grows with its reports, not with their square (docs/adr/0024).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from protocol.columns import Moves, Place, Setting, ValidBeacon, place_of, slot_of_beacon
from protocol.evidence import Evidence
from protocol.ids import HotspotId
from protocol.records import Witness

MS_PER_S = 1_000
MOST_MOVES = 8
"""Pairs kept of one report; the number in its outcome counts no further."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One dated place of a mapper."""

    id: int
    place: Place
    start_ms: int


Stops = Mapping[HotspotId, Sequence[Stop]]


def beacon_stops(setting: Setting, evidence: Evidence, reaching: Iterable[int]) -> Stops:
    """Where mappers were by the beacons that reach the rule, named by their numbers."""
    stops: dict[HotspotId, list[Stop]] = defaultdict(list)
    for number in reaching:
        report = evidence.beacons[number]
        hotspot = setting.registry[report.hotspot_id]
        if hotspot.kind.is_mapper:
            place, drawn = place_of(setting, hotspot, report.report.cell), slot_of_beacon(setting, report)
            assert place is not None and drawn is not None, "no beacon without place and slot reaches the rule"
            stops[report.hotspot_id].append(Stop(number, place, drawn.start_ms))
    return stops


def witness_stops(
    setting: Setting, evidence: Evidence, beacons: Mapping[bytes, ValidBeacon], reaching: Iterable[int]
) -> Stops:
    """Where mappers were by the witness reports that reach the rule, at the slots of the beacons they heard."""
    stops: dict[HotspotId, list[Stop]] = defaultdict(list)
    for number in reaching:
        report = evidence.witnesses[number]
        hotspot = setting.registry[report.hotspot_id]
        if hotspot.kind.is_mapper:
            assert isinstance(report.report, Witness)
            place = place_of(setting, hotspot, report.report.cell)
            assert place is not None, "no report without a place reaches the rule"
            stops[report.hotspot_id].append(Stop(number, place, beacons[report.report.tag].slot.start_ms))
    return stops


def too_fast(stops: Stops, speed_m_s: int) -> list[Moves]:
    """Every report that is too far from another one of its mapper, beside at most MOST_MOVES of those."""
    return [move for of_one_mapper in stops.values() for move in _moves(of_one_mapper, speed_m_s)]


def _moves(stops: Sequence[Stop], speed_m_s: int) -> Iterator[Moves]:
    """Pairs too far apart, from both ends, as long as an end has room."""
    kept = dict.fromkeys((one.id for one in stops), 0)
    for one, other, chord_squared, allowed_squared in _pairs(stops, speed_m_s, kept):
        for this, that in ((one, other), (other, one)):
            if kept[this] < MOST_MOVES:
                kept[this] += 1
                yield Moves(this, that, chord_squared, allowed_squared)


def _pairs(stops: Sequence[Stop], speed_m_s: int, kept: Mapping[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """(one, other, chord², allowed²) of pairs too far apart, each once; none whose ends both have no room left.

    Plain tuples in order of time, because a hostile mapper makes the inner loop run a million times.
    """
    flat = sorted((one.start_ms, one.id, *_metres(one.place)) for one in stops)
    for number, (start_ms, one, x_m, y_m, z_m, radius_m) in enumerate(flat):
        later = flat[number + 1 :]
        if kept[one] == MOST_MOVES:
            later = [stop for stop in later if kept[stop[1]] < MOST_MOVES]
        for later_ms, other, other_x_m, other_y_m, other_z_m, other_radius_m in later:
            elapsed_s = -((start_ms - later_ms) // MS_PER_S)
            allowed_m = speed_m_s * elapsed_s + radius_m + other_radius_m
            dx_m, dy_m, dz_m = x_m - other_x_m, y_m - other_y_m, z_m - other_z_m
            chord_squared = dx_m * dx_m + dy_m * dy_m + dz_m * dz_m
            if chord_squared > allowed_m * allowed_m:
                yield one, other, chord_squared, allowed_m * allowed_m


def _metres(place: Place) -> tuple[int, int, int, int]:
    return place.position.x_m, place.position.y_m, place.position.z_m, place.radius_m
