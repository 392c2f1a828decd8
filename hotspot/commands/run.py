"""farfield hotspot run: listen at once, play as soon as there is a network that answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.terminal import end, json_option, print_json
from hotspot.commands.shared import NETWORK_FILE, network_option

if TYPE_CHECKING:
    from hotspot.running.process import Process


@click.command()
@network_option
@click.option(
    "--directory",
    "directories",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    multiple=True,
    default=[Path()],
    show_default="here",
    metavar="DIR",
    help="A hotspot's directory; give it several times to host several.",
)
@click.option(
    "--listen", default=None, metavar="HOST:PORT", help="Port for packet forwarders, instead of hotspot.toml's."
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any key of hotspot.toml; wins over it.")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "console"]),
    default="auto",
    show_default=True,
    help="Of the log",
)
@json_option
def run(
    network: str | None,
    directories: tuple[Path, ...],
    listen: str | None,
    settings: tuple[str, ...],
    log_format: str,
    as_json: bool,
) -> None:
    """Beacon and witness until Ctrl-C; without key or network, listen.

    While chain or validators do not answer it says so, goes on listening and asks again.
    """
    import asyncio

    from hotspot import logs
    from hotspot.running.process import prepared
    from hotspot.running.start import StartError

    flags = _flags(listen, settings)
    logs.configure(log_format)
    try:
        with prepared(directories, _source(network, directories), flags) as process:
            asyncio.run(_run(process, as_json=as_json))
    except StartError as error:
        end(str(error), error.code)


def _source(given: str | None, directories: tuple[Path, ...]) -> str | None:
    """The network as given, or network.json here if no hotspot.toml may name one; process.py reads those itself."""
    if given is not None or not Path(NETWORK_FILE).exists():
        return given
    from hotspot import config

    try:
        named = any(config.load(directory, os.environ).network for directory in directories)
    except config.ConfigError:
        return None  # said properly when the directories are opened
    return None if named else NETWORK_FILE


def _flags(listen: str | None, settings: tuple[str, ...]) -> dict[str, Any]:
    from hotspot.config import endpoint

    flags: dict[str, Any] = {}
    for one in settings:
        key, equals, value = one.partition("=")
        if not equals:
            raise click.BadParameter(f"{one!r} is not KEY=VALUE.", param_hint="--set")
        flags[key.strip()] = value.strip()
    if listen is not None:
        try:
            endpoint(listen)
        except ValueError as error:
            raise click.BadParameter(f"{error}.", param_hint="--listen") from error
        flags["listen"] = listen
    return flags


async def _run(process: Process, *, as_json: bool) -> None:
    import asyncio
    import signal

    from hotspot.running import service

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await process.open()
        _greet(process, as_json=as_json)
        process.on_joined = lambda played: _tell_joined(played, as_json=as_json)
        if not as_json:
            process.on_waiting = _tell_waiting
        async with service.notifying(process):
            await process.run(stop)
    finally:
        process.close()
    if not as_json:
        click.echo("Stopped; everything stored stays stored.")


def _greet(process: Process, *, as_json: bool) -> None:
    hotspots = [
        {"hotspot_id": process.name(at), "listen": ears.listen, "radio": "wifi" if ears.bridge else "lora"}
        for at, ears in enumerate(process.ears)
    ]
    page = f"http://127.0.0.1:{process.port}/"
    if as_json:
        print_json({"page": page, "hotspots": hotspots}, indent=None)
    else:
        for one in hotspots:
            name = one["hotspot_id"] if one["hotspot_id"].startswith("listener") else f"{one['hotspot_id'][:16]}..."
            to = "to the Wi-Fi radio at" if one["radio"] == "wifi" else "for packet forwarders on"
            click.echo(f"Hotspot {name} listens {to} {one['listen']}.")
        click.echo(f"Its page is {page}")
    sys.stdout.flush()


def _tell_joined(played: Any, *, as_json: bool) -> None:
    from hotspot.running.start import window_lines

    for warning in played.warnings:
        click.echo(warning, err=True)
    simulated = (played.file.simulated or {}).get("what")
    if as_json:
        print_json({"network": played.file.name, "simulated": simulated}, indent=None)
    else:
        click.echo(f"Network {played.file.name}" + (f" (simulated: {simulated})" if simulated else ""))
        for line in window_lines(played.rules.params.epoch):
            click.echo(line)
    sys.stdout.flush()


def _tell_waiting(sentence: str) -> None:
    click.echo(f"Listening, not playing yet: {sentence}")
    sys.stdout.flush()
