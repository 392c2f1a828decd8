"""What a configuration may say, and what is refused with a sentence; places and routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devnet.ether.config import ConfigError, load_config, read_config, read_station
from devnet.ether.places import distance_m, moved, place
from devnet.ether.routes import seeded_route
from tests.devnet.ether_world import MUNSTER

STATION = {"name": "roof-1", "hotspot": "127.0.0.1:1680", "lat": 48.4, "lon": 9.99, "gain_dbi": 2.15}
NOON_MS = 1_700_000_000_000


def config(**changed: Any) -> dict[str, Any]:
    return {"channel": "simulated", "seed": 1, "stations": [STATION], **changed}


def test_reads_a_simulated_configuration() -> None:
    found = read_config(config())
    (station,) = found.stations
    assert (found.is_trace, station.name, station.gain_cdb, str(station.hotspot)) == (
        False, "roof-1", 215, "127.0.0.1:1680",
    )  # fmt: skip
    assert found.plan.channel_of(868_100_000) is not None


def test_reads_other_channels_for_another_region() -> None:
    found = read_config(config(channels_hz=[903_900_000, 905_300_000], transmit_hz=[902_000_000, 928_000_000]))
    assert found.plan.channel_of(905_300_000) == 1
    assert found.plan.channel_of(868_100_000) is None


def test_a_station_with_a_part_in_the_trace_needs_no_place() -> None:
    part = {"tx_id": "truck", "cell": "881f8d7acdfffff"}
    found = read_station({"name": "m", "hotspot": "127.0.0.1:1", "kind": "mapper", "mapper": part}, 1)
    assert found.mapper == ("truck", 0x881F8D7ACDFFFFF)
    assert found.route is None


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"channel": "real"}, "channel"),
        ({"channel": "trace"}, "receptions"),
        ({"receptions": "x.csv"}, "receptions"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"control": "0.0.0.0:1"}, "loopback"),
        ({"control": "example.org:1"}, "HOST:PORT"),
        ({"gpsd": "127.0.0.1:70000"}, "port"),
        ({"report": ""}, "report"),
        ({"stations": {}}, "stations"),
        ({"stations": [STATION] * 513}, "512"),
        ({"channels_hz": []}, "channels_hz"),
        ({"transmit_hz": [1]}, "transmit_hz"),
        ({"stations": [3]}, "object"),
    ],
)
def test_refuses_a_configuration_with_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_config(config(**changed))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": 4}, "name"),
        ({"kind": "balloon"}, "kind"),
        ({"hotspot": "1680"}, "hotspot"),
        ({"hotspot": None}, "hotspot"),
        ({"lat": 91}, "degrees"),
        ({"lat": None}, "lat"),
        ({"lat": [1]}, "lat"),
        ({"lon": float("nan")}, "degrees"),
        ({"gain_dbi": 31}, "gain_dbi"),
        ({"gain_dbi": "2"}, "gain_dbi"),
        ({"mapper": {"tx_id": "truck", "cell": "zz"}}, "mapper"),
        ({"mapper": {"tx_id": "truck", "cell": "891f8d7acdbffff"}}, "mapper"),
        ({"mapper": "truck"}, "mapper"),
        ({"receiver": 7}, "receiver"),
        ({"kind": "mapper", "route": {"speed_m_s": 10_000}}, "speed_m_s"),
        ({"kind": "mapper", "route": {"stops": []}}, "stops"),
        ({"kind": "mapper", "route": {"stops": [[1]]}}, "stops"),
        ({"kind": "mapper", "route": {"stops": [[1, 200]]}}, "degrees"),
        ({"kind": "mapper", "route": 5}, "route"),
    ],
)
def test_refuses_a_station_with_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_station({**STATION, **changed}, 1)


@pytest.mark.parametrize("content", ["", "[", "[" * 100_000, '"text"'])
def test_refuses_a_file_that_is_no_configuration(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ether.json"
    path.write_text(content)
    with pytest.raises(ConfigError):
        load_config(path)


@given(st.integers(0, 2**31), st.integers(0, 10**9), st.integers(1, 50), st.integers(1, 120_000))
def test_a_vehicle_never_drives_faster_than_its_speed(seed: int, second: int, speed_m_s: int, later_ms: int) -> None:
    route = seeded_route(seed, "van", MUNSTER, 1_500, speed_m_s)
    start, end = route.at(second * 1_000), route.at(second * 1_000 + later_ms)
    assert distance_m(start, end) <= speed_m_s * later_ms / 1_000 * 1.001 + 0.05


def test_a_vehicle_stays_near_home_and_moves() -> None:
    route = seeded_route(1, "van", MUNSTER, 1_500, 12)
    seen = [route.at(NOON_MS + 1_000 * second) for second in range(0, 3_600, 60)]
    assert max(distance_m(MUNSTER, where) for where in seen) <= 1_510
    assert len(set(seen)) > 50


def test_a_route_of_one_stop_stands_still() -> None:
    station = read_station({**STATION, "kind": "mapper", "route": {"stops": [[48.4, 9.99]]}}, 1)
    assert station.route is not None
    assert station.route.at(NOON_MS) == place(48.4, 9.99)


@given(st.floats(-60, 60), st.floats(-180, 180), st.floats(-5_000, 5_000), st.floats(-5_000, 5_000))
def test_moving_some_metres_moves_about_so_far(latitude: float, longitude: float, east: float, north: float) -> None:
    origin = place(latitude, longitude)
    wanted_m = (east**2 + north**2) ** 0.5
    assert abs(distance_m(origin, moved(origin, east, north)) - wanted_m) <= 1 + wanted_m / 100
