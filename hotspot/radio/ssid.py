# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
"""A beacon's tag as the name of a network: 31 printable characters of the 32 an SSID has room for.

So an ordinary scan, a phone's too, can witness without monitor mode (docs/adr/0018).
"""

from __future__ import annotations

import base64
import binascii

PAYLOAD_PREFIX = b"\xe0\xfa\x01"
"""What every beacon's 24 bytes begin with (protocol.beacon); an SSID leaves it out."""
TAG_BYTES = 21
MARK = b"ff-"
SSID_BYTES = len(MARK) + TAG_BYTES // 3 * 4


def ssid_of(payload: bytes) -> bytes | None:
    """The SSID of a beacon's 24 bytes, or None for a payload that is no beacon."""
    if len(payload) != len(PAYLOAD_PREFIX) + TAG_BYTES or not payload.startswith(PAYLOAD_PREFIX):
        return None
    return MARK + base64.urlsafe_b64encode(payload[len(PAYLOAD_PREFIX) :])


def payload_in(ssid: bytes) -> bytes | None:
    """The 24 bytes a network's name stands for, or None if it is an ordinary name."""
    if len(ssid) != SSID_BYTES or not ssid.startswith(MARK):
        return None
    try:
        tag = base64.b64decode(ssid[len(MARK) :], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return PAYLOAD_PREFIX + tag
