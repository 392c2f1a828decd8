"""What a LoRa frame is, by its first byte. Pure and light."""

from __future__ import annotations

from protocol import beacon

MESSAGE_TYPES = (
    "LoRaWAN join request", "LoRaWAN join accept", "LoRaWAN uplink", "LoRaWAN downlink",
    "LoRaWAN uplink", "LoRaWAN downlink", "LoRaWAN rejoin", "proprietary frame",
)  # fmt: skip


def kind_of(payload: bytes) -> str:
    """A beacon of ours, or the LoRaWAN message type."""
    if beacon.tag_in(payload) is not None:
        return "Farfield beacon"
    return MESSAGE_TYPES[payload[0] >> 5] if payload else "empty frame"
