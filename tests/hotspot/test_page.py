"""The owner's page: whole without scripts, says what is simulated, escapes what others wrote."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hotspot import logs
from hotspot.looking.status_client import HOST
from hotspot.page import chart, render
from hotspot.page.render import Seen
from tests.hotspot.clocks import until
from tests.hotspot.test_process import endpoint, listening_home, running
from tests.hotspot.virtual_forwarder import VirtualForwarder, lora_packet

HEARD = {
    "at_ms": 1_000, "what": "LoRaWAN uplink", "frequency_hz": 868_100_000, "spreading_factor": 7,
    "bandwidth_hz": 125_000, "rssi_cdb": -9_700, "snr_cdb": 520, "size": 20, "gateway": "02",
}  # fmt: skip
LISTENING: dict[str, Any] = {
    "hotspot_id": None, "state": "listening", "waiting_for": "There is no key yet.", "network": None, "now_ms": 5_000,
    "forwarders": [], "listen": "127.0.0.1:1680", "heard": [HEARD], "counters": {"rxpk": {"foreign": 1}},
    "findings": [], "validators": [],
}  # fmt: skip
VERDICT = {"reason": "TOO_FAR", "final": True, "sentence": "Farther apart than the radio's limit"}
PLAYING = LISTENING | {
    "hotspot_id": "80" * 32, "state": "playing", "waiting_for": "", "registered": True, "kind": "fixed", "cell": "8a1f",
    "region": "EU868", "epoch": 7, "epoch_ends_at_ms": 60_000, "next_slot": None, "clock_offset_ms": 90,
    "network": {"name": "devnet", "chain_id": 1, "simulated": "a radio ether", "map_url": ""},
    "neighbour": {"alone": True, "sentence": "Nearest neighbour 140 km: you need a mapper's visit.", "distance_m": 1},
    "validators": [{"reachable": True}, {"reachable": False}],
    "findings": [{"code": "clock_off", "level": "problem", "sentence": "The clock is off.", "fix": "Set it."}],
    "last_beacons": [
        {"epoch": 7, "slot": 1, "at_ms": 1_000, "outcome": "sent", "report_id": "ab" * 32, "verdict": VERDICT}
    ],
    "last_witnesses": [],
}  # fmt: skip
TOLD = {
    "earnings": [{"epoch": 5, "earned": "0"}, {"epoch": 6, "earned": str(10**20)}], "earned_total": str(10**20),
    "claimed": "0", "sentence": "It earned.", "epoch": 6,
    "connections": [
        {"hotspot": "0x" + "cd" * 32, "name": "<b>Nut</b>", "heard_by_it": 3, "heard_by_us": 2, "rssi_cdb": -9_000,
         "snr_cdb": 500}
    ],
}  # fmt: skip


def test_a_listener_sees_its_radio_and_what_is_missing() -> None:
    text = render.page(Seen(LISTENING, None, "", []), "listener-1")
    for part in ("listening only", "There is no key yet.", "LoRaWAN uplink", "868.1 MHz", "4 s ago"):
        assert part in text
    assert "Earnings" not in text


def test_a_player_sees_verdicts_earnings_neighbours_and_what_is_simulated() -> None:
    text = render.page(Seen(PLAYING, TOLD, "", [{"event": "epoch", "level": "info", "timestamp": "x"}]), "a")
    for part in (
        "on air", "a radio ether", "Farther apart than the radio", "1 of 2 answer", "mapper&#x27;s visit", "Set it.",
        "<rect", "claimed", "who heard it", "epoch",
    ):  # fmt: skip
        assert part.lower() in text.lower()


def test_what_others_wrote_is_text() -> None:
    text = render.parts(Seen(PLAYING, TOLD, "", [{"event": "<script>alert(1)</script>"}]))
    assert "<script>" not in text
    assert "<b>Nut</b>" not in text
    assert "&lt;b&gt;Nut" in text


@pytest.mark.parametrize("earnings", [[], [(1, 0)], [(number, number) for number in range(100)]])
def test_charts_any_number_of_epochs(earnings: list[tuple[int, int]]) -> None:
    assert chart.bars(earnings).count("<rect") == min(len(earnings), chart.MAX_BARS)


# --- served -------------------------------------------------------------------------------------------------------


async def get(port: int, path: str) -> tuple[str, str]:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    return head.decode(), body.decode()


def test_is_served_with_nothing_from_elsewhere(tmp_path: Path) -> None:
    async def act() -> dict[str, tuple[str, str]]:
        async with running(listening_home(tmp_path)) as process, VirtualForwarder(endpoint(process)) as forwarder:
            forwarder.pull()
            forwarder.push(lora_packet(b"\x40uplink"))
            await until(lambda: process.ears[0].heard)
            paths = ("/", "/listener-1/parts", "/page.css", "/page.js", "/metrics", "/healthz", "/log.json")
            return {path: await get(process.port, path) for path in paths}

    got = asyncio.run(act())
    assert all(" 200 OK" in head for head, _ in got.values())
    assert "default-src 'none'" in got["/"][0]
    assert "LoRaWAN uplink" in got["/"][1] and "LoRaWAN uplink" in got["/listener-1/parts"][1]
    assert all("//" not in got[path][1].replace("// ", "") for path in ("/", "/page.css"))
    assert 'farfield_hotspot_events_total{group="rxpk",hotspot="none",name="foreign"} 1.0' in got["/metrics"][1]
    assert 'farfield_hotspot_state{state="listening"} 1.0' in got["/metrics"][1]


def test_the_log_hides_secrets() -> None:
    event = logs.redact(None, "info", {"token": "abc", "url": "https://me:pw@host/x", "count": 3})
    assert event == {"token": "***", "url": "https://***@host/x", "count": 3}
