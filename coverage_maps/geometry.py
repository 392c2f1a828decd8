"""Areas against covered cells: what is covered, what is not, in km2, and the largest gaps. Shapes only, no network.

All cutting and measuring happens in one plane: the Lambert azimuthal equal-area projection around the area's own
centre, on the sphere of WGS84's authalic latitudes. Areas of the ellipsoid are exact in it, it has no seam at the
antimeridian, and it bends distances little within a country. Edges of GeoJSON are straight in longitude and latitude:
they are cut into short pieces before they are projected.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import h3.api.basic_int as h3
import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from protocol.geo import ECCENTRICITY_SQUARED, SEMI_MAJOR_AXIS_M

ECCENTRICITY = math.sqrt(ECCENTRICITY_SQUARED)
LONGEST_EDGE_DEG = 0.01
COARSEST_EDGE_DEG = 0.25
MAX_EDGE_PIECES = 200_000
SNAP_M = 0.001
SLIVER_M2 = 1.0
SHOWN_TOLERANCE_M = 0.5
GAPS = 5
MAX_EXTENT_DEG = 60.0
CELL_MARGIN_DEG = 0.02
"""More than the radius of a pay cell (resolution 8: 600 m)."""
SQUARE_KM_M2 = 1_000_000.0

Bounds = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


class AreaTooLargeError(ValueError):
    """The area spans more than this projection keeps in shape; the message says how much is allowed."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One connected uncovered part. The centre is its point farthest from any edge: the best place to build."""

    km2: float
    latitude_deg: float
    longitude_deg: float
    reach_m: float
    """How far the nearest edge of the gap is from the centre."""
    shape: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AreaCoverage:
    """An area cut by covered cells. Shapes are GeoJSON geometries, longitudes continuous across the antimeridian."""

    area_km2: float
    covered_km2: float
    uncovered_km2: float
    share: float
    gaps: tuple[Gap, ...]
    gap_count: int
    covered: dict[str, Any]
    uncovered: dict[str, Any]
    outline: dict[str, Any]


def area_coverage(area: BaseGeometry, cells: Iterable[int]) -> AreaCoverage:
    """What of an area the cells cover; AreaTooLargeError beyond 60 degrees.

    The area is in longitude and latitude, longitudes continuous across the antimeridian.
    """
    plane = Plane.around(area)
    inside = plane.project(_with_short_edges(area))
    inside = inside if inside.is_valid else shapely.make_valid(inside)
    cover = _union(plane, inside, area.bounds, cells)
    covered = _polygons(shapely.intersection(inside, cover))
    uncovered = _polygons(shapely.difference(inside, cover))
    parts = sorted(_parts(uncovered), key=lambda part: -part.area)
    return AreaCoverage(
        area_km2=inside.area / SQUARE_KM_M2,
        covered_km2=covered.area / SQUARE_KM_M2,
        uncovered_km2=uncovered.area / SQUARE_KM_M2,
        share=covered.area / inside.area if inside.area else 0.0,
        gaps=tuple(_gap(plane, part) for part in parts[:GAPS]),
        gap_count=len(parts),
        covered=plane.geojson(covered),
        uncovered=plane.geojson(uncovered),
        outline=plane.geojson(inside),
    )


def cell_area_km2(cell: int) -> float:
    """Area of a cell on the ellipsoid. Around a pole a small cell has any longitude: the plane does not mind."""
    latitude, longitude = h3.cell_to_latlng(cell)
    return float(Plane(latitude, longitude).project(_outline(cell, longitude)).area) / SQUARE_KM_M2


# --- the plane ------------------------------------------------------------------------------------------------------


def _authalic_q(latitude: np.ndarray) -> np.ndarray:
    """q(phi): pi a^2 q is the area of the ellipsoid between the equator and a latitude (radians)."""
    sine = ECCENTRICITY * np.sin(latitude)
    return np.asarray((1 - ECCENTRICITY_SQUARED) * (np.sin(latitude) / (1 - sine**2) + np.arctanh(sine) / ECCENTRICITY))


POLE_Q = float(_authalic_q(np.array(math.pi / 2)))
AUTHALIC_RADIUS_M = SEMI_MAJOR_AXIS_M * math.sqrt(POLE_Q / 2)
TO_GEODETIC = tuple(
    sum(coefficient * ECCENTRICITY_SQUARED**power for power, coefficient in terms)
    for terms in (
        ((1, 1 / 3), (2, 31 / 180), (3, 517 / 5_040)),
        ((2, 23 / 360), (3, 251 / 3_780)),
        ((3, 761 / 45_360),),
    )
)


@dataclass(frozen=True, slots=True)
class Plane:
    """A Lambert azimuthal equal-area plane, metres, around a centre in degrees."""

    latitude_deg: float
    longitude_deg: float

    @classmethod
    def around(cls, area: BaseGeometry) -> Plane:
        west, south, east, north = area.bounds
        if max(east - west, north - south) > MAX_EXTENT_DEG:
            raise AreaTooLargeError(f"the area spans more than {MAX_EXTENT_DEG:.0f} degrees; cut it into smaller ones")
        return cls((south + north) / 2, (west + east) / 2)

    def project(self, shape: Any) -> Any:
        """Degrees to metres; also of an array of shapes."""
        return shapely.transform(shape, self._forward)

    def geojson(self, shape: BaseGeometry) -> dict[str, Any]:
        """A shape of the plane as a GeoJSON geometry, true to half a metre, without the points of our own cutting."""
        degrees = shapely.transform(shapely.simplify(shape, SHOWN_TOLERANCE_M), self._back)
        found = shapely.geometry.mapping(degrees)
        return {"type": found["type"], "coordinates": _rounded(found.get("coordinates", ()))}

    def degrees(self, x_m: float, y_m: float) -> tuple[float, float]:
        """(latitude, longitude) of a point of the plane, the longitude within -180..180."""
        longitude, latitude = self._back(np.array([[x_m, y_m]]))[0]
        return float(latitude), (float(longitude) + 180) % 360 - 180

    def _centre(self) -> tuple[float, float]:
        q = _authalic_q(np.array(math.radians(self.latitude_deg)))
        return math.asin(min(1.0, max(-1.0, float(q) / POLE_Q))), math.radians(self.longitude_deg)

    def _forward(self, points: np.ndarray) -> np.ndarray:
        centre, meridian = self._centre()
        beta = np.arcsin(np.clip(_authalic_q(np.radians(points[:, 1])) / POLE_Q, -1, 1))
        turn = np.radians(points[:, 0]) - meridian
        toward = math.sin(centre) * np.sin(beta) + math.cos(centre) * np.cos(beta) * np.cos(turn)
        scale = AUTHALIC_RADIUS_M * np.sqrt(2 / (1 + toward))
        north = math.cos(centre) * np.sin(beta) - math.sin(centre) * np.cos(beta) * np.cos(turn)
        return np.column_stack((scale * np.cos(beta) * np.sin(turn), scale * north))

    def _back(self, points: np.ndarray) -> np.ndarray:
        centre, meridian = self._centre()
        x, y = points[:, 0] / AUTHALIC_RADIUS_M, points[:, 1] / AUTHALIC_RADIUS_M
        far = np.hypot(x, y)
        angle = 2 * np.arcsin(np.clip(far / 2, 0, 1))
        safe = np.where(far == 0, 1, far)
        beta = np.arcsin(np.clip(np.cos(angle) * math.sin(centre) + y * np.sin(angle) * math.cos(centre) / safe, -1, 1))
        turn = np.arctan2(
            x * np.sin(angle), safe * math.cos(centre) * np.cos(angle) - y * math.sin(centre) * np.sin(angle)
        )
        latitude = beta + sum(term * np.sin(2 * (place + 1) * beta) for place, term in enumerate(TO_GEODETIC))
        return np.column_stack((np.degrees(meridian + turn), np.degrees(latitude)))


# --- shapes ---------------------------------------------------------------------------------------------------------


def _with_short_edges(area: BaseGeometry) -> BaseGeometry:
    """Edges cut into pieces of 0.01 degrees, or longer ones where that would be too many points."""
    pieces = max(shapely.length(area) / MAX_EDGE_PIECES, LONGEST_EDGE_DEG)
    return shapely.segmentize(area, min(pieces, COARSEST_EDGE_DEG))


def _union(plane: Plane, inside: BaseGeometry, bounds: Bounds, cells: Iterable[int]) -> BaseGeometry:
    """The cells that touch the area, as one shape of the plane."""
    near = [_outline(cell, plane.longitude_deg) for cell in cells if _is_near(cell, bounds)]
    if not near:
        return Polygon()
    shapes = np.atleast_1d(plane.project(np.array(near, dtype=object)))
    shapely.prepare(inside)
    touching = shapes[shapely.intersects(inside, shapes)]
    # Neighbours share corners only to within rounding; snapping closes the hairlines between them.
    return shapely.union_all(touching, grid_size=SNAP_M)


def _is_near(cell: int, bounds: Bounds) -> bool:
    """True for every cell that can touch the bounds, and few others."""
    latitude, longitude = h3.cell_to_latlng(cell)
    west, south, east, north = bounds
    if not south - CELL_MARGIN_DEG <= latitude <= north + CELL_MARGIN_DEG:
        return False
    margin = CELL_MARGIN_DEG / max(math.cos(math.radians(latitude)), CELL_MARGIN_DEG)
    return abs(_turned(longitude, (west + east) / 2) - (west + east) / 2) <= (east - west) / 2 + margin


def _outline(cell: int, near_longitude_deg: float) -> Polygon:
    """A cell's outline with longitudes on the same turn of the globe as a meridian."""
    corners = h3.cell_to_boundary(cell)
    return Polygon([(_turned(longitude, near_longitude_deg), latitude) for latitude, longitude in corners])


def _turned(longitude: float, near: float) -> float:
    return longitude - 360 * round((longitude - near) / 360)


def _parts(shape: BaseGeometry) -> list[Polygon]:
    return [one for one in shapely.get_parts(shape) if one.area > SLIVER_M2]


def _polygons(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of a shape, without the points and lines that touching edges leave."""
    found = [
        one for one in shapely.get_parts(shape, return_index=False) if one.geom_type in ("Polygon", "MultiPolygon")
    ]
    return found[0] if len(found) == 1 else shapely.multipolygons(found)


def _gap(plane: Plane, part: Polygon) -> Gap:
    radius = shapely.maximum_inscribed_circle(part, tolerance=max(math.sqrt(part.area) / 100, 1.0))
    (x_m, y_m), _ = shapely.get_coordinates(radius)
    latitude, longitude = plane.degrees(x_m, y_m)
    return Gap(part.area / SQUARE_KM_M2, latitude, longitude, float(radius.length), plane.geojson(part))


def _rounded(coordinates: Any) -> Any:
    if coordinates and isinstance(coordinates[0], float):
        return [round(value, 7) for value in coordinates]
    return [_rounded(one) for one in coordinates]


def unwrapped(longitudes: Sequence[float]) -> list[float]:
    """Longitudes of a line, each within half a turn of the one before."""
    result = list(longitudes[:1])
    for longitude in longitudes[1:]:
        result.append(_turned(longitude, result[-1]))
    return result
