"""Exact numbers: pi, sine, cosine, the free-space reach and the half-life, from decimals of 60 digits."""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from functools import cache

DIGITS = 60
LIGHT_M_S = 299_792_458
MICRO = 1_000_000
LARGEST_REACH_INDEX = 16_000


@cache
def pi() -> Decimal:
    """Machin's formula: pi = 16 arctan(1/5) - 4 arctan(1/239)."""
    with localcontext() as context:
        context.prec = DIGITS + 10
        return 16 * _arctan_of_one_over(5) - 4 * _arctan_of_one_over(239)


def _arctan_of_one_over(n: int) -> Decimal:
    total, power, k = Decimal(0), Decimal(1) / n, 0
    while power > Decimal(10) ** -(DIGITS + 8):
        total += (-1) ** k * power / (2 * k + 1)
        power /= n * n
        k += 1
    return total


def sine_and_cosine(degrees: Decimal) -> tuple[Decimal, Decimal]:
    """Both power series, summed until their terms vanish."""
    with localcontext() as context:
        context.prec = DIGITS
        angle = degrees * pi() / 180
        term, sums, k = Decimal(1), [Decimal(0), Decimal(0)], 0
        while abs(term) > Decimal(10) ** -(DIGITS - 5) or k < 4:
            sums[k % 2] += term if k % 4 < 2 else -term
            k += 1
            term = term * angle / k
        return sums[1], sums[0]


@cache
def reach_metre_hertz(index_cdb: int) -> int:
    """R[x] = floor(10^(x/2000) c / 4 pi), x no larger than the table's last."""
    index_cdb = min(index_cdb, LARGEST_REACH_INDEX)
    with localcontext() as context:
        context.prec = DIGITS
        reach = Decimal(10) ** (Decimal(index_cdb) / 2000) * LIGHT_M_S / (4 * pi())
        return int(reach.to_integral_value(ROUND_FLOOR))


@cache
def halved_u(days: int, half_life_days: int) -> int:
    """T[i] = 10^6 2^(-i/H), the nearest integer."""
    with localcontext() as context:
        context.prec = DIGITS
        value = MICRO * Decimal(2) ** (Decimal(-days) / half_life_days)
        return int(value.to_integral_value(ROUND_HALF_EVEN))


def to_micro(exact: Fraction) -> int:
    """Millionths, half to even."""
    return round(exact * MICRO)
