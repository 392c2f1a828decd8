"""H3 cells as whole-metre places. The one module a float may enter; none leaves it.

h3 gives a cell's centre in degrees; each ECEF coordinate (WGS84, height 0) is rounded to the nearest metre, half to
even. A position is agreed once per cell (protocol.md §5.5), so two machines that differ by a metre still agree.
"""

from __future__ import annotations

import math

import h3.api.basic_int as h3

from protocol.ids import CellId
from protocol.records import Position

SEMI_MAJOR_AXIS_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
ECCENTRICITY_SQUARED = FLATTENING * (2 - FLATTENING)


def is_cell(cell: int, least: int, most: int) -> bool:
    """True for a valid H3 cell whose resolution lies in [least, most]."""
    return 0 < cell < 2**63 and h3.is_valid_cell(cell) and least <= h3.get_resolution(cell) <= most


def resolution(cell: int) -> int:
    """Resolution of a valid cell, 0-15."""
    return int(h3.get_resolution(cell))


def parent(cell: int, level: int) -> CellId:
    """The cell's ancestor (or itself) at a resolution; ValueError if the cell is coarser than that."""
    if resolution(cell) < level:
        raise ValueError(f"cell {cell:x} is coarser than resolution {level}")
    return CellId(h3.cell_to_parent(cell, level))


def cell_at(latitude_deg: float, longitude_deg: float, level: int) -> CellId:
    """The cell of a place; used once per position, at the edge, never in a verdict."""
    return CellId(h3.latlng_to_cell(latitude_deg, longitude_deg, level))


def position(cell: int) -> Position:
    """The cell's centre in whole ECEF metres."""
    latitude, longitude = (math.radians(degrees) for degrees in h3.cell_to_latlng(cell))
    normal = SEMI_MAJOR_AXIS_M / math.sqrt(1 - ECCENTRICITY_SQUARED * math.sin(latitude) ** 2)
    across = normal * math.cos(latitude)
    up = normal * (1 - ECCENTRICITY_SQUARED) * math.sin(latitude)
    return Position(
        cell=cell,
        x_m=round(across * math.cos(longitude)),
        y_m=round(across * math.sin(longitude)),
        z_m=round(up),
    )


def agrees(a: Position, b: Position, tolerance_m: int) -> bool:
    """True if two positions of one cell differ by at most `tolerance_m` in each coordinate."""
    pairs = ((a.x_m, b.x_m), (a.y_m, b.y_m), (a.z_m, b.z_m))
    return a.cell == b.cell and all(abs(left - right) <= tolerance_m for left, right in pairs)


def chord_squared(a: Position, b: Position) -> int:
    """Square of the straight line between two positions, square metres."""
    return (a.x_m - b.x_m) ** 2 + (a.y_m - b.y_m) ** 2 + (a.z_m - b.z_m) ** 2
