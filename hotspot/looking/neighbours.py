"""Who could hear a hotspot: the nearest one of another owner on the same radio, by the registry. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

from protocol import geo
from protocol.ids import HotspotId, Kind
from protocol.parameters import Rules
from protocol.records import RegistryRow


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The nearest hotspot that could witness."""

    hotspot_id: bytes | None
    """None: there is no other at all."""
    distance_m: int
    limit_m: int
    """Farther apart than this, links do not count."""

    @property
    def is_alone(self) -> bool:
        return self.hotspot_id is None or self.distance_m > self.limit_m

    @property
    def sentence(self) -> str:
        """What an owner reads."""
        if self.hotspot_id is None:
            return "No hotspot of another owner is registered: nobody can hear you, you need a mapper's visit."
        far = f"{self.distance_m / 1_000:.1f}" if self.distance_m < 10_000 else f"{round(self.distance_m / 1_000)}"
        if self.is_alone:
            return f"Nearest neighbour {far} km: too far to hear you, you need a mapper's visit."
        return f"Nearest neighbour {far} km ({self.hotspot_id.hex()[:8]}...)."

    def shape(self) -> dict[str, Any]:
        return {
            "hotspot_id": None if self.hotspot_id is None else self.hotspot_id.hex(),
            "distance_m": self.distance_m,
            "alone": self.is_alone,
            "sentence": self.sentence,
        }


def nearest(
    mine: Iterable[RegistryRow], registry: Mapping[HotspotId, RegistryRow], rules: Rules
) -> dict[bytes, Neighbour]:
    """The nearest neighbour of each of these fixed hotspots; mappers come by themselves."""
    fixed = [row for row in mine if not Kind(row.kind).is_mapper]
    if not fixed:
        return {}
    others = [(row, geo.position(row.cell)) for row in registry.values() if _could_hear(row)]
    return {bytes(row.hotspot_id): _nearest(row, others, rules) for row in fixed}


def _could_hear(row: RegistryRow) -> bool:
    return not row.frozen and not Kind(row.kind).is_mapper


def _nearest(row: RegistryRow, others: list[tuple[RegistryRow, geo.Position]], rules: Rules) -> Neighbour:
    is_wifi = Kind(row.kind).is_wifi
    limit_m = (rules.wifi if is_wifi else rules.lora).max_distance_m
    here = geo.position(row.cell)
    found = [
        (geo.chord_squared(here, there), bytes(other.hotspot_id))
        for other, there in others
        if other.owner != row.owner and Kind(other.kind).is_wifi == is_wifi
    ]
    if not found:
        return Neighbour(None, 0, limit_m)
    squared, hotspot_id = min(found)
    return Neighbour(hotspot_id, isqrt(squared), limit_m)
