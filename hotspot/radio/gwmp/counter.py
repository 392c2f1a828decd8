"""A concentrator's microsecond counter, as this machine sees it: it wraps every 71.6 minutes and may start afresh."""

from __future__ import annotations

MODULUS_US = 2**32
HALF_US = MODULUS_US // 2
AFRESH_ABOVE_US = 10_000_000
"""Clocks drift by parts per million and datagrams wait for milliseconds; a counter further off was started again."""


def difference_us(later_us: int, earlier_us: int) -> int:
    """later - earlier on the wrapping counter, as the nearer of the two ways round."""
    return (later_us - earlier_us + HALF_US) % MODULUS_US - HALF_US


class Counter:
    """One concentrator's counter, as far as its packets tell. Times of this machine are monotonic milliseconds."""

    def __init__(self) -> None:
        self._known: tuple[int, int] | None = None

    def saw(self, tmst_us: int, now_ms: int) -> bool:
        """Takes in the counter of a packet that arrives now; True if it must have started afresh."""
        expected_us = self._at(now_ms)
        self._known = tmst_us, now_ms
        return expected_us is not None and abs(difference_us(tmst_us, expected_us)) > AFRESH_ABOVE_US

    def forget(self) -> None:
        """Nothing seen so far counts any more."""
        self._known = None

    def milliseconds_until(self, tmst_us: int, now_ms: int) -> int | None:
        """How far ahead a counter value lies, negative if it has passed; None while the counter is not known."""
        expected_us = self._at(now_ms)
        return None if expected_us is None else difference_us(tmst_us, expected_us) // 1_000

    def _at(self, now_ms: int) -> int | None:
        if self._known is None:
            return None
        tmst_us, seen_ms = self._known
        return (tmst_us + (now_ms - seen_ms) * 1_000) % MODULUS_US
