"""What a hotspot moves over its internet connection: bytes with IP and TCP headers, counted on a loopback of its own.

`python -m bench.traffic` starts itself in a new network namespace (it needs `unshare`, and no root), so that nothing
else is on that loopback. Validators are real gRPC servers with real receipts; the hotspot's couriers are the product's.
Every report goes alone in its batch, as it does where beacons are minutes apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

NETWORKS = (4, 21)
REPORTS = 40
SETTLE_S, IDLE_S = 15, 60
SESSIONS_PER_DAY = 24 / 11
"""A session lives 12 h and is renewed an hour before its end."""
DAYS = 30
BEACONS_PER_DAY = 4
QUIET, BUSY, MOST = 10, 100, 1_024
"""Witness reports a day: a lonely valley, a town, and the most a hotspot may make."""
INSIDE = "FARFIELD_TRAFFIC_INSIDE"
INTERFACES = Path("/proc/self/net/dev")


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """Bytes, both ways together, over all validators."""

    validators: int
    per_session: float
    per_report: float
    per_idle_hour: float

    def megabytes_a_month(self, witnesses_per_day: int) -> float:
        """Everything between hotspot and validators in 30 days."""
        a_day = (
            self.per_session * SESSIONS_PER_DAY
            + self.per_report * (BEACONS_PER_DAY + witnesses_per_day)
            + self.per_idle_hour * 24
        )
        return a_day * DAYS / 1e6


def moved() -> int:
    """Bytes that ever arrived on the loopback of this namespace; what is sent on it arrives on it."""
    (line,) = (line for line in INTERFACES.read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split()[1])


def measure(validators: int) -> Measured:
    """Plays a few reports against so many validators."""
    with tempfile.TemporaryDirectory() as place:
        return asyncio.run(_measure(validators, Path(place)))


async def _measure(count: int, place: Path) -> Measured:
    from hotspot import keys
    from protocol.ids import HotspotId

    device = keys.create(place)
    async with _site(count, device, place) as (validators, fanout, couriers):
        before = moved()
        jobs = [asyncio.ensure_future(one.run([HotspotId(device.hotspot_id)])) for one in couriers]
        await _until(lambda: all(one.sessions_opened for one in validators))
        per_session = moved() - before
        before = moved()
        for number in range(1, REPORTS + 1):
            fanout.add(_report(device))
            await _until(lambda number=number: all(len(one.reports) == number for one in validators))
        per_report = (moved() - before) / REPORTS
        await asyncio.sleep(SETTLE_S)
        before, started = moved(), time.monotonic()
        await asyncio.sleep(IDLE_S)
        per_hour = (moved() - before) * 3_600 / (time.monotonic() - started)
        for job in jobs:
            job.cancel()
        await asyncio.wait(jobs)
    return Measured(count, per_session, per_report, per_hour)


@contextlib.asynccontextmanager
async def _site(count: int, device: object, place: Path) -> AsyncIterator[tuple[list, object, list]]:
    """Validators, a fan-out and a courier to each, over one outbox."""
    from hotspot.clock import SystemClock
    from hotspot.counters import Counters
    from hotspot.reporting.courier import Courier
    from hotspot.reporting.delivery import Fanout
    from hotspot.reporting.outbox import OUTBOX_FILE, Outbox, Store
    from hotspot.reporting.sessions import Sessions
    from hotspot.wire import ValidatorClient
    from protocol.keys import public_key
    from tests.hotspot.fake_validator import DOMAIN, NETWORK, FakeValidator

    clock, counters = SystemClock(), Counters()
    outbox = Outbox(Store(place / OUTBOX_FILE))
    fanout = Fanout(outbox, clock, lambda hotspot_id: counters)
    async with contextlib.AsyncExitStack() as stack:
        known = [public_key(*device.coordinates)]  # type: ignore[attr-defined]
        validators = [await stack.enter_async_context(FakeValidator(f"v{at}", known)) for at in range(count)]
        couriers = []
        for one in validators:
            client = ValidatorClient(one.endpoint)
            stack.push_async_callback(client.close)
            sessions = Sessions(one.owner, client, {device.hotspot_id: device}, NETWORK, clock, counters)  # type: ignore[attr-defined]
            couriers.append(
                Courier(one.owner, one.address, client, sessions, DOMAIN, clock, counters, fanout.settle, 10_000)
            )
        fanout.use(couriers)
        writing = asyncio.ensure_future(outbox.run())
        try:
            yield validators, fanout, couriers
        finally:
            writing.cancel()
            await asyncio.wait([writing])


def _report(device: object) -> object:
    """A witness report like any other, to be committed and revealed at once."""
    from hotspot.reporting.reports import Report
    from protocol.encoding import report_id
    from protocol.ids import NO_CELL, HotspotId, Role
    from protocol.records import NO_FINE_TIME, REPORT, Witness
    from tests.hotspot.fake_validator import NETWORK

    now_ms = time.time_ns() // 1_000_000
    body = Witness(
        chain_id=NETWORK.chain_id, contract=NETWORK.hotspots, hotspot_id=device.hotspot_id, epoch=7,  # type: ignore[attr-defined]
        salt=secrets.token_bytes(16), tag=secrets.token_bytes(21), frequency_hz=868_100_000, spreading_factor=9,
        bandwidth_hz=125_000, rssi_cdb=-11_700, snr_cdb=-500, received_at_ms=now_ms, tmst_us=1,
        fine_time_ns=NO_FINE_TIME, cell=NO_CELL,
    ).encode()  # fmt: skip
    return Report(
        report_id(body), HotspotId(device.hotspot_id), 7, Role.WITNESS, body, device.sign(REPORT, NETWORK, body),  # type: ignore[attr-defined]
        now_ms + 60_000, now_ms, now_ms + 600_000,
    )  # fmt: skip


async def _until(condition: object) -> None:
    while not condition():  # type: ignore[operator] # noqa: ASYNC110 - the servers are other people's events
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)  # the last acknowledgements of TCP


# --- alone on a loopback ------------------------------------------------------------------------------------------


def lines() -> Iterator[str]:
    """What was measured, in sentences."""
    if INSIDE not in os.environ:
        command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", "bench.traffic"]
        done = subprocess.run(command, env=os.environ | {INSIDE: "1"}, capture_output=True, text=True, check=False)
        yield from (
            done.stdout if done.returncode == 0 else f"traffic: not measured ({done.stderr[-200:]})"
        ).splitlines()
        return
    _raise_loopback()
    for count in NETWORKS:
        found = measure(count)
        months = ", ".join(
            f"{found.megabytes_a_month(witnesses):.1f} MB with {witnesses} witness reports a day"
            for witnesses in (QUIET, BUSY, MOST)
        )
        yield (
            f"traffic, {count} validators: {found.per_report:.0f} bytes a report, {found.per_session:.0f} a session, "
            f"{found.per_idle_hour:.0f} an idle hour; a month: {months}"
        )


def _raise_loopback() -> None:
    """Sets IFF_UP on lo."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running


if __name__ == "__main__":
    for line in lines():
        print(line, flush=True)
