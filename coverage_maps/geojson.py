"""Reads areas out of GeoJSON (RFC 7946): any nesting of polygons, repaired where safe, else refused with the place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from coverage_maps.geometry import unwrapped

MAX_BYTES = 4 * 1024 * 1024
MAX_POINTS = 200_000
MAX_POLYGONS = 5_000
MAX_LONGITUDE_DEG = 540
MAX_SHOWN_DIGITS = 40
CONTAINERS = {"Feature": "geometry", "FeatureCollection": "features", "GeometryCollection": "geometries"}
Ring = list[tuple[float, float]]
WANTED = "a Polygon, MultiPolygon, Feature, FeatureCollection or GeometryCollection"


class GeoJsonError(ValueError):
    """Not an area; the message is a sentence with the place in the file."""


def read_area(data: bytes) -> BaseGeometry:
    """The union of every polygon in the file; longitudes continuous, near those of the first polygon."""
    if len(data) > MAX_BYTES:
        raise GeoJsonError(f"The file is larger than {MAX_BYTES // 1024 // 1024} MiB; simplify the outline first.")
    try:
        tree = json.loads(data)
    except json.JSONDecodeError as error:
        raise GeoJsonError(f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise GeoJsonError("This is not JSON text in UTF-8.") from error
    except ValueError as error:
        raise GeoJsonError("This holds a number with too many digits; degrees need no more than ten.") from error
    polygons: list[Polygon] = []
    for rings in _bounded(_outlines(tree, "the file")):
        found = Polygon(rings[0], rings[1:])
        polygons.append(_near(found, polygons[0]) if polygons else found)
    if not polygons:
        raise GeoJsonError(f"There is no area in the file; it should hold {WANTED}.")
    area = shapely.union_all([_only_polygons(shapely.make_valid(one)) for one in polygons])
    if area.is_empty or area.area == 0:
        raise GeoJsonError("The area in the file is empty: its outline encloses nothing.")
    return area


def _bounded(outlines: Iterable[list[Ring]]) -> Iterator[list[Ring]]:
    """The outlines as they are; GeoJsonError as soon as they are too many or have too many points."""
    points = 0
    for number, rings in enumerate(outlines, 1):
        points += sum(map(len, rings))
        if points > MAX_POINTS:
            raise GeoJsonError(f"The area has more than {MAX_POINTS} points; simplify the outline first.")
        if number > MAX_POLYGONS:
            raise GeoJsonError(f"The area has more than {MAX_POLYGONS} polygons; simplify the outline first.")
        yield rings


def _outlines(tree: Any, where: str) -> Iterator[list[Ring]]:
    """Rings of every polygon below a node, with the path for errors; an explicit stack: depth is no danger."""
    stack = [(tree, where)]
    while stack:
        node, path = stack.pop()
        kind = str(node.get("type")) if isinstance(node, dict) else "something else"
        if kind == "Polygon":
            yield _rings(node.get("coordinates"), f"{path}.coordinates")
        elif kind == "MultiPolygon":
            parts = _list(node.get("coordinates"), f"{path}.coordinates")
            for place, part in enumerate(parts):
                yield _rings(part, f"{path}.coordinates[{place}]")
        elif kind == "Feature":
            stack.append((node.get("geometry"), f"{path}.geometry"))
        elif kind in CONTAINERS:
            key = CONTAINERS[kind]
            members = _list(node.get(key), f"{path}.{key}")
            stack += [(one, f"{path}.{key}[{place}]") for place, one in reversed(list(enumerate(members)))]
        else:
            raise GeoJsonError(f"{_capital(path)} should be {WANTED}, but is {kind[:60]}.")


def _rings(rings: Any, where: str) -> list[Ring]:
    """A polygon's outline and its holes, on one turn of the globe."""
    lines = [_ring(ring, f"{where}[{place}]") for place, ring in enumerate(_list(rings, where))]
    if not lines:
        raise GeoJsonError(f"{_capital(where)} has no ring.")
    return [lines[0], *(_turned_ring(hole, lines[0][0][0]) for hole in lines[1:])]


def _ring(ring: Any, where: str) -> Ring:
    points = [_point(point, f"{where}[{place}]") for place, point in enumerate(_list(ring, where))]
    if len(points) < 4:
        raise GeoJsonError(
            f"{_capital(where)} has {len(points)} points; a ring needs four, the last equal to the first."
        )
    if points[0] != points[-1]:
        raise GeoJsonError(f"{_capital(where)} is not closed: its last point differs from its first.")
    longitudes = unwrapped([longitude for longitude, _ in points])
    if abs(longitudes[-1] - longitudes[0]) > 180:
        raise GeoJsonError(f"{_capital(where)} goes around a pole; cut the area so that none of its parts does.")
    return [(longitude, latitude) for longitude, (_, latitude) in zip(longitudes, points, strict=True)]


def _point(point: Any, where: str) -> tuple[float, float]:
    numbers = _list(point, where)[:2]
    if len(numbers) < 2 or any(isinstance(one, bool) or not isinstance(one, int | float) for one in numbers):
        raise GeoJsonError(f"{_capital(where)} should be two numbers: longitude, latitude.")
    longitude, latitude = numbers
    if not abs(latitude) <= 90 or not abs(longitude) <= MAX_LONGITUDE_DEG:
        shown = ", ".join(str(one)[:MAX_SHOWN_DIGITS] for one in numbers)
        raise GeoJsonError(f"{_capital(where)} is [{shown}]: longitude comes first, latitude is at most 90.")
    return float(longitude), float(latitude)


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise GeoJsonError(f"{_capital(where)} should be a list.")
    return value


def _turned_ring(ring: Ring, near: float) -> Ring:
    turn = unwrapped([near, ring[0][0]])[1] - ring[0][0]
    return [(longitude + turn, latitude) for longitude, latitude in ring]


def _near(polygon: Polygon, first: Polygon) -> Polygon:
    """The polygon on the same turn of the globe as the first one."""
    turn = 360 * round((first.bounds[0] - polygon.bounds[0]) / 360)
    return shapely.transform(polygon, lambda points: np.add(points, (turn, 0))) if turn else polygon


def _only_polygons(shape: BaseGeometry) -> BaseGeometry:
    """make_valid may leave lines of a collapsed spike; they have no area."""
    if shape.geom_type != "GeometryCollection":
        return shape
    return shapely.union_all([one for one in shapely.get_parts(shape) if "Polygon" in one.geom_type])


def _capital(where: str) -> str:
    return where[0].upper() + where[1:]
