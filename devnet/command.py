"""farfield devnet: run a whole network here, and put a hotspot of your own into its ether."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from chain.terminal import FAILED, UNREACHABLE, end, json_option, print_json

if TYPE_CHECKING:
    from devnet.run import Devnet, Options

DEFAULT_MAP_PORT = 8080


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


@click.group()
def group() -> None:
    """A whole network on this machine, with a simulated radio ether. Everything else is real."""


@group.command()
@click.option(
    "--scenario", type=click.Choice(["simulated", "trace"]), help="What is played.  [default: simulated, or as founded]"
)
@click.option(
    "--receptions",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Measured receptions, for the trace scenario.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Positions with dBm of the incumbents.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="End after this many epochs; default: run until Ctrl-C.")
@click.option("--headless", is_flag=True, help="No map.")
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write what the run came to."
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the devnet lives; a second start resumes it.",
)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=DEFAULT_MAP_PORT, show_default=True, help="Port of the map."
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything invented.  [default: 1, or as founded]")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    help="kill=N@E, start=N@E, skew=N:+30s, constant=N:NAME=VALUE, reorg=BLOCKS@E, outage=SECONDSs@E; E: epoch.",
)
def run(
    scenario: str | None,
    receptions: Path | None,
    baseline: Path | None,
    epochs: int | None,
    headless: bool,
    json_path: Path | None,
    directory: Path | None,
    port: int,
    seed: int | None,
    faults: tuple[str, ...],
) -> None:
    """Start chain, validators, hotspots, ether and map; follow, claim and audit their epochs.

    Exit codes: 0 fine, 1 failed, 2 usage, 130 interrupted.
    """
    from devnet.faults import FaultError, parse
    from devnet.run import Options

    if (scenario == "trace") != (receptions is not None):
        raise click.UsageError("--receptions belongs to --scenario trace, and trace needs it.")
    if json_path is not None and epochs is None:
        raise click.UsageError("--json needs --epochs: a run without an end has no result.")
    if json_path is not None and not os.access(json_path.absolute().parent, os.W_OK):
        raise click.BadParameter(f"{json_path.absolute().parent} is no directory to write to.", param_hint="--json")
    try:
        wanted = parse(faults)
    except FaultError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from error
    options = Options(
        scenario=scenario,
        directory=directory or _default_directory(epochs),
        seed=seed,
        epochs=epochs,
        receptions=receptions,
        baseline=baseline,
        map_port=None if headless else port,
        faults=wanted,
    )
    sys.exit(_run(options, json_path))


def _default_directory(epochs: int | None) -> Path:
    """Runs with an end are fresh; the endless demo lives in one place and resumes."""
    return Path(tempfile.mkdtemp(prefix="farfield-devnet-")) if epochs else Path("devnet-data")


def _run(options: Options, json_path: Path | None) -> int:
    from chain.errors import ChainError
    from chain.key_files import KeyFileError
    from coverage_maps.importers.files import ImportFileError
    from devnet.directory import DirectoryError
    from devnet.ether.trace import ReceptionsError
    from devnet.evidence import EvidenceMissingError
    from devnet.processes import ProcessEndedError
    from devnet.run import Devnet, RunFailedError
    from devnet.toolchain import ToolchainError

    expected = (
        ChainError, DirectoryError, EvidenceMissingError, ImportFileError, KeyFileError, OSError, ProcessEndedError,
        ReceptionsError, RunFailedError, ToolchainError,
    )  # fmt: skip
    for number in (signal.SIGTERM, signal.SIGINT):  # also where a shell started us with SIGINT ignored
        signal.signal(number, _interrupt)
    try:
        devnet = Devnet(options, _say)
    except OSError as error:
        _say(f"{options.directory} cannot hold a devnet: {error.strerror}. Give another --directory.")
        return FAILED
    try:
        devnet.start()
        _welcome(options, devnet)
        devnet.follow()
        return _conclude(devnet, json_path)
    except KeyboardInterrupt:
        _say("Ending.")
        return 130 if options.epochs else 0
    except expected as error:
        _say(f"{error}\nLogs are in {options.directory / 'logs'}.")
        return FAILED
    finally:
        devnet.stop()


def _interrupt(number: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _welcome(options: Options, devnet: Devnet) -> None:
    from devnet.describe import windows

    for line in windows(devnet.params):
        _say(line)
    if options.map_port:
        _say(f"The map is at http://127.0.0.1:{options.map_port}. Ctrl-C ends everything; the same command resumes it.")
    _say(f"Join with --network {options.directory / 'network.json'}. Simulated: {devnet.simulated}.")


def _conclude(devnet: Devnet, json_path: Path | None) -> int:
    problems = devnet.problems()
    for sentence in problems:
        _say(sentence)
    if json_path is not None:
        text = json.dumps(devnet.report(), indent=1)
        beside = json_path.with_name(f".{json_path.name}.{os.getpid()}")
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(json_path)
        _say(f"Written: {json_path}")
    return FAILED if problems else 0


@group.command()
@click.option("--network", default="devnet-data/network.json", show_default=True, help="The devnet's file or address.")
@click.option("--hotspot", metavar="HOST:PORT", help="Where the hotspot listens for packet forwarders.")
@click.option(
    "--pipe", type=click.Path(path_type=Path), help="Instead: its Wi-Fi bridge runs with --iface pipe: and this path."
)
@click.option("--at", required=True, metavar="LAT,LON", help="Where it stands.")
@click.option("--gain-dbi", type=click.FloatRange(-10, 15), default=2.0, show_default=True, help="Its antenna's gain.")
@click.option("--name", default="", help="Its name in the ether; default: from its address.")
@json_option
def attach(
    network: str, hotspot: str | None, pipe: Path | None, at: str, gain_dbi: float, name: str, as_json: bool
) -> None:
    """Put a hotspot into the ether of a running devnet: a packet forwarder at that place will speak to it.

    With --pipe, a Wi-Fi radio at that place will speak to its bridge.
    """
    from chain.network import NetworkFileError, load
    from devnet.ether.client import EtherClient, EtherRefusedError, EtherUnreachableError

    if (hotspot is None) == (pipe is None):
        raise click.UsageError("Say where the hotspot is with --hotspot HOST:PORT, or with --pipe PATH for Wi-Fi.")
    latitude, longitude = _place(at)
    try:
        simulated = load(network).simulated or {}
    except NetworkFileError as error:
        end(str(error))
    if "ether" not in simulated:
        end("This network has no simulated ether: point a real packet forwarder at the hotspot.")
    station = {
        "name": name or "guest-" + (hotspot or pipe.name).replace(":", "-").replace("[", "").replace("]", ""),
        **({"hotspot": hotspot} if hotspot else {"pipe": str(pipe.absolute())}),
        "lat": latitude,
        "lon": longitude,
        "gain_dbi": gain_dbi,
    }
    try:
        with EtherClient(simulated["ether"]) as ether:
            answer = ether.attach(station)
    except EtherRefusedError as error:
        end(str(error))
    except EtherUnreachableError as error:
        end(str(error), UNREACHABLE)
    radio = f"as forwarder {answer['eui']}" if answer["eui"] else "with a Wi-Fi radio"
    if as_json:
        print_json(answer, indent=None)
    else:
        click.echo(f"{answer['name']} is on air at {at} {radio} (simulated).")


def _place(at: str) -> tuple[str, str]:
    latitude, comma, longitude = at.partition(",")
    if not comma:
        raise click.BadParameter("give a latitude and a longitude in degrees, as in 48.40,9.99", param_hint="--at")
    return latitude.strip(), longitude.strip()
