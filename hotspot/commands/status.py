"""farfield hotspot status: what the running hotspot says of itself. Light: it only reads one local answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from chain.terminal import UNREACHABLE, end, json_option, print_json
from hotspot.commands.shared import directory_option

WATCH_S = 2.0
CLEAR = "\x1b[2J\x1b[H"
COUNTED = ("beacons", "rxpk", "transmissions", "witnesses", "commits", "reveals", "reports", "position")


@click.command()
@directory_option
@click.option("--watch", is_flag=True, help="Print it again every two seconds until Ctrl-C.")
@json_option
def status(directory: Path, watch: bool, as_json: bool) -> None:
    """Print what the running hotspot does."""
    from hotspot.looking.status_client import NotRunningError, ask

    while True:
        try:
            answer = ask(directory)
        except NotRunningError as error:
            end(str(error), UNREACHABLE)
        if as_json:
            print_json(answer, indent=None if watch else 2)
        else:
            click.echo((CLEAR if watch else "") + "\n".join(lines(answer, int(time.time() * 1_000))))
        if not watch:
            return
        try:
            time.sleep(WATCH_S)
        except KeyboardInterrupt:
            return


def lines(answer: dict[str, Any], now_ms: int) -> list[str]:
    """The answer in sentences."""
    shown = [f"Hotspot    {answer['hotspot_id'] or 'no key yet: it only listens'}", *_network(answer, now_ms)]
    shown += [_radio(answer, now_ms), *map(_network_server, answer.get("network_servers", ())), *_play(answer, now_ms)]
    for group_name in COUNTED:
        counts = answer["counters"].get(group_name)
        if counts:
            shown.append(f"{group_name:<10} " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    if answer.get("neighbour"):
        shown.append(f"Neighbours {answer['neighbour']['sentence']}")
    shown += [f"Attention  {one['sentence']} {one['fix']}" for one in answer.get("findings", ())]
    return shown


def _network(answer: dict[str, Any], now_ms: int) -> list[str]:
    network = answer["network"]
    if answer["state"] != "playing" or network is None:
        name = "none yet" if network is None else network["name"]
        return [f"Network    {name}", f"Waiting    {answer['waiting_for']}"] if answer["waiting_for"] else []
    simulated = f" (simulated: {network['simulated']})" if network["simulated"] else ""
    left_s = max(answer["epoch_ends_at_ms"] - now_ms, 0) // 1_000
    where = (
        f"{answer['kind']} in {answer['cell']}, {answer['region'] or 'region not known yet'}"
        if answer["registered"]
        else "not registered when this epoch's registry was read"
    )
    return [
        f"Network    {network['name']}{simulated}, epoch {answer['epoch']}, {_span(left_s)} left",
        f"On chain   {where}",
    ]


def _radio(answer: dict[str, Any], now_ms: int) -> str:
    heard, wifi = answer["heard"], answer.get("wifi")
    last = f"last frame {_span(max(now_ms - heard[0]['at_ms'], 0) // 1_000)} ago" if heard else "nothing heard yet"
    if wifi is not None:
        bridge = f"Wi-Fi bridge on {wifi['interface']}" if wifi["connected"] else f"no Wi-Fi bridge ({wifi['problem']})"
        return f"Radio      {bridge}, {last}"
    alive = [one for one in answer["forwarders"] if one["alive"]]
    return f"Radio      {len(alive)} packet forwarder{'s' * (len(alive) != 1)} on {answer['listen']}, {last}"


def _network_server(one: dict[str, Any]) -> str:
    silent_s = one["seconds_since_answer"]
    answers = "has not answered yet" if silent_s is None else f"answered {_span(silent_s)} ago"
    return f"Passes on  to {one['server']}, which {answers}; {one['counters'].get('order', 0)} downlinks from there"


def _play(answer: dict[str, Any], now_ms: int) -> list[str]:
    if answer["state"] != "playing":
        return []
    slot = answer["next_slot"]
    reachable = sum(1 for one in answer["validators"] if one["reachable"])
    return [
        f"Validators {reachable} of {len(answer['validators'])} answer",
        "Next slot  none left in this epoch"
        if slot is None
        else f"Next slot  in {_span(max(slot['start_ms'] - now_ms, 0) // 1_000)}, {slot['frequency_hz'] / 1e6:.1f} MHz "
        + (f"SF{slot['spreading_factor']}" if slot["spreading_factor"] else "Wi-Fi"),
    ]


def _span(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7_200 else f"{seconds // 3_600} h"
