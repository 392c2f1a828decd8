"""Asks a running hotspot what it does. Standard library only, so that `farfield hotspot status` is instant.

DIR/status.json tells where the hotspot of a directory answers.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from hotspot.files import write_whole

STATUS_FILE = "status.json"
HOST = "127.0.0.1"
TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a hotspot's status is, and where it listens for forwarders."""

    pid: int
    host: str
    port: int
    hotspot_id: str
    """Its name in paths: its id, or `listener-N` before it has a key."""
    listen: str


def write_pointer(directory: Path, port: int, hotspot_id: str, listen: str) -> None:
    """Says where this process answers for the hotspot of a directory."""
    pointer = Pointer(os.getpid(), HOST, port, hotspot_id, listen)
    write_whole(directory / STATUS_FILE, json.dumps(asdict(pointer)).encode() + b"\n")


class NotRunningError(Exception):
    """No hotspot answers for a directory; the message says what to do."""


class NotOursError(Exception):
    """Another program answers on the port a hotspot had."""


def _hint(directory: Path) -> str:
    return f"Start it with `farfield hotspot run --directory {directory}`."


def read_pointer(directory: Path) -> Pointer:
    """Where the hotspot of a directory answered last; NotRunningError if it never ran."""
    try:
        return Pointer(**json.loads((directory / STATUS_FILE).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise NotRunningError(f"No hotspot has run in {directory} yet. {_hint(directory)}") from error


def ask(directory: Path) -> dict[str, Any]:
    """What the hotspot of a directory says of itself; NotRunningError if none answers."""
    pointer, hint = read_pointer(directory), _hint(directory)
    try:
        answer = _get(pointer.host, pointer.port, f"/{pointer.hotspot_id}/status.json", dict)
    except (OSError, ValueError, NotOursError) as error:
        raise NotRunningError(
            f"The hotspot of {directory} does not run (last process id {pointer.pid}). {hint}"
        ) from error
    return answer


def ask_log(directory: Path) -> list[Any]:
    """The last events in the log of the hotspot that runs in a directory; NotRunningError if none does."""
    pointer = read_pointer(directory)
    try:
        answer = _get(pointer.host, pointer.port, "/log.json", list)
    except (OSError, ValueError, NotOursError) as error:
        raise NotRunningError(f"The hotspot of {directory} does not run. {_hint(directory)}") from error
    return answer


def _get(host: str, port: int, path: str, shape: type[T]) -> T:
    with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("ascii"))
        data = b""
        while len(data) <= MAX_ANSWER_BYTES and (piece := connection.recv(65_536)):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise NotOursError
    answer = json.loads(body)
    if not isinstance(answer, shape):
        raise NotOursError
    return answer
