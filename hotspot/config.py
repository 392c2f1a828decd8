"""hotspot.toml: how this machine reaches its radio, its position and its validators.

Every key can also come from the environment (FARFIELD_HOTSPOT_LISTEN for `listen`), which wins over the file, and from
flags, which win over both. A key nobody knows is an error with the nearest one that exists, wherever it comes from.
What the network knows of a hotspot (cell, antenna gain, kind) is read from the chain, never from here.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hotspot.quiet import Zone
from protocol.limits import MAX_MAPPER_RESOLUTION, MIN_MAPPER_RESOLUTION

CONFIG_FILE = "hotspot.toml"
ENVIRONMENT_PREFIX = "FARFIELD_HOTSPOT_"
DEFAULT_LISTEN = "127.0.0.1:1680"
MAX_TRANSMIT_DELAY_MS = 2_000
MAX_NETWORK_SERVERS = 8
DEFAULT_MAPPER_RESOLUTION = 9
DEFAULT_QUIET_HOME_M, MAX_QUIET_M = 1_000, 100_000
MAX_QUIET_ZONES = 64
POSITION_SOURCES = ("gpsd", "nmea", "gpx", "termux")


class ConfigError(Exception):
    """hotspot.toml cannot be used; the message names the key and what to write instead."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Config:
    """One hotspot's settings."""

    network: str | None = None
    """The network's file or address; None: it listens only."""
    listen: Endpoint = Endpoint("127.0.0.1", 1680)
    """Where packet forwarders send; port 0 picks a free one."""
    transmit_forwarder: bytes | None = None
    """EUI of the forwarder that transmits; None: the first that connects."""
    transmit_delay_ms: int | None = None
    """From order to air; None: as the forwarder's packets look, 80 with an SX1302 and 1,000 with an SX1301."""
    forwarder_config: str | None = None
    """The packet forwarder's global_conf.json, if it can be read from here; it is checked for an antenna gain."""
    network_servers: tuple[Endpoint, ...] = ()
    """LoRaWAN network servers (GWMP) that get what is not Farfield's, and whose downlinks are sent; at most 8."""
    status_port: int = 0
    """Port of the local status page on 127.0.0.1; 0 picks a free one."""
    wifi_bridge: str | None = None
    """Socket of the Wi-Fi bridge, beside hotspot.toml or absolute, where the radio is Wi-Fi; None: it is LoRa."""
    wifi_scan: bool = False
    """Witness with this Android phone's ordinary Wi-Fi scans; it sends no beacons then."""
    gpsd: Endpoint | None = None
    """A mapper's source of positions; or one of nmea, gpx and termux."""
    gpsd_device: str | None = None
    """Use only this receiver of that gpsd."""
    nmea: str | None = None
    """A receiver's device, or a file of NMEA sentences that something goes on writing."""
    gpx: str | None = None
    """A GPX track that something goes on writing."""
    gpx_replay: bool = False
    """Play a recorded track from the start of the process on; for trying things out."""
    termux: bool = False
    """Ask the Android phone this runs on."""
    mapper_resolution: int = DEFAULT_MAPPER_RESOLUTION
    """H3 resolution of the cell a mapper tells, 8-11."""
    home: tuple[float, float] | None = None
    """A mapper's home in degrees; None: anywhere in the cell it is registered in. It never leaves this machine."""
    quiet_home_m: int = DEFAULT_QUIET_HOME_M
    """Round home a mapper neither beacons nor reports; 0: it does."""
    quiet_zones: tuple[Zone, ...] = ()
    """More such places."""
    validators: tuple[bytes, ...] = ()
    """Owner accounts to deliver to; empty: every validator of the network."""

    def __post_init__(self) -> None:
        contradiction = next(_contradictions(self), None)
        if contradiction is not None:
            raise ConfigError(contradiction)


def _contradictions(config: Config) -> Iterator[str]:
    """Settings that cannot hold together, or of which one would do nothing."""
    named = [key for key in POSITION_SOURCES if getattr(config, key)]
    if len(named) > 1:
        yield f"{' and '.join(named)} are set; a mapper has one source of positions."
    if config.wifi_bridge and config.wifi_scan:
        yield "`wifi_bridge` and `wifi_scan` are set; a hotspot has one radio, so leave one of them out."
    if config.network_servers and (config.wifi_bridge or config.wifi_scan):
        yield "`network_servers` get what a LoRa gateway hears; leave them out where the radio is Wi-Fi."
    if any(server.port == 0 for server in config.network_servers):
        yield "`network_servers`: 0 is no server's port; most listen on 1700."
    if config.gpsd is not None and config.gpsd.port == 0:
        yield "`gpsd`: 0 is no server's port; gpsd listens on 2947."
    if config.gpsd_device and config.gpsd is None:
        yield "`gpsd_device` picks a receiver of a gpsd; set `gpsd` as well."
    if config.gpx_replay and config.gpx is None:
        yield "`gpx_replay` plays a track; name it with `gpx`."
    if len(set(config.validators)) < len(config.validators):
        yield "`validators`: the same account stands there twice."


def load(directory: Path, environ: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None) -> Config:
    """The settings of a hotspot's directory; the defaults where there is no file. ConfigError for anything unclear.

    `environ`: variables that win over the file; `flags`: values that win over both, as text or as TOML gives them.
    """
    settings = _file(directory / CONFIG_FILE)
    for name, text in sorted((environ or {}).items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower()
            settings[key] = _known(key, text, f"{name}: ", ENVIRONMENT_PREFIX, str.upper)
    for key, value in (flags or {}).items():
        settings[key] = _known(key, value, "--set: ")
    return Config(**settings)


def differing(text: str, given: Mapping[str, Any]) -> list[str]:
    """The keys for which a hotspot.toml's text means something else than what is given. ConfigError."""
    config = parse(text)
    return [key for key, value in given.items() if getattr(config, key) != _known(key, value)]


def _file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {path}: {error}.") from error
    try:
        return _settings(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse(text: str) -> Config:
    """Settings from the text of a hotspot.toml."""
    return Config(**_settings(text))


def _settings(text: str) -> dict[str, Any]:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not a TOML file: {error}.") from error
    return {key: _known(key, value) for key, value in tree.items()}


def _known(key: str, value: Any, where: str = "", prefix: str = "", spelled: Callable[[str], str] = str) -> Any:
    """A value read by its key; ConfigError names the nearest key if there is none such."""
    known = [spec.name for spec in fields(Config)]
    if key not in known:
        near = [prefix + spelled(one) for one in known]
        raise ConfigError(f"{where}unknown key `{prefix}{spelled(key)}`{_nearest(prefix + spelled(key), near)}")
    try:
        return _read(key, value)
    except ConfigError as error:
        if where and isinstance(value, str):
            return _read_text(key, value, error)
        raise


def _read_text(key: str, text: str, problem: ConfigError) -> Any:
    """A value given as text where the key wants a number or a list."""
    try:
        return _read(key, tomllib.loads(f"value = {text}")["value"])
    except (tomllib.TOMLDecodeError, ConfigError):
        raise problem from None


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"; did you mean `{near[0]}`?" if near else f"; known keys are {', '.join(known)}."


def _read(key: str, value: Any) -> Any:
    try:
        return READERS[key](value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"`{key}`: {error}.") from error


def endpoint(value: object) -> Endpoint:
    """HOST:PORT, with brackets round an IPv6 host; ValueError otherwise."""
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65_535:
        raise ValueError(f'expected "HOST:PORT", found {value!r}')
    return Endpoint(host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port))


def _whole(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"expected a whole number from {least} to {most}, found {value!r}")
        return value

    return read


def _bytes(width: int, meaning: str) -> Callable[[object], bytes]:
    def read(value: object) -> bytes:
        digits = value.removeprefix("0x") if isinstance(value, str) else ""
        if len(digits) != 2 * width:
            raise ValueError(f"expected {meaning} as {2 * width} hexadecimal digits, found {value!r}")
        return bytes.fromhex(digits)

    return read


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected text, found {value!r}")
    return value


def _accounts(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list of accounts, found {value!r}")
    return tuple(_bytes(20, "an account")(one) for one in value)


def _endpoints(value: object) -> tuple[Endpoint, ...]:
    if not isinstance(value, list) or len(value) > MAX_NETWORK_SERVERS:
        raise ValueError(f'expected a list of at most {MAX_NETWORK_SERVERS} "HOST:PORT", found {value!r}')
    found = tuple(endpoint(one) for one in value)
    if len(set(found)) < len(found):
        raise ValueError("the same server stands there twice")
    return found


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, found {value!r}")
    return value


def _home(value: object) -> tuple[float, float]:
    zone = _zone(value, "LAT,LON", 2)
    return zone.latitude_deg, zone.longitude_deg


def _zones(value: object) -> tuple[Zone, ...]:
    if not isinstance(value, list) or len(value) > MAX_QUIET_ZONES:
        raise ValueError(f'expected a list of at most {MAX_QUIET_ZONES} "LAT,LON,METRES", found {value!r}')
    return tuple(_zone(one, "LAT,LON,METRES", 3) for one in value)


def _zone(value: object, form: str, parts: int) -> Zone:
    numbers = value.split(",") if isinstance(value, str) else []
    try:
        found = [float(one) for one in numbers]
    except ValueError:
        found = []
    if len(found) != parts or not (abs(found[0]) <= 90 and abs(found[1]) <= 180 and found[-1] * (parts - 2) >= 0):
        raise ValueError(f'expected "{form}" in degrees, found {value!r}')
    radius_m = found[2] if parts == 3 else 0
    if not radius_m <= MAX_QUIET_M:
        raise ValueError(f"expected at most {MAX_QUIET_M} metres, found {value!r}")
    return Zone(found[0], found[1], math.ceil(radius_m))


READERS: Mapping[str, Callable[[Any], Any]] = {
    "network": _text,
    "listen": endpoint,
    "transmit_forwarder": _bytes(8, "a gateway EUI"),
    "transmit_delay_ms": _whole(0, MAX_TRANSMIT_DELAY_MS),
    "forwarder_config": _text,
    "network_servers": _endpoints,
    "status_port": _whole(0, 65_535),
    "wifi_bridge": _text,
    "wifi_scan": _yes_or_no,
    "gpsd": endpoint,
    "gpsd_device": _text,
    "nmea": _text,
    "gpx": _text,
    "gpx_replay": _yes_or_no,
    "termux": _yes_or_no,
    "home": _home,
    "quiet_home_m": _whole(0, MAX_QUIET_M),
    "quiet_zones": _zones,
    "mapper_resolution": _whole(MIN_MAPPER_RESOLUTION, MAX_MAPPER_RESOLUTION),
    "validators": _accounts,
}


def new_file(listen: str, gpsd: str | None = None, gpsd_device: str | None = None, *more: str) -> str:
    """The text of a fresh hotspot.toml; `more` are lines to add."""
    lines = [
        "# How this hotspot reaches its radio. What the network knows of it is on chain, not here.",
        f"listen = {_quoted(listen)}             # where your packet forwarder sends (its server_address and ports)",
        '# transmit_forwarder = "AA555A0000000101"   # which forwarder transmits, if several send here',
        "# transmit_delay_ms = 1000      # from order to air, if the forwarder is none of Semtech's two",
        '# network_servers = ["HOST:1700"]   # your ChirpStack or TTN: it gets all else the gateway hears, and answers',
    ]
    if gpsd is not None:
        lines.append(f"gpsd = {_quoted(gpsd)}               # where a mapper asks for its position")
    if gpsd_device is not None:
        lines.append(f"gpsd_device = {_quoted(gpsd_device)}")
    return "\n".join([*lines, *more]) + "\n"


def setting(key: str, value: str | int) -> str:
    """One line of a hotspot.toml."""
    return f"{key} = {_quoted(value) if isinstance(value, str) else value}"


def with_network(text: str, network: str) -> str:
    """A hotspot.toml that names a network, if it named none; top-level keys stand before any table."""
    return text if _settings(text).get("network") is not None else f"{setting('network', network)}\n{text}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
