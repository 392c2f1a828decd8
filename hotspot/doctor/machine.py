"""Findings only this machine knows: settings, key, port, disk, clock. Each check makes as much progress as it can."""

from __future__ import annotations

import asyncio
import email.utils
import errno
import http.client
import os
import shutil
import socket
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hotspot import config as configs
from hotspot.clock import SystemClock
from hotspot.config import Config, Endpoint
from hotspot.doctor import forwarder_file
from hotspot.doctor.findings import Finding, finding
from hotspot.doctor.running import MAX_CLOCK_OFFSET_MS, clock_off
from hotspot.positions.fix import Fix, NoFix, Receiver, Trouble
from hotspot.positions.mapper import receiver_of

LEAST_FREE_BYTES = 50_000_000
HTTP_TIMEOUT_S = 3
GPS_TIMEOUT_S = 3
MAX_CLOCK_SOURCES = 5


def settings(directory: Path, environ: Mapping[str, str]) -> tuple[Config, list[Finding]]:
    """The directory's settings; the defaults and a finding if they cannot be read."""
    try:
        return configs.load(directory, environ), []
    except configs.ConfigError as error:
        return Config(), [finding("config_invalid", problem=str(error))]


def key(directory: Path) -> tuple[bytes | None, list[Finding]]:
    """The hotspot's id, and what is wrong with its key. Asks for no passphrase."""
    from hotspot import keys
    from hotspot.keys import place

    try:
        if not keys.exists(directory):
            return None, [finding("key_missing")]
        return bytes.fromhex(place.show(directory).hotspot_id), []
    except keys.KeyProblemError as error:
        return None, [finding("key_unusable", problem=str(error))]


def port(listen: Endpoint) -> Iterator[Finding]:
    """Tries the port; only while no hotspot runs here."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((listen.host, listen.port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            yield finding("port_taken", listen=listen)
        else:
            yield finding("listen_unusable", listen=listen, problem=error.strerror or error)
    except ValueError:  # a host that can be no name
        yield finding("listen_unusable", listen=listen, problem="that is no address")


def disk(directory: Path) -> Iterator[Finding]:
    """Space where reports are stored."""
    try:
        free_bytes = shutil.disk_usage(directory).free
    except OSError:
        return
    if free_bytes < LEAST_FREE_BYTES:
        yield finding("disk_full", free_mb=free_bytes // 1_000_000)


def gps(config: Config, directory: Path) -> Iterator[Finding]:
    """Whether the source of positions can be read; only while no hotspot runs here."""
    receiver = receiver_of(config, directory, SystemClock())
    if receiver is None:
        return
    if config.gpsd is not None:
        problem = _gpsd_problem(config.gpsd)
    else:
        place = config.nmea or config.gpx
        problem = (place and _open_problem(directory / place)) or asyncio.run(
            _reading_problem(receiver, may_be_silent=config.termux)
        )
    if problem:
        yield finding("gps_unreadable", source=receiver.name, problem=problem)


def _gpsd_problem(endpoint: Endpoint) -> str:
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=GPS_TIMEOUT_S) as connection:
            connection.settimeout(GPS_TIMEOUT_S)
            greeting = connection.recv(4_096)
    except OSError as error:
        return error.strerror or "it does not answer"
    except ValueError:  # a host that can be no name
        return f"{endpoint.host} is no address"
    return "" if b'"VERSION"' in greeting else "what answers there is no gpsd"


def _open_problem(path: Path) -> str:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError as error:
        return error.strerror or "it cannot be opened"
    return ""


async def _reading_problem(receiver: Receiver, *, may_be_silent: bool) -> str:
    """What a receiver's first readings show; a phone may take longer for one than anybody waits."""
    readings: asyncio.Queue[Fix | NoFix | Trouble] = asyncio.Queue()
    running = asyncio.ensure_future(receiver.run(readings.put_nowait))
    problem = "" if may_be_silent else "it says nothing"
    try:
        async with asyncio.timeout(GPS_TIMEOUT_S):
            while (reading := await readings.get()) is NoFix.MALFORMED:
                problem = "what it says cannot be read"
            problem = "it does not answer" if isinstance(reading, Trouble) else ""
    except TimeoutError:
        pass
    finally:
        running.cancel()
        await asyncio.wait({running})
    return problem


def forwarder_configs(config: Config, eui: str | None) -> Iterator[Finding]:
    """What stands in the configuration files of forwarders on this machine."""
    named = [Path(config.forwarder_config)] if config.forwarder_config else []
    places = named or [path for path in map(Path, forwarder_file.USUAL_PLACES) if os.access(path, os.R_OK)]
    for path in places:
        yield from forwarder_file.find(path, config.listen.port, eui)


# --- the clock ----------------------------------------------------------------------------------------------------


def clock(addresses: Sequence[str]) -> Iterator[Finding]:
    """Compares this clock with the Date of servers the network names; they tell whole seconds."""
    offsets_ms = [one for address in addresses[:MAX_CLOCK_SOURCES] if (one := http_offset_ms(address)) is not None]
    if offsets_ms:
        offset_ms = int(statistics.median(offsets_ms))
        if abs(offset_ms) > MAX_CLOCK_OFFSET_MS:
            yield clock_off(offset_ms, f"{len(offsets_ms)} server{'s' * (len(offsets_ms) != 1)} of the network")
            return
    if _is_unsynchronised():
        yield finding("clock_unsynchronised")


def http_offset_ms(address: str) -> int | None:
    """How far a server's clock is ahead of ours, within about half a second; None if it does not say."""
    before_s = time.time()
    try:
        with urllib.request.urlopen(address, timeout=HTTP_TIMEOUT_S) as response:  # noqa: S310 - from network.json, checked there
            date = response.headers.get("Date")
    except urllib.error.HTTPError as error:
        date = error.headers.get("Date")
        error.close()
    except (OSError, ValueError, http.client.HTTPException):  # the last: what answers there speaks no HTTP
        return None
    after_s = time.time()
    try:
        told = email.utils.parsedate_to_datetime(date or "")
    except (TypeError, ValueError):
        return None
    return round((told.timestamp() + 0.5 - (before_s + after_s) / 2) * 1_000)


def _is_unsynchronised() -> bool:
    """True if systemd-timesyncd runs here and has not reached a server."""
    runtime = Path("/run/systemd/timesync")
    return runtime.is_dir() and not (runtime / "synchronized").exists()
