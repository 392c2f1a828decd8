"""How long the radio may still be on air: one ledger per sub-band over a sliding hour. Pure.

EU868 limits as EN 300 220 has them for the sub-bands of 863-870 MHz. A region without an entry has no duty-cycle limit
(its dwell limit is kept by the parameters).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter

from hotspot.reports import Transmission

WINDOW_MS = 3_600_000
WINDOW_US = WINDOW_MS * 1_000


@dataclass(frozen=True, slots=True)
class Band:
    """A sub-band [low_hz, high_hz) and the share of any hour it may be used, in thousandths."""

    low_hz: int
    high_hz: int
    permille: int

    @property
    def budget_us(self) -> int:
        """Time on air within any hour."""
        return WINDOW_US * self.permille // 1_000


EU868 = (
    Band(863_000_000, 865_000_000, 1),
    Band(865_000_000, 868_000_000, 10),
    Band(868_000_000, 868_600_000, 10),
    Band(868_700_000, 869_200_000, 1),
    Band(869_400_000, 869_650_000, 100),
    Band(869_700_000, 870_000_000, 10),
)
BANDS: Mapping[str, tuple[Band, ...]] = {"EU868": EU868}


@dataclass(frozen=True, slots=True)
class Allowed:
    """The frame may be sent now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The hour's time is used up; possible again at this unix time, as far as the ledger knows."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class Never:
    """No sub-band of the region allows this frequency, or the frame is longer than the hour's time."""


Answer = Allowed | Wait | Never


class Ledger:
    """Everything one radio sent in the last hour, whoever ordered it."""

    def __init__(self, region: str, sent: Iterable[Transmission] = ()) -> None:
        self.region = region
        self._bands = BANDS.get(region)
        self._sent: dict[Band, list[Transmission]] = {band: [] for band in self._bands or ()}
        for one in sent:
            self.charge(one)

    def may_send(self, frequency_hz: int, airtime_us: int, now_ms: int) -> Answer:
        """Whether a frame of this length may start now."""
        if self._bands is None:
            return Allowed()
        band = self._band(frequency_hz)
        if band is None or airtime_us > band.budget_us:
            return Never()
        recent = self._recent(band, now_ms)
        over_us = sum(one.airtime_us for one in recent) + airtime_us - band.budget_us
        if over_us <= 0:
            return Allowed()
        for one in recent:
            over_us -= one.airtime_us
            if over_us <= 0:
                return Wait(self._leaves_window_ms(one))
        return Never()

    def charge(self, transmission: Transmission) -> None:
        """Enters a transmission, before it is made."""
        band = self._band(transmission.frequency_hz)
        if band is not None:
            insort(self._sent[band], transmission, key=attrgetter("at_ms"))

    def refund(self, transmission: Transmission) -> None:
        """Takes back a transmission that was not made."""
        band = self._band(transmission.frequency_hz)
        if band is not None:
            self._sent[band] = [one for one in self._sent[band] if one != transmission]

    def sent(self) -> list[Transmission]:
        """Every transmission the ledger still holds."""
        return [one for band in self._sent.values() for one in band]

    def used_us(self, now_ms: int) -> dict[str, tuple[int, int]]:
        """By sub-band in MHz: time on air in the last hour, and the most allowed."""
        return {
            f"{band.low_hz / 1e6:g}-{band.high_hz / 1e6:g}": (
                sum(one.airtime_us for one in self._recent(band, now_ms)),
                band.budget_us,
            )
            for band in self._bands or ()
        }

    def _band(self, frequency_hz: int) -> Band | None:
        return next((band for band in self._bands or () if band.low_hz <= frequency_hz < band.high_hz), None)

    def _recent(self, band: Band, now_ms: int) -> list[Transmission]:
        kept = [one for one in self._sent[band] if self._leaves_window_ms(one) > now_ms]
        self._sent[band] = kept
        return kept

    @staticmethod
    def _leaves_window_ms(one: Transmission) -> int:
        """When the last microsecond of a transmission lies more than an hour back."""
        return one.at_ms + -(-one.airtime_us // 1_000) + WINDOW_MS
