"""Only a cell leaves a mapper, and only where its owner does not want quiet."""

from __future__ import annotations

import asyncio
import json

import pytest

from hotspot.config import Config, ConfigError, parse
from hotspot.counters import Counters
from hotspot.positions import Mapper, Nowhere
from hotspot.positions.centre import centre_deg
from hotspot.positions.fix import Fix, NoFix, Told
from hotspot.quiet import Zone, distance_m
from protocol.geo import cell_at
from tests.hotspot.clocks import ManualClock

HOME = (48.398412345, 9.991512345)
REGISTERED = cell_at(*HOME, 10)
RADIUS_M = {9: 230, 10: 90, 11: 35, 12: 15}
DEGREE_M = 111_195


class Scripted:
    """A receiver that says what a test says."""

    name, connected = "a script", True

    async def run(self, told: Told) -> None:
        await asyncio.Event().wait()


class Driving:
    def __init__(self, config: Config) -> None:
        self.clock, self.counters = ManualClock(), Counters()
        self.mapper = Mapper(Scripted(), config, RADIUS_M, self.clock, self.counters)

    def at(self, latitude_deg: float, longitude_deg: float, age_ms: int = 0) -> int | Nowhere:
        self.mapper._told(Fix(latitude_deg, longitude_deg, age_ms))
        return self.mapper.where(REGISTERED)


def north_of(place: tuple[float, float], metres: float) -> tuple[float, float]:
    return place[0] + metres / DEGREE_M, place[1]


def test_keeps_quiet_within_a_kilometre_of_the_cell_it_is_registered_in() -> None:
    drive = Driving(Config())
    centre = centre_deg(REGISTERED)
    assert drive.at(*HOME) is Nowhere.QUIET
    assert drive.at(*north_of(centre, 1_085)) is Nowhere.QUIET
    away = north_of(centre, 1_095)
    assert drive.at(*away) == cell_at(*away, 9)


def test_home_in_the_settings_takes_the_place_of_the_registered_cell() -> None:
    elsewhere = north_of(HOME, 20_000)
    drive = Driving(Config(home=elsewhere, quiet_home_m=500))
    assert drive.at(*north_of(elsewhere, 495)) is Nowhere.QUIET
    assert drive.at(*north_of(elsewhere, 505)) is not Nowhere.QUIET
    assert drive.at(*HOME) == cell_at(*HOME, 9)


def test_other_places_can_be_quiet_too() -> None:
    work = north_of(HOME, 5_000)
    drive = Driving(Config(quiet_zones=(Zone(*work, 300),)))
    assert drive.at(*north_of(work, 299)) is Nowhere.QUIET
    assert isinstance(drive.at(*north_of(work, 301)), int)


def test_a_mapper_without_a_quiet_home_speaks_everywhere() -> None:
    assert Driving(Config(quiet_home_m=0)).at(*HOME) == cell_at(*HOME, 9)


@pytest.mark.parametrize("resolution", [8, 9, 10, 11])
def test_tells_a_cell_of_the_resolution_its_owner_chose(resolution: int) -> None:
    drive = Driving(Config(quiet_home_m=0, mapper_resolution=resolution))
    assert drive.at(*HOME) == cell_at(*HOME, resolution)


def test_a_fix_that_was_old_when_it_was_read_is_stale_sooner() -> None:
    drive = Driving(Config(quiet_home_m=0))
    assert isinstance(drive.at(*HOME, age_ms=10_000), int)
    assert drive.at(*HOME, age_ms=10_001) is Nowhere.STALE


@pytest.mark.parametrize("reading", [NoFix.LOST, NoFix.INACCURATE])
def test_a_lost_fix_is_nowhere(reading: NoFix) -> None:
    drive = Driving(Config(quiet_home_m=0))
    drive.at(*HOME)
    drive.mapper._told(reading)
    assert drive.mapper.where(REGISTERED) is Nowhere.NO_FIX


def test_what_the_owner_sees_holds_no_coordinate() -> None:
    for config in (Config(), Config(quiet_home_m=0), Config(home=HOME)):
        drive = Driving(config)
        drive.at(*HOME)
        shown = json.dumps(drive.mapper.snapshot(REGISTERED))
        assert not any(digits in shown for digits in ("48.3", "9.99"))


def test_distances_on_the_ground() -> None:
    assert distance_m(*HOME, *north_of(HOME, 1_000)) == pytest.approx(1_000, rel=1e-3)
    assert distance_m(0, 179.995, 0, -179.995) == pytest.approx(0.01 * DEGREE_M, rel=1e-3)
    assert distance_m(*HOME, *HOME) == 0


def test_reads_a_mappers_settings() -> None:
    config = parse('nmea = "/dev/ttyACM0"\nhome = "48.4, 9.99"\nquiet_home_m = 1500\nquiet_zones = ["48.1,9.5,250.5"]')
    assert (config.nmea, config.home, config.quiet_home_m) == ("/dev/ttyACM0", (48.4, 9.99), 1_500)
    assert config.quiet_zones == (Zone(48.1, 9.5, 251),)


@pytest.mark.parametrize(
    "text",
    [
        'nmea = "/dev/x"\ntermux = true',
        'gpsd = "127.0.0.1:2947"\ngpx = "x.gpx"',
        'home = "48.4"',
        'home = "91,0"',
        'home = "nan,0"',
        'quiet_zones = ["48.4,9.99"]',
        'quiet_zones = ["48.4,9.99,-1"]',
        'quiet_zones = ["48.4,9.99,inf"]',
        'quiet_zones = "48.4,9.99,5"',
        "quiet_home_m = -1",
        "termux = 1",
    ],
)
def test_refuses_settings_that_make_no_sense(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)
