"""hotspot.toml: how this machine reaches its radio, its position and its validators.

What the network knows of a hotspot (cell, antenna gain, kind) is read from the chain, never from here.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from protocol.limits import MAX_MAPPER_RESOLUTION, MIN_MAPPER_RESOLUTION

CONFIG_FILE = "hotspot.toml"
DEFAULT_LISTEN = "127.0.0.1:1680"
SX1302_TRANSMIT_DELAY_MS = 80
MAX_TRANSMIT_DELAY_MS = 2_000
DEFAULT_MAPPER_RESOLUTION = 9


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

    listen: Endpoint = Endpoint("127.0.0.1", 1680)
    """Where packet forwarders send; port 0 picks a free one."""
    transmit_forwarder: bytes | None = None
    """EUI of the forwarder that transmits; None: the first that connects."""
    transmit_delay_ms: int = SX1302_TRANSMIT_DELAY_MS
    """From order to air: 80 with an SX1302 forwarder, 1,000 with an SX1301 one."""
    status_port: int = 0
    """Port of the local status page on 127.0.0.1; 0 picks a free one."""
    gpsd: Endpoint | None = None
    """A mapper's source of positions."""
    gpsd_device: str | None = None
    """Use only this receiver of that gpsd."""
    mapper_resolution: int = DEFAULT_MAPPER_RESOLUTION
    """H3 resolution of the cell a mapper tells, 8-11."""
    validators: tuple[bytes, ...] = ()
    """Owner accounts to deliver to; empty: every validator of the network."""


def load(directory: Path) -> Config:
    """The settings in a hotspot's directory; the defaults where there is no file. ConfigError for anything unclear."""
    path = directory / CONFIG_FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {path}: {error}.") from error
    try:
        return parse(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse(text: str) -> Config:
    """Settings from the text of a hotspot.toml."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not a TOML file: {error}.") from error
    known = [spec.name for spec in fields(Config)]
    for key in tree:
        if key not in known:
            raise ConfigError(f"unknown key `{key}`{_nearest(key, known)}.")
    return Config(**{key: _read(key, value) for key, value in tree.items()})


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"; did you mean `{near[0]}`?" if near else f"; known keys are {', '.join(known)}"


def _read(key: str, value: Any) -> Any:
    try:
        return READERS[key](value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"`{key}`: {error}.") from error


def endpoint(value: object) -> Endpoint:
    """HOST:PORT, with brackets round an IPv6 host; ValueError otherwise."""
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
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


READERS: Mapping[str, Callable[[Any], Any]] = {
    "listen": endpoint,
    "transmit_forwarder": _bytes(8, "a gateway EUI"),
    "transmit_delay_ms": _whole(0, MAX_TRANSMIT_DELAY_MS),
    "status_port": _whole(0, 65_535),
    "gpsd": endpoint,
    "gpsd_device": _text,
    "mapper_resolution": _whole(MIN_MAPPER_RESOLUTION, MAX_MAPPER_RESOLUTION),
    "validators": _accounts,
}


def new_file(listen: str, gpsd: str | None = None, gpsd_device: str | None = None) -> str:
    """The text of a fresh hotspot.toml."""
    lines = [
        "# How this hotspot reaches its radio. What the network knows of it is on chain, not here.",
        f'listen = "{listen}"             # where your packet forwarder sends (its server_address and ports)',
        '# transmit_forwarder = "AA555A0000000101"   # which forwarder transmits, if several send here',
        "# transmit_delay_ms = 1000      # with an SX1301 forwarder; an SX1302 one takes 80",
    ]
    if gpsd is not None:
        lines.append(f'gpsd = "{gpsd}"               # where a mapper asks for its position')
    if gpsd_device is not None:
        lines.append(f'gpsd_device = "{gpsd_device}"')
    return "\n".join(lines) + "\n"
