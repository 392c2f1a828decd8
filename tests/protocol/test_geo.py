"""Places of cells: chords against vectors, positions against decimals, radii against the shape of the cells."""

from __future__ import annotations

from math import isqrt
from random import Random
from typing import Any

import h3.api.basic_int as h3
import numpy as np
import pytest

from protocol import geo
from protocol.limits import MAX_COORDINATE_M
from tests.factories import DEVNET
from tests.protocol.vectors import cases
from tests.reference import places

RANDOM_CELLS = 100_000
ROUNDED_ENDS_MM = 1_733
"""Two ends, each rounded by at most half a metre in three coordinates: sqrt(3) metres."""


@pytest.mark.parametrize("case", cases("geo.json"))
def test_chords_agree_with_the_vectors_to_their_rounding(case: dict[str, Any]) -> None:
    a, b = (geo.position(int(case[end], 16)) for end in ("a", "b"))
    chord_mm = isqrt(geo.chord_squared(a, b) * 1_000_000)
    assert abs(chord_mm - case["chord_mm"]) <= ROUNDED_ENDS_MM


@pytest.mark.parametrize("case", cases("geo.json"))
def test_a_position_is_the_nearest_metre_of_exact_decimals(case: dict[str, Any]) -> None:
    cell = int(case["a"], 16)
    place = geo.position(cell)
    assert (place.x_m, place.y_m, place.z_m) == places.position(cell)


@pytest.mark.parametrize("case", cases("geo.json"))
def test_a_position_fits_the_record_that_carries_it(case: dict[str, Any]) -> None:
    place = geo.position(int(case["b"], 16))
    assert max(abs(place.x_m), abs(place.y_m), abs(place.z_m)) <= MAX_COORDINATE_M


def random_cells(level: int, count: int, seed: int) -> set[int]:
    """Cells all over the sphere, and the twelve pentagons with their neighbours."""
    random = Random(seed)
    found = {cell for pentagon in h3.get_pentagons(level) for cell in h3.grid_disk(pentagon, 1)}
    while len(found) < count:
        z, longitude = random.uniform(-1, 1), random.uniform(-180, 180)
        found.add(h3.latlng_to_cell(float(np.degrees(np.arcsin(z))), longitude, level))
    return found


def ecef_m(degrees: np.ndarray) -> np.ndarray:
    """WGS84 at height 0, from rows of latitude and longitude."""
    latitude, longitude = np.radians(degrees).T
    e2 = geo.ECCENTRICITY_SQUARED
    normal = geo.SEMI_MAJOR_AXIS_M / np.sqrt(1 - e2 * np.sin(latitude) ** 2)
    across = normal * np.cos(latitude)
    return np.stack([across * np.cos(longitude), across * np.sin(longitude), normal * (1 - e2) * np.sin(latitude)], 1)


@pytest.mark.parametrize(("level", "radius_m"), sorted(DEVNET.positions.radius_m.items()))
def test_no_cell_reaches_farther_from_its_centre_than_its_radius(level: int, radius_m: int) -> None:
    cells = sorted(random_cells(level, RANDOM_CELLS // len(DEVNET.positions.radius_m), level))
    boundaries = [h3.cell_to_boundary(cell) for cell in cells]
    centres = np.repeat([h3.cell_to_latlng(cell) for cell in cells], [len(one) for one in boundaries], axis=0)
    vertices = np.array([vertex for boundary in boundaries for vertex in boundary])
    farthest_m = np.linalg.norm(ecef_m(centres) - ecef_m(vertices), axis=1).max()
    assert 0.75 * radius_m < farthest_m <= radius_m


@pytest.mark.parametrize("cell", [0, 2**63, 2**64 - 1, 1, h3.latlng_to_cell(48.4, 9.99, 7)])
def test_what_is_no_cell_of_the_asked_resolutions_is_none(cell: int) -> None:
    assert not geo.is_cell(cell, 8, 12)


def test_refuses_a_parent_finer_than_the_cell() -> None:
    with pytest.raises(ValueError, match="coarser than resolution 9"):
        geo.parent(h3.latlng_to_cell(48.4, 9.99, 8), 9)


@pytest.mark.parametrize(("shift_m", "agrees"), [(1, True), (2, False)])
def test_two_machines_agree_within_one_metre(shift_m: int, *, agrees: bool) -> None:
    here = geo.position(h3.latlng_to_cell(48.4, 9.99, 9))
    there = type(here)(here.cell, here.x_m, here.y_m + shift_m, here.z_m)
    assert geo.agrees(here, there, 1) is agrees


def test_positions_of_two_cells_never_agree() -> None:
    here = geo.position(h3.latlng_to_cell(48.4, 9.99, 9))
    assert not geo.agrees(here, type(here)(here.cell + 1, here.x_m, here.y_m, here.z_m), 1)
