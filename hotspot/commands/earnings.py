"""farfield hotspot earnings: what the hotspot earned, epoch by epoch, as the network's map has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chain.terminal import KEY_PROBLEM, UNREACHABLE, end, json_option, print_json
from hotspot.commands.shared import directory_option, network_file, network_option

BAR_WIDTH = 30


@click.command()
@network_option
@directory_option
@click.option("--map", "map_url", default=None, metavar="URL", help="Another map than the network's file names.")
@click.option("--last", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many epochs.")
@json_option
def earnings(network: str | None, directory: Path, map_url: str | None, last: int, as_json: bool) -> None:
    """Print what this hotspot earned, epoch by epoch; claims pay it to the owner."""
    from hotspot import keys
    from hotspot.keys import place
    from hotspot.looking import map_facts

    file = network_file(network, directory)
    try:
        hotspot_id = place.show(directory).hotspot_id
    except keys.KeyProblemError as error:
        end(str(error), KEY_PROBLEM)
    told = map_facts.hotspot(map_url or file.map_url, hotspot_id)
    if isinstance(told, map_facts.MapSilent):
        end(told.sentence, UNREACHABLE)
    simulated = (file.simulated or {}).get("what")
    if as_json:
        print_json(told | {"simulated": simulated})
    else:
        click.echo("\n".join(_lines(told, last)))
        if simulated:
            click.echo(f"Simulated: {simulated}. These tokens are worth nothing.")


def _lines(told: dict[str, Any], last: int) -> list[str]:
    from hotspot.looking.map_facts import tokens

    rows = told.get("earnings", [])[-last:]
    most = max((int(one["earned"]) for one in rows), default=0) or 1
    lines = [
        f"Epoch {one['epoch']:>6}  {tokens(one['earned']):>12}  {'#' * (int(one['earned']) * BAR_WIDTH // most)}"
        for one in rows
    ]
    return [
        *(lines or ["No epoch with this hotspot is settled yet."]),
        f"Earned in all {tokens(told['earned_total'])}, claimed {tokens(told['claimed'])}.",
        told.get("sentence", ""),
    ]
