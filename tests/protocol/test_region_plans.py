"""The radio plans of params/mainnet.toml, against published ones and against the air time they allow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hotspot.playing.duty_cycle import LIMITS
from protocol.airtime import Modulation, airtime_us
from protocol.parameters import FRAME_BYTES, Plan, parse
from tests.factories import DEVNET, ROOT, SHARED

PUBLISHED = SHARED / "data" / "helium-regions" / "region_params"
needs_published = pytest.mark.skipif(not PUBLISHED.exists(), reason="../shared/data/helium-regions is not here")
MAINNET = parse((ROOT / "params" / "mainnet.toml").read_bytes())
PLANS = {plan.name: plan for plan in MAINNET.radio.regions}
ALL = (
    "EU868", "US915", "AU915", "AS923-1", "AS923-2", "AS923-3", "AS923-4", "IN865", "KR920", "RU864", "EU433",
)  # fmt: skip
A_TENTH_SHORT = {"EU433"}
"""The published table gives this region's frequencies without their last digit: 43.3175 MHz for 433.175."""
DWELL_MS = {"US915": 400, "AU915": 400, "AS923-1": 400, "AS923-2": 400, "AS923-3": 400, "AS923-4": 400}
LEAST_CONDUCTED_CDB = 1_200
"""An SX1302 board sends no weaker."""


def published(name: str) -> list[dict[str, Any]]:
    channels: list[dict[str, Any]] = json.loads((PUBLISHED / f"{name}.json").read_text())["region_params"]
    return channels


def test_the_network_lists_every_region_once_and_the_devnets_first() -> None:
    assert tuple(plan.name for plan in MAINNET.radio.regions) == ALL
    assert DEVNET.radio.regions[0].name == ALL[0]


def test_the_network_has_no_contradictions() -> None:
    assert MAINNET.problems() == []


@needs_published
@pytest.mark.parametrize("name", ALL)
def test_a_plan_has_the_published_channels(name: str) -> None:
    scale = 10 if name in A_TENTH_SHORT else 1
    assert [one["channel_frequency"] * scale for one in published(name)] == list(PLANS[name].channels_hz)
    assert {one["bandwidth"] for one in published(name)} == {PLANS[name].bandwidth_hz}


@needs_published
@pytest.mark.parametrize("name", ALL)
def test_a_plan_stays_below_the_published_power_by_less_than_a_decibel(name: str) -> None:
    (most_ddbm,) = {one["max_eirp"] for one in published(name)}
    assert 0 <= most_ddbm * 10 - PLANS[name].max_eirp_cdb < 100


@pytest.mark.parametrize("name", ALL)
def test_no_slot_asks_for_more_than_the_region_allows_or_less_than_a_board_can(name: str) -> None:
    assert all(LEAST_CONDUCTED_CDB <= eirp <= PLANS[name].max_eirp_cdb for eirp in PLANS[name].eirps_cdb)


@pytest.mark.parametrize("name", ALL)
def test_the_dwell_limit_is_the_regions(name: str) -> None:
    assert PLANS[name].max_dwell_ms == DWELL_MS.get(name, 0)


def lawful(plan: Plan) -> list[int]:
    """Spreading factors whose frame fits the dwell limit; all of them where there is none."""
    return [
        factor
        for factor in range(7, 13)
        if not plan.max_dwell_ms
        or airtime_us(Modulation(factor, plan.bandwidth_hz), FRAME_BYTES) <= plan.max_dwell_ms * 1_000
    ]


@pytest.mark.parametrize("name", ALL)
def test_a_plan_lists_exactly_the_spreading_factors_whose_frame_is_short_enough(name: str) -> None:
    assert list(PLANS[name].spreading_factors) == lawful(PLANS[name])


@pytest.mark.parametrize("name", ALL)
def test_the_hotspots_ledger_knows_the_region_and_every_channel_of_it(name: str) -> None:
    plan, limits = PLANS[name], LIMITS[name]
    assert (limits.dwell_us or 0) == plan.max_dwell_ms * 1_000
    for channel_hz in plan.channels_hz:
        assert not limits.bands or any(band.low_hz <= channel_hz < band.high_hz for band in limits.bands)


@pytest.mark.parametrize("name", ALL)
def test_the_slots_of_an_epoch_fit_the_duty_cycle_of_one_hour(name: str) -> None:
    plan, limits = PLANS[name], LIMITS[name]
    slowest_us = max(
        airtime_us(Modulation(factor, plan.bandwidth_hz), FRAME_BYTES) for factor in plan.spreading_factors
    )
    assert all(slowest_us <= band.budget_us for band in limits.bands)
