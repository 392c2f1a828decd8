"""Where a station is: degrees kept as the text they were given in, and distances between places in metres."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

JSON_NUMBER = re.compile(r"-?(0|[1-9]\d{0,2})(\.\d{1,20})?")
EARTH_RADIUS_M = 6_371_008.8
METRES_PER_DEGREE = math.radians(1) * EARTH_RADIUS_M


class PlaceError(ValueError):
    """The text or numbers do not name a place on Earth."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in WGS84 degrees. The texts are valid JSON numbers and are what a GPS daemon hands out."""

    latitude_text: str
    longitude_text: str

    @property
    def latitude_deg(self) -> float:
        return float(self.latitude_text)

    @property
    def longitude_deg(self) -> float:
        return float(self.longitude_text)


def place(latitude: str | float, longitude: str | float) -> Place:
    """A place from two texts or numbers; PlaceError unless |latitude| <= 90 and |longitude| <= 180."""
    return Place(_degrees(latitude, 90), _degrees(longitude, 180))


def _degrees(value: str | float, most: int) -> str:
    """The value as JSON number text, unchanged where it already is one."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise PlaceError(f"{value!r} is not a number of degrees") from error
    if not abs(number) <= most:
        raise PlaceError(f"{value!r} is outside ±{most} degrees")
    text = value.strip() if isinstance(value, str) else ""
    return text if JSON_NUMBER.fullmatch(text) else f"{number:.9f}"


def distance_m(a: Place, b: Place) -> float:
    """Great-circle distance on the mean sphere, metres; good enough for a simulated signal, never for a verdict."""
    latitude_a, latitude_b = math.radians(a.latitude_deg), math.radians(b.latitude_deg)
    across = math.radians(b.longitude_deg - a.longitude_deg)
    half = math.sin((latitude_b - latitude_a) / 2) ** 2
    half += math.cos(latitude_a) * math.cos(latitude_b) * math.sin(across / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half)))


def moved(origin: Place, east_m: float, north_m: float) -> Place:
    """The place some metres east and north of another (flat approximation, for routes of a few kilometres)."""
    latitude = max(-90.0, min(90.0, origin.latitude_deg + north_m / METRES_PER_DEGREE))
    shrink = max(math.cos(math.radians(origin.latitude_deg)), 1e-6)
    longitude = origin.longitude_deg + east_m / (METRES_PER_DEGREE * shrink)
    return place(f"{latitude:.7f}", f"{(longitude + 180) % 360 - 180:.7f}")
