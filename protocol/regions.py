"""Which radio region a place is in, and what its plan lets a slot draw.

A region set is a compacted list of H3 cells of any resolution; a place is in the first region, in the order of the
params file, that holds one of its ancestors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from protocol import geo
from protocol.encoding import U8, U64, Record, field, split
from protocol.ids import Kind
from protocol.parameters import Plan, Radio


@dataclass(frozen=True, slots=True)
class RegionCell(Record):
    """One cell of a region set."""

    purpose: ClassVar[str] = "a row of the region file, sorted: a compacted cell and the region it lies in"

    region: int = field(U8, "index of the region in the params file")
    cell: int = field(U64, "H3 cell, any resolution")


@dataclass(frozen=True, slots=True)
class RegionMap:
    """Cells of every region, in the params file's order."""

    names: tuple[str, ...]
    cells: tuple[frozenset[int], ...]

    def of(self, cell: int) -> int | None:
        """Index of the first region holding the cell or an ancestor of it, or None."""
        ancestors = [geo.parent(cell, level) for level in range(geo.resolution(cell), -1, -1)]
        for index, members in enumerate(self.cells):
            if not members.isdisjoint(ancestors):
                return index
        return None


def region_map(radio: Radio, rows: bytes) -> RegionMap | None:
    """The map in the bytes of a region file, or None if the bytes are not sorted canonical rows of known regions."""
    cells = split(RegionCell, rows)
    if cells is None or [row.encode() for row in cells] != sorted({row.encode() for row in cells}):
        return None
    if any(row.region >= len(radio.regions) for row in cells):
        return None
    return build_region_map([plan.name for plan in radio.regions], ((row.region, row.cell) for row in cells))


def build_region_map(names: Iterable[str], members: Iterable[tuple[int, int]]) -> RegionMap:
    """A map from (region index, cell) pairs."""
    named = tuple(names)
    sets: list[set[int]] = [set() for _ in named]
    for index, cell in members:
        sets[index].add(cell)
    return RegionMap(named, tuple(frozenset(one) for one in sets))


def plan_of(radio: Radio, kind: Kind, region: int) -> Plan:
    """What a hotspot of this kind in this region draws its slots from."""
    return radio.wifi if kind.is_wifi else radio.regions[region]
