"""farfield hotspot doctor: what is wrong, by name, each with its fix."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from chain.terminal import FINDINGS, json_option, print_json
from hotspot.commands.shared import NETWORK_FILE, directory_option, network_option


@click.command()
@network_option
@directory_option
@json_option
def doctor(network: str | None, directory: Path, as_json: bool) -> None:
    """Find what keeps this hotspot from earning; every finding has a name and a fix.

    Exit codes: 0 nothing, or notes only; 3 problems.
    """
    from dataclasses import asdict

    from hotspot.doctor.examine import examine

    found = examine(directory, network, NETWORK_FILE)
    if as_json:
        print_json({"running": found.is_running, "findings": [asdict(one) for one in found.findings]})
    else:
        for one in found.findings:
            click.echo(f"{one.level:<8}{one.code}")
            click.echo(f"        {one.sentence}")
            click.echo(f"        {click.style('Fix', bold=True)}: {one.fix}")
        if not found.has_problems:
            click.echo("Nothing is wrong." if not found.findings else "Nothing else; notes are no problem.")
    sys.exit(FINDINGS if found.has_problems else 0)
