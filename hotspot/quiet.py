"""Places an owner keeps quiet: there a mapper neither beacons nor reports, so that nobody reads a home off the map."""

from __future__ import annotations

import math
from dataclasses import dataclass

EARTH_RADIUS_M = 6_371_009


@dataclass(frozen=True, slots=True)
class Zone:
    """A circle on the ground."""

    latitude_deg: float
    longitude_deg: float
    radius_m: int

    def covers(self, latitude_deg: float, longitude_deg: float) -> bool:
        """True for a place inside or on the border."""
        return distance_m(self.latitude_deg, self.longitude_deg, latitude_deg, longitude_deg) <= self.radius_m


def distance_m(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """Great-circle distance, metres; exact to half a per cent, which a circle drawn by hand is not."""
    north_a, north_b = math.radians(latitude_a), math.radians(latitude_b)
    east = math.radians(longitude_b - longitude_a)
    half = math.sin((north_b - north_a) / 2) ** 2 + math.cos(north_a) * math.cos(north_b) * math.sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half)))
