"""Cells, positions, radii and regions, as protocol.md 1 and 6 write them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import h3.api.basic_int as h3

from protocol.limits import (
    MAX_MAPPER_RESOLUTION,
    MAX_REGISTERED_RESOLUTION,
    MIN_MAPPER_RESOLUTION,
    MIN_REGISTERED_RESOLUTION,
)
from tests.reference.exact import DIGITS, sine_and_cosine
from tests.reference.inputs import Hotspot, Network, Place

EQUATOR_M = Decimal(6_378_137)
FLATTENING = 1 / Decimal("298.257223563")


def level(cell: int) -> int:
    return h3.get_resolution(cell)


def parent(cell: int, coarser: int) -> int:
    return h3.cell_to_parent(cell, coarser)


def radius_m(params: Mapping[str, Any], cell: int) -> int:
    return params["positions"]["radius_m"][str(level(cell))]


def position(cell: int) -> Place:
    """The centre on the WGS84 ellipsoid at height 0, each coordinate the nearest metre, half to even."""
    latitude, longitude = (Decimal(degrees) for degrees in h3.cell_to_latlng(cell))
    with localcontext() as context:
        context.prec = DIGITS
        sin_lat, cos_lat = sine_and_cosine(latitude)
        sin_lon, cos_lon = sine_and_cosine(longitude)
        eccentricity2 = FLATTENING * (2 - FLATTENING)
        normal = EQUATOR_M / (1 - eccentricity2 * sin_lat**2).sqrt()
        exact = (normal * cos_lat * cos_lon, normal * cos_lat * sin_lon, normal * (1 - eccentricity2) * sin_lat)
        x, y, z = (int(value.to_integral_value(ROUND_HALF_EVEN)) for value in exact)
    return x, y, z


def chord2_m2(a: Place, b: Place) -> int:
    return sum((p - q) ** 2 for p, q in zip(a, b, strict=True))


def region_of(network: Network, cell: int) -> int | None:
    """First match in region order over the cell's parents; None where no region is."""
    ancestors = {cell} | {parent(cell, coarser) for coarser in range(level(cell))}
    for region in range(len(network.params["radio"]["regions"])):
        if any(number == region and home in ancestors for number, home in network.region_cells):
            return region
    return None


def is_cell_between(cell: int, least: int, most: int) -> bool:
    return h3.is_valid_cell(cell) and least <= level(cell) <= most


def report_region(network: Network, hotspot: Hotspot, reported_cell: int) -> int | None:
    """The region a report comes from: that of the registered cell; a mapper's reported cell must lie in it too."""
    if not is_cell_between(hotspot.cell, MIN_REGISTERED_RESOLUTION, MAX_REGISTERED_RESOLUTION):
        return None
    home = region_of(network, hotspot.cell)
    if not hotspot.is_mapper:
        return home
    is_mapper_cell = is_cell_between(reported_cell, MIN_MAPPER_RESOLUTION, MAX_MAPPER_RESOLUTION)
    return home if is_mapper_cell and region_of(network, reported_cell) == home else None


def report_cell(hotspot: Hotspot, reported_cell: int) -> int:
    """Where a report was made: a fixed hotspot's registered cell, whatever it reports; a mapper's reported one."""
    return reported_cell if hotspot.is_mapper else hotspot.cell


def pay_level(hotspot: Hotspot) -> int:
    return 9 if hotspot.is_wifi else 8


def plan_of(network: Network, hotspot: Hotspot, region: int) -> Mapping[str, Any]:
    radio = network.params["radio"]
    return radio["wifi"] if hotspot.is_wifi else radio["regions"][region]
