"""A cell's centre in degrees, for people and files; no verdict may hold a float, so protocol/ has none to give."""

from __future__ import annotations

import h3.api.basic_int as h3


def centre_deg(cell: int) -> tuple[float, float]:
    """(latitude, longitude) of a valid cell's centre."""
    latitude, longitude = h3.cell_to_latlng(cell)
    return float(latitude), float(longitude)
