"""Frames as the rest of the hotspot sees them, whatever radio they came through: whole numbers only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

WIFI_SPREADING_FACTOR = 0
"""What stands for Wi-Fi wherever LoRa has a spreading factor (protocol.records)."""


@dataclass(frozen=True, slots=True)
class RxFrame:
    """One frame heard with a good CRC. Times are this machine's; levels are 0.01 dB."""

    payload: bytes
    frequency_hz: int
    spreading_factor: int
    bandwidth_hz: int
    rssi_cdb: int
    """Level of the channel."""
    snr_cdb: int
    received_at_ms: int
    received_monotonic_ms: int
    tmst_us: int
    """The radio's own counter at the end of the frame. It wraps and restarts: compare within minutes, on one radio."""
    fine_time_ns: int | None
    gateway: bytes


@dataclass(frozen=True, slots=True)
class TxRequest:
    """A frame to send at once: CRC on, polarity not inverted, CR 4/5, explicit header, preamble 8."""

    payload: bytes
    frequency_hz: int
    spreading_factor: int
    bandwidth_hz: int
    power_dbm: int
    """Conducted power wanted, the most that may be used."""
    least_power_dbm: int
    """The least that is still worth sending."""
    latest_start_ms: int
    """Unix milliseconds after which the frame must not start any more."""


class TxState(StrEnum):
    """How an order to transmit ended."""

    SENT = "sent"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    """No answer: nobody knows whether the frame went out."""
    NO_FORWARDER = "no_forwarder"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class TxResult:
    """What became of a request. power_cdb and started_at_ms say what was really used when it was sent."""

    state: TxState
    reason: str = ""
    power_cdb: int = 0
    started_at_ms: int = 0
