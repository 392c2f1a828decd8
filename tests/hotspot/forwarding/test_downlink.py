"""What an order of a network server takes of the air."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hotspot.forwarding.downlink import Downlink, read_downlink

LORA: dict[str, Any] = {
    "imme": False, "tmst": 5, "freq": 869.525, "rfch": 0, "powe": 27, "modu": "LORA", "datr": "SF12BW125",
    "codr": "4/5", "ipol": True, "ncrc": True, "size": 21, "data": "AAAA",
}  # fmt: skip
FSK: dict[str, Any] = {"imme": True, "freq": 868.8, "modu": "FSK", "datr": 50_000, "fdev": 25_000, "size": 32}


def read(order: dict[str, Any], **changed: Any) -> Downlink | None:
    return read_downlink(json.dumps({"txpk": order | changed}).encode())


def test_reads_channel_length_and_counter_of_a_lora_order() -> None:
    assert read(LORA) == Downlink(869_525_000, 1_318_912, 5)


@pytest.mark.parametrize(
    ("changed", "airtime_us"),
    [
        ({"ncrc": False}, 1_482_752),
        ({"datr": "SF7BW125", "ncrc": None}, 56_576),
        ({"datr": "SF7BW125", "ncrc": None, "prea": None}, 56_576),
        ({"datr": "SF7BW125", "ncrc": None, "prea": 4}, 54_528),
        ({"codr": "4/8"}, 1_712_128),
        ({"codr": "1/2"}, 1_712_128),
        ({"data": "not base64 and not the size"}, 1_318_912),
    ],
)
def test_counts_what_is_on_air_as_a_forwarder_would_send_it(changed: dict[str, Any], airtime_us: int) -> None:
    found = read(LORA, **changed)
    assert found is not None and found.airtime_us == airtime_us


def test_counts_bits_of_an_fsk_order() -> None:
    assert read(FSK) == Downlink(868_800_000, (5 + 3 + 1 + 32 + 2) * 8 * 20, None)


def test_an_order_for_now_has_no_counter_value() -> None:
    found = read(LORA, imme=True)
    assert found is not None and found.tmst_us is None


@pytest.mark.parametrize(
    "changed",
    [{"freq": None}, {"freq": "869.5"}, {"size": 256}, {"size": None}, {"datr": "SF13BW125"}, {"codr": None},
     {"modu": "GMSK"}],
)  # fmt: skip
def test_an_order_no_forwarder_can_send_is_none(changed: dict[str, Any]) -> None:
    assert read(LORA, **changed) is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"txpk":[]}', b'{"txpk":', b"\xff"])
def test_a_body_without_an_order_is_none(body: bytes) -> None:
    assert read_downlink(body) is None
