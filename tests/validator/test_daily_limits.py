"""Registrations a validator pays for in a day: the borders, and what restarts and full disks leave of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.parameters import Relay as Limits
from tests.validator.disks import FullDisk, QuickDisk
from validator.daily_limits import DAY_MS, DailyLimits
from validator.disk import Disk
from validator.epoch_files import DamagedRecordError

LIMITS = Limits(per_owner=2, per_address=3, per_day=5)


@dataclass
class Day:
    """A validator's limits in a directory; made again, they are its limits after a restart."""

    path: Path
    time_ms: int = 7 * DAY_MS
    disk: Disk = field(default_factory=QuickDisk)

    def now_ms(self) -> int:
        return self.time_ms

    def limits(self) -> DailyLimits:
        return DailyLimits(LIMITS, self, self.path / "today.json", self.disk)


def owner(number: int) -> bytes:
    return number.to_bytes(20, "big")


def spent_of(limits: DailyLimits, asked: list[tuple[int, str]]) -> list[bool]:
    return [limits.spend(owner(number), host) for number, host in asked]


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param([(1, "a"), (1, "b"), (1, "c")], id="per owner"),
        pytest.param([(1, "a"), (2, "a"), (3, "a"), (4, "a")], id="per address"),
        pytest.param([(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f")], id="per day"),
    ],
)
@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_the_one_after_the_last_is_refused_until_tomorrow(
    tmp_path: Path, asked: list[tuple[int, str]], restarted: bool
) -> None:
    day = Day(tmp_path)
    limits = day.limits()
    assert all(spent_of(limits, asked[:-1]))
    limits = day.limits() if restarted else limits
    assert spent_of(limits, asked[-1:]) == [False]
    day.time_ms += DAY_MS - 1
    assert spent_of(limits, asked[-1:]) == [False]
    day.time_ms += 1
    assert spent_of(limits, asked[-1:]) == [True]


def test_what_is_given_back_can_be_spent_again_also_after_a_restart(tmp_path: Path) -> None:
    day = Day(tmp_path)
    limits = day.limits()
    assert spent_of(limits, [(1, "a"), (1, "a")]) == [True, True]
    limits.give_back(owner(1), "a")
    assert spent_of(day.limits(), [(1, "a"), (1, "a")]) == [True, False]


def test_nothing_is_given_back_into_a_day_it_was_not_spent_in(tmp_path: Path) -> None:
    day = Day(tmp_path)
    limits = day.limits()
    assert limits.spend(owner(1), "a")
    day.time_ms += DAY_MS
    limits.give_back(owner(1), "a")
    assert spent_of(limits, [(1, "a")] * 3) == [True, True, False]


@pytest.mark.parametrize("what", ["append", "sync"])
def test_a_disk_that_fails_spends_nothing(tmp_path: Path, what: str) -> None:
    day, disk = Day(tmp_path), FullDisk()
    day.disk = disk
    limits = day.limits()
    disk.fail(what)
    with pytest.raises(OSError):
        limits.spend(owner(1), "a")
    assert spent_of(limits, [(1, "a")] * 3) == [True, True, False]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"day": 1, "spent": [1]}', '{"day": 1, "spent": [["a"]]}', "\x00"])
def test_a_damaged_file_is_said_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "today.json").write_text(text, encoding="utf-8")
    with pytest.raises(DamagedRecordError, match="Move it away"):
        Day(tmp_path).limits()


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("abc"), st.booleans()), max_size=30))
def test_restarting_after_every_step_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, bool]]
) -> None:
    running, restarted = Day(tmp_path_factory.mktemp("running")), Day(tmp_path_factory.mktemp("restarted"))
    steady = running.limits()
    for number, host, back in steps:
        if back:
            steady.give_back(owner(number), host)
            restarted.limits().give_back(owner(number), host)
        else:
            assert steady.spend(owner(number), host) == restarted.limits().spend(owner(number), host)
