"""Regions of places: published sets, the devnet's file, and total decoding."""

from __future__ import annotations

from typing import Any

import h3.api.basic_int as h3
import numpy as np
import pytest

from params.make_devnet_regions import devnet_cells
from protocol.encoding import concatenate, sha256
from protocol.ids import Kind
from protocol.parameters import Plan, dwell_problems
from protocol.regions import RegionCell, RegionMap, build_region_map, plan_of, region_map
from tests.factories import DEVNET, ROOT, SHARED, north_of_ulm
from tests.protocol.vectors import cases

SETS = SHARED / "data" / "helium-regions" / "h3idx"
needs_sets = pytest.mark.skipif(not SETS.exists(), reason="../shared/data/helium-regions is not here")
DEVNET_CELLS = ROOT / "params" / DEVNET.radio.cells.file


@pytest.fixture(scope="module")
def published() -> RegionMap:
    files = sorted(SETS.glob("*.h3idx"))
    cells = [(index, int(cell)) for index, file in enumerate(files) for cell in np.fromfile(file, dtype="<u8")]
    return build_region_map([file.name.split(".")[0] for file in files], cells)


@needs_sets
@pytest.mark.parametrize("case", cases("regions.json"))
def test_a_place_is_in_the_region_that_holds_an_ancestor_of_it(case: dict[str, Any], published: RegionMap) -> None:
    region = published.of(int(case["cell_res7"], 16))
    assert (None if region is None else published.names[region]) == case["region"]


@pytest.mark.parametrize("level", [7, 9, 12])
def test_a_finer_cell_of_a_place_is_in_the_same_region(level: int) -> None:
    home = north_of_ulm(0, 3)
    found = build_region_map(["only"], [(0, home)])
    assert found.of(north_of_ulm(0, level)) == 0


def test_the_first_region_in_order_wins() -> None:
    cell = north_of_ulm(0, 9)
    both = build_region_map(["first", "second"], [(1, cell), (0, h3.cell_to_parent(cell, 4))])
    assert both.of(cell) == 0


def test_a_place_in_no_set_has_no_region() -> None:
    assert build_region_map(["only"], [(0, north_of_ulm(0, 3))]).of(h3.latlng_to_cell(0, 0, 9)) is None


# --- the devnet's file


def test_the_devnet_file_has_the_hash_its_params_name() -> None:
    assert sha256(DEVNET_CELLS.read_bytes()).hex() == DEVNET.radio.cells.sha256


def test_the_devnet_file_is_what_its_generator_makes() -> None:
    assert DEVNET_CELLS.read_bytes() == concatenate(devnet_cells())


def test_the_devnet_file_decodes() -> None:
    assert region_map(DEVNET.radio, DEVNET_CELLS.read_bytes()) is not None


@needs_sets
def test_the_devnet_lies_inside_the_published_region() -> None:
    eu868 = {int(cell) for cell in np.fromfile(SETS / "EU868.res7.h3idx", dtype="<u8")}

    def lies_inside(cell: int) -> bool:
        if any(h3.cell_to_parent(cell, level) in eu868 for level in range(h3.get_resolution(cell) + 1)):
            return True
        return h3.get_resolution(cell) < 7 and all(lies_inside(child) for child in h3.cell_to_children(cell))

    assert [f"{row.cell:x}" for row in devnet_cells() if not lies_inside(row.cell)] == []


# --- decoding a region file


def test_refuses_rows_out_of_order() -> None:
    rows = sorted((RegionCell(0, cell).encode() for cell in (5, 9)), reverse=True)
    assert region_map(DEVNET.radio, b"".join(rows)) is None


def test_refuses_a_row_twice() -> None:
    assert region_map(DEVNET.radio, RegionCell(0, 5).encode() * 2) is None


def test_refuses_a_region_the_params_do_not_have() -> None:
    assert region_map(DEVNET.radio, RegionCell(len(DEVNET.radio.regions), 5).encode()) is None


def test_refuses_a_piece_of_a_row() -> None:
    assert region_map(DEVNET.radio, RegionCell(0, 5).encode()[:-1]) is None


# --- plans


def test_a_wifi_hotspot_draws_from_the_wifi_plan_in_every_region() -> None:
    plans = [plan_of(DEVNET.radio, kind, 0) for kind in Kind]
    wifi, lora = DEVNET.radio.wifi, DEVNET.radio.regions[0]
    assert plans == [lora, lora, wifi, wifi]


def test_names_a_spreading_factor_whose_frame_stays_on_air_too_long() -> None:
    plan = Plan((903_900_000,), 125_000, (10, 11), (3_000,), 3_000, "US915", 400)
    assert [sentence.split(" takes ")[0] for sentence in dwell_problems(plan)] == ["US915: SF11"]


def test_a_plan_without_a_dwell_limit_has_no_problem() -> None:
    assert dwell_problems(Plan((868_100_000,), 125_000, (12,), (1_600,), 1_600, "EU868")) == []
