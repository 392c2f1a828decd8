"""Where a mobile station of the simulation is at a moment: a closed tour, a pure function of the wall clock.

Because only the clock decides, a restarted ether finds its vehicles where they would have been.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import sha256

from devnet.ether.places import Place, distance_m, moved, place

STOPS = 8
DEFAULT_RADIUS_M = 1_500
DEFAULT_SPEED_M_S = 12
MAX_STOPS = 64
MAX_RADIUS_M = 50_000
MAX_SPEED_M_S = 1_000


@dataclass(frozen=True, slots=True)
class Route:
    """Stops visited in order and then from the first again, at a steady speed in metres a second."""

    stops: tuple[Place, ...]
    speed_m_s: int = DEFAULT_SPEED_M_S

    def at(self, unix_ms: int) -> Place:
        """Where the vehicle is."""
        legs = list(zip(self.stops, (*self.stops[1:], self.stops[0]), strict=True))
        lengths_m = [distance_m(start, end) for start, end in legs]
        total_m = sum(lengths_m)
        if not total_m:
            return self.stops[0]
        driven_m = (unix_ms * self.speed_m_s / 1_000) % total_m
        for (start, end), length_m in zip(legs, lengths_m, strict=True):
            if driven_m < length_m:
                return _between(start, end, driven_m / length_m)
            driven_m -= length_m
        return self.stops[0]


def _between(start: Place, end: Place, share: float) -> Place:
    latitude = start.latitude_deg + (end.latitude_deg - start.latitude_deg) * share
    across = (end.longitude_deg - start.longitude_deg + 180) % 360 - 180
    longitude = (start.longitude_deg + across * share + 180) % 360 - 180
    return place(f"{latitude:.7f}", f"{longitude:.7f}")


def seeded_route(seed: int, name: str, home: Place, radius_m: int, speed_m_s: int) -> Route:
    """A tour of stops spread evenly over the disc around home."""
    drawn = sha256(f"farfield/ether/route/{seed}/{name}".encode()).digest()
    shares = [int.from_bytes(drawn[2 * at : 2 * at + 2], "big") / 2**16 for at in range(2 * STOPS)]
    stops = []
    for share, turn in zip(shares[::2], shares[1::2], strict=True):
        reach_m, angle = radius_m * math.sqrt(share), 2 * math.pi * turn
        stops.append(moved(home, reach_m * math.cos(angle), reach_m * math.sin(angle)))
    return Route(tuple(stops), speed_m_s)
