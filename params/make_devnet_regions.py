"""Writes params/regions/devnet.cells: the devnet's radio regions.

EU868 within five rings of resolution-3 cells around Ulm (600 km). That holds the demo area and measured drive tests;
cells that touch land under another plan, or open sea, are left out by hand. A test compares the result with published
region sets where they are present. Run `python -m params.make_devnet_regions` to make it again.
"""

from __future__ import annotations

from pathlib import Path

import h3.api.basic_int as h3

from protocol.encoding import concatenate, sha256
from protocol.regions import RegionCell

ULM = (48.4, 9.99)
RINGS = 5
EU868 = 0
LEFT_OUT: frozenset[int] = frozenset(
    {
        0x831EA0FFFFFFFFF,
        0x831EA1FFFFFFFFF,
        0x831EA3FFFFFFFFF,
        0x831EA5FFFFFFFFF,
        0x831EAEFFFFFFFFF,
        0x831EB4FFFFFFFFF,
        0x831EB5FFFFFFFFF,
        0x831F9BFFFFFFFFF,
        0x833969FFFFFFFFF,
    }
)


def devnet_cells() -> list[RegionCell]:
    """Compacted cells, sorted as the region file wants them."""
    disk = set(h3.grid_disk(h3.latlng_to_cell(*ULM, 3), RINGS)) - LEFT_OUT
    return sorted((RegionCell(EU868, cell) for cell in h3.compact_cells(disk)), key=RegionCell.encode)


def main() -> None:
    """Writes the file and prints its sha256 for params/devnet.toml."""
    rows = concatenate(devnet_cells())
    (Path(__file__).parent / "regions" / "devnet.cells").write_bytes(rows)
    print(sha256(rows).hex())  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
