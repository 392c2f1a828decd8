"""Machines on which something answers, but not what was meant: a finding each, never a traceback."""

from __future__ import annotations

import json
import os
import socket
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotspot.command import group
from hotspot.config import CONFIG_FILE, Config, Endpoint
from hotspot.doctor import machine
from tests.hotspot.plain_talker import talking
from tests.hotspot.positions.test_gpx import START_MS, track
from tests.hotspot.positions.test_nmea import rmc


def gps(config: Config, directory: Path) -> list[str]:
    return [one.sentence for one in machine.gps(config, directory)]


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "GPS_TIMEOUT_S", 0.3)


# --- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["listn = 1", "listen =", "\xff"])
def test_settings_that_cannot_be_used_are_a_finding_of_doctor_with_its_exit_code(tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIG_FILE).write_bytes(text.encode("latin-1"))
    result = CliRunner().invoke(group, ["doctor", "--directory", str(tmp_path), "--json"])
    assert result.exit_code == 3
    codes = [one["code"] for one in json.loads(result.output)["findings"]]
    assert codes[0] == "config_invalid"
    assert "network_missing" not in codes


def test_a_bundle_is_made_of_a_hotspot_whose_settings_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("listn = 1")
    out = tmp_path / "bundle.tar.gz"
    result = CliRunner().invoke(group, ["support-bundle", "--directory", str(tmp_path), "--out", str(out)])
    assert result.exit_code == 0
    with tarfile.open(out) as tar:
        found = tar.extractfile("farfield-support/doctor.json")
        assert found is not None and b"config_invalid" in found.read()


def test_the_network_of_the_settings_is_the_one_examined(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text('network = "nowhere.json"\nlisten = "127.0.0.1:0"\n')
    result = CliRunner().invoke(group, ["doctor", "--directory", str(tmp_path), "--json"])
    named = {one["code"]: one["sentence"] for one in json.loads(result.output)["findings"]}
    assert "nowhere.json" in named["network_invalid"]


# --- positions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["nmea", "gpx"])
def test_a_position_file_that_is_not_there_is_named_with_the_reason(tmp_path: Path, key: str) -> None:
    (sentence,) = gps(Config(**{key: "absent"}), tmp_path)
    assert str(tmp_path / "absent") in sentence
    assert "No such file" in sentence


def test_a_receiver_that_says_nothing_is_a_finding(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "receiver")
    (sentence,) = gps(Config(nmea="receiver"), tmp_path)
    assert "it says nothing" in sentence


@pytest.mark.parametrize("key", ["nmea", "gpx"])
def test_a_position_file_that_is_none_is_a_finding(tmp_path: Path, key: str) -> None:
    (tmp_path / "file").write_bytes(b"hello\nhello\n")
    (sentence,) = gps(Config(**{key: "file"}), tmp_path)
    assert "cannot be read" in sentence


def test_position_files_that_can_be_read_are_fine(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"half a sentence\r\n" + rmc() + b"\r\n")
    (tmp_path / "track").write_bytes(track([(START_MS, 48.0, 9.0)]))
    assert gps(Config(nmea="log"), tmp_path) == gps(Config(gpx="track"), tmp_path) == gps(Config(), tmp_path) == []


def test_a_phone_without_termux_api_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (sentence,) = gps(Config(termux=True), tmp_path)
    assert "termux-location" in sentence


@pytest.mark.parametrize(("host", "problem"), [("a..b", "no address"), ("a" * 70 + ".b", "no address")])
def test_a_gpsd_whose_name_can_be_none_is_a_finding(tmp_path: Path, host: str, problem: str) -> None:
    (sentence,) = gps(Config(gpsd=Endpoint(host, 2_947)), tmp_path)
    assert problem in sentence


def test_what_is_no_gpsd_is_a_finding(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        (sentence,) = gps(Config(gpsd=Endpoint("127.0.0.1", server.getsockname()[1])), tmp_path)
    assert "does not answer" in sentence or "timed out" in sentence


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b", "2001:db8::1"])
def test_an_address_this_machine_does_not_have_is_not_called_a_taken_port(host: str) -> None:
    assert [one.code for one in machine.port(Endpoint(host, 0))] == ["listen_unusable"]


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2p1\r\n", b"", b"HTTP/1.1 two hundred\r\n\r\n"])
def test_a_server_that_speaks_no_http_tells_no_time(answer: bytes) -> None:
    with talking(answer) as port:
        assert machine.http_offset_ms(f"http://127.0.0.1:{port}/") is None


def test_an_address_that_can_be_none_tells_no_time() -> None:
    assert machine.http_offset_ms("http://a..b/") is None
    assert machine.http_offset_ms("http://127.0.0.1:port/") is None
