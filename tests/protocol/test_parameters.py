"""The params file: what is read, what is refused by name, which windows fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.parameters import Baseline, ParameterError, Positions, dwell_problems, params_hash, parse
from tests.factories import DEVNET, DEVNET_FILE


def test_the_devnet_has_no_contradictions() -> None:
    assert DEVNET.problems() == []


def test_the_devnet_lists_only_lawful_spreading_factors() -> None:
    assert [sentence for plan in DEVNET.radio.regions for sentence in dwell_problems(plan)] == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"length_ms = 60_000", b"length_m = 60_000", "epoch.length_m: unknown key"),
        (b"guard_ms = 15_000", b"", "epoch.guard_ms: missing"),
        (b"guard_ms = 15_000", b"guard_ms = true", "epoch.guard_ms: expected a whole number"),
        (b"guard_ms = 15_000", b"guard_ms = 1.5", "epoch.guard_ms: expected a whole number"),
        (b"guard_ms = 15_000", b'guard_ms = "1_5"', "epoch.guard_ms: expected a whole number"),
        (b'name = "devnet"', b"name = 5", "name: expected"),
        (b"spreading_factors = [7, 8]", b"spreading_factors = 7", r"radio.regions\[0\].spreading_factors: expected"),
        (b"spreading_factors = [7, 8]", b'spreading_factors = [7, "x"]', r"spreading_factors\[1\]: expected a whole"),
        (b"[slots]\nfixed = 4\nmapper = 8", b"slots = 3", "slots: expected a table|slots."),
        (b"7 = 1_600", b"x = 1_600", "positions.radius_m: expected a whole number"),
        (b"[slots]", b"[slots", "not a TOML file"),
        (b"length_ms = 60_000", b"length_ms = " + b"9" * 5_000, "too many digits"),
        (b'name = "devnet"', b'name = "\xff"', "not a TOML file"),
    ],
)
def test_names_what_is_wrong_with_a_file(old: bytes, new: bytes, message: str) -> None:
    assert old in DEVNET_FILE
    with pytest.raises(ParameterError, match=message):
        parse(DEVNET_FILE.replace(old, new, 1))


def test_reads_numbers_too_large_for_toml_from_text() -> None:
    assert DEVNET.emission.first == 10**24


def epoch(**bent: int) -> Any:
    return replace(DEVNET, epoch=replace(DEVNET.epoch, **bent))


def radio(**bent: Any) -> Any:
    plan = replace(DEVNET.radio.regions[0], **bent)
    return replace(DEVNET, radio=replace(DEVNET.radio, regions=(plan,)))


LISTED = Baseline("survey", "00" * 32, "lora", 1, 8_000_000, 365)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (epoch(challenge_window_ms=45_000), "close_after"),
        (epoch(guard_ms=36_000), "slot's part"),
        (replace(DEVNET, slots=replace(DEVNET.slots, mapper=65)), "at most 64"),
        (epoch(reveal_after_ms=2_999), "before the commit window"),
        (epoch(slot_tolerance_ms=14_000), "the last slot"),
        (epoch(seed_lead_ms=3_000), "seed must be final"),
        (replace(DEVNET, rewards=replace(DEVNET.rewards, reserve_u=940_000)), "nothing for coverage"),
        (replace(DEVNET, emission=replace(DEVNET.emission, first=0)), "emission must be positive"),
        (replace(DEVNET, emission=replace(DEVNET.emission, halving_epochs=0)), "emission must be positive"),
        (replace(DEVNET, positions=Positions({9: 230})), "every resolution from 8 to 12"),
        (replace(DEVNET, baselines=(LISTED, LISTED)), "one source number"),
        (radio(channels_hz=()), "is empty"),
        (radio(spreading_factors=(6,)), "from 7 to 12"),
        (radio(max_dwell_ms=100), "over 100 ms"),
    ],
)
def test_says_which_windows_do_not_fit(params: Any, sentence: str) -> None:
    assert any(sentence in problem for problem in params.problems())


def test_the_smallest_emission_is_still_one() -> None:
    smallest = replace(DEVNET, emission=replace(DEVNET.emission, first=1, halving_epochs=1))
    assert smallest.problems() == []


def test_emission_halves_on_schedule() -> None:
    halving = DEVNET.emission.halving_epochs
    found = [DEVNET.emission.of(one) for one in (0, halving - 1, halving, 2 * halving, 200 * halving)]
    assert found == [10**24, 10**24, 10**24 // 2, 10**24 // 4, 0]


def test_the_params_hash_covers_the_file_and_the_rulebook() -> None:
    hashes = {params_hash(b"file", "rules"), params_hash(b"file!", "rules"), params_hash(b"file", "rules!")}
    assert len(hashes) == 3


def test_bytes_cannot_move_between_file_and_rulebook_unnoticed() -> None:
    assert params_hash(b"ab", "c") != params_hash(b"a", "bc")
