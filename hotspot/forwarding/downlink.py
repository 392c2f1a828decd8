"""What a network server's order means for the air: channel, length, and when. Pure, and as lenient as a forwarder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hotspot.radio.gwmp import strict_json
from hotspot.radio.gwmp.fields import MAX_FREQUENCY_MHZ, MAX_U32, DataRate, Modulation, coding_rate, data_rate
from hotspot.radio.gwmp.strict_json import BodyProblem, scaled, whole
from protocol import airtime

MAX_PAYLOAD_BYTES = 255
DEFAULT_PREAMBLE_SYMBOLS = 8
FSK_PREAMBLE_BYTES = 5
FSK_FRAME_BYTES = 3 + 1
"""Sync word and length."""
FSK_CRC_BYTES = 2
MICROSECONDS = 1_000_000
LEAST_PREAMBLE_SYMBOLS = 6
REDUCED = {"2/3": "4/6", "2/4": "4/8", "1/2": "4/8"}
"""Coding rates that forwarders also take."""


@dataclass(frozen=True, slots=True)
class Downlink:
    """One frame a network server wants sent. tmst_us: at this value of the counter; None: at once, or by GPS time."""

    frequency_hz: int
    airtime_us: int
    tmst_us: int | None


def read_downlink(body: bytes) -> Downlink | None:
    """The order in a PULL_RESP's body; None if a forwarder could not send it either."""
    tree = strict_json.read(body)
    order = None if isinstance(tree, BodyProblem) else tree.get("txpk")
    if not isinstance(order, dict):
        return None
    frequency_hz = scaled(order.get("freq"), 6, 0, MAX_FREQUENCY_MHZ)
    size = whole(order.get("size"), 0, MAX_PAYLOAD_BYTES)
    rate = data_rate(order)
    if not frequency_hz or size is None or rate is None:
        return None
    airtime_us = _airtime_us(order, rate, size)
    tmst_us = None if order.get("imme") is True else whole(order.get("tmst"), 0, MAX_U32)
    return None if airtime_us is None else Downlink(frequency_hz, airtime_us, tmst_us)


def _airtime_us(order: dict[str, Any], rate: DataRate, size: int) -> int | None:
    preamble = whole(order.get("prea"), 0, 65_535)
    with_crc = order.get("ncrc") is not True
    if rate.modulation is Modulation.FSK:
        lead = FSK_PREAMBLE_BYTES if preamble is None else preamble
        on_air_bytes = lead + FSK_FRAME_BYTES + size + FSK_CRC_BYTES * with_crc
        return None if not rate.bitrate_bps else on_air_bytes * 8 * MICROSECONDS // rate.bitrate_bps
    codr = order.get("codr")
    cr_denominator = coding_rate(REDUCED.get(codr, codr) if isinstance(codr, str) else None, rate.modulation)
    if rate.spreading_factor is None or rate.bandwidth_hz is None or cr_denominator is None:
        return None
    modulation = airtime.Modulation(
        rate.spreading_factor,
        rate.bandwidth_hz,
        cr_denominator,
        crc=with_crc,
        explicit_header=order.get("nhdr") is not True,
        preamble_symbols=DEFAULT_PREAMBLE_SYMBOLS if preamble is None else max(preamble, LEAST_PREAMBLE_SYMBOLS),
    )
    return airtime.airtime_us(modulation, size)
