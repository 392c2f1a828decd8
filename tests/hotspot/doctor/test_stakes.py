"""A list of validators that is too short for any report to count is a finding."""

from __future__ import annotations

import pytest

from hotspot.doctor import stakes
from protocol.closing import Member
from protocol.ids import Address

OWNERS = [Address(bytes([number]) * 20) for number in range(1, 8)]
SEVEN = [Member(owner, owner, 10) for owner in OWNERS]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (OWNERS[:1], ["too_little_stake"]),
        (OWNERS[:2], ["too_little_stake"]),
        ([OWNERS[0]] * 3, ["too_little_stake"]),
        ([bytes(20)] * 7, ["too_little_stake"]),
        (OWNERS[:3], []),
        (OWNERS, []),
    ],
)
def test_a_third_of_stake_is_too_little(listed: list[bytes], expected: list[str]) -> None:
    assert [one.code for one in stakes.of_members(listed, SEVEN)] == expected


def test_exactly_a_third_is_too_little() -> None:
    assert [one.code for one in stakes.of_members(OWNERS[:2], SEVEN[:6])] == ["too_little_stake"]


def test_a_chain_without_validators_says_nothing_about_a_list() -> None:
    assert list(stakes.of_members(OWNERS, [])) == []
