"""Findings in what a running hotspot says of itself: the same for `doctor`, page and counts at run time. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hotspot.doctor.findings import Finding, finding

MAX_CLOCK_OFFSET_MS = 2_000
NEAR_CHANNEL_HZ = 60_000
KEEP_ALIVE_MS = 60_000
"""A forwarder that is there has asked for orders by then."""
LEAST_HEARD = 5
"""Frames that must have been heard before their channels say anything."""
LEAST_UNANSWERED = 2
FACTORY_EUIS = frozenset({"aa555a0000000000", "aa555a0000000101", "0000000000000000", "ffffffffffffffff"})
FOREIGN_RECEIPTS = {
    "receipt_signature_wrong": "its receipts are signed with an unknown key",
    "receipt_of_another_validator": "it signs as another validator",
}

MOST_SX1302_DBM = 27
LEAST_KEEP_ALIVES = 3
MAX_SERVER_SILENCE_S = 60
Answer = dict[str, Any]


def find(answer: Answer, patience_ms: int = 0) -> list[Finding]:
    """Every finding in a status answer. `patience_ms`: how long nothing need be heard before that is one."""
    return [
        *_waiting(answer),
        *_clock(answer),
        *_wifi(answer, patience_ms),
        *_forwarders(answer, patience_ms),
        *_network_servers(answer),
        *_heard(answer, patience_ms),
        *_transmissions(answer),
        *_position(answer),
        *_registration(answer),
        *_validators(answer),
        *_reports(answer),
        *answer.get("file_findings", ()),
    ]


def _count(answer: Answer, group: str, *names: str) -> int:
    counts = answer["counters"].get(group, {})
    return sum(counts.get(name, 0) for name in names)


def _waiting(answer: Answer) -> Iterator[Finding]:
    if answer["state"] == "waiting":
        yield finding("waiting", problem=answer["waiting_for"])


def _clock(answer: Answer) -> Iterator[Finding]:
    offset_ms = answer.get("clock_offset_ms")
    if offset_ms is not None and abs(offset_ms) > MAX_CLOCK_OFFSET_MS:
        yield clock_off(offset_ms, "validators")


def clock_off(offset_ms: int, source: str) -> Finding:
    """`offset_ms`: how far true time is ahead of this clock."""
    direction = "slow" if offset_ms > 0 else "fast"
    return finding("clock_off", offset=f"{abs(offset_ms) / 1_000:.1f}", direction=direction, source=source)


# --- the radio ----------------------------------------------------------------------------------------------------


def _wifi(answer: Answer, patience_ms: int) -> Iterator[Finding]:
    wifi, open_ms = answer.get("wifi"), answer["now_ms"] - answer["opened_at_ms"]
    if wifi is not None and not wifi["connected"] and open_ms >= min(patience_ms, KEEP_ALIVE_MS):
        yield finding("no_wifi_bridge", problem=wifi["problem"], socket=wifi["socket"])


def _forwarders(answer: Answer, patience_ms: int) -> Iterator[Finding]:
    forwarders = answer["forwarders"]
    if not _uses_forwarders(answer):
        return
    listen, open_ms = answer["listen"], answer["now_ms"] - answer["opened_at_ms"]
    if open_ms >= min(patience_ms, KEEP_ALIVE_MS) and not any(
        one["alive"] or one.get("seconds_since_packet") is not None for one in forwarders
    ):
        yield finding("no_forwarder", listen=listen, port=listen.rpartition(":")[2])
    for one in forwarders:
        if one.get("seconds_since_pull", 0) is None:
            yield finding("no_orders", eui=one["eui"])
        if one["shares_its_eui"]:
            yield finding("copied_eui", eui=one["eui"])
        elif one["eui"] in FACTORY_EUIS:
            yield finding("default_eui", eui=one["eui"])
        yield from _power(one)
    wanted = answer.get("transmit_forwarder")
    if forwarders and wanted and not any(one["eui"] == wanted and one["alive"] for one in forwarders):
        yield finding("transmit_forwarder_missing", eui=wanted)


def _uses_forwarders(answer: Answer) -> bool:
    return bool(answer["listen"]) and answer.get("wifi") is None


def _power(forwarder: dict[str, Any]) -> Iterator[Finding]:
    """A forwarder that sends with less than it was asked for; the answer has text keys when it came as JSON.

    An SX1302 board has every power up to its greatest, so that less means a gain taken off; an SX1301 has gaps.
    """
    if forwarder.get("concentrator") == "SX1301":
        return
    used_of = {int(asked): used for asked, used in forwarder.get("power_used_dbm", {}).items()}
    lower = [(asked, used) for asked, used in used_of.items() if used < asked <= MOST_SX1302_DBM]
    if lower:
        asked, used = max(lower)
        problem = f"sends with {used} dBm where {asked} dBm were asked: it takes off an antenna gain of its own"
        yield finding("antenna_gain", eui=forwarder["eui"], problem=problem)


def _heard(answer: Answer, patience_ms: int) -> Iterator[Finding]:
    heard, channels_hz = answer["heard"], answer.get("channels_hz") or ()
    silent_ms = answer["now_ms"] - answer["opened_at_ms"]
    if not heard and silent_ms >= patience_ms and any(one["alive"] for one in answer["forwarders"]):
        yield finding("nothing_heard", minutes=silent_ms // 60_000)
    if len(heard) < LEAST_HEARD or not channels_hz:
        return
    frequencies = [one["frequency_hz"] for one in heard]
    if not any(abs(one - channel) <= NEAR_CHANNEL_HZ for one in frequencies for channel in channels_hz):
        problem = (
            f"everything heard lies on {_mhz(min(frequencies))} to {_mhz(max(frequencies))} MHz, beacons are sent on "
            f"{_mhz(min(channels_hz))} to {_mhz(max(channels_hz))}"
        )
        yield finding("wrong_region", region=answer["region"], problem=problem)


def _mhz(frequency_hz: int) -> str:
    return f"{frequency_hz / 1e6:.1f}"


def _transmissions(answer: Answer) -> Iterator[Finding]:
    sent = _count(answer, "beacons", "sent")
    frequency, power = _count(answer, "transmissions", "TX_FREQ"), _count(answer, "transmissions", "TX_POWER")
    region = answer.get("region") or "its region"
    if frequency and not sent:
        yield finding(
            "wrong_region", region=region, problem=f"the forwarder refused every frequency ({frequency} times)"
        )
    elif frequency:
        yield finding("refused_frequency", region=region, count=frequency)
    if power and not sent:
        yield finding("refused_power", count=power)
    unanswered = _count(answer, "beacons", "timeout")
    if unanswered >= LEAST_UNANSWERED and not sent:
        yield finding("no_answer", count=unanswered)
    skipped = _count(answer, "beacons", "duty_cycle")
    if skipped:
        yield finding("duty_cycle", count=skipped)


def _network_servers(answer: Answer) -> Iterator[Finding]:
    for one in answer.get("network_servers", ()):
        asked, silent_s = one["counters"].get("PULL_DATA", 0), one["seconds_since_answer"]
        itself = one["counters"].get("this_hotspot_itself", 0) > 0
        if itself or (asked >= LEAST_KEEP_ALIVES and (silent_s is None or silent_s > MAX_SERVER_SILENCE_S)):
            yield finding("network_server_silent", server=one["server"])


# --- position and registration ------------------------------------------------------------------------------------


def _position(answer: Answer) -> Iterator[Finding]:
    position = answer.get("position")
    is_mapper = str(answer.get("kind") or "").startswith("mapper")
    if position is None:
        if is_mapper:
            yield finding("mapper_without_gps")
    elif position.get("cell") is None and not position.get("quiet"):
        if not position.get("connected", True):
            problem = "it does not answer"
        elif position.get("last") == "fix_inaccurate":
            problem = "its fix is less exact than 100 m"
        elif position.get("nowhere") == "stale_fix":
            problem = "its last fix is older than 10 s"
        elif position.get("last", "malformed") == "malformed" and _count(answer, "position", "malformed"):
            problem = "what it says cannot be read"
        else:
            problem = "it has no fix"
        yield finding("gps_unreadable", source=position.get("source", "gpsd"), problem=problem)


def _registration(answer: Answer) -> Iterator[Finding]:
    if answer["state"] != "playing":
        return
    if not answer["registered"]:
        if _count(answer, "beacons", "not_registered") or answer.get("knows_registry"):
            yield finding("not_registered")
        return
    for code in ("frozen", "region_unknown", "gain_not_usable", "wifi_radio_missing", "lora_radio_missing"):
        if _count(answer, "beacons", code):
            yield finding(code, cell=answer["cell"])
    neighbour = answer.get("neighbour")
    if neighbour and neighbour["alone"]:
        yield finding("alone", sentence=neighbour["sentence"])


# --- validators ---------------------------------------------------------------------------------------------------


def _validators(answer: Answer) -> Iterator[Finding]:
    yield from _unknown_validators(answer)
    known = [one for one in answer["validators"] if one["reachable"] is not None]
    if answer["state"] != "playing" or not known:
        return
    reachable = sum(1 for one in known if one["reachable"])
    problem = next((one["last_problem"] for one in known if not one["reachable"] and one["last_problem"]), "no answer")
    if reachable == 0:
        yield finding("validators_unreachable", count=len(known), problem=problem)
    elif 3 * reachable <= len(answer["validators"]):
        yield finding("few_validators", reachable=reachable, count=len(answer["validators"]))


def _unknown_validators(answer: Answer) -> Iterator[Finding]:
    for owner in answer.get("unknown_validators", ()):
        yield finding("unknown_validator_key", owner=owner, problem="the network's file does not name it")
    for one in answer["validators"]:
        if one.get("on_chain") is False:
            yield finding("unknown_validator_key", owner=one["owner"], problem="it has no stake there")
        receipts = one["counters"].get("receipts", {})
        for name, problem in FOREIGN_RECEIPTS.items():
            if receipts.get(name):
                yield finding("unknown_validator_key", owner=one["owner"], problem=problem)


def _reports(answer: Answer) -> Iterator[Finding]:
    expired = _count(answer, "reports", "reveal_window_passed", "commit_window_passed")
    if expired:
        yield finding("reports_expired", count=expired)
    if _count(answer, "reports", "too_little_stake"):
        yield finding("too_little_stake")
    lost = _count(answer, "beacons", "not_stored", "sent_but_not_stored") + _count(answer, "witnesses", "not_stored")
    if lost:
        yield finding("not_stored", count=lost)
