"""The slots of a hotspot, as protocol.md 2 writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tests.reference.inputs import Hotspot

KEEP_CLEAR_MS = 3_000


@dataclass(frozen=True)
class Slot:
    """When a hotspot speaks, where, how, how loud."""

    start_ms: int
    frequency_hz: int
    spreading_factor: int
    eirp_cdb: int


def slot_count(params: Mapping[str, Any], hotspot: Hotspot) -> int:
    return params["slots"]["mapper" if hotspot.is_mapper else "fixed"]


def slot(
    params: Mapping[str, Any], plan: Mapping[str, Any], seed: bytes, hotspot: Hotspot, epoch_start_ms: int, k: int
) -> Slot:
    drawn = sha256(seed + hotspot.id + k.to_bytes(4, "big")).digest()
    part_ms = (params["epoch"]["length_ms"] - params["epoch"]["guard_ms"]) // slot_count(params, hotspot)

    def pick(values: list[int], at: int) -> int:
        return values[int.from_bytes(drawn[at : at + 4], "big") % len(values)]

    return Slot(
        start_ms=epoch_start_ms + k * part_ms + int.from_bytes(drawn[0:8], "big") % (part_ms - KEEP_CLEAR_MS),
        frequency_hz=pick(plan["channels_hz"], 8),
        spreading_factor=pick(plan["spreading_factors"], 12),
        eirp_cdb=pick(plan["eirps_cdb"], 16),
    )
