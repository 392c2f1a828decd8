# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
"""802.11 frames as a pcap stream (link type 127, radiotap), read and written a piece at a time, over FIFOs too.

A stream that cannot be followed says so in `broken`; it is good again from the next file header on. A writer may come
back within one stream: a second file header between two records is taken as such.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LINK_TYPE_RADIOTAP = 127
MAGIC, MAGIC_NS = 0xA1B2C3D4, 0xA1B23C4D
FILE_HEADER_BYTES, RECORD_HEADER_BYTES = 24, 16
MAX_FRAME_BYTES = 8_192
FILE_BEGINNINGS = tuple(struct.pack(f"{order}IHH", magic, 2, 4) for order in "<>" for magic in (MAGIC, MAGIC_NS))
READ_BYTES = 4_096
"""At a time, some two dozen frames: a loop that has other things to do gets its turn after them."""
MODE = 0o600


class PipeError(Exception):
    """A FIFO cannot be used; the message is a sentence with the next step."""


def file_header() -> bytes:
    """Of a file of radiotap frames with microseconds."""
    return struct.pack("<IHHiIII", MAGIC, 2, 4, 0, 0, MAX_FRAME_BYTES, LINK_TYPE_RADIOTAP)


def record(frame: bytes, unix_us: int) -> bytes:
    """One frame and when it was on air."""
    return struct.pack("<IIII", unix_us // 1_000_000 % 2**32, unix_us % 1_000_000, len(frame), len(frame)) + frame


class Reader:
    """Frames from the bytes of a pcap stream, either byte order, however it is cut."""

    def __init__(self) -> None:
        self.broken = ""
        self._new_fault = ""
        self._unread = b""
        self._order = ""

    @property
    def is_within_a_frame(self) -> bool:
        """True while a header or frame has begun and not ended."""
        return bool(self._unread)

    def restart(self) -> None:
        """The stream ended; the next one begins with its own header."""
        self.broken, self._unread, self._order = "", b"", ""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Takes in bytes and gives every frame they complete; after a fault, from the next file header on."""
        self._unread += data
        while not self.broken or self._skip_to_header():
            if self._at_header():
                if len(self._unread) < FILE_HEADER_BYTES:
                    return
                self._take_header()
                continue
            if len(self._unread) < RECORD_HEADER_BYTES:
                return
            length = struct.unpack_from(f"{self._order}I", self._unread, 8)[0]
            if length > MAX_FRAME_BYTES:
                self._fault("pcap_record_length")
                continue
            end = RECORD_HEADER_BYTES + length
            if len(self._unread) < end:
                return
            frame, self._unread = self._unread[RECORD_HEADER_BYTES:end], self._unread[end:]
            yield frame

    def take_fault(self) -> str:
        """What broke the stream since the last time it was asked for; empty if nothing did."""
        fault, self._new_fault = self._new_fault, ""
        return fault

    def _fault(self, reason: str) -> None:
        self.broken = self._new_fault = reason

    def _skip_to_header(self) -> bool:
        """Goes to the beginning of a file in what follows a fault; keeps no more than could be part of one."""
        found = [at for begin in FILE_BEGINNINGS if (at := self._unread.find(begin, 1)) > 0]
        if not found:
            self._unread = self._unread[-len(FILE_BEGINNINGS[0]) :]
            return False
        self.broken, self._order, self._unread = "", "", self._unread[min(found) :]
        return True

    def _at_header(self) -> bool:
        return not self._order or _order_of(self._unread[:4]) != ""

    def _take_header(self) -> None:
        order = _order_of(self._unread[:4])
        link_type = struct.unpack_from(f"{order or '<'}I", self._unread, 20)[0] & 0xFFFF
        if not order:
            self._fault("not_pcap")
        elif link_type != LINK_TYPE_RADIOTAP:
            self._fault("pcap_link_type")
        else:
            self._order, self._unread = order, self._unread[FILE_HEADER_BYTES:]


def _order_of(magic: bytes) -> str:
    for order in "<>":
        if len(magic) == 4 and struct.unpack(f"{order}I", magic)[0] in (MAGIC, MAGIC_NS):
            return order
    return ""


# --- FIFOs --------------------------------------------------------------------------------------------------------


def make_fifo(path: Path) -> None:
    """Makes a FIFO where there is none; PipeError with a sentence if the path holds something else."""
    try:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, MODE)
        if not stat.S_ISFIFO(path.stat().st_mode):
            raise PipeError(f"{path} is no FIFO. Choose another name, or remove it.")
    except OSError as error:
        raise PipeError(f"Cannot make the FIFO {path}: {error.strerror}. Check the directory.") from error


class FifoReader:
    """The reading end of a FIFO of pcap. It outlives its writers: after the last one it is opened afresh."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = Reader()
        self._fd = self._open()

    def fileno(self) -> int:
        return self._fd

    def read(self) -> tuple[list[bytes], str]:
        """Every frame complete by now, and what broke the stream, once. `fileno` may change at the end of one."""
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return [], ""
        if not data:
            broken = "pcap_cut_short" if self._reader.is_within_a_frame and not self._reader.broken else ""
            fresh = self._open()  # before the old end is closed, so that no writer finds nobody here
            os.close(self._fd)
            self._fd = fresh
            self._reader.restart()
            return [], broken
        return list(self._reader.feed(data)), self._reader.take_fault()

    def close(self) -> None:
        os.close(self._fd)

    def _open(self) -> int:
        return os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


class FifoWriter:
    """The writing end of a FIFO of pcap, opened when there is something to say and somebody to read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def fileno(self) -> int | None:
        """Watch it for errors: the reader is gone; call `close` then, so that the next one gets a file header."""
        return self._fd

    def write(self, frame: bytes, unix_us: int) -> str:
        """Writes one frame, whole or not at all; why not, or an empty text."""
        data = record(frame, unix_us)
        try:
            if self._fd is None:
                self._fd = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                data = file_header() + data
            written = os.write(self._fd, data)
        except OSError as error:
            if error.errno != errno.EAGAIN or len(data) > RECORD_HEADER_BYTES + len(frame):
                self.close()  # also where a file header found no room: the next frame brings it again
            if error.errno == errno.EAGAIN:
                return "pipe_full"
            return "nobody_reads_the_pipe" if error.errno in (errno.ENXIO, errno.EPIPE) else "pipe_failed"
        if written < len(data):  # frames longer than PIPE_BUF only
            self.close()
            return "pipe_full"
        return ""

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class FifoPair:
    """Frames both ways over two FIFOs, in an asyncio loop. Whoever is at the other ends may come and go."""

    def __init__(self, reads: Path, writes: Path) -> None:
        """Makes what is missing; PipeError with a sentence."""
        for path in (reads, writes):
            make_fifo(path)
        try:
            self._reader = FifoReader(reads)
        except OSError as error:
            raise PipeError(f"Cannot read {reads}: {error.strerror}. Check its owner.") from error
        self._writer = FifoWriter(writes)
        self._watched: int | None = None

    def start(self, on_frame: Callable[[bytes], None], on_problem: Callable[[str], None]) -> None:
        """Calls back with every frame, and with a name for what is wrong with a stream."""
        self._on_frame, self._on_problem = on_frame, on_problem
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reader.fileno(), self._read)

    def write(self, frame: bytes) -> str:
        """Sends one frame; why not, or an empty text."""
        problem = self._writer.write(frame, time.time_ns() // 1_000)
        self._watch_writer()
        return problem

    def close(self) -> None:
        self._loop.remove_reader(self._reader.fileno())
        self._reader.close()
        self._writer.close()
        self._watch_writer()

    def _read(self) -> None:
        before = self._reader.fileno()
        frames, problem = self._reader.read()
        if self._reader.fileno() != before:
            self._loop.remove_reader(before)
            self._loop.add_reader(self._reader.fileno(), self._read)
        for frame in frames:
            self._on_frame(frame)
        if problem:
            self._on_problem(problem)

    def _watch_writer(self) -> None:
        """A writing end becomes "readable" when its last reader has gone."""
        if self._watched is not None and self._watched != self._writer.fileno():
            self._loop.remove_reader(self._watched)
        self._watched = self._writer.fileno()
        if self._watched is not None:
            self._loop.add_reader(self._watched, self._reader_is_gone)

    def _reader_is_gone(self) -> None:
        self._writer.close()
        self._watch_writer()
