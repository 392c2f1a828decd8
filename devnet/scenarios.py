"""What a devnet plays: which hotspots stand where, what they are registered as, which baseline is listed.

`simulated` invents a valley and its incumbents from a seed; `trace` makes hotspots from a file of measured receptions.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from coverage_maps.importers.columns import is_receptions
from coverage_maps.importers.files import import_file, import_rows, read_header
from coverage_maps.importers.measurements import Imported
from devnet.ether.places import Place, moved, place
from devnet.ether.trace import TracePlan
from protocol import geo
from protocol.ids import Kind
from protocol.need import CELLULAR, RADIO_CLASSES

SOURCE = 1
SURVEY_VOTES_U = 8_000_000
HALF_LIFE_DAYS = 365

DEMO_CENTRE = ("48.4101", "9.7920")
DEMO_FIXED, DEMO_MAPPERS = 20, 4
DEMO_RADIUS_M = 24_000
DEMO_LEAST_APART_M = 3_500
BASELINE_POINTS = 14_000
BASELINE_RADIUS_M = 28_000
DEMO_ROUTE_RADIUS_M = 6_000
DEMO_WIFI, DEMO_WIFI_RADIUS_M = 3, (140, 180)
"""Wi-Fi hotspots round a square in the middle: neighbours some 280 m apart, well within what 100 mW reach in a town."""
FIXED_GAIN_CDB = 200
FIXED_ELEVATION_M, WIFI_ELEVATION_M = 12, 4
PLACE_TRIES = 10_000
FIXED_RESOLUTION, MAPPER_HOME_RESOLUTION, WIFI_RESOLUTION, TRACE_RESOLUTION = 10, 10, 12, 12
TRACE_SPEED_M_S = 1_000
NAMES_BY_LETTER = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Station:
    """One hotspot to be registered and put on air."""

    name: str
    kind: Kind
    cell: int
    """Registered cell."""
    gain_cdb: int
    elevation_m: int
    place: Place | None
    """Where it stands in the ether; None where a trace decides."""
    route_radius_m: int = 0
    """How far a simulated mapper drives from its place."""
    mapper: tuple[str, int] | None = None
    receiver: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A baseline as the params will list it."""

    name: str
    radio_class: str
    imported: Imported


@dataclass(frozen=True, slots=True)
class Scenario:
    """Stations in the order of their registration, the baseline, and what must be said of both."""

    name: str
    seed: int
    stations: tuple[Station, ...]
    baseline: Listed | None
    mapper_speed_m_s: int | None
    what: str
    receptions: Path | None = None
    baseline_file: Path | None = None
    """Where the baseline was read from; None if it is invented, or there is none."""


SIMULATED_WHAT = (
    "radio ether: positions, LoRa and Wi-Fi receptions and the incumbents' signal are invented from a seed; "
    "protocol, validators and chain are real"
)
TRACE_WHAT = (
    "radio ether: receptions are replayed from real measurements with their positions and RSSI; time, frequency and "
    "spreading factor are the slot's, SNR is derived as min(RSSI + 117 dB, 10 dB); antenna gain 2 dBi is assumed; "
    "protocol, validators and chain are real"
)


# --- simulated --------------------------------------------------------------------------------------------------------


def simulated(seed: int, baseline: Path | None) -> Scenario:
    """Fixed hotspots scattered over a valley, mappers driving through it, incumbent masts at its edge."""
    dice = random.Random(f"farfield/devnet/{seed}")
    centre = place(*DEMO_CENTRE)
    spots = _scatter(dice, centre)
    fixed = [_station(f"hill-{letter}", Kind.FIXED, spot) for letter, spot in zip(NAMES_BY_LETTER, spots, strict=False)]
    mappers = [
        replace(
            _station(f"van-{number}", Kind.MAPPER, home), gain_cdb=0, elevation_m=2, route_radius_m=DEMO_ROUTE_RADIUS_M
        )
        for number, home in enumerate(dice.sample(spots, DEMO_MAPPERS), 1)
    ]
    listed = read_baseline(baseline) if baseline else Listed("synthetic", "cellular", _invented_baseline(dice, centre))
    return Scenario(
        "simulated", seed, (*fixed, *mappers, *_wifi_round(seed, centre)), listed, None, SIMULATED_WHAT, None, baseline
    )


def _wifi_round(seed: int, centre: Place) -> list[Station]:
    """Wi-Fi hotspots in a ring, drawn by themselves, so that nothing else moves with their number."""
    dice = random.Random(f"farfield/devnet/{seed}/wifi")
    first, near_far_m = dice.uniform(0, 2 * math.pi), DEMO_WIFI_RADIUS_M
    stations = []
    for number, letter in enumerate(NAMES_BY_LETTER[:DEMO_WIFI]):
        bearing, radius_m = first + 2 * math.pi * number / DEMO_WIFI, dice.uniform(*near_far_m)
        spot = moved(centre, radius_m * math.cos(bearing), radius_m * math.sin(bearing))
        cell = geo.cell_at(spot.latitude_deg, spot.longitude_deg, WIFI_RESOLUTION)
        stations.append(Station(f"cafe-{letter}", Kind.FIXED_WIFI, cell, FIXED_GAIN_CDB, WIFI_ELEVATION_M, spot))
    return stations


def _station(name: str, kind: Kind, where: Place) -> Station:
    level = MAPPER_HOME_RESOLUTION if kind.is_mapper else FIXED_RESOLUTION
    cell = geo.cell_at(where.latitude_deg, where.longitude_deg, level)
    return Station(name, kind, cell, FIXED_GAIN_CDB, FIXED_ELEVATION_M, where)


def _scatter(dice: random.Random, centre: Place) -> list[Place]:
    """Places at random, none too close to another."""
    spots: list[Place] = []
    for _ in range(PLACE_TRIES):
        if len(spots) == DEMO_FIXED:
            return spots
        spot = _somewhere(dice, centre, DEMO_RADIUS_M)
        if all(_apart_m(spot, other) > DEMO_LEAST_APART_M for other in spots):
            spots.append(spot)
    raise AssertionError("the demo's valley holds its hotspots")


def _somewhere(dice: random.Random, centre: Place, radius_m: int) -> Place:
    bearing, share = dice.uniform(0, 2 * math.pi), math.sqrt(dice.random())
    return moved(centre, radius_m * share * math.cos(bearing), radius_m * share * math.sin(bearing))


def _apart_m(a: Place, b: Place) -> float:
    cells = (geo.cell_at(one.latitude_deg, one.longitude_deg, 12) for one in (a, b))
    left, right = (geo.position(cell) for cell in cells)
    return math.sqrt(geo.chord_squared(left, right))


def _invented_baseline(dice: random.Random, centre: Place) -> Imported:
    """A drive test nobody drove: cellular signal that fades from a few masts at the valley's edge."""
    masts = [_somewhere(dice, moved(centre, 0, side * BASELINE_RADIUS_M * 0.6), 3_000) for side in (-1, 0.4, 1)]
    lines = ["lat,lon,rsrp_dbm,device"]
    for number in range(BASELINE_POINTS):
        spot = _somewhere(dice, centre, BASELINE_RADIUS_M)
        nearest_m = max(min(_apart_m(spot, mast) for mast in masts), 50)
        signal_dbm = -62 - 36 * math.log10(nearest_m / 300) + dice.gauss(0, 5)
        lines.append(
            f"{spot.latitude_text},{spot.longitude_text},{max(-139, min(-45, signal_dbm)):.1f},car-{number % 7}"
        )
    return import_rows(lines, CELLULAR, SOURCE)


# --- trace ------------------------------------------------------------------------------------------------------------


def trace(plan: TracePlan, receptions: Path, seed: int, baseline: Path | None) -> Scenario:
    """Mappers where the transmitter went, fixed hotspots where it was heard, fewest receptions first."""
    home = _home_cell(plan)
    mappers = [
        Station(f"mapper-{number:03d}", Kind.MAPPER, home, 0, 2, None, mapper=(one.tx_id, one.cell))
        for number, one in enumerate(plan.mappers, 1)
    ]
    fixed = [
        Station(
            f"gateway-{number:02d}",
            Kind.FIXED,
            geo.cell_at(one.place.latitude_deg, one.place.longitude_deg, TRACE_RESOLUTION),
            FIXED_GAIN_CDB,
            FIXED_ELEVATION_M,
            one.place,
            receiver=one.rx_id,
        )
        for number, one in enumerate(plan.receivers, 1)
    ]
    listed = read_baseline(baseline) if baseline else None
    return Scenario("trace", seed, (*mappers, *fixed), listed, TRACE_SPEED_M_S, TRACE_WHAT, receptions, baseline)


def _home_cell(plan: TracePlan) -> int:
    """One cell for all mappers: that of the receiver with most receptions."""
    busiest = plan.receivers[-1].place
    return geo.cell_at(busiest.latitude_deg, busiest.longitude_deg, MAPPER_HOME_RESOLUTION)


def read_baseline(path: Path) -> Listed:
    """A baseline file: LoRa receptions by their columns, else a cellular drive test. ImportFileError says why not."""
    header = read_header(path)
    radio_class = "lora" if is_receptions(header) or "rx_id" in header.names else "cellular"
    imported = import_file(path, RADIO_CLASSES[radio_class], SOURCE)
    return Listed(path.name, radio_class, imported)


# --- params -----------------------------------------------------------------------------------------------------------


def params_text(base: str, scenario: Scenario) -> str:
    """The params file of this devnet: the shipped one, with the mappers' speed and the baseline the scenario names."""
    lines: Sequence[str] = base.splitlines()
    if scenario.mapper_speed_m_s is not None:
        speed = f"mapper_speed_m_s = {scenario.mapper_speed_m_s}"
        lines = [speed if line.startswith("mapper_speed_m_s") else line for line in lines]
    text = "\n".join(lines) + "\n"
    if scenario.baseline is None:
        return text
    return text + "\n".join(
        [
            "",
            "[[baselines]]",
            f"name = {json.dumps(scenario.baseline.name)}",
            f'sha256 = "{scenario.baseline.imported.report.sha256}"',
            f'radio_class = "{scenario.baseline.radio_class}"',
            f"source = {SOURCE}",
            f"votes_u = {SURVEY_VOTES_U}            # a named survey",
            f"half_life_days = {HALF_LIFE_DAYS}",
            "",
        ]
    )
