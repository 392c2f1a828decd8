"""What is on air: emissions with exact start and end, and the book that answers who overlapped whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from devnet.ether.places import Place


@dataclass(frozen=True, slots=True)
class Emission:
    """One frame on air. Times are microseconds of the ether's own clock; `hearable` is False for what no gateway
    demodulates or forwards: inverted polarity, no CRC, implicit header."""

    station: str
    start_us: int
    end_us: int
    start_unix_ms: int
    frequency_hz: int
    bandwidth_hz: int
    spreading_factor: int
    cr_denominator: int
    eirp_cdb: int
    payload: bytes
    place: Place
    hearable: bool = True

    def overlaps(self, start_us: int, end_us: int) -> bool:
        return self.start_us < end_us and start_us < self.end_us

    def same_channel(self, other: Emission) -> bool:
        """True if the two can destroy each other: other spreading factors are as good as orthogonal."""
        mine = (self.frequency_hz, self.bandwidth_hz, self.spreading_factor)
        return mine == (other.frequency_hz, other.bandwidth_hz, other.spreading_factor)


@dataclass(frozen=True, slots=True)
class Reception:
    """One frame as one station heard it. `row` is the measured row it replays, None when simulated; `copy` counts
    what the same station measured of the same frame before."""

    station: str
    rssi_cdb: int
    snr_cdb: int
    row: int | None = None
    copy: int = 0


@dataclass(frozen=True, slots=True)
class Listener:
    """A station as a channel sees it at the end of an emission. Gain in 0.01 dBi."""

    name: str
    place: Place
    gain_cdb: int


class Channel(Protocol):
    """Decides who heard an emission, from what else was on air."""

    def receptions(self, emission: Emission, air: Air, listeners: Iterable[Listener]) -> list[Reception]: ...


class Air:
    """Emissions announced, under way, or ended but still overlapping one that is not yet judged."""

    def __init__(self) -> None:
        self._waiting: list[Emission] = []
        self._judged: list[Emission] = []

    def add(self, emission: Emission) -> None:
        """Enters an accepted emission, before or while it is on air."""
        self._waiting.append(emission)

    def judged(self, emission: Emission) -> None:
        """Says who heard the emission is decided; it is forgotten once nothing undecided overlaps it."""
        self._waiting.remove(emission)
        oldest_us = min((other.start_us for other in self._waiting), default=emission.end_us)
        self._judged = [known for known in (*self._judged, emission) if known.end_us > oldest_us]

    def during(self, emission: Emission) -> Iterator[Emission]:
        """All other emissions that share a moment with this one."""
        return (
            known
            for known in (*self._waiting, *self._judged)
            if known is not emission and known.overlaps(emission.start_us, emission.end_us)
        )

    def transmitting(self, station: str, emission: Emission) -> bool:
        """True if the station sends at any moment of the emission (half duplex: it hears nothing of it)."""
        return any(known.station == station for known in self.during(emission))
