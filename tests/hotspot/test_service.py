"""systemd is told the truth, and the unit says what it must."""

from __future__ import annotations

import asyncio
import configparser
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotspot import keys
from hotspot.command import group
from hotspot.config import CONFIG_FILE
from hotspot.keys import passphrase
from hotspot.running import service


class Watched:
    state, waiting_for = "waiting", "The chain is silent."


def test_says_ready_what_it_does_and_that_it_stops(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"}

        async def act() -> bytes:
            async with service.notifying(Watched(), environ):
                ready = systemd.recv(500)
                beat = await asyncio.to_thread(systemd.recv, 500)
                assert beat.startswith(b"WATCHDOG=1\n")
            return ready

        assert asyncio.run(act()) == b"READY=1\nSTATUS=waiting: The chain is silent."
        last = b""
        while not last.startswith(b"STOPPING"):
            last = systemd.recv(500)


def test_says_nothing_outside_systemd() -> None:
    assert not service.notify("READY=1", {})
    assert not service.notify("READY=1", {"NOTIFY_SOCKET": "/nowhere/at/all"})


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({}, 10.0),
        ({"WATCHDOG_USEC": "60000000"}, 10.0),
        ({"WATCHDOG_USEC": "4000000"}, 2.0),
        ({"WATCHDOG_USEC": "x"}, 10.0),
    ],
)
def test_beats_twice_as_often_as_systemd_waits(environ: dict[str, str], interval_s: float) -> None:
    assert service.watchdog_interval_s(environ) == interval_s


def sections(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return parser


def test_the_unit_waits_for_ready_and_is_shut_in(tmp_path: Path) -> None:
    unit = sections(service.unit(["/opt/farfield"], tmp_path, "pi"))["Service"]
    assert (unit["Type"], unit["User"], unit["ProtectSystem"]) == ("notify", "pi", "strict")
    assert unit["ExecStart"] == f"/opt/farfield hotspot run --directory {tmp_path}"
    assert unit["ReadWritePaths"] == str(tmp_path)


def test_odd_paths_are_quoted() -> None:
    unit = sections(service.unit(["/opt/farfield"], Path("/srv/a b/100%"), None))["Service"]
    assert unit["ExecStart"].endswith('"/srv/a b/100%%"')
    assert "User" not in unit


def printed(home: Path, *more: str) -> configparser.SectionProxy:
    arguments = ["service", "install", "--print", "--account", "pi", "--directory", str(home), *more]
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 0, result.output
    return sections(result.output)["Service"]


def test_a_hotspot_that_reads_no_device_sees_none(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text('nmea = "log.nmea"\n')
    assert printed(tmp_path)["PrivateDevices"] == "yes"


def test_a_serial_receiver_or_a_token_stays_within_reach(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text('nmea = "/dev/ttyACM0"\n')
    assert "PrivateDevices" not in printed(tmp_path)
    (tmp_path / CONFIG_FILE).unlink()
    (tmp_path / keys.TOKEN_FILE).touch()
    assert "PrivateDevices" not in printed(tmp_path)


def test_the_passphrase_is_handed_over_by_systemd(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse")
    unit = printed(tmp_path, "--passphrase-file", str(tmp_path / "secret"))
    assert unit["LoadCredential"] == f"{passphrase.CREDENTIAL}:{tmp_path / 'secret'}"


def test_print_changes_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["service", "install", "--print", "--directory", str(tmp_path)])
    assert result.exit_code == 0
    assert "Type=notify" in result.output


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "farfield-hotspot.service"
    path.write_text(service.unit(["/bin/true"], tmp_path, None))
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert "farfield-hotspot.service" not in done.stderr
