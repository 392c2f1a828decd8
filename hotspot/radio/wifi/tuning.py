# SPDX-License-Identifier: GPL-2.0-or-later
"""Channel and power of a monitor interface, through the kernel's own interface for them (generic netlink, nl80211).

Needs CAP_NET_ADMIN. Numbers are those of linux/nl80211.h and linux/genetlink.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

NETLINK_GENERIC = 16
CONTROL_FAMILY, GET_FAMILY, FAMILY_ID, FAMILY_NAME = 16, 3, 1, 2
SET_WIPHY, GET_INTERFACE = 2, 5
IFINDEX, WIPHY_FREQUENCY, CHANNEL_TYPE, POWER_SETTING, POWER_LEVEL = 3, 38, 39, 97, 98
NO_HT, FIXED_POWER = 0, 2
REQUEST, ACKNOWLEDGE = 1, 4
ERROR = 2
HEADER = struct.Struct("=IHHII")
GENERIC_HEADER_BYTES = 4
ANSWER_BYTES = 65_536
TIMEOUT_S = 0.5


class TuningError(Exception):
    """The kernel has no nl80211 or refuses; the message is a sentence."""


class Tuner:
    """Sets one interface's channel and power."""

    def __init__(self, interface: str) -> None:
        """TuningError where the kernel or the interface has no such control."""
        self._index = socket.if_nametoindex(interface)
        self._sequence = 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_GENERIC)
        self._socket.settimeout(TIMEOUT_S)
        try:
            self._socket.bind((0, 0))
            self._family = self._find_family()
            self._ask(self._family, GET_INTERFACE, _u32(IFINDEX, self._index), REQUEST)
        except TuningError:
            self._socket.close()
            raise

    def tune(self, frequency_hz: int) -> str:
        """Goes to a channel; why not, or an empty text."""
        attributes = _u32(WIPHY_FREQUENCY, frequency_hz // 1_000_000) + _u32(CHANNEL_TYPE, NO_HT)
        return self._set(attributes, "channel_refused")

    def set_power(self, power_cdb: int) -> str:
        """Transmits at this conducted power from now on; why not, or an empty text."""
        return self._set(_u32(POWER_SETTING, FIXED_POWER) + _u32(POWER_LEVEL, max(power_cdb, 0)), "power_refused")

    def power_cdb(self) -> int | None:
        """The conducted power the driver says it uses, or None if it does not say."""
        try:
            answer = self._ask(self._family, GET_INTERFACE, _u32(IFINDEX, self._index), REQUEST)
        except TuningError:
            return None
        level = attributes_of(answer).get(POWER_LEVEL)
        return None if level is None or len(level) != 4 else int.from_bytes(level, "little", signed=True)

    def close(self) -> None:
        self._socket.close()

    def _set(self, attributes: bytes, reason: str) -> str:
        try:
            self._ask(self._family, SET_WIPHY, _u32(IFINDEX, self._index) + attributes, REQUEST | ACKNOWLEDGE)
        except TuningError:
            return reason
        return ""

    def _find_family(self) -> int:
        answer = self._ask(CONTROL_FAMILY, GET_FAMILY, attribute(FAMILY_NAME, b"nl80211\0"), REQUEST)
        return int.from_bytes(attributes_of(answer).get(FAMILY_ID, b""), "little")

    def _ask(self, family: int, command: int, attributes: bytes, flags: int) -> bytes:
        """One request; the attributes of its answer, empty for an acknowledgement."""
        self._sequence += 1
        body = struct.pack("=BBH", command, 1, 0) + attributes
        try:
            self._socket.send(HEADER.pack(HEADER.size + len(body), family, flags, self._sequence, 0) + body)
            answer = self._socket.recv(ANSWER_BYTES)
        except OSError as error:
            raise TuningError(f"The kernel does not answer: {error}.") from error
        kind = HEADER.unpack_from(answer)[1]
        if kind == ERROR:
            code = -int(struct.unpack_from("=i", answer, HEADER.size)[0])
            if code:
                raise TuningError(_sentence(code))
            return b""
        return answer[HEADER.size + GENERIC_HEADER_BYTES :]


def _sentence(code: int) -> str:
    if code == errno.ENOENT:
        return "This kernel has no nl80211."
    if code == errno.EPERM:
        return "Setting channel and power needs CAP_NET_ADMIN."
    return f"The driver refuses: {os.strerror(code)}."


def attribute(kind: int, value: bytes) -> bytes:
    """One netlink attribute, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def attributes_of(data: bytes) -> dict[int, bytes]:
    """The attributes in an answer; what follows a malformed one is left out."""
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or at + length > len(data):
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += length + -length % 4
    return found
