"""Settings that would do nothing are refused, by `init` and by hotspot.toml itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from devnet.founding import WIFI_SOCKET
from hotspot import config
from hotspot.command import group
from hotspot.config import CONFIG_FILE


def init(directory: Path, *options: Any, answers: str = "") -> Result:
    return CliRunner().invoke(group, ["init", "--directory", str(directory), *map(str, options)], input=answers)


@pytest.mark.parametrize(
    ("option", "value", "key"),
    [
        ("--listen", "0.0.0.0:1680", "listen"),
        ("--wifi-bridge", "wifi.sock", "wifi_bridge"),
        ("--gpsd", "127.0.0.1:2947", "gpsd"),
        ("--status-port", 9_000, "status_port"),
        ("--status-port", 0, "status_port"),
    ],
)
def test_an_option_the_file_contradicts_is_named_and_nothing_is_written(
    tmp_path: Path, option: str, value: object, key: str
) -> None:
    assert init(tmp_path, "--non-interactive").exit_code == 0
    before = (tmp_path / CONFIG_FILE).read_bytes()
    again = init(tmp_path, "--non-interactive", option, value)
    assert again.exit_code == 1
    assert f"`{key}`" in again.output and option in again.output
    assert (tmp_path / CONFIG_FILE).read_bytes() == before


def test_options_as_the_file_has_them_are_fine(tmp_path: Path) -> None:
    options = ("--non-interactive", "--listen", "0.0.0.0:1700", "--gpsd", "127.0.0.1:2947", "--status-port", "9000")
    assert "is written" in init(tmp_path, *options).output
    again = init(tmp_path, *options)
    assert again.exit_code == 0
    assert "was there already" in again.output
    assert config.load(tmp_path).status_port == 9_000


def test_a_file_that_is_there_is_not_asked_about_and_the_next_steps_are_its_own(tmp_path: Path) -> None:
    init(tmp_path, "--non-interactive", "--listen", "0.0.0.0:1700", "--status-port", "9000")
    again = init(tmp_path)
    assert again.exit_code == 0
    for part in ("port 1700", "http://127.0.0.1:9000/"):
        assert part in again.output


def test_the_first_page_is_on_the_usual_port(tmp_path: Path) -> None:
    assert "http://127.0.0.1:8681/" in init(tmp_path, "--non-interactive").output
    assert config.load(tmp_path).status_port == 8_681


def test_a_device_without_its_gpsd_is_refused(tmp_path: Path) -> None:
    result = init(tmp_path, "--non-interactive", "--gpsd-device", "/dev/ttyACM0")
    assert result.exit_code == 1
    assert "set `gpsd` as well" in result.output
    assert not (tmp_path / CONFIG_FILE).exists()


ACCOUNT = '"0x0101010101010101010101010101010101010101"'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('wifi_bridge = "wifi.sock"\nwifi_scan = true', "one radio"),
        ('wifi_bridge = "wifi.sock"\nnetwork_servers = ["a:1700"]', "`network_servers`"),
        ('wifi_scan = true\nnetwork_servers = ["a:1700"]', "`network_servers`"),
        ('network_servers = ["a:1700", "b:0"]', "no server's port"),
        ('gpsd = "localhost:0"', "no server's port"),
        ('gpsd_device = "/dev/ttyACM0"', "`gpsd_device`"),
        ('nmea = "/dev/ttyACM0"\ngpsd_device = "/dev/ttyACM0"', "`gpsd_device`"),
        ("gpx_replay = true", "`gpx_replay`"),
        (f"validators = [{ACCOUNT}, {ACCOUNT}]", "twice"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(text: str, named: str) -> None:
    with pytest.raises(config.ConfigError, match=named):
        config.parse(text)


@pytest.mark.parametrize(
    "more",
    [
        (),
        (config.setting("wifi_bridge", WIFI_SOCKET),),
        (config.setting("wifi_bridge", WIFI_SOCKET), config.setting("quiet_home_m", 0)),
    ],
)
def test_the_devnets_own_settings_hold_together(more: tuple[str, ...]) -> None:
    config.parse(config.new_file("127.0.0.1:1680", "127.0.0.1:2947", "/dev/van", *more))
    config.parse(config.new_file("127.0.0.1:0", None, None, *more))


@pytest.mark.parametrize(
    "text",
    [
        'network_servers = ["eu1.cloud.thethings.network:1700", "chirpstack.example:1700"]',
        'gpx = "track.gpx"\ngpx_replay = true',
        'gpsd = "127.0.0.1:2947"\ngpsd_device = "/dev/ttyACM0"',
        "termux = true\nwifi_scan = true",
    ],
)
def test_what_the_owners_page_shows_holds_together(text: str) -> None:
    config.parse(text)
