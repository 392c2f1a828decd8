"""No input that decodes makes the rulebook overflow: an engine that overflows aborts the whole epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.columns import BeaconRow, Moves, Row, WitnessRow
from protocol.encoding import layout
from protocol.ids import Kind, Role
from protocol.limits import MAX_ALLOWED_DISTANCE_M, MAX_COORDINATE_M, MAX_FREQUENCY_HZ, MAX_TIME_MS
from protocol.reasons import Reason
from protocol.records import Beacon, Position, Witness
from protocol.rulebook import RULES, Rule, steps
from protocol.verdicts import judge
from tests.factories import DEVNET, Device, World, make_device, north_of_ulm
from tests.property.engine import KeptDuckDb
from validator.engine.duckdb_engine import DuckDbEngine

INT64_MAX = 2**63 - 1
FARTHEST_SQUARED = 3 * (2 * MAX_COORDINATE_M) ** 2
WIDEST = 2 * MAX_FREQUENCY_HZ
"""No column that is added to or subtracted from is wider than this; see test_sums_of_columns_fit."""


@pytest.fixture(scope="module")
def kept() -> Iterator[KeptDuckDb]:
    engine = KeptDuckDb()
    yield engine
    engine.close()


# --- whole worlds of reports at their limits

FREE = {"chain_id", "contract", "hotspot_id", "epoch", "salt", "tag", "nonce"}
"""Fields a random end would only turn into another hotspot's or beacon's report."""


def ends(record: type[Beacon] | type[Witness], random: Random) -> dict[str, Any]:
    """Some fields at the least or the most their type holds."""
    bent = {}
    for name, kind, _ in layout(record):
        if name not in FREE and random.random() < 0.4:
            bits = 8 * kind.width
            least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind.signed else (0, 2**bits - 1)
            bent[name] = random.choice([least, most])
    return bent


def extreme_world(random: Random) -> World:
    world = World()
    devices: list[Device] = [
        make_device(
            f"x{number}",
            north_of_ulm(4 * number),
            kind=random.choice(list(Kind)),
            gain_cdb=random.choice([-(2**15), 200, 2**15 - 1]),
            elevation_m=random.choice([-(2**15), 2**15 - 1]),
            block=random.choice([0, 2**64 - 1]),
            log_index=random.choice([0, 2**32 - 1]),
        )
        for number in range(4)
    ]
    world.add(*devices)
    for device in devices:
        slot = world.slot(device)
        bent = ends(Beacon, random) if random.random() < 0.5 else {}
        committed = {"committed_ms": random.choice([0, MAX_TIME_MS])} if random.random() < 0.2 else {}
        tag = world.beacon(device, **{"cell": north_of_ulm(1, 9), "power_cdb": 1_400, **bent, **committed})
        for witness in devices:
            world.witness(witness, tag, slot, **{"cell": north_of_ulm(1, 9), **ends(Witness, random)})
    return world


@given(seed=st.integers(0, 2**64 - 1))
@settings(max_examples=10, deadline=None)
def test_reports_at_the_limits_of_their_fields_are_judged(seed: int, kept: KeptDuckDb) -> None:
    world = extreme_world(Random(seed))
    inputs = world.inputs()
    judged = judge(inputs.setting, inputs.evidence, kept)
    assert len(judged.outcomes) == len(inputs.evidence.beacons) + len(inputs.evidence.witnesses)


@pytest.mark.parametrize("corner", [MAX_COORDINATE_M, -MAX_COORDINATE_M])
def test_positions_at_the_limits_of_their_fields_are_judged(corner: int, kept: KeptDuckDb) -> None:
    """The farthest two places a manifest can name."""
    a, b = make_device("a", north_of_ulm(0)), make_device("b", north_of_ulm(5))
    world = World()
    world.add(a, b)
    world.beacon(a)
    name = world.hears(b, a)
    inputs = world.inputs()
    places = {a: corner, b: -corner}
    inputs.__dict__["evidence"] = type(inputs.evidence)(
        inputs.evidence.beacons,
        inputs.evidence.witnesses,
        inputs.evidence.commits,
        {one.registered.row.cell: Position(one.registered.row.cell, at, at, at) for one, at in places.items()},
    )
    found = next(one for one in judge(inputs.setting, inputs.evidence, kept).outcomes if one.report_id == name)
    assert (Reason(found.reason), found.measured) == (Reason.TOO_FAR, FARTHEST_SQUARED)


# --- every column at once, wider than any record


SQUARES = {"distance_squared", "farthest_squared", "nearest_squared", "free_space_squared", "chord_squared"}
NUMBERS = {"id", "other", "hotspot", "beacon", "beacon_hotspot", "draw", "cell"}


def wide_rows(kind: type[Row], random: Random, count: int) -> list[Any]:
    names = [one.name for one in fields(kind)]
    return [
        kind(**{name: number if name == "id" else _wide(name, random) for name in names}) for number in range(count)
    ]


def _wide(name: str, random: Random) -> int:
    if name in SQUARES or name == "allowed_squared":
        return random.choice([0, FARTHEST_SQUARED, (2 * MAX_ALLOWED_DISTANCE_M) ** 2, INT64_MAX])
    if name in NUMBERS:
        return random.choice([0, 1, 2, INT64_MAX])
    return random.choice([-WIDEST, -1, 0, 1, WIDEST])


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("seed", range(3))
def test_no_rule_overflows_on_columns_wider_than_any_record(role: Role, seed: int) -> None:
    random = Random(seed)
    kind = BeaconRow if role is Role.BEACON else WitnessRow
    rows, moves = wide_rows(kind, random, 400), wide_rows(Moves, random, 50)
    tables = {"reports": (kind, rows), "moves": (Moves, moves)}
    found = DuckDbEngine().run(tables, steps(RULES[role], DEVNET.rules, "reports"))
    assert [row[0] for row in found] == list(range(400))


ALONE = [(role, rule) for role, rules in RULES.items() for rule in rules]


@pytest.mark.parametrize(("role", "rule"), ALONE, ids=lambda value: getattr(value, "reason", value).name)
def test_no_single_rule_overflows_on_rows_that_reach_it(role: Role, rule: Rule, kept: KeptDuckDb) -> None:
    """Each rule alone, so that no earlier one keeps a row from it."""
    kind = BeaconRow if role is Role.BEACON else WitnessRow
    rows, moves = wide_rows(kind, Random(1), 300), wide_rows(Moves, Random(2), 50)
    found = kept.run({"reports": (kind, rows), "moves": (Moves, moves)}, steps((rule,), DEVNET.rules, "reports"))
    assert len(found) == 300


def test_sums_of_columns_fit() -> None:
    """What the widest column is compared with: sums and differences of two record fields."""
    assert WIDEST >= MAX_FREQUENCY_HZ + MAX_FREQUENCY_HZ
    assert WIDEST >= 2**32 - 1
    assert max(FARTHEST_SQUARED, (2 * MAX_ALLOWED_DISTANCE_M) ** 2) < INT64_MAX


def test_the_engine_refuses_a_number_sql_could_overflow_on() -> None:
    too_wide = BeaconRow(**{one.name: 2**63 if one.name == "frequency_hz" else 0 for one in fields(BeaconRow)})
    with pytest.raises(OverflowError):
        DuckDbEngine().run({"reports": (BeaconRow, [too_wide])}, steps((), DEVNET.rules, "reports"))
