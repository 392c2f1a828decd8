"""Exact integer arithmetic shared by need and rewards: one rounding rule, one unit."""

from __future__ import annotations

MICRO = 1_000_000
"""Fractions are integers in millionths."""


def half_even(numerator: int, denominator: int) -> int:
    """numerator / denominator to the nearest integer, ties to the even one (IEEE 754); denominator > 0."""
    quotient, rest = divmod(numerator, denominator)
    up = 2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1)
    return quotient + up


def floor_root(value: int, degree: int, at_most: int = 0) -> int:
    """Largest integer whose `degree`-th power is at most `value` (>= 0), by Newton's method on integers.

    `at_most`: a number known not to be smaller than the root, from which to start; 0 if none is known.
    """
    if value < 2 or degree == 1:
        return value
    guess = at_most or 1 << -(-value.bit_length() // degree)
    while True:
        better = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if better >= guess:
            return guess
        guess = better
