"""The ether's configuration file and the description of one station, read from JSON into checked values.

The same description of a station is used in the file and in an `attach` message; whatever is wrong is a sentence.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devnet.ether.forwarder import ChannelPlan
from devnet.ether.places import Place, PlaceError, place
from devnet.ether.routes import (
    DEFAULT_RADIUS_M,
    DEFAULT_SPEED_M_S,
    MAX_RADIUS_M,
    MAX_SPEED_M_S,
    MAX_STOPS,
    Route,
    seeded_route,
)
from protocol import geo
from protocol.ids import CellId

MAX_STATIONS = 512
MAX_CHANNELS = 64
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
MOST_GAIN_DBI = 30
MOST_ID_CHARACTERS = 256
MAX_SEED = 2**63


class ConfigError(ValueError):
    """The configuration cannot be used; the text is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IP address and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def matching_local_host(self) -> str:
        """Where a socket binds that talks to this endpoint: loopback if it is loopback, else any address."""
        address = ipaddress.ip_address(self.host)
        if address.is_loopback:
            return "127.0.0.1" if address.version == 4 else "::1"
        return "0.0.0.0" if address.version == 4 else "::"  # noqa: S104 (the hotspot is on another machine)

    @property
    def pair(self) -> tuple[str, int]:
        return self.host, self.port


@dataclass(frozen=True, slots=True)
class StationConfig:
    """One station: a packet forwarder that speaks to a hotspot's port, or a Wi-Fi radio on a pipe to its bridge.

    `place` is None where the trace decides it; `mapper` and `receiver` are its part in the trace.
    """

    name: str
    hotspot: Endpoint | None
    is_mapper: bool
    place: Place | None
    gain_cdb: int
    route: Route | None = None
    mapper: tuple[str, CellId] | None = None
    receiver: str | None = None
    pipe: Path | None = None


@dataclass(frozen=True, slots=True)
class EtherConfig:
    """Everything one ether process is started with."""

    is_trace: bool
    seed: int
    control: Endpoint
    gpsd: Endpoint
    stations: tuple[StationConfig, ...]
    plan: ChannelPlan
    receptions: Path | None
    report: Path | None
    address_file: Path | None


def load_config(path: Path) -> EtherConfig:
    """The configuration in a JSON file; ConfigError says what is wrong with it."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot read the ether's configuration {path.name}: {error}") from error
    return read_config(tree)


def read_config(tree: object) -> EtherConfig:
    """A checked configuration from parsed JSON."""
    fields = _object(tree, "the configuration")
    channel = fields.get("channel")
    if channel not in ("simulated", "trace"):
        raise ConfigError('"channel" must be "simulated" or "trace"')
    seed = _whole(fields.get("seed", 0), "seed", 0, MAX_SEED)
    receptions = _path(fields, "receptions")
    if (channel == "trace") != (receptions is not None):
        raise ConfigError('"receptions" names the measured file of a "trace" channel and belongs to no other')
    entries = _list(fields.get("stations", []), "stations", MAX_STATIONS)
    return EtherConfig(
        is_trace=channel == "trace",
        seed=seed,
        control=_loopback(fields.get("control", "127.0.0.1:0"), "control"),
        gpsd=_loopback(fields.get("gpsd", "127.0.0.1:0"), "gpsd"),
        stations=tuple(read_station(entry, seed) for entry in entries),
        plan=_channel_plan(fields),
        receptions=receptions,
        report=_path(fields, "report"),
        address_file=_path(fields, "address_file"),
    )


def read_station(tree: object, seed: int) -> StationConfig:
    """A checked station; a simulated mapper without a route gets a seeded one around its place."""
    fields = _object(tree, "a station")
    name = fields.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError('"name" must be 1 to 64 letters, digits, dots, dashes or underscores')
    kind = fields.get("kind", "fixed")
    if kind not in ("fixed", "mapper"):
        raise ConfigError(f'{name}: "kind" must be "fixed" or "mapper"')
    mapper, receiver = _mapper_part(fields.get("mapper")), fields.get("receiver")
    if receiver is not None and (not isinstance(receiver, str) or len(receiver) > MOST_ID_CHARACTERS):
        raise ConfigError(f'{name}: "receiver" must be the rx_id of a receiver in the file')
    in_trace = mapper is not None or receiver is not None
    where = _place(fields, name, needed=not in_trace)
    pipe = _pipe(fields, name, in_trace=in_trace)
    is_mapper = kind == "mapper"
    roams = is_mapper and mapper is None and where is not None
    return StationConfig(
        name=name,
        hotspot=None if pipe else endpoint(fields.get("hotspot"), "hotspot"),
        is_mapper=is_mapper,
        place=where,
        gain_cdb=_centibel(fields.get("gain_dbi", 0), name),
        route=_route(fields.get("route"), seed, name, where) if roams and where else None,
        mapper=mapper,
        receiver=receiver,
        pipe=pipe,
    )


def _pipe(fields: dict[str, Any], name: str, *, in_trace: bool) -> Path | None:
    pipe = _path(fields, "pipe")
    if pipe is not None and ("hotspot" in fields or in_trace):
        raise ConfigError(f'{name}: a Wi-Fi station has a "pipe" and neither a "hotspot" nor a part in a trace')
    return pipe


def endpoint(value: object, name: str) -> Endpoint:
    """HOST:PORT with an IP address or "localhost" as the host."""
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        host = str(ipaddress.ip_address(host))
        number = int(port)
    except ValueError as error:
        raise ConfigError(f'"{name}" must be HOST:PORT with an IP address, for example 127.0.0.1:1680') from error
    if not 0 <= number < 2**16:
        raise ConfigError(f'"{name}": {number} is no port')
    return Endpoint(host, number)


def _loopback(value: object, name: str) -> Endpoint:
    found = endpoint(value, name)
    if not ipaddress.ip_address(found.host).is_loopback:
        raise ConfigError(f'"{name}" takes orders from anyone who reaches it and must be a loopback address')
    return found


def _object(tree: object, what: str) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise ConfigError(f"{what} must be a JSON object")
    return tree


def _list(tree: object, name: str, most: int) -> list[Any]:
    if not isinstance(tree, list) or len(tree) > most:
        raise ConfigError(f'"{name}" must be a list of at most {most} entries')
    return tree


def _whole(value: object, name: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigError(f'"{name}" must be a whole number from {least} to {most}')
    return value


def _path(fields: dict[str, Any], name: str) -> Path | None:
    value = fields.get(name)
    if value is not None and (not isinstance(value, str) or not value or "\0" in value):
        raise ConfigError(f'"{name}" must be the name of a file')
    return None if value is None else Path(value)


def _place(fields: dict[str, Any], name: str, needed: bool) -> Place | None:
    latitude, longitude = fields.get("lat"), fields.get("lon")
    if latitude is None and longitude is None and not needed:
        return None
    if not isinstance(latitude, (int, float, str)) or not isinstance(longitude, (int, float, str)):
        raise ConfigError(f'{name}: "lat" and "lon" must be numbers of degrees')
    try:
        return place(latitude, longitude)
    except PlaceError as error:
        raise ConfigError(f"{name}: {error}") from error


def _centibel(value: object, name: str) -> int:
    if not isinstance(value, (int, float)) or not abs(value) <= MOST_GAIN_DBI:
        raise ConfigError(f'{name}: "gain_dbi" must be a number of dBi from -{MOST_GAIN_DBI} to {MOST_GAIN_DBI}')
    return round(100 * value)


def _mapper_part(tree: object) -> tuple[str, CellId] | None:
    if tree is None:
        return None
    fields = _object(tree, '"mapper"')
    tx_id, cell = fields.get("tx_id"), fields.get("cell")
    try:
        index = int(cell, 16) if isinstance(cell, str) else 0
    except ValueError:
        index = 0
    if not isinstance(tx_id, str) or len(tx_id) > MOST_ID_CHARACTERS or not geo.is_cell(index, 8, 8):
        raise ConfigError('"mapper" must name a "tx_id" of the file and a "cell", an H3 index of resolution 8 in hex')
    return tx_id, CellId(index)


def _route(tree: object, seed: int, name: str, home: Place) -> Route:
    fields = {} if tree is None else _object(tree, '"route"')
    speed_m_s = _whole(fields.get("speed_m_s", DEFAULT_SPEED_M_S), "speed_m_s", 0, MAX_SPEED_M_S)
    radius_m = _whole(fields.get("radius_m", DEFAULT_RADIUS_M), "radius_m", 0, MAX_RADIUS_M)
    if "stops" not in fields:
        return seeded_route(seed, name, home, radius_m, speed_m_s)
    stops = _list(fields["stops"], "stops", MAX_STOPS)
    pairs = [stop for stop in stops if isinstance(stop, list) and len(stop) == 2]
    if not stops or len(pairs) != len(stops):
        raise ConfigError('"stops" must be a list of [latitude, longitude] pairs')
    return Route(tuple(_stop(latitude, longitude, name) for latitude, longitude in pairs), speed_m_s)


def _stop(latitude: object, longitude: object, name: str) -> Place:
    found = _place({"lat": latitude, "lon": longitude}, name, needed=True)
    assert found is not None
    return found


def _channel_plan(fields: dict[str, Any]) -> ChannelPlan:
    standard = ChannelPlan()
    listen = _list(fields.get("channels_hz", list(standard.listen_hz)), "channels_hz", MAX_CHANNELS)
    span = _list(fields.get("transmit_hz", [standard.least_transmit_hz, standard.most_transmit_hz]), "transmit_hz", 2)
    if not listen or len(span) != 2:
        raise ConfigError('"channels_hz" needs a channel and "transmit_hz" the lowest and the highest frequency')
    frequencies = [_whole(value, "channels_hz", 1, 10**10) for value in listen]
    least, most = (_whole(value, "transmit_hz", 1, 10**10) for value in span)
    return ChannelPlan(tuple(frequencies), least, most)
