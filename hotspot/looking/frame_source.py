"""Frames as they are heard, for the command line, from the hotspot that runs in a directory."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hotspot.looking.status_client import NotRunningError, ask, read_pointer

READ_TIMEOUT_S = 3.0
MAX_LINE_BYTES = 16 * 1024

Frame = dict[str, Any]


class SourceError(Exception):
    """No frames can be had; a sentence."""


def frames(directory: Path, for_s: float) -> Iterator[Frame]:
    """Every frame the running hotspot of a directory hears within a time; `payload` is bytes. NotRunningError."""
    ask(directory)
    pointer, end = read_pointer(directory), time.monotonic() + for_s
    with socket.create_connection((pointer.host, pointer.port), timeout=READ_TIMEOUT_S) as connection:
        request = f"GET /{pointer.hotspot_id}/frames HTTP/1.1\r\nHost: {pointer.host}\r\n\r\n"
        connection.sendall(request.encode("ascii"))
        with contextlib.closing(connection.makefile("rb")) as stream:
            if b" 200 " not in stream.readline(MAX_LINE_BYTES):
                raise SourceError("The hotspot gives no frames: too many listen already.")
            while stream.readline(MAX_LINE_BYTES) not in (b"\r\n", b""):
                pass
            while time.monotonic() < end:
                line = stream.readline(MAX_LINE_BYTES)
                if not line:
                    raise NotRunningError("The hotspot was stopped.")
                if line != b"\n":
                    frame = json.loads(line)
                    yield frame | {"payload": base64.b64decode(frame["payload"])}
