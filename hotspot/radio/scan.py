"""A phone as a Wi-Fi witness without monitor mode: beacons found among the networks its ordinary scan lists.

A beacon's tag is also the name it goes by (ssid.py). Termux:API's `termux-wifi-scaninfo` prints what the phone's last
scan found; Android decides when it scans, and an application can only ask for the list. So a phone hears few beacons,
and can send none: docs/adr/0018 has the numbers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hotspot.clock import Clock
from hotspot.counters import Counters
from hotspot.positions.fix import Trouble
from hotspot.positions.termux import answer_of
from hotspot.radio.bridge import BANDWIDTH_HZ, BridgeStatus
from hotspot.radio.frames import WIFI_SPREADING_FACTOR, RxFrame, TxRequest, TxResult, TxState
from hotspot.radio.ssid import payload_in

COMMAND = ("termux-wifi-scaninfo",)
TIMEOUT_S = 20.0
PAUSE_MS = 2_000
MAX_NETWORKS = 1_000
MAX_AGE_MS = 60_000
"""Nothing so old can be committed on time any more."""
MAX_SEEN = 1_024
NOISE_CDB = -9_500
"""A phone tells no noise: 20 MHz at room temperature and a noise figure of 6 dB."""
LEAST_DBM, MOST_DBM = -127, 0
MOST_MHZ = 7_125
SCAN = "wifi_scan"
SCAN_ONLY = "scan_only"
TIMER_MODULUS = 2**32


@dataclass(frozen=True, slots=True)
class Scanned:
    """A beacon in a list of networks. `seen_us`: when, on the phone's clock since its start."""

    payload: bytes
    frequency_hz: int
    rssi_cdb: int
    seen_us: int


def scanned_in(data: bytes) -> list[Scanned] | str:
    """Every beacon in what `termux-wifi-scaninfo` printed, or what was wrong with it."""
    try:
        networks = json.loads(data)
    except (ValueError, RecursionError):
        return "not_json"
    if isinstance(networks, dict):
        return "refused_by_the_phone"  # {"API_ERROR": "Location needs to be enabled on the device"}
    if not isinstance(networks, list):
        return "not_a_list"
    return list(_beacons(networks[:MAX_NETWORKS]))


def _beacons(networks: list[Any]) -> Iterator[Scanned]:
    for one in networks:
        name = one.get("ssid") if isinstance(one, dict) else None
        payload = payload_in(name.encode("utf-8", "replace")) if isinstance(name, str) else None
        if payload is None:
            continue
        numbers = [one.get(key) for key in ("frequency_mhz", "rssi", "timestamp")]
        if all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
            mhz, rssi_dbm, seen_us = numbers
            if 0 < mhz <= MOST_MHZ and LEAST_DBM <= rssi_dbm <= MOST_DBM and seen_us >= 0:
                yield Scanned(payload, mhz * 1_000_000, 100 * rssi_dbm, seen_us)


class WifiScan:
    """Asks for the phone's list again and again. In place of a bridge, for a phone that only listens."""

    def __init__(
        self,
        clock: Clock,
        counters: Counters,
        on_frame: Callable[[RxFrame], None],
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._clock, self._counters, self._on_frame, self._command = clock, counters, on_frame, command
        self._bandwidth_hz = BANDWIDTH_HZ
        self._seen: OrderedDict[tuple[bytes, int], None] = OrderedDict()
        self._problem = "not asked yet"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Asks until `stop`."""
        self._task = asyncio.ensure_future(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def listen_on(self, channels_hz: tuple[int, ...], bandwidth_hz: int) -> None:
        """A phone scans every channel it has."""
        self._bandwidth_hz = bandwidth_hz

    def status(self) -> BridgeStatus:
        """What is known now."""
        return BridgeStatus(
            connected=not self._problem,
            socket=self._command[0],
            interface="this phone's scans",
            tunes=False,
            problem=self._problem,
            counts={},
        )

    async def transmit(self, request: TxRequest) -> TxResult:
        """A scan sends no beacon."""
        return TxResult(TxState.REFUSED, SCAN_ONLY)

    async def _run(self) -> None:
        while True:
            await self.ask()
            await self._clock.sleep_ms(PAUSE_MS)

    async def ask(self) -> None:
        """Asks once and hands over what is new."""
        data = await answer_of(self._command, TIMEOUT_S)
        found = data.value if isinstance(data, Trouble) else scanned_in(data)
        self._problem = found if isinstance(found, str) else ""
        if isinstance(found, str):
            self._counters.count(SCAN, found)
            return
        self._counters.count(SCAN, "asked")
        now_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000
        for one in found:
            self._take(one, (now_us - one.seen_us) // 1_000)

    def _take(self, one: Scanned, age_ms: int) -> None:
        key = one.payload, one.seen_us
        if key in self._seen:
            return
        self._seen[key] = None
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        if not 0 <= age_ms <= MAX_AGE_MS:
            self._counters.count(SCAN, "too_old" if age_ms > 0 else "from_the_future")
            return
        self._on_frame(
            RxFrame(
                payload=one.payload,
                frequency_hz=one.frequency_hz,
                spreading_factor=WIFI_SPREADING_FACTOR,
                bandwidth_hz=self._bandwidth_hz,
                rssi_cdb=one.rssi_cdb,
                snr_cdb=one.rssi_cdb - NOISE_CDB,
                received_at_ms=self._clock.now_ms() - age_ms,
                received_monotonic_ms=self._clock.monotonic_ms() - age_ms,
                tmst_us=one.seen_us % TIMER_MODULUS,
                fine_time_ns=None,
                gateway=b"",
            )
        )
