"""The transmit queue of a packet forwarder: when an ordered frame really goes on air, or why it does not.

Numbers and answers are those of the SX1302 forwarder: at least 42.5 ms of lead, an immediate frame 80 ms from now or
after whatever is queued, 32 places, no overlap, nothing further ahead than four beacon periods.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

IMMEDIATE_LEAD_US = 80_000
LEAST_LEAD_US = 42_500
AFTER_QUEUED_US = 82_500
MOST_ADVANCE_US = 4 * 128 * 1_000_000
MAX_QUEUED = 32


class TxError(StrEnum):
    """The error codes of a TX_ACK."""

    TOO_LATE = "TOO_LATE"
    TOO_EARLY = "TOO_EARLY"
    COLLISION = "COLLISION_PACKET"
    FREQUENCY = "TX_FREQ"
    NO_GPS = "GPS_UNLOCKED"


@dataclass(frozen=True, slots=True)
class OnAir:
    """When a frame occupies the transmitter, microseconds of the ether's clock."""

    start_us: int
    end_us: int


class JitQueue:
    """Frames accepted for transmission and not yet over."""

    def __init__(self) -> None:
        self._queued: list[OnAir] = []

    def at_once(self, now_us: int, airtime_us: int) -> OnAir | TxError:
        """The earliest free time for an immediate frame."""
        self._forget(now_us)
        starts_us = [now_us + IMMEDIATE_LEAD_US, *(other.end_us + AFTER_QUEUED_US for other in self._queued)]
        free = (OnAir(start_us, start_us + airtime_us) for start_us in starts_us)
        return self._enter(next((wanted for wanted in free if self._is_free(wanted)), None))

    def in_time(self, now_us: int, delay_us: int, airtime_us: int) -> OnAir | TxError:
        """A frame whose counter value is `delay_us` ahead; a value just past is almost a whole turn ahead."""
        self._forget(now_us)
        if delay_us <= LEAST_LEAD_US:
            return TxError.TOO_LATE
        if delay_us > MOST_ADVANCE_US:
            return TxError.TOO_EARLY
        wanted = OnAir(now_us + delay_us, now_us + delay_us + airtime_us)
        return self._enter(wanted if self._is_free(wanted) else None)

    def _enter(self, wanted: OnAir | None) -> OnAir | TxError:
        if wanted is None or len(self._queued) >= MAX_QUEUED:
            return TxError.COLLISION
        self._queued = sorted([*self._queued, wanted], key=lambda one: one.start_us)
        return wanted

    def _is_free(self, wanted: OnAir) -> bool:
        return all(
            wanted.start_us > other.end_us + LEAST_LEAD_US or other.start_us > wanted.end_us + LEAST_LEAD_US
            for other in self._queued
        )

    def _forget(self, now_us: int) -> None:
        self._queued = [other for other in self._queued if other.end_us > now_us]
