"""Places as people type them: an H3 index, or latitude and longitude."""

from __future__ import annotations

import re

from protocol import geo

CELL_TEXT = re.compile(r"(?:0x)?([0-9a-fA-F]{15,16})")
DEGREES = r"([+-]?[0-9]{1,3}(?:\.[0-9]{1,15})?)"
PLACE_TEXT = re.compile(rf"\s*{DEGREES}\s*[,; ]\s*{DEGREES}\s*")
PLACE_LEVEL = 9


def parse_cell(text: str) -> int | None:
    """The H3 cell of an index of any resolution, or the resolution 9 cell of `LAT,LON`; None if it is neither."""
    index = CELL_TEXT.fullmatch(text.strip())
    if index:
        cell = int(index[1], 16)
        return cell if geo.is_cell(cell, 0, 15) else None
    degrees = PLACE_TEXT.fullmatch(text)
    if not degrees:
        return None
    latitude, longitude = float(degrees[1]), float(degrees[2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return geo.cell_at(latitude, longitude, PLACE_LEVEL)
