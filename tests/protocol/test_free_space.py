"""The free-space table against vectors and against decimals computed anew."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import free_space
from protocol.free_space_data import DECADE
from protocol.limits import MAX_ALLOWED_DISTANCE_M
from tests.protocol.vectors import cases
from tests.reference.exact import reach_metre_hertz


@pytest.mark.parametrize("case", cases("free_space.json"))
def test_accepts_a_claimed_power_exactly_up_to_free_space_and_the_margin(case: dict[str, Any]) -> None:
    wrong = []
    for margin_cdb, claimed_cdb, verdict in case["decisions"]:
        excess_cdb = case["eirp_cdb"] + case["rx_gain_cdb"] - claimed_cdb + margin_cdb
        reachable = case["distance_m"] <= free_space.reach_m(excess_cdb, case["freq_hz"])
        if reachable != (verdict == "accept"):
            wrong.append((margin_cdb, claimed_cdb))
    assert wrong == []


def test_every_reach_equals_decimals_of_sixty_digits() -> None:
    wrong = [x for x in range(16_001) if free_space.reach_metre_hertz(x) != reach_metre_hertz(x)]
    assert wrong == []


def test_the_shipped_decade_has_its_hash() -> None:
    assert free_space.data_digest() == free_space.DATA_SHA256


def test_the_shipped_decade_has_a_value_for_every_step() -> None:
    assert len(DECADE) == free_space.STEPS_PER_DECADE


@pytest.mark.parametrize(("excess_cdb", "as_if_cdb"), [(-(2**40), 0), (-1, 0), (16_001, 16_000), (2**40, 16_000)])
def test_an_excess_beyond_the_table_counts_as_its_end(excess_cdb: int, as_if_cdb: int) -> None:
    assert free_space.reach_metre_hertz(excess_cdb) == free_space.reach_metre_hertz(as_if_cdb)


def test_a_reach_is_capped_before_it_is_squared() -> None:
    assert free_space.reach_m(16_000, 1) == MAX_ALLOWED_DISTANCE_M


@pytest.mark.parametrize(("rssi_cdb", "snr_cdb", "power_cdb"), [(-11_000, 500, -11_000), (-11_000, -500, -11_500)])
def test_below_the_noise_the_packet_is_weaker_than_the_channel(rssi_cdb: int, snr_cdb: int, power_cdb: int) -> None:
    assert free_space.packet_power_cdb(rssi_cdb, snr_cdb) == power_cdb
