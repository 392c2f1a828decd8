"""hotspot.toml: every key is read or named."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotspot import config
from hotspot.config import Config, Endpoint


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    assert config.load(tmp_path) == Config()


def test_reads_every_key() -> None:
    text = """
    network = "https://farfield.example/network.json"
    listen = "[::1]:1700"
    transmit_forwarder = "AA555A0000000101"
    transmit_delay_ms = 1000
    network_servers = ["localhost:1700", "[::1]:1701"]
    status_port = 8081
    gpsd = "localhost:2947"
    gpsd_device = "/dev/ttyACM0"
    mapper_resolution = 10
    validators = ["0x0101010101010101010101010101010101010101"]
    """
    assert config.parse(text) == Config(
        network="https://farfield.example/network.json",
        listen=Endpoint("::1", 1700),
        transmit_forwarder=bytes.fromhex("AA555A0000000101"),
        transmit_delay_ms=1_000,
        network_servers=(Endpoint("localhost", 1_700), Endpoint("::1", 1_701)),
        status_port=8_081,
        gpsd=Endpoint("localhost", 2_947),
        gpsd_device="/dev/ttyACM0",
        mapper_resolution=10,
        validators=(b"\x01" * 20,),
    )


def test_an_unknown_key_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(config.ConfigError, match=r"unknown key `listn`; did you mean `listen`\?$"):
        config.parse('listn = "127.0.0.1:1680"')


def test_names_the_file_of_an_error(tmp_path: Path) -> None:
    (tmp_path / config.CONFIG_FILE).write_text("gain = 3")
    with pytest.raises(config.ConfigError, match=r"hotspot\.toml: unknown key `gain`"):
        config.load(tmp_path)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("listen = 1680", "`listen`"),
        ('listen = "127.0.0.1"', "`listen`"),
        ('listen = "127.0.0.1:66000"', "`listen`"),
        ('transmit_forwarder = "AA55"', "`transmit_forwarder`"),
        ('transmit_forwarder = "zz555A0000000101"', "`transmit_forwarder`"),
        ('network_servers = "localhost:1700"', "`network_servers`"),
        ('network_servers = ["localhost:1700", "localhost:1700"]', "the same server"),
        ("transmit_delay_ms = -1", "`transmit_delay_ms`"),
        ("transmit_delay_ms = true", "`transmit_delay_ms`"),
        ("mapper_resolution = 12", "`mapper_resolution`"),
        ('validators = "0x01"', "`validators`"),
        ('gpsd_device = ""', "`gpsd_device`"),
        ("listen =", "not a TOML file"),
    ],
)
def test_a_wrong_value_is_named(line: str, named: str) -> None:
    with pytest.raises(config.ConfigError, match=named):
        config.parse(line)


def test_a_fresh_file_reads_back() -> None:
    text = config.new_file("127.0.0.1:1700", "127.0.0.1:2947", "mapper-3")
    assert config.parse(text) == Config(
        listen=Endpoint("127.0.0.1", 1_700), gpsd=Endpoint("127.0.0.1", 2_947), gpsd_device="mapper-3"
    )


# --- where values come from ---------------------------------------------------------------------------------------


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / config.CONFIG_FILE).write_text('listen = "127.0.0.1:1"\nstatus_port = 1\ntransmit_delay_ms = 1\n')
    environ = {"FARFIELD_HOTSPOT_STATUS_PORT": "2", "FARFIELD_HOTSPOT_TRANSMIT_DELAY_MS": "2", "HOME": "/"}
    found = config.load(tmp_path, environ, {"transmit_delay_ms": "3"})
    assert (found.listen.port, found.status_port, found.transmit_delay_ms) == (1, 2, 3)


def test_text_from_the_environment_can_be_a_list_or_digits(tmp_path: Path) -> None:
    environ = {
        "FARFIELD_HOTSPOT_VALIDATORS": '["0x0101010101010101010101010101010101010101"]',
        "FARFIELD_HOTSPOT_TRANSMIT_FORWARDER": "1234567890123456",
    }
    found = config.load(tmp_path, environ)
    assert found.validators == (b"\x01" * 20,)
    assert found.transmit_forwarder == bytes.fromhex("1234567890123456")


def test_an_unknown_variable_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="did you mean `FARFIELD_HOTSPOT_LISTEN`"):
        config.load(tmp_path, {"FARFIELD_HOTSPOT_LISTN": "127.0.0.1:1"})


def test_an_unknown_flag_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="--set: unknown key `gpds`; did you mean `gpsd`"):
        config.load(tmp_path, {}, {"gpds": "x"})


def test_a_wrong_value_of_a_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="`status_port`"):
        config.load(tmp_path, {"FARFIELD_HOTSPOT_STATUS_PORT": "many"})


def test_a_network_is_added_once_and_before_any_table() -> None:
    once = config.with_network('listen = "127.0.0.1:1"\n', "a.json")
    assert config.parse(once).network == "a.json"
    assert config.with_network(once, "b.json") == once
