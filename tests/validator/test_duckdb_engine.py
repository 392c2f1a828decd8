"""The rulebook on DuckDB: bounded, exact at the limits of every type, and the same however it is run."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.columns import BeaconRow, Moves, Row, WitnessRow
from protocol.ids import Role
from protocol.reasons import Reason
from protocol.rulebook import RULES, Step, steps
from tests.factories import DEVNET, ROOT
from validator.engine.duckdb_engine import DuckDbEngine

ROWS = 100_000
MOST_WALL_S = 30
MOST_RSS_MB = 900
I64_MAX, I64_MIN = 2**63 - 1, -(2**63)

BEACON = BeaconRow(
    id=0,
    hotspot=1,
    registered=1,
    frozen=0,
    region=0,
    signed=1,
    slot=0,
    slots=4,
    committers=4,
    validators=4,
    on_time=1,
    frequency_hz=868_100_000,
    slot_frequency_hz=868_100_000,
    spreading_factor=7,
    slot_spreading_factor=7,
    bandwidth_hz=125_000,
    slot_bandwidth_hz=125_000,
    eirp_cdb=1_600,
    slot_eirp_cdb=1_600,
)
WITNESS = WitnessRow(
    id=0,
    hotspot=1,
    registered=1,
    frozen=0,
    signed=1,
    beacon=0,
    committers=4,
    validators=4,
    on_time=1,
    beacon_hotspot=2,
    owner=1,
    beacon_owner=2,
    region=0,
    beacon_region=0,
    frequency_hz=868_100_000,
    beacon_frequency_hz=868_100_000,
    spreading_factor=7,
    beacon_spreading_factor=7,
    bandwidth_hz=125_000,
    beacon_bandwidth_hz=125_000,
    distance_squared=10**8,
    farthest_squared=10**10,
    nearest_squared=10**5,
    free_space_squared=10**12,
    wifi=0,
    own_wifi=0,
    snr_cdb=500,
    snr_floor_cdb=-750,
    noise_excess_cdb=0,
    fixed_link=1,
    heard_before=1,
    beacon_accepted_before=1,
    cell=1,
    draw=0,
)


def judged(
    role: Role, rows: list[Row], moves: list[Moves] | None = None, engine: DuckDbEngine | None = None
) -> list[tuple[int, ...]]:
    kind = BeaconRow if role is Role.BEACON else WitnessRow
    made = steps(RULES[role], DEVNET.rules, "reports")
    tables = {"reports": (kind, rows), "moves": (Moves, moves or [])}
    return (engine or DuckDbEngine()).run(tables, made)  # type: ignore[arg-type]


FAULTS = {
    7: {"signed": 0},
    11: {"distance_squared": 10**11},
    13: {"snr_cdb": -3_000},
    17: {"beacon": -1},
    19: {"on_time": 0},
}
"""Every so many rows one of these."""


def synthetic(rows: int) -> tuple[list[WitnessRow], list[Moves]]:
    """Witness reports of many hotspots and beacons: most plausible, some of every fault."""
    made = []
    for number in range(rows):
        plain = {
            "id": number,
            "hotspot": number % 5_003,
            "beacon": number % 9_001,
            "beacon_hotspot": 10_000 + number % 997,
            "owner": number % 5_003,
            "beacon_owner": 10_000 + number % 997,
            "cell": number % 211,
            "draw": number * 7_919 % rows,
        }
        bent = next((fault for every, fault in FAULTS.items() if number % every == 0), {})
        made.append(replace(WITNESS, **{**plain, **bent}))
    return made, [Moves(number, number + 1, number * 1_000, 10**6) for number in range(0, rows - 1, 50)]


def test_nothing_is_judged_as_nothing() -> None:
    assert judged(Role.BEACON, []) == judged(Role.WITNESS, []) == []


def test_an_honest_report_is_accepted() -> None:
    assert judged(Role.BEACON, [BEACON]) == judged(Role.WITNESS, [WITNESS]) == [(0, Reason.ACCEPTED, 0, 0)]


def test_the_result_does_not_depend_on_the_order_of_rows() -> None:
    rows, moves = synthetic(3_000)
    assert judged(Role.WITNESS, [*rows], moves) == judged(Role.WITNESS, [*reversed(rows)], [*reversed(moves)])


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_the_result_does_not_depend_on_the_number_of_threads(threads: int) -> None:
    rows, moves = synthetic(3_000)
    one = judged(Role.WITNESS, [*rows], moves, DuckDbEngine(threads=1))
    assert judged(Role.WITNESS, [*rows], moves, DuckDbEngine(threads=threads)) == one


EDGES = (I64_MIN, I64_MIN + 1, -1, 0, 1, I64_MAX - 1, I64_MAX)
SUMMED = {
    # Columns the rulebook adds a constant to or subtracts from: as wide as what they are made of, and no wider.
    "eirp_cdb": (-(2**16), 2**16),
    "slot_eirp_cdb": (-(2**31), 2**31),
    "frequency_hz": (0, 2**40 - 1),
    "beacon_frequency_hz": (0, 2**40 - 1),
    "slots": (0, 64),
    "snr_floor_cdb": (-2_000, 0),
    "noise_excess_cdb": (-(2**17), 2**17),
}


def at_the_limits(kind: type[Row]) -> st.SearchStrategy[Row]:
    """Rows whose every column may stand at the ends of what it can hold."""
    columns = {one.name: st.sampled_from(SUMMED.get(one.name, EDGES)) for one in fields(kind) if one.name != "id"}
    return st.builds(kind, id=st.just(0), **columns)


def numbered(rows: list[Row]) -> list[Row]:
    return [replace(row, id=number) for number, row in enumerate(rows)]


@settings(max_examples=10, deadline=None)
@given(st.lists(at_the_limits(BeaconRow), min_size=1, max_size=40))
def test_no_beacon_overflows_at_the_limits_of_its_types(rows: list[Row]) -> None:
    assert len(judged(Role.BEACON, numbered(rows))) == len(rows)


@settings(max_examples=10, deadline=None)
@given(st.lists(at_the_limits(WitnessRow), min_size=1, max_size=40))
def test_no_witness_overflows_at_the_limits_of_its_types(rows: list[Row]) -> None:
    assert len(judged(Role.WITNESS, numbered(rows))) == len(rows)


def test_a_number_that_fits_no_column_is_refused_before_any_sql() -> None:
    with pytest.raises(OverflowError):
        judged(Role.BEACON, [replace(BEACON, frequency_hz=2**63)])


MEASURE = """
import resource, sys, time
from protocol.ids import Role
from tests.validator.test_duckdb_engine import judged, synthetic
rows, moves = synthetic(int(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF)
started = time.monotonic()
out = judged(Role.WITNESS, rows, moves)
after = resource.getrusage(resource.RUSAGE_SELF)
assert len(out) == len(rows)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(time.monotonic() - started, cpu, after.ru_maxrss // 1024, before.ru_maxrss // 1024)
"""


def test_a_hundred_thousand_reports_are_judged_in_bounded_time_and_memory() -> None:
    """In a process of its own, so that its memory is its own."""
    out = subprocess.run(
        [sys.executable, "-c", MEASURE, str(ROWS)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    wall_s, cpu_s, peak_mb, before_mb = (float(word) for word in out.stdout.split())
    figures = f"{ROWS} rows: {wall_s:.2f} s wall, {cpu_s:.2f} s CPU, peak {peak_mb:.0f} MB ({before_mb:.0f} MB before)"
    print(figures)  # noqa: T201 - the figures, for `pytest -rP`
    assert cpu_s < MOST_WALL_S
    assert peak_mb < MOST_RSS_MB


def test_too_little_memory_changes_nothing_but_the_time() -> None:
    rows, moves = synthetic(40_000)
    plenty = judged(Role.WITNESS, [*rows], moves)
    assert judged(Role.WITNESS, [*rows], moves, DuckDbEngine(memory_limit="40MB")) == plenty


def test_what_does_not_fit_into_memory_goes_to_a_directory_that_is_gone_afterwards() -> None:
    """Not to the directory the process was started in, which is DuckDB's choice."""
    asked = Step("places", "SELECT 0 AS id, current_setting('temp_directory') AS place")
    [(_, place)] = DuckDbEngine().run({}, [asked])
    assert Path(str(place)).parent == Path(tempfile.gettempdir())
    assert not Path(str(place)).exists()


def test_memory_stays_what_it_was_after_many_runs() -> None:
    rows, moves = synthetic(500)
    engine = DuckDbEngine()
    judged(Role.WITNESS, [*rows], moves, engine)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    for _ in range(5):
        judged(Role.WITNESS, [*rows], moves, engine)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 64, f"{grown_mb:.0f} MB more after five runs of {time.monotonic() - started:.1f} s"
