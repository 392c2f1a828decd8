"""The one place where a position becomes a cell, or the reason why none is told."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from hotspot.clock import Clock
from hotspot.config import Config
from hotspot.counters import Counters
from hotspot.positions.centre import centre_deg
from hotspot.positions.fix import Fix, NoFix, Receiver, Trouble
from hotspot.positions.gpsd import Gpsd
from hotspot.positions.gpx import Gpx
from hotspot.positions.nmea import Nmea
from hotspot.positions.termux import Termux
from hotspot.quiet import Zone
from protocol.geo import cell_at, resolution
from protocol.ids import CellId

FIX_LIFETIME_MS = 10_000
"""Receivers report every second; an older fix is where the mapper was, not where it is."""
GROUP = "position"


class Nowhere(StrEnum):
    """Why there is no cell to tell."""

    NO_FIX = "no_fix"
    STALE = "stale_fix"
    QUIET = "quiet_zone"


class PositionSource(Protocol):
    """Where a mapper is."""

    def where(self, registered: CellId) -> CellId | Nowhere:
        """The cell to tell, for a hotspot registered in that cell, or why none is told."""
        ...


class Mapper:
    """Follows one receiver, and keeps quiet where its owner wants it."""

    def __init__(
        self, receiver: Receiver, config: Config, radius_m: Mapping[int, int], clock: Clock, counters: Counters
    ) -> None:
        """`radius_m`: how far a cell's corner lies from its centre, by resolution."""
        self.receiver = receiver
        self._config, self._radius_m, self._clock, self._counters = config, radius_m, clock, counters
        self._fix: Fix | None = None
        self._fixed_at_ms = 0
        self._last: Fix | NoFix | Trouble | None = None

    async def run(self) -> None:
        """Never returns; cancel it."""
        await self.receiver.run(self._told)

    def where(self, registered: CellId) -> CellId | Nowhere:
        """The cell of the latest fix; nowhere without one of the last 10 s, or in a quiet zone."""
        if self._fix is None:
            return Nowhere.NO_FIX
        if self._clock.monotonic_ms() - self._fixed_at_ms > FIX_LIFETIME_MS:
            return Nowhere.STALE
        place = (self._fix.latitude_deg, self._fix.longitude_deg)
        if any(zone.covers(*place) for zone in self.zones(registered)):
            return Nowhere.QUIET
        return cell_at(*place, self._config.mapper_resolution)

    def zones(self, registered: CellId) -> list[Zone]:
        """The owner's quiet zones; home is where hotspot.toml says, else anywhere in the registered cell."""
        zones = list(self._config.quiet_zones)
        if self._config.quiet_home_m and self._config.home is not None:
            zones.append(Zone(*self._config.home, self._config.quiet_home_m))
        elif self._config.quiet_home_m:
            within_m = self._radius_m.get(resolution(registered), 0)
            zones.append(Zone(*centre_deg(registered), self._config.quiet_home_m + within_m))
        return zones

    def snapshot(self, registered: CellId | None) -> dict[str, Any]:
        """What the owner may see of it; never a coordinate."""
        here = Nowhere.NO_FIX if registered is None else self.where(registered)
        return {
            "source": self.receiver.name,
            "connected": self.receiver.connected,
            "last": self._last if isinstance(self._last, str) else ("fix" if self._last else None),
            "cell": None if isinstance(here, Nowhere) else f"{here:x}",
            "nowhere": here if isinstance(here, Nowhere) else None,
            "quiet": here is Nowhere.QUIET,
        }

    def _told(self, reading: Fix | NoFix | Trouble) -> None:
        self._counters.count(GROUP, "fix" if isinstance(reading, Fix) else reading)
        if reading is not NoFix.OTHER:
            self._last = reading
        if isinstance(reading, Fix):
            self._fix, self._fixed_at_ms = reading, self._clock.monotonic_ms() - reading.age_ms
        elif reading in (NoFix.LOST, NoFix.INACCURATE):
            self._fix = None


def receiver_of(config: Config, directory: Path, clock: Clock) -> Receiver | None:
    """The source of positions hotspot.toml names; a relative path lies beside it. None: there is none."""
    if config.gpsd is not None:
        return Gpsd(config.gpsd, config.gpsd_device, clock)
    if config.nmea is not None:
        return Nmea(directory / config.nmea, clock)
    if config.gpx is not None:
        return Gpx(directory / config.gpx, clock, replay=config.gpx_replay)
    return Termux(clock) if config.termux else None
