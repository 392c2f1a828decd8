# SPDX-License-Identifier: GPL-2.0-or-later
"""Where frames come from and go to: a monitor interface through AF_PACKET, or two FIFOs of pcap.

A FIFO pair needs no root and no radio: `PATH.in` is what the bridge hears, `PATH.out` what it sends.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from hotspot.radio.pcap import MAX_FRAME_BYTES, FifoPair
from hotspot.radio.wifi.elements import BEACON_FRAME_CONTROL
from hotspot.radio.wifi.tuning import Tuner, TuningError

PIPE = "pipe:"
ETH_P_ALL = 3
PACKET_OUTGOING = 4
SO_ATTACH_FILTER = 26
RECEIVE_BUFFER_BYTES = 1024 * 1024
BATCH = 32
"""Frames taken in one go, before the loop looks at anything else."""
ARPHRD_RADIOTAP = 803
SIOCGIFHWADDR = 0x8927
INTERFACE_NAME_BYTES = 15
ONLY_BEACONS = (
    (0x30, 0, 0, 3),  # A = high byte of radiotap's length
    (0x64, 0, 0, 8),
    (0x07, 0, 0, 0),  # X = A << 8
    (0x30, 0, 0, 2),
    (0x4C, 0, 0, 0),  # A = low byte | X
    (0x07, 0, 0, 0),
    (0x50, 0, 0, 0),  # A = first byte of the 802.11 frame
    (0x15, 0, 1, BEACON_FRAME_CONTROL),
    (0x06, 0, 0, MAX_FRAME_BYTES),
    (0x06, 0, 0, 0),
)
"""A packet filter for the kernel: only beacons wake this process."""

OnFrame = Callable[[bytes], None]
OnProblem = Callable[[str], None]


class PortError(Exception):
    """The interface cannot be used; the message is a sentence with the next step. `forbidden`: root is missing."""

    def __init__(self, sentence: str, *, forbidden: bool = False) -> None:
        super().__init__(sentence)
        self.forbidden = forbidden


class PipePort:
    """Two FIFOs: every channel at once, power as asked."""

    tuner: Tuner | None = None

    def __init__(self, path: Path) -> None:
        """Makes the FIFOs where there are none; PipeError."""
        self.paths = (path.with_name(path.name + ".in"), path.with_name(path.name + ".out"))
        self._pair = FifoPair(*self.paths)

    def start(self, on_frame: OnFrame, on_problem: OnProblem) -> None:
        self._pair.start(on_frame, on_problem)

    def send(self, frame: bytes) -> str:
        """Sends one frame; why not, or an empty text."""
        return self._pair.write(frame)

    def close(self) -> None:
        self._pair.close()


class PacketPort:
    """A monitor interface. Everything that needs a privilege happens in here, before it is dropped."""

    def __init__(self, interface: str) -> None:
        """PortError with a sentence."""
        self._check(interface)
        self._socket = _open_socket(interface)
        try:
            self.tuner: Tuner | None = Tuner(interface)
        except TuningError:
            self.tuner = None  # the owner sets channel and power; what was asked for is what is reported

    def start(self, on_frame: OnFrame, on_problem: OnProblem) -> None:
        self._on_frame, self._on_problem = on_frame, on_problem
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._receive)

    def send(self, frame: bytes) -> str:
        """Injects one frame; why not, or an empty text."""
        try:
            self._socket.send(frame)
        except OSError as error:
            return "interface_down" if error.errno in (errno.ENETDOWN, errno.ENXIO) else "injection_failed"
        return ""

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        if self.tuner is not None:
            self.tuner.close()

    def _receive(self) -> None:
        for _ in range(BATCH):
            try:
                frame, origin = self._socket.recvfrom(MAX_FRAME_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._on_problem("interface_down" if error.errno == errno.ENETDOWN else "receive_failed")
                return
            if origin[2] != PACKET_OUTGOING:
                self._on_frame(frame)

    @staticmethod
    def _check(interface: str) -> None:
        try:
            kind = _link_type(interface)
        except OSError as error:
            raise PortError(f"There is no interface {interface}. `ip link` lists those there are.") from error
        if kind != ARPHRD_RADIOTAP:
            raise PortError(
                f"{interface} is no monitor interface (its link type is {kind}, not {ARPHRD_RADIOTAP}). Make one: "
                f"`iw phy phy0 interface add mon0 type monitor`, then `ip link set mon0 up`."
            )


def _link_type(interface: str) -> int:
    """The kernel's number for what an interface's frames begin with; OSError if there is none of that name."""
    request = struct.pack("16s24x", interface.encode()[:INTERFACE_NAME_BYTES])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        answer = fcntl.ioctl(asking, SIOCGIFHWADDR, request)
    return int.from_bytes(answer[16:18], sys.byteorder)


def _open_socket(interface: str) -> socket.socket:
    try:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    except PermissionError as error:
        raise PortError("Raw sockets need root or CAP_NET_RAW.", forbidden=True) from error
    try:
        _attach_filter(made)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        made.bind((interface, ETH_P_ALL))
    except OSError as error:
        made.close()
        raise PortError(f"Cannot listen on {interface}: {error.strerror}. Is it up?") from error
    return made


def _attach_filter(to: socket.socket) -> None:
    """Before the socket is bound, so that nothing else ever queues up in it."""
    program = b"".join(struct.pack("=HBBI", *step) for step in ONLY_BEACONS)
    held = ctypes.create_string_buffer(program)
    to.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(ONLY_BEACONS), ctypes.addressof(held)))


def open_port(text: str) -> PipePort | PacketPort:
    """The port `--iface` names; PortError or PipeError with a sentence."""
    return PipePort(Path(text.removeprefix(PIPE))) if text.startswith(PIPE) else PacketPort(text)
