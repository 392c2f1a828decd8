"""Findings only this machine knows: settings, key, port, disk, clock. Each check makes as much progress as it can."""

from __future__ import annotations

import email.utils
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
from hotspot.config import Config, Endpoint
from hotspot.doctor import forwarder_file
from hotspot.doctor.findings import Finding, finding
from hotspot.doctor.running import MAX_CLOCK_OFFSET_MS, clock_off

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
    except OSError:
        yield finding("port_taken", listen=listen)


def disk(directory: Path) -> Iterator[Finding]:
    """Space where reports are stored."""
    try:
        free_bytes = shutil.disk_usage(directory).free
    except OSError:
        return
    if free_bytes < LEAST_FREE_BYTES:
        yield finding("disk_full", free_mb=free_bytes // 1_000_000)


def gps(config: Config) -> Iterator[Finding]:
    """Whether gpsd can be reached; only while no hotspot runs here."""
    if config.gpsd is None:
        return
    try:
        with socket.create_connection((config.gpsd.host, config.gpsd.port), timeout=GPS_TIMEOUT_S) as connection:
            connection.settimeout(GPS_TIMEOUT_S)
            greeting = connection.recv(4_096)
    except OSError as error:
        yield finding("gps_unreadable", source=config.gpsd, problem=error.strerror or "it does not answer")
        return
    if b'"VERSION"' not in greeting:
        yield finding("gps_unreadable", source=config.gpsd, problem="what answers there is no gpsd")


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
    except (OSError, ValueError):
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
