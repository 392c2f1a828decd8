"""Areas and gaps: sums that must hold, areas checked against closed forms, and places where maps usually break."""

from __future__ import annotations

import json
import math
import time

import h3.api.basic_int as h3
import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon, box

from coverage_maps import geojson, geometry
from coverage_maps.geojson import GeoJsonError, read_area
from coverage_maps.geometry import AreaTooLargeError, Plane, area_coverage, cell_area_km2
from protocol import geo
from protocol.geo import SEMI_MAJOR_AXIS_M

CENTRE = geo.cell_at(48.40, 9.99, 8)
CITY = box(9.9, 48.35, 10.1, 48.45)


def quadrangle_km2(west: float, south: float, east: float, north: float) -> float:
    """Area between two meridians and two parallels, in closed form."""

    def q(latitude_deg: float) -> float:
        e, sine = geometry.ECCENTRICITY, math.sin(math.radians(latitude_deg))
        return (1 - e * e) * (sine / (1 - (e * sine) ** 2) + math.atanh(e * sine) / e)

    return SEMI_MAJOR_AXIS_M**2 / 2 * math.radians(east - west) * (q(north) - q(south)) / 1e6


@pytest.mark.parametrize(
    "bounds", [(9.5, 48, 10.5, 49), (-3, -3, 4, 5), (179.5, -17, 180.5, -16), (10, 70, 40, 85), (20, 88, 60, 90)]
)
def test_areas_are_those_of_the_ellipsoid(bounds):
    assert area_coverage(box(*bounds), []).area_km2 == pytest.approx(quadrangle_km2(*bounds), rel=1e-6)


def test_the_sphere_of_equal_area_has_the_known_radius():
    assert abs(geometry.AUTHALIC_RADIUS_M - 6_371_007.1809) < 1e-3


@st.composite
def stars(draw):
    """Star-shaped polygons of some kilometres anywhere between the polar circles, the antimeridian included."""
    latitude, longitude = draw(st.floats(-66, 66)), draw(st.floats(-180, 180))
    radii = draw(st.lists(st.floats(0.01, 0.12), min_size=3, max_size=12))
    corners = [
        (longitude + radius * math.cos(2 * math.pi * at / len(radii)) / math.cos(math.radians(latitude)),
         latitude + radius * math.sin(2 * math.pi * at / len(radii)))
        for at, radius in enumerate(radii)
    ]  # fmt: skip
    return Polygon(corners)


@settings(max_examples=60, deadline=None)
@given(stars(), st.integers(0, 12), st.randoms(use_true_random=False))
def test_covered_and_uncovered_are_the_area(area, rings, random):
    centre = area.centroid
    disk = h3.grid_disk(geo.cell_at(centre.y, (centre.x + 180) % 360 - 180, 8), rings)
    cells = [cell for cell in disk if random.random() < 0.6]
    found = area_coverage(area, cells)
    assert found.covered_km2 + found.uncovered_km2 == pytest.approx(found.area_km2, rel=1e-6)
    assert 0 <= found.share <= 1
    assert sum(gap.km2 for gap in found.gaps) <= found.uncovered_km2 * (1 + 1e-9)


@settings(max_examples=30, deadline=None)
@given(stars())
def test_an_area_under_enough_cells_has_no_gap(area):
    centre = area.centroid
    cells = h3.grid_disk(geo.cell_at(centre.y, (centre.x + 180) % 360 - 180, 8), 45)
    found = area_coverage(area, cells)
    assert (found.share, found.gap_count) == (pytest.approx(1, rel=1e-6), 0)


@settings(max_examples=30, deadline=None)
@given(stars(), st.sampled_from([-360, 360]))
def test_a_whole_turn_changes_nothing(area, turn):
    cells = h3.grid_disk(geo.cell_at(area.centroid.y, (area.centroid.x + 180) % 360 - 180, 8), 4)
    turned = shapely.transform(area, lambda points: np.add(points, [turn, 0]))
    assert area_coverage(turned, cells).covered_km2 == pytest.approx(area_coverage(area, cells).covered_km2, rel=1e-6)


def test_no_cells_leave_one_gap_whose_centre_is_its_middle():
    found = area_coverage(CITY, [])
    (gap,) = found.gaps
    assert (found.share, gap.km2) == (0, pytest.approx(found.area_km2))
    assert (gap.latitude_deg, gap.longitude_deg) == (pytest.approx(48.40, abs=0.01), pytest.approx(10.0, abs=0.05))
    assert gap.reach_m == pytest.approx(5_560, rel=0.02)


def test_covered_cells_count_their_own_area_without_hairlines_between_them():
    cells = h3.grid_disk(CENTRE, 2)
    found = area_coverage(CITY, cells)
    assert found.covered_km2 == pytest.approx(sum(map(cell_area_km2, cells)), rel=1e-6)
    assert found.covered["type"] == "Polygon"
    assert found.gap_count == 1


def test_the_five_largest_gaps_come_largest_first():
    holes = {h3.grid_disk(CENTRE, 6)[place] for place in (0, 20, 40, 60, 80, 100)}
    cells = [cell for cell in h3.grid_disk(CENTRE, 30) if cell not in holes]
    found = area_coverage(CITY, cells)
    sizes = [gap.km2 for gap in found.gaps]
    assert (found.gap_count, len(sizes)) == (6, 5)
    assert sizes == sorted(sizes, reverse=True)
    for gap in found.gaps:
        assert geo.cell_at(gap.latitude_deg, gap.longitude_deg, 8) in holes


def test_cells_far_away_change_nothing():
    assert area_coverage(CITY, [geo.cell_at(-33.9, 151.2, 8)]).covered_km2 == 0


def test_shapes_come_back_as_degrees_near_where_they_were():
    found = area_coverage(CITY, h3.grid_disk(CENTRE, 1))
    west, south, east, north = shapely.from_geojson(json.dumps(found.uncovered)).bounds
    assert (west, south, east, north) == pytest.approx(CITY.bounds, abs=1e-6)


@given(st.floats(-85, 85), st.floats(-180, 180), st.floats(-2, 2), st.floats(-2, 2))
def test_the_plane_and_back(latitude, longitude, north, east):
    plane = Plane(latitude, longitude)
    point = shapely.Point(longitude + east, latitude + north)
    back = shapely.transform(plane.project(point), plane._back)
    assert back.y == pytest.approx(point.y, abs=1e-7)
    assert (back.x - point.x + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("latitude", [90, -90])
def test_a_cell_around_a_pole_has_an_area_like_its_neighbours(latitude):
    cell = geo.cell_at(latitude, 0, 8)
    areas = [cell_area_km2(one) for one in h3.grid_disk(cell, 2)]
    assert areas == pytest.approx([cell_area_km2(cell)] * len(areas), rel=0.02)
    assert cell_area_km2(cell) == pytest.approx(h3.cell_area(cell, unit="km^2"), rel=0.01)


def test_half_the_globe_is_too_large():
    with pytest.raises(AreaTooLargeError, match="more than 60 degrees"):
        area_coverage(box(-100, -10, 100, 10), [])


# --- reading GeoJSON ----------------------------------------------------------------------------------------------


def read(geometry_or_feature) -> shapely.Geometry:
    return read_area(json.dumps(geometry_or_feature).encode())


def polygon(*corners, closed: bool = True) -> dict:
    ring = [list(corner) for corner in corners]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]] if closed else ring]}


SQUARE = polygon((10, 48), (11, 48), (11, 49), (10, 49))


@pytest.mark.parametrize(
    "wrapped",
    [
        SQUARE,
        {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]]},
        {"type": "Feature", "properties": {}, "geometry": SQUARE},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": None, "geometry": SQUARE}]},
        {"type": "GeometryCollection", "geometries": [SQUARE]},
    ],
)
def test_reads_every_kind_of_area(wrapped):
    assert read(wrapped).area == pytest.approx(1)


def test_overlapping_parts_count_once():
    both = {"type": "GeometryCollection", "geometries": [SQUARE, SQUARE]}
    assert read(both).area == pytest.approx(1)


def test_a_bow_tie_is_repaired():
    assert read(polygon((0, 0), (1, 1), (1, 0), (0, 1))).area == pytest.approx(0.5)


def test_a_spike_is_dropped():
    assert read(polygon((0, 0), (1, 0), (1, 1), (0.5, 1), (0.5, 2), (0.5, 1), (0, 1))).area == pytest.approx(1)


def test_altitudes_are_ignored():
    assert read(polygon((0, 0, 5), (1, 0, 5), (1, 1, 5), (0, 1, 5))).area == pytest.approx(1)


def test_a_ring_across_the_antimeridian_is_the_short_way_round():
    assert read(polygon((179, 0), (-179, 0), (-179, 1), (179, 1))).area == pytest.approx(2)


def test_parts_cut_at_the_antimeridian_are_joined():
    east, west = polygon((179, 0), (180, 0), (180, 1), (179, 1)), polygon((-180, 0), (-179, 0), (-179, 1), (-180, 1))
    area = read({"type": "GeometryCollection", "geometries": [east, west]})
    assert (area.geom_type, area.area) == ("Polygon", pytest.approx(2))


def test_a_hole_stays_a_hole():
    ring = SQUARE["coordinates"][0]
    hole = [[10.25, 48.25], [10.75, 48.25], [10.75, 48.75], [10.25, 48.75], [10.25, 48.25]]
    assert read({"type": "Polygon", "coordinates": [ring, hole]}).area == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", r"not JSON: .* at line 1, column 2"),
        ("\xff", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"type": "Point", "coordinates": [1, 2]}', "The file should be a Polygon, .*but is Point"),
        ("7", "The file should be a Polygon.*but is something else"),
        ('{"type": "Feature", "geometry": null}', r"The file\.geometry should be a Polygon"),
        ('{"type": "FeatureCollection", "features": []}', "no area in the file"),
        ('{"type": "FeatureCollection", "features": {}}', r"The file\.features should be a list"),
        ('{"type": "Polygon", "coordinates": []}', "has no ring"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [1, 2]]]}', r"coordinates\[0\] has 3 points"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [5, 6], [7, 8]]]}', r"coordinates\[0\] is not closed"),
        ('{"type": "Polygon", "coordinates": [[[48.4, 99.1]]]}', r"coordinates\[0\]\[0\] is \[48.4, 99.1\]: longitude"),
        ('{"type": "Polygon", "coordinates": [[[1, "2"]]]}', r"\[0\]\[0\] should be two numbers"),
        ('{"type": "Polygon", "coordinates": [[[1, true]]]}', r"\[0\]\[0\] should be two numbers"),
        ('{"type": "Polygon", "coordinates": [[[1, NaN]]]}', r"\[0\]\[0\] is \[1, nan\]"),
        ('{"type": "Polygon", "coordinates": [[[1, 1e999]]]}', r"\[0\]\[0\] is \[1, inf\]"),
        ('{"type": "Polygon", "coordinates": [[[1, ' + "9" * 1_000 + "]]]}", r"\[0\]\[0\] is \[1, 9{40}\]"),
        ('{"type": "Polygon", "coordinates": [[[1, ' + "9" * 5_000 + "]]]}", "number with too many digits"),
    ],
)
def test_bad_geojson_is_a_sentence_with_the_place(text, sentence):
    with pytest.raises(GeoJsonError, match=sentence):
        read_area(text.encode("latin-1"))


def test_an_outline_around_a_pole_is_refused():
    ring = [(longitude, 70) for longitude in range(-180, 180, 60)]
    with pytest.raises(GeoJsonError, match="goes around a pole"):
        read(polygon(*ring))


def test_an_outline_without_an_inside_is_refused():
    with pytest.raises(GeoJsonError, match="encloses nothing"):
        read(polygon((0, 0), (1, 1), (2, 2)))


def small_squares(count: int) -> bytes:
    squares = [box(x, y, x + 0.005, y + 0.005) for x, y in ((n % 100 / 100, n // 100 / 100) for n in range(count))]
    return shapely.to_geojson(shapely.multipolygons(squares)).encode()


def test_many_polygons_are_read_in_a_time_that_grows_with_their_number():
    data = small_squares(geojson.MAX_POLYGONS)
    before_s = time.process_time()
    assert read_area(data).area == pytest.approx(geojson.MAX_POLYGONS * 0.005**2)
    assert time.process_time() - before_s < 5, "it takes half a second; counting all points each time took 28"


def test_too_many_polygons_are_refused():
    with pytest.raises(GeoJsonError, match="more than 5000 polygons"):
        read_area(small_squares(geojson.MAX_POLYGONS + 1))


def test_too_many_points_are_refused_before_a_shape_is_made_of_them(monkeypatch):
    monkeypatch.setattr(geojson, "MAX_POINTS", 9)
    monkeypatch.setattr(geojson, "Polygon", None)
    with pytest.raises(GeoJsonError, match="more than 9 points"):
        read(polygon(*((0.1 * number, number % 2) for number in range(9))))


def test_a_large_file_is_refused_unread():
    with pytest.raises(GeoJsonError, match="larger than 4 MiB"):
        read_area(b" " * (4 * 1024 * 1024 + 1))


@settings(max_examples=200)
@example({"type": []})
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["Polygon", "Feature"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["type", "coordinates", "geometry", "features"]), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_any_json_is_an_area_or_a_sentence(tree):
    sentence, area = "", None
    try:
        area = read(tree)
    except GeoJsonError as error:
        sentence = str(error)
    assert sentence.endswith(".") or (area is not None and area.area > 0)
