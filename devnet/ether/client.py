"""A small synchronous client of the ether's control socket, for `farfield devnet attach` and the supervisor."""

from __future__ import annotations

import json
import socket
from typing import Any

CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 4 * 1024 * 1024
READ_BYTES = 65_536


class EtherError(Exception):
    """What can go wrong with a request to the ether."""


class EtherUnreachableError(EtherError):
    """No ether answers there; start one or name the right address."""


class EtherRefusedError(EtherError):
    """The ether refused the request; its sentence says why."""


class EtherClient:
    """One connection to an ether at "HOST:PORT"; a context manager."""

    def __init__(self, address: str) -> None:
        """Connects; EtherUnreachableError if nothing listens there."""
        host, _, port = address.rpartition(":")
        try:
            self._socket = socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S)
        except (OSError, ValueError, OverflowError) as error:
            raise EtherUnreachableError(f"no ether answers at {address}: {error}; is the devnet running?") from error
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        self._unread = b""

    def __enter__(self) -> EtherClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def attach(self, station: dict[str, Any]) -> dict[str, Any]:
        """Puts a station on air; `station` as in the configuration. Answers {"name", "eui", "gpsd_device"}."""
        return self.ask("attach", **station)

    def detach(self, name: str) -> None:
        """Takes a station off."""
        self.ask("detach", name=name)

    def stations(self) -> list[dict[str, Any]]:
        """Every station with place, EUI and counters."""
        return list(self.ask("stations")["stations"])

    def report(self) -> dict[str, Any]:
        """The account so far without its rows; the ether also writes it, with rows, to its report file."""
        return dict(self.ask("report")["report"])

    def finish(self, at_ms: int | None = None) -> None:
        """Ends a replay: frames that start at or after this unix time (default: now) carry no measured row."""
        self.ask("finish", **({} if at_ms is None else {"at_ms": at_ms}))

    def stop(self) -> None:
        """Tells the ether to write its final report and end."""
        self.ask("stop")

    def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        """One request and its answer; EtherRefusedError with a sentence, EtherUnreachableError if the ether is gone."""
        request = json.dumps({"do": command, **fields}).encode() + b"\n"
        try:
            self._socket.sendall(request)
            answer = json.loads(self._read_line())
        except (OSError, ValueError) as error:
            raise EtherUnreachableError(f"the ether does not answer: {error}") from error
        if "error" in answer:
            raise EtherRefusedError(answer["error"])
        return dict(answer)

    def _read_line(self) -> bytes:
        while b"\n" not in self._unread:
            chunk = self._socket.recv(READ_BYTES)
            if not chunk:
                raise ConnectionError("it closed the connection")
            self._unread += chunk
            if len(self._unread) > MAX_ANSWER_BYTES:
                raise ConnectionError("its answer has no end")
        line, _, self._unread = self._unread.partition(b"\n")
        return line
