"""The simulated channel: log-distance path loss with seeded shadowing, thermal noise, capture and half duplex.

Everything here is simulated and is marked so wherever it leaves. Floating point stays inside; path loss, RSSI and SNR
leave as whole hundredths of a dB. The same seed, names and places give the same answer in every run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from devnet.ether.emissions import Air, Emission, Listener, Reception
from devnet.ether.places import Place, distance_m
from protocol import geo

SPEED_OF_LIGHT_M_S = 299_792_458
REFERENCE_M = 100.0
LOSS_EXPONENT = 3.4
"""Between open country (about 2.7) and a town (about 3.8)."""
SHADOWING_CDB = 600
"""Standard deviation of what hills and houses add or take."""
SHADOWING_DRAWS = 12
"""A sum of 12 uniform draws has the variance of one and is as good as normal."""
DRAW_STEPS = 2**16
SHADOWING_RESOLUTION = 9
"""A mobile station meets other obstacles in every cell of this size."""
NOISE_125KHZ_CDB = -11_700
MAX_SNR_CDB = 1_000
"""What a LoRa concentrator tells at most."""
CAPTURE_CDB = 600
FLOORS_CDB = {0: 400, 5: -250, 6: -500, 7: -750, 8: -1_000, 9: -1_250, 10: -1_500, 11: -1_750, 12: -2_000}
"""Least SNR at which a spreading factor is demodulated; 0 is Wi-Fi at 1 Mb/s."""
CACHED_PATHS = 4_096


@dataclass(frozen=True, slots=True)
class End:
    """One end of a path: the station and where it is."""

    name: str
    place: Place


class SimulatedChannel:
    """Who hears whom between stations of known place."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._loss_cdb = lru_cache(CACHED_PATHS)(self._compute_loss_cdb)

    def receptions(self, emission: Emission, air: Air, listeners: Iterable[Listener]) -> list[Reception]:
        """Every listener that decodes the emission."""
        if not emission.hearable:
            return []
        rivals = [other for other in air.during(emission) if other.same_channel(emission)]
        heard = []
        for listener in listeners:
            if listener.name != emission.station and not air.transmitting(listener.name, emission):
                reception = self._reception(emission, rivals, listener)
                if reception is not None:
                    heard.append(reception)
        return heard

    def path_loss_cdb(self, a: End, b: End, frequency_hz: int) -> int:
        """Loss between two ends, 0.01 dB: the same both ways, never below free space."""
        near, far = sorted((a, b), key=lambda end: (end.name, end.place.latitude_text, end.place.longitude_text))
        return self._loss_cdb(near, far, frequency_hz)

    def _compute_loss_cdb(self, a: End, b: End, frequency_hz: int) -> int:
        length_m = max(distance_m(a.place, b.place), 1.0)
        free_cdb = free_space_cdb(length_m, frequency_hz)
        beyond_cdb = 1_000 * LOSS_EXPONENT * math.log10(length_m / REFERENCE_M)
        ground_cdb = free_space_cdb(REFERENCE_M, frequency_hz) + round(beyond_cdb) + self._shadowing_cdb(a, b)
        return max(free_cdb, ground_cdb)

    def _shadowing_cdb(self, a: End, b: End) -> int:
        """A normal draw of this pair of stations in this pair of cells."""
        ends = "/".join(
            f"{end.name}@{geo.cell_at(end.place.latitude_deg, end.place.longitude_deg, SHADOWING_RESOLUTION):x}"
            for end in (a, b)
        )
        drawn = sha256(f"farfield/ether/shadowing/{self._seed}/{ends}".encode()).digest()
        draws = (int.from_bytes(drawn[2 * at : 2 * at + 2], "big") for at in range(SHADOWING_DRAWS))
        centred = sum(draws) - SHADOWING_DRAWS * DRAW_STEPS // 2
        return centred * SHADOWING_CDB // DRAW_STEPS

    def _power_cdb(self, emission: Emission, listener: Listener) -> int:
        """Power of an emission at a listener, 0.01 dBm."""
        ends = End(emission.station, emission.place), End(listener.name, listener.place)
        return emission.eirp_cdb + listener.gain_cdb - self.path_loss_cdb(*ends, emission.frequency_hz)

    def _reception(self, emission: Emission, rivals: list[Emission], listener: Listener) -> Reception | None:
        power_cdb = self._power_cdb(emission, listener)
        noise_cdb = noise_floor_cdb(emission.bandwidth_hz)
        snr_cdb = power_cdb - noise_cdb
        if snr_cdb < FLOORS_CDB[emission.spreading_factor]:
            return None
        if any(power_cdb < self._power_cdb(rival, listener) + CAPTURE_CDB for rival in rivals):
            return None
        rssi_cdb = 100 * round(sum_of_powers_cdb(power_cdb, noise_cdb) / 100)
        most_cdb = MAX_SNR_CDB if emission.spreading_factor else snr_cdb
        return Reception(listener.name, rssi_cdb, min(snr_cdb, most_cdb))


def free_space_cdb(length_m: float, frequency_hz: int) -> int:
    """Friis loss, rounded up to whole 0.01 dB."""
    return math.ceil(2_000 * math.log10(4 * math.pi * length_m * frequency_hz / SPEED_OF_LIGHT_M_S))


def noise_floor_cdb(bandwidth_hz: int) -> int:
    """Thermal noise of a receiver with a noise figure of 6 dB, 0.01 dBm."""
    return NOISE_125KHZ_CDB + round(1_000 * math.log10(bandwidth_hz / 125_000))


def sum_of_powers_cdb(a_cdb: int, b_cdb: int) -> float:
    """Two powers together, 0.01 dBm: what a gateway's RSSI measures is the signal and the noise."""
    return 1_000 * math.log10(10 ** (a_cdb / 1_000) + 10 ** (b_cdb / 1_000))
