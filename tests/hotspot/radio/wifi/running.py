"""What tests of the Wi-Fi bridge are made of: a bridge process on FIFOs, frames as a radio gives them, pcap ends."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hotspot.radio import pcap
from hotspot.radio.wifi import frames
from protocol import beacon
from tests.factories import ROOT

DEADLINE_S = 20.0
CHANNEL_6_HZ = 2_437_000_000
SOURCE = b"\x02\x11\x22\x33\x44\x55"
TSFT, FLAGS, RATE, CHANNEL, SIGNAL, NOISE = 1, 2, 4, 8, 32, 64


def payload(number: int = 0) -> bytes:
    """The 24 bytes of a Farfield beacon."""
    return beacon.frame(number.to_bytes(beacon.TAG_BYTES, "big"))


def management_frame(number: int = 0, source: bytes = SOURCE) -> bytes:
    """A beacon without radiotap, as it is on air."""
    made = frames.build(payload(number), source, CHANNEL_6_HZ, 18, 1, 1_000)
    assert made is not None
    return made[int.from_bytes(made[2:4], "little") :]


def radiotap(
    present: int = TSFT | FLAGS | RATE | CHANNEL | SIGNAL | NOISE, rssi_dbm: int = -71, flags: int = 0, mhz: int = 2_437
) -> bytes:
    """What a driver puts before a frame it received: the fields asked for, in order and aligned."""
    parts = [
        (TSFT, "<Q", (7_000_000_123,), 8), (FLAGS, "<B", (flags,), 1), (RATE, "<B", (2,), 1),
        (CHANNEL, "<HH", (mhz, 0x00A0), 2), (SIGNAL, "<b", (rssi_dbm,), 1), (NOISE, "<b", (-92,), 1),
    ]  # fmt: skip
    body = b""
    for bit, layout, values, alignment in parts:
        if present & bit:
            body += bytes(-(8 + len(body)) % alignment) + struct.pack(layout, *values)
    return struct.pack("<BxHI", 0, 8 + len(body), present) + body


def captured(number: int = 0, **radio: int) -> bytes:
    """A beacon as a monitor interface hands it over."""
    return radiotap(**radio) + management_frame(number)


@dataclass
class RunningBridge:
    """A bridge process under test."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "wifi.sock"

    @property
    def into(self) -> Path:
        return self.folder / "air.in"

    @property
    def out(self) -> Path:
        return self.folder / "air.out"

    def hear(self, *heard: bytes) -> None:
        """Gives the bridge frames to hear, as one pcap stream."""
        with self.into.open("wb") as stream:
            stream.write(pcap.file_header() + b"".join(pcap.record(one, 1_000_000) for one in heard))

    def end(self) -> tuple[int, str]:
        """Ends the process; exit code and what it said."""
        self.process.terminate()
        _, said = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, said


@contextmanager
def running_bridge(folder: Path, iface: str = "", *arguments: str) -> Iterator[RunningBridge]:
    """Starts `python -m hotspot.radio.wifi` on FIFOs in the folder, or on an interface, and ends it afterwards."""
    bridge = RunningBridge(start(folder, iface or f"pipe:{folder / 'air'}", *arguments), folder)
    try:
        wait_until(lambda: bridge.socket.exists() or bridge.process.poll() is not None, "the socket")
        assert bridge.process.poll() is None, bridge.process.communicate()[1]
        yield bridge
    finally:
        if bridge.process.poll() is None:
            bridge.process.kill()
        bridge.process.wait()
        assert bridge.process.stderr is not None
        bridge.process.stderr.close()


def start(folder: Path, iface: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hotspot.radio.wifi", "--iface", iface, "--socket", str(folder / "wifi.sock")]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: object, what: str) -> None:
    """Waits for a condition in short steps; fails with a sentence at the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.005)


class Receiver:
    """Reads what a bridge sends, at the other end of its FIFO."""

    def __init__(self, path: Path) -> None:
        self._reader = pcap.FifoReader(path)

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *exception: object) -> None:
        self._reader.close()

    def frames(self, count: int) -> list[bytes]:
        """That many frames, or what came until the deadline."""
        found: list[bytes] = []
        deadline = time.monotonic() + DEADLINE_S
        while len(found) < count and time.monotonic() < deadline:
            if select.select([self._reader.fileno()], [], [], 0.05)[0]:
                found += self._reader.read()[0]
        return found
