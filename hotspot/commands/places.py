"""Where a hotspot stands and how its antenna is, as people type it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from protocol.ids import CellId

MIN_GAIN_CDB, MAX_GAIN_CDB = -1_000, 1_500
MIN_ELEVATION_M, MAX_ELEVATION_M = -500, 9_000
GAIN_TEXT = re.compile(r"[+-]?([0-9]{1,4}(\.[0-9]{0,9})?|\.[0-9]{1,9})")
"""A plain decimal number; Decimal itself takes exponents, which it then cannot reckon with."""
ELEVATION_M = click.IntRange(MIN_ELEVATION_M, MAX_ELEVATION_M)


def cell_of(at: str | None, cell: str | None, resolution: int) -> CellId:
    """The cell that --at or --cell names, whichever was given."""
    from protocol import geo
    from protocol.ids import CellId
    from protocol.limits import MAX_REGISTERED_RESOLUTION, MIN_REGISTERED_RESOLUTION

    if (at is None) == (cell is None):
        raise click.UsageError("Say where it stands with --at LAT,LON or with --cell H3.")
    if cell is not None:
        index = int(cell, 16) if cell and all(digit in "0123456789abcdefABCDEF" for digit in cell) else 0
        if not geo.is_cell(index, MIN_REGISTERED_RESOLUTION, MAX_REGISTERED_RESOLUTION):
            raise click.BadParameter(f"{cell!r} is not an H3 cell of resolution 9 to 12.", param_hint="--cell")
        return CellId(index)
    latitude, longitude = _place(at or "")
    return geo.cell_at(latitude, longitude, resolution)


def _place(text: str) -> tuple[float, float]:
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        latitude, longitude = 91.0, 0.0
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise click.BadParameter(f"{text!r} is not a place: give degrees as 48.40,9.99.", param_hint="--at")
    return latitude, longitude


def gain_cdb_of(text: str) -> int:
    """Hundredths of a dBi from dBi with at most two decimals."""
    gain_cdb = Decimal(text) * 100 if GAIN_TEXT.fullmatch(text) else Decimal("NaN")
    if not gain_cdb.is_finite() or gain_cdb % 1 or not MIN_GAIN_CDB <= gain_cdb <= MAX_GAIN_CDB:
        raise click.BadParameter(
            f"{text!r} is not a gain of -10 to 15 dBi with at most two decimals.", param_hint="--gain-dbi"
        )
    return int(gain_cdb)
