# SPDX-License-Identifier: GPL-2.0-or-later
"""Beacons as 802.11 frames under radiotap: built and read with scapy, which is imported when the first one is due.

A frame carries the 24 bytes twice: in a vendor element, and its tag as the network's name for receivers that can only
scan. Its sender address is drawn afresh for every beacon, so that it names nobody; the address is a locally
administered one, which services that map access points leave out.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from hotspot.radio.ssid import PAYLOAD_PREFIX, TAG_BYTES, payload_in, ssid_of
from hotspot.radio.wifi.elements import BEACON_TYPE, OUI, PAYLOAD_BYTES, SSID, problem_of

BROADCAST = "ff:ff:ff:ff:ff:ff"
INTERVAL_TU = 100
RATE_500_KBPS = 2
"""1 Mb/s: the slowest rate reaches farthest."""
BASIC_1_MBPS = 0x82
TRAFFIC_MAP = bytes([0, 1, 0, 0])
CHANNEL_CCK_2GHZ = 0x00A0
NO_ACK = 0x0008
PRESENT_TRANSMIT = 1 << 2 | 1 << 3 | 1 << 10 | 1 << 15
"""Rate, channel, transmit power in dBm, transmit flags."""
NOISE_CDB = -9_500
"""Where a radio tells no noise: 20 MHz at room temperature and a noise figure of 6 dB."""
LEAST_DBM, MOST_DBM = -127, 30
CHANNEL_ONE_MHZ, CHANNEL_WIDTH_MHZ, CHANNELS = 2_412, 5, 13
CHANNEL_14_MHZ = 2_484
SEQUENCES = 4_096


@dataclass(frozen=True, slots=True)
class Beacon:
    """A beacon heard. Levels 0.01 dBm; `source` is the sender's address of the moment."""

    payload: bytes
    source: str
    frequency_hz: int
    rssi_cdb: int
    noise_cdb: int
    timer_us: int | None


@dataclass(frozen=True, slots=True)
class NoBeacon:
    """Why a frame is none."""

    reason: str


def build(
    payload: bytes, source: bytes, frequency_hz: int, power_dbm: int, sequence: int, timestamp_us: int
) -> bytes | None:
    """One beacon with its radiotap header, ready to inject; None if the payload or the channel is not ours to send."""
    from scapy.layers.dot11 import (
        Dot11,
        Dot11Beacon,
        Dot11Elt,
        Dot11EltDSSSet,
        Dot11EltRates,
        Dot11EltVendorSpecific,
    )  # fmt: skip

    name, channel = ssid_of(payload), channel_at(frequency_hz)
    if name is None or channel is None:
        return None
    address = ":".join(f"{byte:02x}" for byte in source)
    frame = (
        Dot11(type=0, subtype=8, addr1=BROADCAST, addr2=address, addr3=address, SC=sequence % SEQUENCES << 4)
        / Dot11Beacon(timestamp=timestamp_us, beacon_interval=INTERVAL_TU, cap="ESS+privacy")
        / Dot11Elt(ID=SSID, info=name)
        / Dot11EltRates(rates=[BASIC_1_MBPS])
        / Dot11EltDSSSet(channel=channel)
        / Dot11Elt(ID="TIM", info=TRAFFIC_MAP)
        / Dot11EltVendorSpecific(oui=OUI, info=bytes([BEACON_TYPE]) + payload)
    )
    return _transmit_header(frequency_hz, power_dbm) + bytes(frame)


def _transmit_header(frequency_hz: int, power_dbm: int) -> bytes:
    """Radiotap for a driver; by hand, since scapy does not know the field of transmit power."""
    fields = struct.pack("<BxHHbxH", RATE_500_KBPS, frequency_hz // 1_000_000, CHANNEL_CCK_2GHZ, power_dbm, NO_ACK)
    return struct.pack("<BxHI", 0, 8 + len(fields), PRESENT_TRANSMIT) + fields


def load() -> None:
    """Imports all of scapy that is used: it takes a second, which the first beacon does not have."""
    payload = PAYLOAD_PREFIX + bytes(TAG_BYTES)
    made = build(payload, bytes(6), CHANNEL_14_MHZ * 1_000_000, 0, 0, 0)
    assert made is not None, "a payload and a channel of ours"
    read(made)


def read(frame: bytes) -> Beacon | NoBeacon:
    """The beacon in a captured frame, or why there is none. Never raises for what a stranger sent."""
    problem = problem_of(frame)
    if problem:
        return NoBeacon(problem)
    try:
        return _dissect(frame)
    except Exception:  # scapy raises whatever its fields' code meets (struct.error, TypeError, KeyError and more)
        return NoBeacon("not_dissected")


def _dissect(frame: bytes) -> Beacon | NoBeacon:
    from scapy.layers.dot11 import Dot11Beacon, RadioTap

    radio = RadioTap(frame)
    header = radio.getlayer(Dot11Beacon)
    if header is None:
        return NoBeacon("not_dissected")
    if radio.Flags is not None and radio.Flags.badFCS:
        return NoBeacon("bad_fcs")
    payload, channel_hz = _elements(header)
    if payload is None:
        return NoBeacon("not_dissected")
    if radio.dBm_AntSignal is None or not LEAST_DBM <= radio.dBm_AntSignal <= MOST_DBM:
        return NoBeacon("no_level")
    tuned_hz = radio.ChannelFrequency * 1_000_000 if radio.ChannelFrequency else channel_hz
    if tuned_hz is None:
        return NoBeacon("no_channel")
    if channel_hz is not None and channel_hz != tuned_hz:
        return NoBeacon("other_channel")
    noise = radio.dBm_AntNoise
    return Beacon(
        payload=payload,
        source=str(header.underlayer.addr2),
        frequency_hz=tuned_hz,
        rssi_cdb=100 * int(radio.dBm_AntSignal),
        noise_cdb=100 * int(noise) if noise is not None and LEAST_DBM <= noise < 0 else NOISE_CDB,
        timer_us=radio.mac_timestamp,
    )


def _elements(header: Any) -> tuple[bytes | None, int | None]:
    """The beacon's 24 bytes, from its vendor element or else its name, and the channel it says it was sent on."""
    from scapy.layers.dot11 import Dot11Elt, Dot11EltDSSSet, Dot11EltVendorSpecific

    vendor = named = channel_hz = None
    element = header.payload
    while isinstance(element, Dot11Elt):
        if isinstance(element, Dot11EltVendorSpecific) and element.oui == OUI:
            body = element.getfieldval("info")  # without the three bytes of the OUI, which `.info` has
            if len(body) == 1 + PAYLOAD_BYTES and body[0] == BEACON_TYPE and vendor is None:
                vendor = bytes(body[1:])
        elif isinstance(element, Dot11EltDSSSet):
            channel_hz = frequency_of(element.channel)
        elif element.ID == SSID and named is None:
            named = payload_in(bytes(element.info))
        element = element.payload
    return vendor or named, channel_hz


def channel_at(frequency_hz: int) -> int | None:
    """The 2.4 GHz channel with this centre, or None."""
    return next((one for one in range(1, CHANNELS + 2) if frequency_of(one) == frequency_hz), None)


def frequency_of(channel: int) -> int | None:
    """Centre of a 2.4 GHz channel, Hz, or None."""
    if 1 <= channel <= CHANNELS:
        return (CHANNEL_ONE_MHZ + CHANNEL_WIDTH_MHZ * (channel - 1)) * 1_000_000
    return CHANNEL_14_MHZ * 1_000_000 if channel == CHANNELS + 1 else None
