"""Beacons in the list of networks a phone prints, by their names alone."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotspot.clock import SystemClock
from hotspot.config import Config
from hotspot.counters import Counters
from hotspot.radio.frames import RxFrame, TxRequest, TxState
from hotspot.radio.scan import MAX_AGE_MS, Scanned, WifiScan, scanned_in
from hotspot.radio.ssid import ssid_of
from hotspot.running.ears import Ears
from tests.hotspot.radio.wifi.running import payload


def now_us() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000


def network(number: int = 1, **changed: Any) -> dict[str, Any]:
    """One network as Termux:API prints it."""
    name = ssid_of(payload(number))
    assert name is not None
    made = {"bssid": "02:11:22:33:44:55", "frequency_mhz": 2_437, "rssi": -71, "ssid": name.decode("ascii")}
    return {**made, "timestamp": 5_000_000, "channel_bandwidth_mhz": "20", **changed}


def listed(*networks: object) -> bytes:
    return json.dumps(networks).encode()


def test_a_beacon_is_found_among_ordinary_networks() -> None:
    data = listed({**network(), "ssid": "Free Wi-Fi"}, network(7), {**network(), "ssid": ""})
    assert scanned_in(data) == [Scanned(payload(7), 2_437_000_000, -7_100, 5_000_000)]


@pytest.mark.parametrize(
    "changed",
    [
        {"rssi": None}, {"rssi": "-71"}, {"rssi": -71.5}, {"rssi": 5}, {"rssi": -200}, {"rssi": True}, {"ssid": None},
        {"frequency_mhz": 0}, {"frequency_mhz": 10**9}, {"timestamp": -1}, {"timestamp": "x"}, {"ssid": "ff-\ud800"},
    ],
)  # fmt: skip
def test_a_network_with_numbers_no_phone_has_is_passed_over(changed: dict[str, Any]) -> None:
    assert scanned_in(listed({**network(), **changed}, network(2))) == scanned_in(listed(network(2)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"API_ERROR": "Location needs to be enabled on the device"}', "refused_by_the_phone"),
        (b"7", "not_a_list"),
    ],
)
def test_what_is_no_list_is_named(data: bytes, reason: str) -> None:
    assert scanned_in(data) == reason


@settings(max_examples=50, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_any_json_gives_a_list_or_a_reason(tree: Any) -> None:
    assert scanned_in(json.dumps(tree).encode()) in ([], "not_a_list", "refused_by_the_phone")


class Phone:
    """A `termux-wifi-scaninfo` that prints what a test wants, and who asks it."""

    def __init__(self, folder: Path) -> None:
        self._answer = folder / "answer.json"
        self.heard: list[RxFrame] = []
        self.counters = Counters()
        program = f"import sys; sys.stdout.write(open({str(self._answer)!r}).read())"
        self.scan = WifiScan(SystemClock(), self.counters, self.heard.append, (sys.executable, "-c", program))

    async def ask(self, *networks: object) -> None:
        self._answer.write_bytes(listed(*networks))
        await self.scan.ask()


def test_a_beacon_scanned_is_heard_once_with_the_moment_it_was_seen(tmp_path: Path) -> None:
    async def act() -> None:
        phone = Phone(tmp_path)
        seen = network(3, timestamp=now_us() - 2_000_000)
        many = [
            {**network(), "ssid": f"network {number}" * 2} for number in range(250)
        ]  # more than a pipe hands over at once
        for _ in range(2):
            await phone.ask(*many, seen)
        (frame,) = phone.heard
        assert (frame.payload, frame.rssi_cdb, frame.frequency_hz) == (payload(3), -7_100, 2_437_000_000)
        assert (frame.spreading_factor, frame.bandwidth_hz) == (0, 20_000_000)
        age_ms = SystemClock().now_ms() - frame.received_at_ms
        assert 1_900 <= age_ms <= 30_000
        assert phone.scan.status().connected

    asyncio.run(act())


def test_an_old_scan_and_one_from_the_future_are_counted_and_no_more(tmp_path: Path) -> None:
    async def act() -> None:
        phone = Phone(tmp_path)
        old = network(3, timestamp=now_us() - 1_000 * (MAX_AGE_MS + 5_000))
        await phone.ask(old, network(4, timestamp=now_us() + 10**9))
        assert phone.heard == []
        assert phone.counters.of("wifi_scan", "too_old") == phone.counters.of("wifi_scan", "from_the_future") == 1

    asyncio.run(act())


def test_a_machine_that_is_no_phone_says_so() -> None:
    async def act() -> None:
        scan = WifiScan(SystemClock(), Counters(), lambda frame: None, ("no-such-command-anywhere",))
        await scan.ask()
        assert (scan.status().connected, scan.status().problem) == (False, "unreachable")

    asyncio.run(act())


def test_a_scan_sends_nothing() -> None:
    async def act() -> None:
        scan = WifiScan(SystemClock(), Counters(), lambda frame: None)
        result = await scan.transmit(TxRequest(payload(), 2_437_000_000, 0, 20_000_000, 18, 3, 2**62))
        assert (result.state, result.reason) == (TxState.REFUSED, "scan_only")

    asyncio.run(act())


def test_a_phones_directory_listens_by_scanning(tmp_path: Path) -> None:
    ears = Ears(tmp_path, dataclasses.replace(Config(), wifi_scan=True), SystemClock())
    assert isinstance(ears.bridge, WifiScan)
