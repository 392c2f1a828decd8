"""Commands that look: reports and why, earnings, frames, pcap."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from chain.network import dump
from hotspot import keys
from hotspot.command import group
from hotspot.looking import loratap
from hotspot.looking.map_facts import tokens
from hotspot.reporting.history import outbox_of
from hotspot.reporting.outbox import OUTBOX_FILE, CloseReport, KeepDelivery, KeepReport, Store
from hotspot.reporting.reports import WINDOW_PASSED, Delivery, Step
from protocol.ids import HotspotId
from tests.hotspot.clocks import until
from tests.hotspot.factories import report
from tests.hotspot.test_process import endpoint, listening_home, running
from tests.hotspot.test_start import FILE
from tests.hotspot.virtual_forwarder import VirtualForwarder, lora_packet


def farfield(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(one) for one in arguments])


# --- reports ------------------------------------------------------------------------------------------------------


def test_no_reports_is_a_sentence(tmp_path: Path) -> None:
    keys.create(tmp_path)
    assert "No reports are stored yet." in farfield("reports", "--directory", tmp_path).output


def test_lists_stored_reports_by_id_and_asks_nobody_without_why(tmp_path: Path) -> None:
    device = keys.create(tmp_path)
    stored = report(hotspot_id=HotspotId(device.hotspot_id))
    store = Store(tmp_path / OUTBOX_FILE)
    assert store.apply([[KeepReport(stored)]]) == [None]
    found = json.loads(farfield("reports", "--directory", tmp_path, "--json").output)["reports"]
    assert [(one["id"], one["delivery"]) for one in found] == [(stored.id.hex(), "under way")]
    prefix = stored.id.hex()[:6]
    assert (
        len(json.loads(farfield("reports", "--directory", tmp_path, "--id", prefix, "--json").output)["reports"]) == 1
    )
    assert json.loads(farfield("reports", "--directory", tmp_path, "--id", "ffffff", "--json").output)["reports"] == []
    store.close()


def test_why_without_a_validator_is_exit_code_5(tmp_path: Path) -> None:
    device = keys.create(tmp_path)
    (tmp_path / "network.json").write_text(dump(FILE))
    store = Store(tmp_path / OUTBOX_FILE)
    store.apply([[KeepReport(report(hotspot_id=HotspotId(device.hotspot_id)))]])
    store.close()
    result = farfield("reports", "--why", "--directory", tmp_path, "--network", tmp_path / "network.json")
    assert result.exit_code == 5


def test_why_names_what_expired_with_whom_and_why_even_when_nobody_answers_now(tmp_path: Path) -> None:
    device = keys.create(tmp_path)
    (tmp_path / "network.json").write_text(dump(FILE))
    expired, validator = report(hotspot_id=HotspotId(device.hotspot_id)), b"\xab" * 20
    store = Store(tmp_path / OUTBOX_FILE)
    notes = [Delivery(expired.id, validator, step, 5, WINDOW_PASSED, "UNAVAILABLE") for step in Step]
    close = CloseReport(expired.hotspot_id, expired.id, "reveal_window_passed", 6)
    assert store.apply([[KeepReport(expired), *map(KeepDelivery, notes), close]]) == [None]
    store.close()
    arguments = ("reports", "--why", "--directory", tmp_path, "--network", tmp_path / "network.json")
    said = farfield(*arguments)
    assert said.exit_code == 5
    assert "expired: too few validators took it" in said.output
    assert "0xabababab..: commit too late: the validator did not answer" in said.output
    (shape,) = json.loads(farfield(*arguments, "--json").stdout)["reports"]
    assert [(one["step"], one["why"]) for one in shape["offered"]] == [
        ("commit", "UNAVAILABLE"), ("reveal", "UNAVAILABLE")
    ]  # fmt: skip


def test_an_id_that_is_no_hex_is_a_usage_error(tmp_path: Path) -> None:
    assert farfield("reports", "--directory", tmp_path, "--id", "%").exit_code == 2


def test_finds_the_outbox_of_a_hosted_hotspot_in_the_parent(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    assert outbox_of(tmp_path / "one") is None
    (tmp_path / OUTBOX_FILE).touch()
    assert outbox_of(tmp_path / "one") == tmp_path / OUTBOX_FILE


# --- earnings -----------------------------------------------------------------------------------------------------


class Map(BaseHTTPRequestHandler):
    told: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.told | {"path": self.path}).encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def map_url() -> Iterator[str]:
    Map.told = {
        "earnings": [{"epoch": 5, "earned": "0"}, {"epoch": 6, "earned": str(25 * 10**17)}],
        "earned_total": str(10**20), "claimed": "0", "sentence": "It earned.",
    }  # fmt: skip
    with HTTPServer(("127.0.0.1", 0), Map) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_earnings_come_from_the_networks_map(tmp_path: Path, map_url: str) -> None:
    device = keys.create(tmp_path)
    network = tmp_path / "network.json"
    network.write_text(dump(dataclasses.replace(FILE, map_url=map_url, simulated={"what": "the ether"})))
    where = ("--directory", tmp_path, "--network", network)
    output = farfield("earnings", *where).output
    for part in ("Epoch      6", "2.50", "Earned in all 100", "Simulated: the ether"):
        assert part in output
    told = json.loads(farfield("earnings", *where, "--json").output)
    assert told["path"] == f"/v1/hotspots/0x{device.hotspot_id.hex()}"


def test_a_map_that_does_not_answer_is_exit_code_5(tmp_path: Path) -> None:
    keys.create(tmp_path)
    (tmp_path / "network.json").write_text(dump(FILE))
    where = ("--directory", tmp_path, "--network", tmp_path / "network.json")
    assert farfield("earnings", *where, "--map", "http://127.0.0.1:1").exit_code == 5


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (10**15, "0"), (10**16, "0.01"), (25 * 10**17, "2.50"), (10**19, "10"), (36_917 * 10**18 + 1, "36,917")],
)
def test_amounts_read_as_on_the_map(amount: int, text: str) -> None:
    from coverage_maps import sentences

    assert tokens(amount) == text == sentences.tokens(amount)


# --- radio --------------------------------------------------------------------------------------------------------


def test_captures_what_is_heard_into_a_pcap(tmp_path: Path) -> None:
    async def act() -> tuple[Result, Result]:
        async with running(listening_home(tmp_path)) as process, VirtualForwarder(endpoint(process)) as forwarder:
            forwarder.pull()

            async def feed() -> None:
                while True:
                    forwarder.push(lora_packet(b"\x40uplink", snr_cdb=-500))
                    await asyncio.sleep(0.02)

            feeding = asyncio.ensure_future(feed())
            await until(lambda: process.ears[0].heard)
            where = ("--directory", tmp_path, "--seconds", 10)
            tested = await asyncio.to_thread(farfield, "radio", "test", *where, "--json")
            captured = await asyncio.to_thread(
                farfield, "radio", "capture", *where, "--count", 2, "--pcap", tmp_path / "frames.pcap"
            )
            feeding.cancel()
            return tested, captured

    tested, captured = asyncio.run(act())
    assert json.loads(tested.output)["first_frame"]["payload"] == b"\x40uplink".hex()
    assert captured.exit_code == 0
    data = (tmp_path / "frames.pcap").read_bytes()
    assert struct.unpack("<IHHiIII", data[:24])[6] == loratap.LINK_TYPE_LORATAP
    assert data.count(b"\x40uplink") == 2


def test_silence_is_exit_code_3_and_no_hotspot_5(tmp_path: Path) -> None:
    async def act() -> Result:
        async with running(listening_home(tmp_path)):
            return await asyncio.to_thread(farfield, "radio", "test", "--directory", tmp_path, "--seconds", 1)

    assert asyncio.run(act()).exit_code == 3
    assert farfield("radio", "test", "--directory", tmp_path, "--seconds", 1).exit_code == 5


def test_a_loratap_header_says_channel_rate_and_levels() -> None:
    frame = {
        "received_at_ms": 1_500, "frequency_hz": 868_100_000, "bandwidth_hz": 125_000, "spreading_factor": 7,
        "rssi_cdb": -9_700, "snr_cdb": -500,
    }  # fmt: skip
    data = loratap.record(b"abc", frame)
    assert struct.unpack("<IIII", data[:16]) == (1, 500_000, 18, 18)
    version, _, length, frequency_hz, bandwidth, spreading, packet, rssi, _, snr, sync = loratap.HEADER.unpack(
        data[16:31]
    )
    assert (version, length, frequency_hz, bandwidth, spreading, sync) == (0, 15, 868_100_000, 1, 7, 0x34)
    assert (packet / 4 - 139, rssi - 139, snr - 256) == (-102.0, -97, -20)
