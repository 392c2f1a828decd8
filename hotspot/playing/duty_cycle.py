"""How long the radio may still be on air: sub-bands over a sliding hour, channels over their dwell time. Pure.

The ledger holds everything the radio sends, beacons and downlinks of other networks alike; several forwarders of one
hotspot share it, which is never more than the law allows each of them. A beacon is asked about before it is sent.

Limits: EU868 as EN 300 220 has the sub-bands of 863-870 MHz; EU433 as its 433 MHz band; RU864 as LoRaWAN's regional
parameters; US915 and AU915 400 ms on one channel within 20 s (47 CFR 15.247 for channels narrower than 250 kHz; a
500 kHz downlink is on a channel of its own, which no beacon uses); AS923 400 ms a frame.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter

from hotspot.reporting.reports import Transmission

WINDOW_MS = 3_600_000
WINDOW_US = WINDOW_MS * 1_000
HELD_MS = 2 * WINDOW_MS
"""Frames ordered for later must not push out what an earlier moment still counts."""
LONGEST_FRAME_MS = 2_400_000
"""The longest preamble that can be ordered takes 36 minutes at SF12."""
GAP_MS = 20
"""Between two frames of one radio."""
MAX_HELD = 50_000
"""Uses of the air that the ledger can tell apart; a fuller one allows no beacon."""


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


@dataclass(frozen=True, slots=True)
class Limits:
    """What one region allows. No bands: no duty cycle; no dwell: frames of any length."""

    bands: tuple[Band, ...] = ()
    dwell_us: int | None = None
    """The most time on one channel within `dwell_window_ms`; of one frame, if that is 0."""
    dwell_window_ms: int = 0


EU868 = (
    Band(863_000_000, 865_000_000, 1),
    Band(865_000_000, 868_000_000, 10),
    Band(868_000_000, 868_600_000, 10),
    Band(868_700_000, 869_200_000, 1),
    Band(869_400_000, 869_650_000, 100),
    Band(869_700_000, 870_000_000, 10),
)
RU864 = (
    Band(864_000_000, 865_000_000, 1),
    Band(866_000_000, 868_000_000, 10),
    Band(868_700_000, 869_200_000, 10),
)
EU433 = (Band(433_050_000, 434_790_000, 100),)
HOPPING = Limits(dwell_us=400_000, dwell_window_ms=20_000)
SHORT_FRAMES = Limits(dwell_us=400_000)
WIFI = "Wi-Fi"
"""In place of a region: 2.4 GHz has power limits, which the parameters keep, and no duty cycle (EN 300 328, 15.247)."""
LIMITS: Mapping[str, Limits] = {
    "EU868": Limits(EU868),
    "US915": HOPPING,
    "AU915": HOPPING,
    "AS923-1": SHORT_FRAMES,
    "AS923-2": SHORT_FRAMES,
    "AS923-3": SHORT_FRAMES,
    "AS923-4": SHORT_FRAMES,
    "IN865": Limits(),
    "KR920": Limits(),
    "RU864": Limits(RU864),
    "EU433": Limits(EU433),
    WIFI: Limits(),
}


@dataclass(frozen=True, slots=True)
class Allowed:
    """The frame may be sent now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The time is used up; possible again at this unix time, as far as the ledger knows."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class Never:
    """The region is unknown, or allows this frequency or a frame of this length at no time."""


Answer = Allowed | Wait | Never
STARTED_MS = attrgetter("at_ms")


class Ledger:
    """Everything one hotspot's radio sent lately, whoever ordered it. `region` may change: it was moved."""

    def __init__(self, region: str, sent: Iterable[Transmission] = ()) -> None:
        """Without a region (""), nothing may be sent yet, and what is charged counts as soon as there is one."""
        self.region = region
        self._sent: list[Transmission] = []
        for one in sent:
            self.charge(one)

    def may_send(self, frequency_hz: int, airtime_us: int, now_ms: int) -> Answer:
        """Whether a frame of this length may start now."""
        limits = LIMITS.get(self.region)
        if limits is None:
            return Never()
        self._forget(now_ms)
        if len(self._sent) >= MAX_HELD:
            return Wait(_over_ms(self._sent[0]) + WINDOW_MS)
        answers = (
            self._duty_cycle(limits, frequency_hz, airtime_us, now_ms),
            self._dwell(limits, frequency_hz, airtime_us, now_ms),
        )
        if any(isinstance(one, Never) for one in answers):
            return Never()
        waits = [one for one in answers if isinstance(one, Wait)]
        return max(waits, key=attrgetter("until_ms")) if waits else Allowed()

    def quiet_from_ms(self, wanted: Transmission) -> int:
        """When a charged frame can start without meeting another one.

        A radio sends one frame at a time, and a forwarder that is sending drops what comes next without a word.
        """
        start_ms, length_ms = wanted.at_ms, _over_ms(wanted) - wanted.at_ms
        for other in self._sent:
            if other != wanted and other.at_ms < start_ms + length_ms + GAP_MS and _over_ms(other) + GAP_MS > start_ms:
                start_ms = _over_ms(other) + GAP_MS
        return start_ms

    def charge(self, transmission: Transmission) -> None:
        """Enters a transmission, before it is made."""
        self._forget(transmission.at_ms)
        insort(self._sent, transmission, key=STARTED_MS)
        del self._sent[:-MAX_HELD]

    def restore(self, transmissions: Iterable[Transmission]) -> None:
        """Enters what an earlier run stored, unless it is here already."""
        known = {(one.epoch, one.slot) for one in self._sent}
        for one in transmissions:
            if (one.epoch, one.slot) not in known:
                self.charge(one)

    def refund(self, transmission: Transmission) -> None:
        """Takes back a transmission that was not made."""
        self._sent = [one for one in self._sent if one != transmission]

    def sent(self) -> list[Transmission]:
        """Every transmission the ledger still holds."""
        return list(self._sent)

    def used_us(self, now_ms: int) -> dict[str, tuple[int, int]]:
        """By sub-band in MHz: time on air in the last hour, and the most allowed."""
        limits = LIMITS.get(self.region, Limits())
        return {
            f"{band.low_hz / 1e6:g}-{band.high_hz / 1e6:g}": (
                sum(one.airtime_us for one in self._recent(now_ms, WINDOW_MS, band.low_hz, band.high_hz)),
                band.budget_us,
            )
            for band in limits.bands
        }

    def _duty_cycle(self, limits: Limits, frequency_hz: int, airtime_us: int, now_ms: int) -> Answer:
        if not limits.bands:
            return Allowed()
        band = next((band for band in limits.bands if band.low_hz <= frequency_hz < band.high_hz), None)
        if band is None:
            return Never()
        recent = self._recent(now_ms, WINDOW_MS, band.low_hz, band.high_hz)
        return _fits(recent, airtime_us, band.budget_us, WINDOW_MS)

    def _dwell(self, limits: Limits, frequency_hz: int, airtime_us: int, now_ms: int) -> Answer:
        if limits.dwell_us is None:
            return Allowed()
        recent = self._recent(now_ms, limits.dwell_window_ms, frequency_hz, frequency_hz + 1)
        return _fits(recent, airtime_us, limits.dwell_us, limits.dwell_window_ms)

    def _recent(self, now_ms: int, window_ms: int, low_hz: int, high_hz: int) -> list[Transmission]:
        return [
            one
            for one in self._sent[bisect_left(self._sent, now_ms - window_ms - LONGEST_FRAME_MS, key=STARTED_MS) :]
            if low_hz <= one.frequency_hz < high_hz and window_ms and _over_ms(one) + window_ms > now_ms
        ]

    def _forget(self, now_ms: int) -> None:
        """Drops what is older than every window; a frame that lasts longer than its neighbours leaves with them."""
        old = next((at for at, one in enumerate(self._sent) if _over_ms(one) + HELD_MS > now_ms), len(self._sent))
        del self._sent[:old]


def _fits(recent: list[Transmission], airtime_us: int, budget_us: int, window_ms: int) -> Answer:
    if airtime_us > budget_us:
        return Never()
    over_us = sum(one.airtime_us for one in recent) + airtime_us - budget_us
    if over_us <= 0:
        return Allowed()
    for one in recent:
        over_us -= one.airtime_us
        if over_us <= 0:
            return Wait(_over_ms(one) + window_ms)
    return Never()


def _over_ms(one: Transmission) -> int:
    """When the last microsecond of a transmission is on air."""
    return one.at_ms + -(-one.airtime_us // 1_000)
