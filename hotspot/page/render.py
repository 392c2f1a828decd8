"""HTML of the owner's page from a status answer. Pure; every text that came from elsewhere is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from hotspot.looking.map_facts import tokens
from hotspot.page import chart

MAX_ROWS = 12
STATES = {"playing": ("on air", "good"), "waiting": ("waiting", "warn"), "listening": ("listening only", "plain")}
OUTCOME_WORDS = {
    "sent": "sent", "duty_cycle": "skipped: the hour's air time is used up", "late": "skipped: too late",
    "timeout": "no answer from the forwarder", "no_forwarder": "no forwarder connected", "no_fix": "no position",
    "not_stored": "not sent: it could not be stored", "slot_used_already": "slot used before a restart",
}  # fmt: skip

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything a page shows."""

    answer: Answer
    map_told: Answer | None
    """What the network's map says; None: nothing yet."""
    map_problem: str
    log: Sequence[dict[str, Any]]


def page(seen: Seen, name: str) -> str:
    """The whole page of a hotspot."""
    title = f"Hotspot {_short(seen.answer['hotspot_id'])}" if seen.answer["hotspot_id"] else "Hotspot"
    return _document(title, f'<main data-parts="/{escape(name)}/parts">{parts(seen)}</main>')


def index(names: Sequence[str]) -> str:
    """A list of a process's hotspots."""
    rows = "".join(f'<li><a href="/{escape(one)}"><code>{escape(one)}</code></a></li>' for one in names)
    return _document("Hotspots", f"<main><h1>{len(names)} hotspots</h1><ul>{rows}</ul></main>")


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/page.css"><link rel="icon" href="data:,">'
        '<noscript><meta http-equiv="refresh" content="10"></noscript></head>'
        f'<body>{body}<script src="/page.js"></script></body></html>'
    )


def parts(seen: Seen) -> str:
    """What changes: everything inside <main>."""
    answer = seen.answer
    return "".join(
        [
            _head(answer),
            _simulated(answer),
            _attention(answer),
            _cards(answer),
            _earnings(seen),
            _beacons(answer),
            _heard_by(seen),
            _witnesses(answer),
            _frames(answer),
            _log(seen.log),
            _counts(answer),
        ]
    )


# --- the top ------------------------------------------------------------------------------------------------------


def _head(answer: Answer) -> str:
    word, look = STATES[answer["state"]]
    name = f"<code>{escape(_short(answer['hotspot_id']))}</code>" if answer["hotspot_id"] else "without a key yet"
    why = f'<p class="why">{escape(answer["waiting_for"])}</p>' if answer["waiting_for"] else ""
    return f'<header><h1>Hotspot {name}</h1><span class="state {look}">{word}</span></header>{why}'


def _simulated(answer: Answer) -> str:
    network = answer["network"]
    if network is None or not network["simulated"]:
        return ""
    return (
        f'<p class="simulated"><b>Simulated.</b> {escape(network["name"])} is no real network: '
        f"{escape(network['simulated'])}. Its tokens are worth nothing.</p>"
    )


def _attention(answer: Answer) -> str:
    if not answer["findings"]:
        return ""
    rows = "".join(
        f'<li class="{escape(one["level"])}"><b>{escape(one["sentence"])}</b> {escape(one["fix"])} '
        f"<code>{escape(one['code'])}</code></li>"
        for one in answer["findings"]
    )
    return f'<section id="attention"><h2>Attention</h2><ul>{rows}</ul></section>'


def _cards(answer: Answer) -> str:
    now_ms = answer["now_ms"]
    cards = [("Radio", _radio(answer, now_ms))]
    if answer["state"] == "playing":
        cards += [
            ("Network", _network(answer, now_ms)),
            ("Next beacon", _next_slot(answer, now_ms)),
            ("Validators", _validators(answer)),
            ("Neighbours", _neighbour(answer)),
        ]
    shown = "".join(f'<div class="card"><h2>{title}</h2>{body}</div>' for title, body in cards if body)
    return f'<section class="cards">{shown}</section>'


def _radio(answer: Answer, now_ms: int) -> str:
    heard, wifi = answer["heard"], answer.get("wifi")
    alive = [one for one in answer["forwarders"] if one["alive"]]
    names = ", ".join(f"<code>{escape(one['eui'])}</code>" for one in alive) or "none connected"
    last = f"last frame {_ago(now_ms, heard[0]['at_ms'])}" if heard else "nothing heard yet"
    if wifi is not None:
        bridge = f"Wi-Fi bridge on {wifi['interface']}" if wifi["connected"] else f"No Wi-Fi bridge: {wifi['problem']}"
        return f'<p class="big">{last}</p><p>{escape(bridge)}</p>'
    where = f" on <code>{escape(answer['listen'])}</code>" if answer["listen"] else ""
    return f'<p class="big">{last}</p><p>{len(alive)} packet forwarder{_s(len(alive))}{where}: {names}</p>'


def _network(answer: Answer, now_ms: int) -> str:
    left = _span(max(answer["epoch_ends_at_ms"] - now_ms, 0))
    place = (
        f"{escape(answer['kind'])} in <code>{escape(answer['cell'])}</code>, {escape(answer['region'] or 'region ?')}"
        if answer["registered"]
        else "not registered when this epoch's registry was read"
    )
    return f'<p class="big">epoch {answer["epoch"]}</p><p>{escape(answer["network"]["name"])}, {left} left; {place}</p>'


def _next_slot(answer: Answer, now_ms: int) -> str:
    slot = answer["next_slot"]
    if slot is None:
        return '<p class="big">none left</p><p>in this epoch</p>'
    when = _span(max(slot["start_ms"] - now_ms, 0))
    return (
        f'<p class="big">in {when}</p><p>{slot["frequency_hz"] / 1e6:.1f} MHz, SF{slot["spreading_factor"]}, '
        f"{slot['eirp_cdb'] / 100:g} dBm radiated</p>"
    )


def _validators(answer: Answer) -> str:
    reachable = sum(1 for one in answer["validators"] if one["reachable"])
    offset_ms = answer.get("clock_offset_ms")
    clock = "" if offset_ms is None else f"<p>clock within {abs(offset_ms) / 1_000:.1f} s of theirs</p>"
    return f'<p class="big">{reachable} of {len(answer["validators"])} answer</p>{clock}'


def _neighbour(answer: Answer) -> str:
    neighbour = answer.get("neighbour")
    return "" if not neighbour else f"<p>{escape(neighbour['sentence'])}</p>"


# --- tables -------------------------------------------------------------------------------------------------------


def _earnings(seen: Seen) -> str:
    if seen.answer["state"] != "playing":
        return ""
    told = seen.map_told
    if told is None:
        return (
            f'<section><h2>Earnings</h2><p class="quiet">{escape(seen.map_problem or "asking the map")}</p></section>'
        )
    drawn = chart.bars([(one["epoch"], int(one["earned"])) for one in told.get("earnings", [])])
    total = (
        f"Earned in all <b>{tokens(told['earned_total'])}</b>, claimed <b>{tokens(told['claimed'])}</b>. "
        f"{escape(told.get('sentence', ''))}"
    )
    quiet = '<p class="quiet">No epoch with this hotspot is settled yet.</p>'
    return f"<section><h2>Earnings</h2>{drawn or quiet}<p>{total}</p></section>"


def _beacons(answer: Answer) -> str:
    rows = [
        (
            _time(one["at_ms"]),
            f"{one['epoch']}/{one['slot']}",
            escape(OUTCOME_WORDS.get(one["outcome"], one["outcome"])),
            _report(one),
            _verdict(one),
        )
        for one in answer.get("last_beacons", ())
    ]
    return _table("Last beacons", ("time", "epoch/slot", "transmission", "report", "verdict"), rows)


def _heard_by(seen: Seen) -> str:
    told = seen.map_told or {}
    rows = [
        (
            f"{escape(one['name'])} <code>{escape(one['hotspot'][2:18])}</code>",
            str(one["heard_by_it"]),
            str(one["heard_by_us"]),
            f"{one['rssi_cdb'] / 100:g} dBm",
            f"{one['snr_cdb'] / 100:g} dB",
        )
        for one in _by_hotspot(told.get("connections", ()))
    ]
    heading = f"Who heard it, epoch {told['epoch']}" if told.get("epoch") is not None else "Who heard it"
    return _table(heading, ("hotspot", "heard us", "we heard", "best RSSI", "best SNR"), rows)


def _by_hotspot(connections: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Connections of one hotspot, which may have been in several cells, as one."""
    found: dict[str, dict[str, Any]] = {}
    for one in connections:
        known = found.setdefault(one["hotspot"], one | {"heard_by_it": 0, "heard_by_us": 0})
        known["heard_by_it"] += one["heard_by_it"]
        known["heard_by_us"] += one["heard_by_us"]
        if one["rssi_cdb"] > known["rssi_cdb"]:
            known["rssi_cdb"], known["snr_cdb"] = one["rssi_cdb"], one["snr_cdb"]
    return sorted(found.values(), key=lambda one: -one["rssi_cdb"])


def _witnesses(answer: Answer) -> str:
    rows = [
        (
            _time(one["at_ms"]),
            f"<code>{escape(one['tag'][:12])}</code>",
            f"{one['frequency_hz'] / 1e6:.1f} MHz",
            f"{one['rssi_cdb'] / 100:g} dBm / {one['snr_cdb'] / 100:g} dB",
            _report(one),
            _verdict(one),
        )
        for one in answer.get("last_witnesses", ())
    ]
    return _table("Beacons of others it heard", ("time", "tag", "channel", "RSSI / SNR", "report", "verdict"), rows)


def _frames(answer: Answer) -> str:
    rows = [
        (
            _time(one["at_ms"]),
            escape(one["what"]),
            f"{one['frequency_hz'] / 1e6:.1f} MHz SF{one['spreading_factor']}",
            f"{one['rssi_cdb'] / 100:g} dBm / {one['snr_cdb'] / 100:g} dB",
            f"{one['size']} B",
        )
        for one in answer["heard"]
    ]
    return _table("Everything the radio heard", ("time", "what", "channel", "RSSI / SNR", "size"), rows)


def _table(heading: str, columns: Sequence[str], rows: Sequence[Iterable[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th scope=col>{column}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows[:MAX_ROWS])
    return (
        f"<section><h2>{heading}</h2><div class=scroll tabindex=0><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _report(entry: dict[str, Any]) -> str:
    return f"<code>{escape(entry['report_id'][:16])}</code>" if entry["report_id"] else ""


def _verdict(entry: dict[str, Any]) -> str:
    verdict = entry.get("verdict")
    if not verdict:
        return ""
    look = "plain" if verdict["reason"] is None else "good" if verdict["reason"] == "ACCEPTED" else "bad"
    return f'<span class="{look}">{escape(verdict["sentence"])}</span>'


# --- the bottom ---------------------------------------------------------------------------------------------------


def _log(events: Sequence[dict[str, Any]]) -> str:
    if not events:
        return ""
    rows = "".join(f"<li>{_event(one)}</li>" for one in list(events)[-MAX_ROWS:][::-1])
    return f'<section><h2>Log</h2><ol class="log">{rows}</ol></section>'


def _event(event: dict[str, Any]) -> str:
    rest = " ".join(
        f"<i>{escape(str(name))}</i>={escape(str(value))}"
        for name, value in event.items()
        if name not in ("event", "level", "timestamp")
    )
    at, level = escape(str(event.get("timestamp", ""))), escape(str(event.get("level", "")))
    what = escape(str(event.get("event")))
    return f'<time datetime="{at}">{at[11:19]}</time> <b class="{level}">{what}</b> {rest}'


def _counts(answer: Answer) -> str:
    rows = ""
    for group, names in answer["counters"].items():
        counts = ", ".join(f"{name} {count}" for name, count in names.items())
        rows += f"<tr><th scope=row>{escape(group)}</th><td>{escape(counts)}</td></tr>"
    return f"<details><summary>Counts since the start</summary><table>{rows}</table></details>" if rows else ""


def _short(hotspot_id: str) -> str:
    return hotspot_id[:16]


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _time(at_ms: int) -> str:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(at_ms / 1_000, UTC)
    return f'<time datetime="{at.isoformat()}">{at:%H:%M:%S} UTC</time>'


def _ago(now_ms: int, at_ms: int) -> str:
    return f"{_span(max(now_ms - at_ms, 0))} ago"


def _span(duration_ms: int) -> str:
    seconds = duration_ms // 1_000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7_200 else f"{seconds // 3_600} h"
