"""The bridge on interfaces of the kernel's own: TAP devices that say they are monitor interfaces, in a namespace."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotspot.clock import SystemClock
from hotspot.counters import Counters
from hotspot.radio.bridge import WifiBridge
from hotspot.radio.frames import RxFrame, TxRequest, TxResult, TxState
from hotspot.radio.wifi.elements import problem_of
from hotspot.radio.wifi.tuning import Tuner, TuningError, attribute, attributes_of
from tests.hotspot.clocks import until
from tests.hotspot.radio.wifi.running import (
    CHANNEL_6_HZ,
    DEADLINE_S,
    RunningBridge,
    captured,
    payload,
    radiotap,
    running_bridge,
    start,
)

CLONE_NEWNET = 0x40000000
TUN, TUNSETIFF, TUNSETLINK = "/dev/net/tun", 0x400454CA, 0x400454CD
IFF_TAP, IFF_NO_PI, IFF_UP = 0x0002, 0x1000, 0x0001
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
ETHERNET, RADIOTAP = 1, 803
LIBC = ctypes.CDLL(None, use_errno=True)


class Tap:
    """A TAP device: what is written to it the interface hears, what is sent on the interface is read from it."""

    def __init__(self, name: str, link_type: int = RADIOTAP) -> None:
        self.name = name
        self.fd = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        fcntl.ioctl(self.fd, TUNSETLINK, link_type)
        self.set_up(up=True)

    def set_up(self, *, up: bool) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            found = fcntl.ioctl(asking, SIOCGIFFLAGS, struct.pack("16sH22x", self.name.encode(), 0))
            flags = struct.unpack_from("H", found, 16)[0]
            flags = flags | IFF_UP if up else flags & ~IFF_UP
            fcntl.ioctl(asking, SIOCSIFFLAGS, struct.pack("16sH22x", self.name.encode(), flags))

    def sent(self, count: int) -> list[bytes]:
        """That many beacons sent on the interface, or those that came until the deadline."""
        found: list[bytes] = []
        deadline = time.monotonic() + DEADLINE_S
        while len(found) < count and time.monotonic() < deadline:
            if select.select([self.fd], [], [], 0.05)[0]:
                frame = os.read(self.fd, 4_096)
                found += [frame] if problem_of(frame) == "" else []
        return found

    def hear(self, frame: bytes) -> None:
        os.write(self.fd, frame)


@contextlib.contextmanager
def namespace() -> Iterator[None]:
    """Within it, this thread and the processes it starts have a network of their own; skips where that is forbidden."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if LIBC.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"a network namespace cannot be made here: {os.strerror(ctypes.get_errno())}")
        yield
    finally:
        assert LIBC.setns(home, 0) == 0 or ctypes.get_errno() == errno.EPERM
        os.close(home)


@pytest.fixture
def taps() -> Iterator[list[Tap]]:
    """Two monitor interfaces and one that is none, in a namespace of their own."""
    with namespace():
        made: list[Tap] = []
        try:
            try:
                made = [Tap("ffa0"), Tap("ffb0"), Tap("ffe0", ETHERNET)]
            except OSError as error:
                pytest.skip(f"TAP devices cannot be made here: {error}")
            yield made
        finally:
            for one in made:
                os.close(one.fd)


def folder_for(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


def status_of(bridge: RunningBridge) -> dict[str, str]:
    lines = Path(f"/proc/{bridge.process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@contextlib.asynccontextmanager
async def connected(bridge: RunningBridge) -> object:
    heard: list[RxFrame] = []
    made = WifiBridge(bridge.socket, SystemClock(), Counters(), heard.append)
    made.start()
    try:
        await until(lambda: made.status().connected, DEADLINE_S)
        yield made, heard
    finally:
        made.stop()
        await asyncio.sleep(0)


def request(number: int) -> TxRequest:
    latest_ms = time.time_ns() // 1_000_000 + 10_000
    return TxRequest(payload(number), CHANNEL_6_HZ, 0, 20_000_000, 18, 3, latest_ms)


def test_two_bridges_hear_each_other_over_the_kernels_interfaces(tmp_path: Path, taps: list[Tap]) -> None:
    one, other, _ = taps

    async def act() -> TxResult:
        async with connected(a) as (sender, own), connected(b) as (_, heard):
            result = await sender.transmit(request(21))
            for frame in await asyncio.to_thread(one.sent, 3):
                other.hear(radiotap(rssi_dbm=-58) + frame[int.from_bytes(frame[2:4], "little") :])
            await until(lambda: len(heard) == 3, DEADLINE_S)
            assert {(frame.payload, frame.rssi_cdb) for frame in heard} == {(payload(21), -5_800)}
            assert own == []
            return result

    with (
        running_bridge(folder_for(tmp_path, "a"), one.name) as a,
        running_bridge(folder_for(tmp_path, "b"), other.name) as b,
    ):
        assert asyncio.run(act()).state is TxState.SENT


def test_a_bridge_started_as_root_keeps_no_privilege(tmp_path: Path, taps: list[Tap]) -> None:
    with running_bridge(folder_for(tmp_path, "a"), taps[0].name, "--user", "nobody") as bridge:

        async def act() -> None:
            async with connected(bridge):
                status = status_of(bridge)
                assert "0" not in status["Uid"].split() + status["Gid"].split()
                assert status["Groups"] == ""
                assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {0}
                assert status["NoNewPrivs"] == "1"

        asyncio.run(act())


def test_frames_that_are_no_beacons_do_not_wake_it(tmp_path: Path, taps: list[Tap]) -> None:
    async def act() -> None:
        async with connected(bridge) as (client, heard):
            for _ in range(50):
                taps[0].hear(radiotap() + b"\x08" + bytes(60))
            taps[0].hear(captured(5))
            await until(lambda: heard, DEADLINE_S)
            await until(lambda: client.status().counts.get("beacon"), DEADLINE_S)
            assert "not_a_beacon" not in client.status().counts

    with running_bridge(folder_for(tmp_path, "a"), taps[0].name) as bridge:
        asyncio.run(act())


def test_an_interface_that_goes_down_ends_the_bridge_with_a_sentence(tmp_path: Path, taps: list[Tap]) -> None:
    with running_bridge(folder_for(tmp_path, "a"), taps[0].name) as bridge:
        taps[0].set_up(up=False)
        taps[0].set_up(up=True)
        assert bridge.process.wait(DEADLINE_S) == 1
        assert "went away" in bridge.process.communicate()[1]


def test_an_interface_that_is_no_monitor_is_refused(tmp_path: Path, taps: list[Tap]) -> None:
    for name, sentence in ((taps[2].name, "no monitor interface"), ("nosuch0", "There is no interface")):
        process = start(tmp_path, name)
        said = process.communicate(timeout=DEADLINE_S)[1]
        assert (process.returncode, sentence in said) == (1, True), said


def test_tuning_is_refused_by_name_where_the_kernel_has_no_wifi(taps: list[Tap]) -> None:
    with pytest.raises(TuningError, match=r"nl80211|refuses|does not answer"):
        Tuner(taps[0].name)  # a TAP device has no radio, whatever the kernel has


def test_attributes_of_an_answer_are_read_to_the_first_malformed_one() -> None:
    good = attribute(98, struct.pack("=I", 1_800)) + attribute(3, b"abc")
    assert attributes_of(good) == {98: struct.pack("=I", 1_800), 3: b"abc"}
    assert attributes_of(good + b"\x02\x00\x05\x00") == attributes_of(good)
    assert attributes_of(good + b"\xff\x00\x05\x00") == attributes_of(good)
    assert attributes_of(b"") == {}
