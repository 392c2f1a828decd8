# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
"""What a hotspot and its Wi-Fi bridge say to each other over a local stream socket: bounded frames, both ways.

A frame is a length (u16, big-endian, of what follows), a kind (u8) and a body. The bridge greets with its version; a
hotspot that speaks another one hangs up and says so. Times are unix milliseconds, levels 0.01 dB, frequencies Hz.
Nothing here raises for what a peer sent: decoding gives a message or a `Refused` with its reason.

Both programs use this one file, hence its two licences; it imports nothing of either.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import ClassVar

VERSION = 1
PREFIX = struct.Struct(">HB")
MAX_BODY_BYTES = 4_096
MAX_TEXT_BYTES = 200
MAX_PAYLOAD_BYTES = 64
MAX_CHANNELS = 64
SOCKET_PATH_BYTES = 104
"""What a unix socket's address holds, a little less than Linux has room for."""


class Message:
    """One message: fixed fields as `layout` has them, then an optional tail of bytes or text."""

    __slots__ = ()
    kind: ClassVar[int]
    layout: ClassVar[struct.Struct]
    tail: ClassVar[type[bytes] | type[str] | None] = None
    most_tail_bytes: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Hello(Message):
    """Bridge to hotspot, first: its version, whether it sets channel and power itself, and its interface."""

    kind = 1
    layout = struct.Struct(">B?")
    tail = str
    most_tail_bytes = MAX_TEXT_BYTES

    version: int
    tunes: bool
    interface: str


@dataclass(frozen=True, slots=True)
class Listen(Message):
    """Hotspot to bridge: the channels to listen on, one after the other, and how long on each."""

    kind = 2
    layout = struct.Struct(">H")
    tail = bytes
    most_tail_bytes = 4 * MAX_CHANNELS

    dwell_ms: int
    channels: bytes
    """Frequencies in kHz, u32 each."""

    @classmethod
    def on(cls, channels_hz: tuple[int, ...], dwell_ms: int) -> Listen:
        return cls(dwell_ms, b"".join((one // 1_000).to_bytes(4, "big") for one in channels_hz[:MAX_CHANNELS]))

    @property
    def channels_hz(self) -> tuple[int, ...]:
        whole = len(self.channels) // 4 * 4
        return tuple(int.from_bytes(self.channels[at : at + 4], "big") * 1_000 for at in range(0, whole, 4))


@dataclass(frozen=True, slots=True)
class Transmit(Message):
    """Hotspot to bridge: send a beacon now, `copies` times, `gap_us` from start to start."""

    kind = 3
    layout = struct.Struct(">IQhhQHI")
    tail = bytes
    most_tail_bytes = MAX_PAYLOAD_BYTES

    token: int
    frequency_hz: int
    power_cdb: int
    """Conducted power, the most that may be used."""
    least_power_cdb: int
    latest_start_ms: int
    copies: int
    gap_us: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Sent(Message):
    """Bridge to hotspot: what became of a `Transmit`. `reason` is empty when the first copy went out."""

    kind = 4
    layout = struct.Struct(">IhQ")
    tail = str
    most_tail_bytes = MAX_TEXT_BYTES

    token: int
    power_cdb: int
    """Power really used, as far as the driver says."""
    started_at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Heard(Message):
    """Bridge to hotspot: one copy of a beacon heard."""

    kind = 5
    layout = struct.Struct(">QhhQI")
    tail = bytes
    most_tail_bytes = MAX_PAYLOAD_BYTES

    frequency_hz: int
    rssi_cdb: int
    snr_cdb: int
    received_at_ms: int
    timer_us: int
    """The radio's own counter, or the bridge's where the radio tells none; it wraps."""
    payload: bytes


@dataclass(frozen=True, slots=True)
class Counts(Message):
    """Bridge to hotspot, now and then: a JSON object of everything the bridge counted since it started."""

    kind = 6
    layout = struct.Struct(">")
    tail = str
    most_tail_bytes = MAX_BODY_BYTES

    text: str


@dataclass(frozen=True, slots=True)
class Problem(Message):
    """Either way: the last message was not understood or cannot be done, and why."""

    kind = 7
    layout = struct.Struct(">")
    tail = str
    most_tail_bytes = MAX_TEXT_BYTES

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What a peer sent is no message: `reason` names the fault."""

    reason: str


KINDS: dict[int, type[Message]] = {one.kind: one for one in (Hello, Listen, Transmit, Sent, Heard, Counts, Problem)}


def encode(message: Message) -> bytes:
    """The frame of a message; a text too long is cut. ValueError for a number or bytes that do not fit."""
    fields = list(astuple(message))  # type: ignore[call-overload]
    tail = b""
    if message.tail is not None:
        last = fields.pop()
        tail = last.encode()[: message.most_tail_bytes] if isinstance(last, str) else last
    if len(tail) > message.most_tail_bytes:
        raise ValueError(f"{type(message).__name__} holds {message.most_tail_bytes} bytes at most, not {len(tail)}")
    try:
        body = message.layout.pack(*fields) + tail
    except struct.error as error:
        raise ValueError(f"{type(message).__name__}: {error}") from error
    return PREFIX.pack(1 + len(body), message.kind) + body


def _decode(kind: int, body: bytes) -> Message | Refused:
    made = KINDS.get(kind)
    if made is None:
        return Refused("unknown_message")
    fixed, tail = body[: made.layout.size], body[made.layout.size :]
    if len(fixed) < made.layout.size or len(tail) > made.most_tail_bytes:
        return Refused("wrong_length")
    fields = list(made.layout.unpack(fixed))
    if made.tail is bytes:
        fields.append(tail)
    elif made.tail is str:
        fields.append(tail.decode("utf-8", "replace"))
    return made(*fields)


class Decoder:
    """Messages from a stream, however it is cut. `broken` once the stream cannot be followed any more."""

    def __init__(self) -> None:
        self.broken = False
        self._unread = b""

    def feed(self, data: bytes) -> Iterator[Message | Refused]:
        """Takes in bytes and gives every message they complete."""
        self._unread += data
        while not self.broken and len(self._unread) >= PREFIX.size:
            length, kind = PREFIX.unpack_from(self._unread)
            if not 1 <= length <= 1 + MAX_BODY_BYTES:
                self.broken, self._unread = True, b""
                yield Refused("frame_length")
                return
            end = PREFIX.size - 1 + length
            if len(self._unread) < end:
                return
            body, self._unread = self._unread[PREFIX.size : end], self._unread[end:]
            yield _decode(kind, body)


@contextlib.contextmanager
def address(path: Path) -> Iterator[str]:
    """The socket address of a path: through its directory's descriptor where the path itself is too long."""
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
