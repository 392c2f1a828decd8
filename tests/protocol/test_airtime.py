"""Time on air against independent vectors, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.airtime import Modulation, airtime_us, symbol_count
from tests.protocol.vectors import cases

LOW_DATA_RATE = {"auto": None, "on": True, "off": False}


def modulation(case: dict[str, Any]) -> Modulation:
    return Modulation(
        case["sf"],
        case["bw_hz"],
        case["cr_denominator"],
        case["crc"],
        case["explicit_header"],
        case["preamble_symbols"],
        LOW_DATA_RATE[case["ldro"]],
    )


@pytest.mark.parametrize("case", cases("lora_airtime.json"))
def test_counts_symbols_and_microseconds_as_the_vectors_do(case: dict[str, Any]) -> None:
    made = modulation(case)
    found = made.uses_low_data_rate, symbol_count(made, case["payload_bytes"]), airtime_us(made, case["payload_bytes"])
    assert found == (case["low_data_rate"], case["symbol_count"], case["airtime_us"])


@pytest.mark.parametrize(
    ("spreading_factor", "bandwidth_hz", "cr_denominator"),
    [(4, 125_000, 5), (13, 125_000, 5), (7, 0, 5), (7, 125_000, 4), (7, 125_000, 9)],
)
def test_refuses_what_is_no_modulation(spreading_factor: int, bandwidth_hz: int, cr_denominator: int) -> None:
    with pytest.raises(ValueError, match="no LoRa modulation"):
        Modulation(spreading_factor, bandwidth_hz, cr_denominator)


@pytest.mark.parametrize(("spreading_factor", "time_us"), [(7, 61_696), (8, 113_152)])
def test_a_beacon_of_the_devnet_is_this_long_on_air(spreading_factor: int, time_us: int) -> None:
    """24 bytes with the defaults: CR 4/5, CRC, explicit header, 8 preamble symbols."""
    assert airtime_us(Modulation(spreading_factor, 125_000), 24) == time_us


def test_beacons_are_sent_with_the_defaults() -> None:
    assert Modulation(7, 125_000) == Modulation(7, 125_000, 5, True, True, 8, None)
