"""Quorums by exact counting, for every number of equal validators up to 31, and whose stake counts."""

from __future__ import annotations

from fractions import Fraction

import pytest

from protocol.ids import Address
from protocol.quorum import is_blocking, is_quorum, stake_of

A, B, STRANGER = (Address(bytes([n]) * 20) for n in (1, 2, 3))


@pytest.mark.parametrize("n", range(1, 32))
def test_any_two_quorums_share_more_than_may_be_faulty(n: int) -> None:
    smallest = min(signed for signed in range(n + 1) if is_quorum(signed, n))
    faulty = max(count for count in range(n + 1) if not is_blocking(count, n))
    assert 2 * smallest - n > faulty


@pytest.mark.parametrize("n", range(1, 32))
def test_a_quorum_is_reached_while_a_third_is_silent(n: int) -> None:
    silent = max(count for count in range(n + 1) if 3 * count < n)
    assert is_quorum(n - silent, n)


@pytest.mark.parametrize("n", range(1, 32))
def test_quorum_and_blocking_are_strict(n: int) -> None:
    wrong = [
        signed
        for signed in range(n + 1)
        if is_quorum(signed, n) != (signed > Fraction(2 * n, 3)) or is_blocking(signed, n) != (signed > Fraction(n, 3))
    ]
    assert wrong == []


@pytest.mark.parametrize("n", range(1, 32))
def test_what_is_no_quorum_can_be_blocked_by_the_rest(n: int) -> None:
    unblocked = [signed for signed in range(n + 1) if not is_quorum(signed, n) and 3 * (n - signed) < n]
    assert unblocked == []


def test_no_stake_is_no_quorum() -> None:
    assert not is_quorum(0, 0)
    assert not is_blocking(0, 0)


def test_a_member_counts_once_and_a_stranger_nothing() -> None:
    assert stake_of([A, A, STRANGER, B], {A: 5, B: 7}) == 12
