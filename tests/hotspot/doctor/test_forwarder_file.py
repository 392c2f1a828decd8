"""A forwarder's global_conf.json, comments and all."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotspot.doctor import forwarder_file

GOOD = """/* Semtech's file */
{ "SX130x_conf": { "com_type": "SPI", // "antenna_gain": 9,
    "antenna_gain": GAIN, /* dBi */ "url": "http://a//b" },
  "gateway_conf": { "gateway_ID": "EUI", "server_address": "localhost", "serv_port_up": UP, "serv_port_down": 1680 } }
"""


def codes(path: Path, gain: object = 0, eui: str = "0016C001FF10A235", up: int = 1_680) -> list[str]:
    path.write_text(GOOD.replace("GAIN", str(gain)).replace("EUI", eui).replace("UP", str(up)))
    return [one.code for one in forwarder_file.find(path, 1_680)]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"gain": 3}, ["antenna_gain"]),
        ({"gain": 2.5}, ["antenna_gain"]),
        ({"eui": "AA555A0000000000"}, ["default_eui"]),
        ({"up": 1_700}, ["file_server"]),
    ],
)
def test_names_what_does_not_fit(tmp_path: Path, changed: dict[str, object], expected: list[str]) -> None:
    assert codes(tmp_path / "global_conf.json", **changed) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_file_that_is_none_is_a_finding(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    assert [one.code for one in forwarder_file.find(tmp_path / "f", 1)] == ["file_unreadable"]


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    assert [one.code for one in forwarder_file.find(tmp_path / "none", 1)] == ["file_unreadable"]
