# SPDX-License-Identifier: GPL-2.0-or-later
"""A first look at a captured frame, by hand: is it a beacon that carries a tag? Two microseconds, no scapy.

A busy channel has thousands of frames a second and scapy reads two thousand; only what passes here reaches it. What
would make scapy slow or deep (long headers, hundreds of elements) does not pass.
"""

from __future__ import annotations

from hotspot.radio.pcap import MAX_FRAME_BYTES
from hotspot.radio.ssid import MARK, SSID_BYTES

OUI = 0x024646
"""Locally administered: no maker's. One of our own is the IEEE's to give."""
BEACON_TYPE = 1
VENDOR_BODY = OUI.to_bytes(3, "big") + bytes([BEACON_TYPE])
PAYLOAD_BYTES = 24

RADIOTAP_LEAST_BYTES, RADIOTAP_MOST_BYTES = 8, 256
PRESENT_WORDS_MOST = 8
FHSS, EXTENDED = 1 << 4, 1 << 31
"""A field scapy does not know would shift those after it; the bit that announces another word of fields."""
MANAGEMENT_HEADER_BYTES, FIXED_BYTES = 24, 12
BEACON_FRAME_CONTROL = 0x80
ELEMENTS_MOST = 64
SSID, VENDOR = 0, 221


def problem_of(frame: bytes) -> str:
    """Why a frame is none of ours, or an empty text for one worth reading."""
    start = int.from_bytes(frame[2:4], "little")
    if len(frame) < RADIOTAP_LEAST_BYTES or frame[0] != 0 or start < RADIOTAP_LEAST_BYTES:
        return "not_radiotap"
    if len(frame) > MAX_FRAME_BYTES or start > RADIOTAP_MOST_BYTES:
        return "too_long"
    if len(frame) <= start or frame[start] != BEACON_FRAME_CONTROL:
        return "not_a_beacon"
    problem = _problem_of_radiotap(frame, start)
    return problem or _problem_of_elements(frame, start + MANAGEMENT_HEADER_BYTES + FIXED_BYTES)


def _problem_of_radiotap(frame: bytes, end: int) -> str:
    for at in range(4, 4 + 4 * PRESENT_WORDS_MOST, 4):
        word = int.from_bytes(frame[at : at + 4], "little")
        if at + 4 > end:
            return "not_radiotap"
        if at == 4 and word & FHSS:
            return "radiotap_unread"
        if not word & EXTENDED:
            return ""
    return "radiotap_unread"


def _problem_of_elements(frame: bytes, at: int) -> str:
    """Empty as soon as one element is ours."""
    problem = "foreign_beacon"
    for _ in range(ELEMENTS_MOST):
        if at + 2 > len(frame):
            return problem
        kind, length = frame[at], frame[at + 1]
        body = frame[at + 2 : at + 2 + length]
        if len(body) == length and _is_ours(kind, body):
            problem = ""
        at += 2 + length
    return "too_many_elements"


def _is_ours(kind: int, body: bytes) -> bool:
    if kind == VENDOR:
        return len(body) == len(VENDOR_BODY) + PAYLOAD_BYTES and body.startswith(VENDOR_BODY)
    return kind == SSID and len(body) == SSID_BYTES and body.startswith(MARK)
