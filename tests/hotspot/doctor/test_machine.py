"""What only the machine knows."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hotspot import keys
from hotspot.config import CONFIG_FILE, Config, Endpoint
from hotspot.doctor import machine


class DateServer(BaseHTTPRequestHandler):
    """Tells a time that is `ahead_s` before ours."""

    ahead_s = 0.0

    def do_GET(self) -> None:
        self.send_response_only(404)
        self.send_header("Date", formatdate(time.time() + self.ahead_s, usegmt=True))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), DateServer) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()
        DateServer.ahead_s = 0.0


@pytest.mark.parametrize(("ahead_s", "expected"), [(0.0, []), (5.0, ["clock_off"]), (-5.0, ["clock_off"])])
def test_compares_the_clock_with_servers_of_the_network(server: str, ahead_s: float, expected: list[str]) -> None:
    DateServer.ahead_s = ahead_s
    assert [one.code for one in machine.clock([server]) if one.code == "clock_off"] == expected


def test_says_which_way_the_clock_is_off(server: str) -> None:
    DateServer.ahead_s = 30.0
    assert "s slow" in next(iter(machine.clock([server]))).sentence


def test_a_server_that_is_not_there_says_nothing() -> None:
    assert machine.http_offset_ms("http://127.0.0.1:1/") is None


def test_a_taken_port_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = Endpoint(*other.getsockname())
        assert [one.code for one in machine.port(taken)] == ["port_taken"]
    assert list(machine.port(taken)) == []


def test_settings_that_cannot_be_read_are_a_finding(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("listn = 1")
    config, found = machine.settings(tmp_path, {})
    assert config == Config()
    assert "did you mean `listen`" in found[0].sentence


def test_a_missing_key_and_one_others_can_read_are_findings(tmp_path: Path) -> None:
    assert [one.code for one in machine.key(tmp_path)[1]] == ["key_missing"]
    device = keys.create(tmp_path)
    assert machine.key(tmp_path) == (device.hotspot_id, [])
    (tmp_path / keys.KEY_FILE).chmod(0o644)
    assert [one.code for one in machine.key(tmp_path)[1]] == ["key_unusable"]


def test_a_gpsd_that_is_not_there_is_a_finding() -> None:
    found = list(machine.gps(Config(gpsd=Endpoint("127.0.0.1", 1)), Path()))
    assert [one.code for one in found] == ["gps_unreadable"]
    assert "Connection refused" in found[0].sentence
