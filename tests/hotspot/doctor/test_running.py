"""Findings in a status answer: each named, each with its fix, none in a healthy one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hotspot.doctor import running
from hotspot.doctor.findings import NOTES, PROBLEMS, Level, finding

Answer = dict[str, Any]
HEALTHY: Answer = {
    "state": "playing", "waiting_for": "", "listen": "127.0.0.1:1680", "kind": "fixed", "registered": True,
    "cell": "8a1f", "region": "EU868", "channels_hz": [868_100_000, 868_300_000], "now_ms": 1_000_000,
    "opened_at_ms": 0, "position": None, "clock_offset_ms": 120, "knows_registry": True,
    "heard": [{"at_ms": 1, "frequency_hz": 868_100_000}] * 6,
    "forwarders": [
        {"eui": "02aa", "alive": True, "shares_its_eui": False, "seconds_since_pull": 1, "power_used_dbm": {"14": 14}}
    ],
    "validators": [{"owner": "0x01", "reachable": True, "last_problem": "", "on_chain": True, "counters": {}}] * 4,
    "counters": {"beacons": {"sent": 3}}, "neighbour": {"alone": False, "sentence": ""},
}  # fmt: skip


def codes(change: Callable[[Answer], object], patience_ms: int = 0) -> list[str]:
    answer = copy.deepcopy(HEALTHY)
    change(answer)
    return [one.code for one in running.find(answer, patience_ms)]


def counted(group: str, **counts: int) -> Callable[[Answer], object]:
    return lambda answer: answer["counters"].update({group: counts})


def test_a_healthy_hotspot_has_no_findings() -> None:
    assert codes(lambda answer: None) == []


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("waiting", lambda answer: answer.update(state="waiting", waiting_for="The chain is silent.")),
        ("clock_off", lambda answer: answer.update(clock_offset_ms=2_001)),
        ("clock_off", lambda answer: answer.update(clock_offset_ms=-2_001)),
        ("no_forwarder", lambda answer: answer.update(forwarders=[])),
        (
            "no_wifi_bridge",
            lambda answer: answer.update(
                forwarders=[], wifi={"connected": False, "problem": "no answer", "socket": "wifi.sock"}
            ),
        ),
        ("no_orders", lambda answer: answer["forwarders"][0].update(seconds_since_pull=None)),
        ("copied_eui", lambda answer: answer["forwarders"][0].update(shares_its_eui=True)),
        ("default_eui", lambda answer: answer["forwarders"][0].update(eui="aa555a0000000101")),
        ("antenna_gain", lambda answer: answer["forwarders"][0].update(power_used_dbm={"14": 12})),
        (
            "network_server_silent",
            lambda answer: answer.update(
                network_servers=[{"server": "a:1700", "seconds_since_answer": None, "counters": {"PULL_DATA": 3}}]
            ),
        ),
        ("transmit_forwarder_missing", lambda answer: answer.update(transmit_forwarder="03bb")),
        ("nothing_heard", lambda answer: answer.update(heard=[])),
        ("wrong_region", lambda answer: answer.update(heard=[{"frequency_hz": 904_300_000}] * 5)),
        ("wrong_region", lambda answer: answer["counters"].update(beacons={}, transmissions={"TX_FREQ": 1})),
        ("refused_frequency", counted("transmissions", TX_FREQ=1)),
        ("refused_power", lambda answer: answer["counters"].update(beacons={}, transmissions={"TX_POWER": 2})),
        ("no_answer", lambda answer: answer["counters"].update(beacons={"timeout": 2})),
        ("duty_cycle", counted("beacons", sent=1, duty_cycle=1)),
        ("mapper_without_gps", lambda answer: answer.update(kind="mapper")),
        ("gps_unreadable", lambda answer: answer.update(position={"connected": False, "cell": None})),
        ("gps_unreadable", lambda answer: answer.update(position={"connected": True, "cell": None})),
        ("not_registered", lambda answer: answer.update(registered=False)),
        ("frozen", counted("beacons", frozen=1)),
        ("region_unknown", counted("beacons", region_unknown=1)),
        ("gain_not_usable", counted("beacons", gain_not_usable=1)),
        ("wifi_radio_missing", counted("beacons", wifi_radio_missing=1)),
        ("lora_radio_missing", counted("beacons", lora_radio_missing=1)),
        ("alone", lambda answer: answer.update(neighbour={"alone": True, "sentence": "Nearest neighbour 140 km."})),
        ("unknown_validator_key", lambda answer: answer.update(unknown_validators=["0x02"])),
        ("unknown_validator_key", lambda answer: answer["validators"][0].update(on_chain=False)),
        (
            "unknown_validator_key",
            lambda answer: answer["validators"][0].update(counters={"receipts": {"receipt_signature_wrong": 1}}),
        ),
        ("validators_unreachable", lambda answer: [one.update(reachable=False) for one in answer["validators"]]),
        ("few_validators", lambda answer: [one.update(reachable=False) for one in answer["validators"][:3]]),
        ("reports_expired", counted("reports", reveal_window_passed=1)),
        ("reports_expired", counted("reports", commit_window_passed=1)),
        ("too_little_stake", counted("reports", too_little_stake=1)),
        ("not_stored", counted("witnesses", not_stored=1)),
    ],
)
def test_names_what_is_wrong_and_nothing_else(code: str, change: Callable[[Answer], object]) -> None:
    answer = copy.deepcopy(HEALTHY)
    answer["validators"] = [dict(one) for one in answer["validators"]]
    change(answer)
    assert {one.code for one in running.find(answer)} == {code}


@pytest.mark.parametrize("offset_ms", [2_000, -2_000, 0, None])
def test_two_seconds_are_allowed(offset_ms: int | None) -> None:
    assert codes(lambda answer: answer.update(clock_offset_ms=offset_ms)) == []


@pytest.mark.parametrize(
    "server",
    [
        {"server": "a:1700", "seconds_since_answer": 60, "counters": {"PULL_DATA": 9}},
        {"server": "a:1700", "seconds_since_answer": None, "counters": {"PULL_DATA": 2}},
    ],
)
def test_a_network_server_that_answers_or_was_hardly_asked_is_fine(server: dict[str, Any]) -> None:
    assert codes(lambda answer: answer.update(network_servers=[server])) == []


@pytest.mark.parametrize(
    "changed", [{"concentrator": "SX1301", "power_used_dbm": {"14": 12}}, {"power_used_dbm": {"30": 27}}]
)
def test_a_gap_or_the_end_of_a_power_table_is_no_antenna_gain(changed: dict[str, Any]) -> None:
    assert codes(lambda answer: answer["forwarders"][0].update(changed)) == []


def test_a_quiet_place_is_given_time_at_run_time_and_none_by_doctor() -> None:
    def silent(answer: Answer) -> None:
        answer.update(heard=[], opened_at_ms=answer["now_ms"] - 599_999)

    assert codes(silent, 600_000) == []
    assert codes(silent) == ["nothing_heard"]


def test_a_wifi_hotspot_with_its_bridge_needs_no_forwarder() -> None:
    wifi = {"connected": True, "problem": "", "socket": "wifi.sock"}
    assert codes(lambda answer: answer.update(forwarders=[], wifi=wifi)) == []


def test_a_region_is_not_judged_by_a_few_frames() -> None:
    assert codes(lambda answer: answer.update(heard=[{"frequency_hz": 904_300_000}] * 4)) == []


def test_a_listener_is_not_told_what_only_players_need() -> None:
    def listening(answer: Answer) -> None:
        for key in ("registered", "kind", "region", "channels_hz", "position", "neighbour", "cell"):
            del answer[key]
        answer.update(state="listening", validators=[])

    assert codes(listening) == []


def test_every_finding_is_in_the_owners_page() -> None:
    text = (Path(__file__).parents[3] / "docs" / "hotspot.md").read_text()
    assert [code for code in (*PROBLEMS, *NOTES) if f"`{code}`" not in text] == []


def test_notes_do_not_count_as_problems() -> None:
    assert finding("alone", sentence="Nearest neighbour 140 km.").level is Level.NOTE
    assert finding("frozen").level is Level.PROBLEM


@pytest.mark.parametrize(
    ("position", "problem"),
    [
        ({"connected": False, "last": "unreachable"}, "does not answer"),
        ({"last": "malformed"}, "cannot be read"),
        ({"last": "fix_lost", "nowhere": "no_fix"}, "has no fix"),
        ({"last": "fix_inaccurate", "nowhere": "no_fix"}, "less exact than 100 m"),
        ({"last": "fix", "nowhere": "stale_fix"}, "older than 10 s"),
    ],
)
def test_says_what_is_wrong_with_the_receiver(position: Answer, problem: str) -> None:
    answer = copy.deepcopy(HEALTHY)
    answer["counters"]["position"] = {"malformed": 1}
    answer["position"] = {
        "connected": True,
        "cell": None,
        "quiet": False,
        "source": "NMEA from /dev/ttyACM0",
    } | position
    (found,) = running.find(answer, 0)
    assert found.code == "gps_unreadable"
    assert problem in found.sentence
    assert "NMEA from /dev/ttyACM0" in found.sentence


def test_a_mapper_at_home_is_no_problem() -> None:
    at_home = {"connected": True, "cell": None, "quiet": True, "nowhere": "quiet_zone", "source": "gpsd"}
    assert codes(lambda answer: answer.update(kind="mapper", position=at_home)) == []
