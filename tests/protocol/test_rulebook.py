"""Every reason of the rulebook on either side of its border, and what the table as a whole promises."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations
from random import Random
from typing import Any

import pytest

from protocol import rulebook
from protocol.columns import NOISE_OVER_125KHZ_CDB, SNR_FLOORS_CDB
from protocol.encoding import report_id
from protocol.epoch import decode_outcomes, settle
from protocol.ids import Kind, Role
from protocol.parameters import Rules
from protocol.reasons import SENTENCES, Reason
from protocol.rulebook import RULES, TEXT, Rule, steps
from protocol.verdicts import Engine, judge
from tests.factories import DEVNET, ROOT, World, make_device, north_of_ulm
from tests.property.engine import KeptDuckDb, SharedRuns
from tests.protocol.rulebook_cases import (
    CASES,
    NOWHERE,
    A,
    B,
    C,
    Case,
    beacon_id,
    flipped,
    heard_id,
    honest_world,
    newcomer,
)
from tests.reference.verdicts import NOISE_ABOVE_125KHZ_CDB, SNR_FLOOR_CDB

Outcomes = Mapping[bytes, Reason]
SIDES = (False, True)


def outcomes(world: World, engine: Engine) -> Outcomes:
    inputs = world.inputs()
    judged = judge(inputs.setting, inputs.evidence, engine)
    return {one.report_id: Reason(one.reason) for one in judged.outcomes}


def reason_of(put: Callable[[World], bytes], engine: Engine) -> Reason:
    """The reason of the report that `put` puts into an honest world."""
    world = honest_world()
    name = put(world)
    return outcomes(world, engine)[name]


def side(case: Case, broken: bool) -> Callable[[World], bytes]:
    return lambda world: case.put(world, broken)


@pytest.fixture(scope="module")
def crossed(engine: KeptDuckDb) -> dict[tuple[str, bool], Reason]:
    """The reason of every case on both sides, all judged in two runs of the rulebook per set of numbers."""
    shared = SharedRuns(engine)
    all_sides = [(case, broken) for case in CASES for broken in SIDES]
    reasons = shared.for_each(all_sides, lambda one: reason_of(side(*one), shared))
    return {(case.id, broken): reason for (case, broken), reason in zip(all_sides, reasons, strict=True)}


# --- every border


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_accepted_on_the_near_side(case: Case, crossed: dict[tuple[str, bool], Reason]) -> None:
    assert crossed[case.id, False].name == "ACCEPTED"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_named_on_the_far_side(case: Case, crossed: dict[tuple[str, bool], Reason]) -> None:
    assert crossed[case.id, True] is case.reason


ROWS = [(role, rule) for role, rules in RULES.items() for rule in rules]


@pytest.mark.parametrize(("role", "rule"), ROWS, ids=lambda value: getattr(value, "reason", value).name)
def test_every_row_of_the_rulebook_is_needed(
    role: Role, rule: Rule, engine: KeptDuckDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the row, the first case of its border is judged otherwise."""
    case = next(one for one in CASES if (one.role, one.reason) == (role, rule.reason))
    without = {**RULES, role: tuple(one for one in RULES[role] if one is not rule)}
    monkeypatch.setattr("protocol.verdicts.RULES", without)
    assert reason_of(side(case, broken=True), engine) is not rule.reason


# --- order


def bent_beacon(world: World, bends: set[Reason]) -> bytes:
    """A beacon with several things wrong with it."""
    device = newcomer(
        world,
        cell=NOWHERE if Reason.REGION_UNKNOWN in bends else north_of_ulm(4),
        frozen=int(Reason.FROZEN in bends),
    )
    slot = world.slot(device, 4 if Reason.NO_SUCH_SLOT in bends else 1)
    fields: dict[Reason, dict[str, Any]] = {
        Reason.COMMIT_NOT_ON_TIME: {"validators": []},
        Reason.WRONG_CHANNEL: {"frequency_hz": slot.frequency_hz + 1},
        Reason.WRONG_DATA_RATE: {"spreading_factor": slot.spreading_factor + 1},
        Reason.POWER_OUT_OF_RANGE: {"power_cdb": 2**15 - 1},
        Reason.BAD_SIGNATURE: {"signature": bytes(64)},
    }
    chosen = {name: value for bend in bends for name, value in fields.get(bend, {}).items()}
    name = beacon_id(world, device, 4 if Reason.NO_SUCH_SLOT in bends else 1, **chosen)
    if Reason.UNKNOWN_HOTSPOT in bends:
        world.devices.remove(device)
    return name


def bent_witness(world: World, bends: set[Reason]) -> bytes:
    """A witness report with several things wrong with it."""
    device = newcomer(
        world,
        owner="owner of a" if Reason.SAME_OWNER in bends else "somebody",
        cell=_bent_place(bends),
        frozen=int(Reason.FROZEN in bends),
        kind=Kind.FIXED_WIFI if Reason.OTHER_RADIO in bends else Kind.FIXED,
    )
    slot = world.slot(A, 1)
    fields: dict[Reason, dict[str, Any]] = {
        Reason.BAD_SIGNATURE: {"signature": bytes(64)},
        Reason.COMMIT_NOT_ON_TIME: {"validators": []},
        Reason.FREQUENCY_OFF: {"frequency_hz": slot.frequency_hz + 25_001},
        Reason.DATA_RATE_OFF: {"spreading_factor": slot.spreading_factor + 1},
        Reason.ABOVE_FREE_SPACE: {"rssi_cdb": 2_000},
        Reason.BELOW_SNR_FLOOR: {"snr_cdb": -2_000},
        Reason.RSSI_SNR_MISMATCH: {"snr_cdb": -1, "rssi_cdb": -8_000},
    }
    ordered = sorted((bend for bend in bends if bend in fields), reverse=True)
    chosen = {name: value for bend in ordered for name, value in fields[bend].items()}
    tag = world.beacon(A, 1)
    name = world.witness(device, bytes(21) if Reason.NO_VALID_BEACON in bends else tag, slot, **chosen)
    if Reason.UNKNOWN_HOTSPOT in bends:
        world.devices.remove(device)
    return name


def _bent_place(bends: set[Reason]) -> int:
    if Reason.OTHER_REGION in bends:
        return NOWHERE
    return north_of_ulm(101) if Reason.TOO_FAR in bends else north_of_ulm(4)


BEACON_ORDER = [
    Reason.UNKNOWN_HOTSPOT, Reason.FROZEN, Reason.REGION_UNKNOWN, Reason.BAD_SIGNATURE, Reason.NO_SUCH_SLOT,
    Reason.COMMIT_NOT_ON_TIME, Reason.WRONG_CHANNEL, Reason.WRONG_DATA_RATE, Reason.POWER_OUT_OF_RANGE,
]  # fmt: skip
WITNESS_ORDER = [
    Reason.UNKNOWN_HOTSPOT, Reason.FROZEN, Reason.BAD_SIGNATURE, Reason.NO_VALID_BEACON, Reason.COMMIT_NOT_ON_TIME,
    Reason.SAME_OWNER, Reason.OTHER_REGION, Reason.OTHER_RADIO, Reason.FREQUENCY_OFF, Reason.DATA_RATE_OFF,
    Reason.TOO_FAR, Reason.ABOVE_FREE_SPACE, Reason.BELOW_SNR_FLOOR,
]  # fmt: skip
PAIRS = [
    (bent, pair)
    for bent, order in ((bent_beacon, BEACON_ORDER), (bent_witness, WITNESS_ORDER))
    for pair in combinations(order, 2)
]


@pytest.fixture(scope="module")
def both_wrong(engine: KeptDuckDb) -> dict[tuple[str, Reason, Reason], Reason]:
    shared = SharedRuns(engine)
    reasons = shared.for_each(PAIRS, lambda one: reason_of(lambda world: one[0](world, set(one[1])), shared))
    return {(bent.__name__, *pair): reason for (bent, pair), reason in zip(PAIRS, reasons, strict=True)}


@pytest.mark.parametrize(
    ("bent", "pair"), PAIRS, ids=[f"{bent.__name__}-{first.name}-{second.name}" for bent, (first, second) in PAIRS]
)
def test_the_first_rule_that_fails_names_the_reason(
    bent: Callable[..., bytes],
    pair: tuple[Reason, Reason],
    both_wrong: dict[tuple[str, Reason, Reason], Reason],
) -> None:
    assert both_wrong[(bent.__name__, *pair)] is pair[0]


def test_the_bends_of_the_order_tests_follow_the_rulebook() -> None:
    for role, order in ((Role.BEACON, BEACON_ORDER), (Role.WITNESS, WITNESS_ORDER)):
        assert order == [rule.reason for rule in RULES[role] if rule.reason in order]


def test_a_rule_over_a_set_sees_only_the_reports_that_passed_the_rules_above(engine: KeptDuckDb) -> None:
    """A refused report is nobody's duplicate, and a refused link makes nobody two-way."""
    world = honest_world()
    good = heard_id(world, B)
    bad = [world.hears(B, A, 1, salt=bytes([n]) * 16, snr_cdb=-2_000) for n in range(8)]
    found = outcomes(world, engine)
    assert (found[good].name, {found[one].name for one in bad}) == ("ACCEPTED", {"BELOW_SNR_FLOOR"})


# --- outcomes


def test_every_report_has_one_outcome_sorted_by_report_id(engine: KeptDuckDb) -> None:
    world = honest_world()
    world.witness(B, bytes(21), world.slot(A, 1))
    inputs = world.inputs()
    judged = judge(inputs.setting, inputs.evidence, engine)
    everything = {report_id(one.report) for one in (*world.beacons, *world.witnesses)}
    assert [one.report_id for one in judged.outcomes] == sorted(everything)


def test_an_outcome_carries_the_numbers_compared(engine: KeptDuckDb) -> None:
    world = honest_world()
    name = heard_id(world, B, frequency_hz=world.slot(A, 1).frequency_hz + 25_001)
    inputs = world.inputs()
    found = next(one for one in judge(inputs.setting, inputs.evidence, engine).outcomes if one.report_id == name)
    assert found.measured - found.allowed == 25_001


def test_a_report_is_signed_if_any_copys_signature_verifies(engine: KeptDuckDb) -> None:
    world = honest_world()
    name = heard_id(world, B)
    good = world.witnesses[-1]
    validators = sorted(world.stakes)
    world.witnesses[-1] = replace(good, holders=frozenset(validators[1:]))
    world.witnesses.append(replace(good, signature=bytes(64), holders=frozenset(validators[:1])))
    assert outcomes(world, engine)[name].name == "ACCEPTED"


def test_one_validators_copy_of_a_report_is_enough(engine: KeptDuckDb) -> None:
    world = honest_world()
    name = heard_id(world, B, holders=sorted(world.stakes)[:1])
    assert outcomes(world, engine)[name].name == "ACCEPTED"


@pytest.mark.parametrize("bit", [0, 255, 256, 511])
@pytest.mark.parametrize("role", list(Role))
def test_one_flipped_bit_of_a_device_signature_is_named(role: Role, bit: int, engine: KeptDuckDb) -> None:
    world = honest_world()
    name = beacon_id(world, A) if role is Role.BEACON else heard_id(world, B)
    place = world.beacons if role is Role.BEACON else world.witnesses
    wrong = int.from_bytes(place[-1].signature, "big") ^ (1 << bit)
    place[-1] = replace(place[-1], signature=wrong.to_bytes(64, "big"))
    assert outcomes(world, engine)[name].name == "BAD_SIGNATURE"


# --- the same bytes everywhere


def busy_world() -> World:
    """Accepted and refused reports of every kind of hotspot."""
    world = honest_world()
    heard_id(world, C, B)
    world.hears(C, B, 1, salt=bytes(16))
    heard_id(world, B, snr_cdb=-2_000)
    beacon_id(world, A, 2)
    flipped(world, world.beacons)
    return world


def test_the_order_in_which_reports_came_in_changes_nothing(engine: KeptDuckDb) -> None:
    hashes = set()
    for seed in range(4):
        world, random = busy_world(), Random(seed)
        for said in (world.beacons, world.witnesses, world.commits, world.devices):
            random.shuffle(said)
        hashes.add(settle(world.inputs(), engine).data_hash)
    assert len(hashes) == 1


def test_the_chains_order_of_manifests_is_part_of_the_data_hash_but_not_of_the_state(engine: KeptDuckDb) -> None:
    results = []
    for seed in range(2):
        world = busy_world()
        world.block_order = sorted(world.stakes, reverse=bool(seed))
        results.append(settle(world.inputs(), engine))
    assert results[0].data_hash != results[1].data_hash
    assert results[0].state.digest() == results[1].state.digest()


def test_the_number_of_threads_changes_nothing(engine: KeptDuckDb) -> None:
    from validator.engine.duckdb_engine import DuckDbEngine

    inputs = busy_world().inputs()
    hashes = {settle(inputs, one).data_hash for one in (engine, DuckDbEngine(threads=1), DuckDbEngine(threads=2))}
    assert len(hashes) == 1


PRINT_HASH = """
from tests.protocol.test_rulebook import busy_world
from tests.property.engine import KeptDuckDb
from protocol.epoch import settle
print(settle(busy_world().inputs(), KeptDuckDb()).data_hash.hex())
"""


def test_string_hashing_changes_nothing() -> None:
    found = [
        subprocess.run(
            [sys.executable, "-c", PRINT_HASH],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1] != ""


def test_an_outcome_table_decodes_to_what_was_judged(engine: KeptDuckDb) -> None:
    world = busy_world()
    table = decode_outcomes(settle(world.inputs(), engine).outcome_table)
    assert table is not None
    assert {one.report_id: Reason(one.reason) for one in table.outcomes} == outcomes(world, engine)


# --- the table itself


def test_every_verdict_reason_is_in_the_rulebook() -> None:
    judged = {rule.reason for rules in RULES.values() for rule in rules}
    assert judged == {reason for reason in Reason if 0 < reason < 100}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_has_at_most_one_rule_a_reason(role: Role) -> None:
    reasons = [rule.reason for rule in RULES[role]]
    assert len(reasons) == len(set(reasons))


def test_every_rule_says_why() -> None:
    assert [rule.reason.name for rules in RULES.values() for rule in rules if not rule.why.endswith(".")] == []


def test_every_reason_has_a_sentence() -> None:
    assert [reason.name for reason in Reason if not SENTENCES.get(reason, "").endswith(".")] == []


def test_the_public_text_has_a_line_per_rule() -> None:
    assert len(TEXT.splitlines()) == sum(map(len, RULES.values()))


@pytest.mark.parametrize("word", ["/", "%", "DECIMAL", "FLOAT", "DOUBLE", "*", "sha", "pow(", "sqrt("])
def test_the_sql_holds_only_comparisons_joins_windows_and_cases(word: str) -> None:
    made = [text for rules in RULES.values() for rule in rules for text in (rule.holds, rule.over)]
    assert [text for text in made if word in text.replace("count(*)", "")] == []


def test_every_number_of_the_sql_is_a_parameter_of_the_rules() -> None:
    numbers = {field.name for field in dataclasses.fields(Rules)}
    made = "".join(step.select for rules in RULES.values() for step in steps(rules, DEVNET.rules, "reports"))
    assert "$" not in made
    named = {word.strip("$(),") for word in TEXT.split() if word.startswith("$")}
    assert named <= numbers


def test_a_provisional_verdict_leaves_out_only_what_needs_everybodys_evidence(engine: KeptDuckDb) -> None:
    device = make_device("lonely", north_of_ulm(30))
    world = honest_world()
    world.add(device)
    name = heard_id(world, device)
    inputs = world.inputs()
    found = {
        provisional: next(
            Reason(one.reason).name
            for one in judge(inputs.setting, inputs.evidence, engine, provisional=provisional).outcomes
            if one.report_id == name
        )
        for provisional in SIDES
    }
    assert found == {False: "NOT_TWO_WAY", True: "ACCEPTED"}
    assert {Reason.NOT_TWO_WAY, Reason.NOT_SELECTED} == rulebook.PROVISIONAL


def test_both_readings_know_the_same_floors_and_noise() -> None:
    assert {factor: SNR_FLOORS_CDB[factor] for factor in SNR_FLOOR_CDB} == SNR_FLOOR_CDB
    assert NOISE_OVER_125KHZ_CDB == NOISE_ABOVE_125KHZ_CDB
