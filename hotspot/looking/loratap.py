"""LoRa frames as a pcap file (link type 270, LoRaTap version 0), as Wireshark reads them. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

LINK_TYPE_LORATAP = 270
MAGIC = 0xA1B2C3D4
MAX_FRAME_BYTES = 512
BANDWIDTH_STEP_HZ = 125_000
PUBLIC_SYNC_WORD = 0x34
HEADER = struct.Struct(">BBHIBBBBBBB")


def file_header() -> bytes:
    """Of a file of LoRaTap frames with microseconds."""
    return struct.pack("<IHHiIII", MAGIC, 2, 4, 0, 0, MAX_FRAME_BYTES, LINK_TYPE_LORATAP)


def record(payload: bytes, frame: Mapping[str, Any]) -> bytes:
    """One frame; `frame` has received_at_ms, frequency_hz, bandwidth_hz, spreading_factor, rssi_cdb, snr_cdb."""
    rssi, snr_cdb = _rssi(frame["rssi_cdb"]), frame["snr_cdb"]
    packet = rssi if snr_cdb >= 0 else _packet_rssi_below_noise(frame["rssi_cdb"], snr_cdb)
    tap = HEADER.pack(
        0, 0, HEADER.size, frame["frequency_hz"], frame["bandwidth_hz"] // BANDWIDTH_STEP_HZ, frame["spreading_factor"],
        packet, rssi, rssi, _bounded(snr_cdb * 4 // 100, -128, 127) & 0xFF, PUBLIC_SYNC_WORD,
    )  # fmt: skip
    data = (tap + payload)[:MAX_FRAME_BYTES]
    at_ms = frame["received_at_ms"]
    return struct.pack("<IIII", at_ms // 1_000, at_ms % 1_000 * 1_000, len(data), len(tap + payload)) + data


def _rssi(rssi_cdb: int) -> int:
    """LoRaTap counts whole dB from -139 dBm up."""
    return _bounded(rssi_cdb // 100 + 139, 0, 255)


def _packet_rssi_below_noise(rssi_cdb: int, snr_cdb: int) -> int:
    """Below the noise a packet's level is the channel's plus the SNR, in quarters of a dB above -139 dBm."""
    return _bounded((rssi_cdb + snr_cdb + 13_900) * 4 // 100, 0, 255)


def _bounded(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))
