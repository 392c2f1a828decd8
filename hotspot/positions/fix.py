"""One reading of a receiver: a position, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

MOST_INACCURATE_M = 100
"""A position less exact than this is none: it may lie in another cell."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A position in degrees, at the full precision the receiver gave it, and its age when it was read."""

    latitude_deg: float
    longitude_deg: float
    age_ms: int = 0


class NoFix(StrEnum):
    """Why a reading brings no position."""

    LOST = "fix_lost"
    """The receiver says it has none."""
    INACCURATE = "fix_inaccurate"
    OTHER = "other_message"
    MALFORMED = "malformed"


class Trouble(StrEnum):
    """Why a receiver cannot be read at all."""

    UNREACHABLE = "unreachable"
    CLOSED = "closed"
    SILENT = "lost"


Told = Callable[[Fix | NoFix | Trouble], None]


class Receiver(Protocol):
    """Something that tells where it is, for as long as `run` runs."""

    @property
    def name(self) -> str:
        """What it is, for its owner; no coordinates."""
        ...

    @property
    def connected(self) -> bool: ...

    async def run(self, told: Told) -> None:
        """Never returns; cancel it."""
        ...


def fix(latitude: Any, longitude: Any, accuracy_m: Any = None, age_ms: int = 0) -> Fix | NoFix:
    """A fix of numbers as a receiver gives them, or why they make none."""
    latitude_deg, longitude_deg = degrees(latitude, 90), degrees(longitude, 180)
    if latitude_deg is None or longitude_deg is None:
        return NoFix.MALFORMED
    if isinstance(accuracy_m, int | float) and not accuracy_m <= MOST_INACCURATE_M:
        return NoFix.INACCURATE
    return Fix(latitude_deg, longitude_deg, max(age_ms, 0))


def degrees(value: Any, most: int) -> float | None:
    """A number of degrees, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= most and math.isfinite(value) else None
