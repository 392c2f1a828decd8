"""Findings in a packet forwarder's own configuration: JSON with comments, as Semtech's program reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hotspot.doctor.findings import Finding, finding
from hotspot.doctor.running import FACTORY_EUIS

MAX_FILE_BYTES = 256 * 1024
COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|/\*.*?\*/|//[^\n]*', re.DOTALL)
USUAL_PLACES = (
    "/etc/global_conf.json",
    "/etc/lora/global_conf.json",
    "/etc/lora_pkt_fwd/global_conf.json",
    "/opt/ttn-gateway/packet_forwarder/lora_pkt_fwd/global_conf.json",
    "/opt/ttn-gateway/bin/global_conf.json",
    "/var/etc/global_conf.json",
)


def find(path: Path, listen_port: int, eui: str | None = None) -> list[Finding]:
    """What is wrong in a global_conf.json for a hotspot that listens on this port."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
        tree = json.loads(COMMENT.sub(lambda match: match.group(1) or " ", text))
    except OSError as error:
        return [finding("file_unreadable", path=path, problem=error.strerror)]
    except (ValueError, RecursionError) as error:
        return [finding("file_unreadable", path=path, problem=str(error))]
    if not isinstance(tree, dict):
        return [finding("file_unreadable", path=path, problem="it is no JSON object")]
    gateway = tree.get("gateway_conf")
    gateway = gateway if isinstance(gateway, dict) else {}
    name = str(gateway.get("gateway_ID", eui or "of this machine")).lower()
    return [*_gain(tree, path, name), *_server(gateway, path, listen_port), *_eui(gateway)]


def _gain(tree: dict[str, Any], path: Path, eui: str) -> Iterator[Finding]:
    gains_dbi = [value for value in _values(tree, "antenna_gain") if isinstance(value, int | float) and value]
    if gains_dbi:
        problem = f"has antenna_gain {gains_dbi[0]:g} in {path.name}, so it sends that much less than it is asked"
        yield finding("antenna_gain", eui=eui, problem=problem)


def _values(tree: Any, key: str, depth: int = 0) -> Iterator[Any]:
    """Every value of a key, wherever it stands: SX1301 has it in SX1301_conf, SX1302 in SX130x_conf."""
    if not isinstance(tree, dict) or depth > 8:
        return
    for name, value in tree.items():
        if name == key:
            yield value
        yield from _values(value, key, depth + 1)


def _server(gateway: dict[str, Any], path: Path, listen_port: int) -> Iterator[Finding]:
    up, down = gateway.get("serv_port_up"), gateway.get("serv_port_down")
    if up is None or down is None or (up == listen_port and down == listen_port):
        return
    found = f"{gateway.get('server_address', 'nowhere')}, ports {up} and {down}"
    yield finding("file_server", path=path, found=found, port=listen_port)


def _eui(gateway: dict[str, Any]) -> Iterator[Finding]:
    eui = str(gateway.get("gateway_ID", "")).lower()
    if eui in FACTORY_EUIS:
        yield finding("default_eui", eui=eui)
