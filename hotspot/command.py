"""farfield hotspot: register, run, look. Heavy libraries are imported by the command that needs them."""

from __future__ import annotations

import importlib
import json
import sys
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from hotspot.keys import DeviceKey
    from hotspot.registration import Site

FAILED, UNREACHABLE, KEY_PROBLEM = 1, 5, 6
KINDS = {"fixed": 0, "mapper": 1}
MIN_GAIN_CDB, MAX_GAIN_CDB = -1_000, 1_500
MAX_ELEVATION_M = 9_000
network_option = click.option(
    "--network", default="network.json", show_default=True, metavar="FILE|URL", help="The network's file or address."
)
directory_option = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="here",
    metavar="DIR",
    help="Where the hotspot keeps its key, settings and reports.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


COMMANDS = {
    "locate": ("ownership", "Say where a hotspot stands now, or change what is known of its antenna."),
    "shares": ("ownership", "Show who holds a hotspot, or what an account holds."),
    "transfer": ("ownership", "Hand on shares of a hotspot."),
    "claim": ("ownership", "Fetch what hotspots have earned, and pay the owner."),
    "collect": ("ownership", "Pay the owner what was fetched already."),
}


class LazyCommands(click.Group):
    """Imports a verb's module when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"hotspot.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=LazyCommands)
def group() -> None:
    """Run a hotspot: beacon, witness, earn.

    Exit codes: 0 fine, 1 failed, 2 usage, 3 not possible yet, 5 nothing answers, 6 the key cannot be used, 7 what
    validators serve is not what the chain says, 8 other protocol version.
    """


# --- register -----------------------------------------------------------------------------------------------------


@group.command()
@network_option
@directory_option
@click.option("--owner", required=True, metavar="0x..", help="Account that earns; it needs no gas and no tokens.")
@click.option("--at", metavar="LAT,LON", help="Where it stands, in degrees. Only an H3 cell of it is published.")
@click.option("--cell", metavar="H3", help="Where it stands, as an H3 cell of resolution 9 to 12.")
@click.option("--resolution", type=click.IntRange(9, 12), default=10, show_default=True, help="Of the cell of --at.")
@click.option("--gain-dbi", default="0", show_default=True, metavar="DBI", help="Antenna gain, at most two decimals.")
@click.option("--elevation-m", type=click.IntRange(-500, MAX_ELEVATION_M), default=0, help="Antenna above ground.")
@click.option("--kind", type=click.Choice(list(KINDS)), default="fixed", show_default=True)
@click.option("--listen", default=None, metavar="HOST:PORT", help="Port for packet forwarders, for a new hotspot.toml.")
@click.option("--gpsd", default=None, metavar="HOST:PORT", help="A mapper's gpsd, for a new hotspot.toml.")
@click.option("--gpsd-device", default=None, metavar="PATH", help="Which receiver of that gpsd.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the registration is final.")
@json_option
def register(network: str, directory: Path, as_json: bool, **options: Any) -> None:
    """Make a key if there is none, and put this hotspot on chain through a validator, which pays the gas."""
    site = _site(options)
    device = _prepare(directory, options)
    outcome = _register(network, device, site, wait=not options["no_wait"])
    if as_json:
        _print_json(outcome | {"directory": str(directory)})
        return
    click.echo(f"Hotspot {outcome['hotspot_id']}")
    if outcome["already"]:
        click.echo("is registered already.")
    else:
        click.echo(f"Transaction 0x{outcome['transaction']}")
        click.echo("It is registered and final." if outcome["final"] else "It is on its way into the chain.")
        click.echo(f"Next: farfield hotspot run --network {network} --directory {directory}")


def _site(options: dict[str, Any]) -> Site:
    from hotspot.registration import Site
    from protocol.ids import Address, Kind

    return Site(
        owner=Address(_account(options["owner"])),
        cell=_cell(options["at"], options["cell"], options["resolution"]),
        gain_cdb=_gain_cdb(options["gain_dbi"]),
        elevation_m=options["elevation_m"],
        kind=Kind(KINDS[options["kind"]]),
    )


def _account(text: str) -> bytes:
    from chain.network import checksum

    digits = text.removeprefix("0x")
    if len(digits) != 40 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise click.BadParameter(f"{text!r} is not an account: 0x and 40 hexadecimal digits.", param_hint="--owner")
    account = bytes.fromhex(digits)
    if digits not in (digits.lower(), digits.upper()) and f"0x{digits}" != checksum(account):
        raise click.BadParameter(f"{text} has a typing error: its capital letters do not fit.", param_hint="--owner")
    return account


def _cell(at: str | None, cell: str | None, resolution: int) -> Any:
    from protocol import geo
    from protocol.limits import MAX_REGISTERED_RESOLUTION, MIN_REGISTERED_RESOLUTION

    if (at is None) == (cell is None):
        raise click.UsageError("Say where it stands with --at LAT,LON or with --cell H3.")
    if cell is not None:
        index = int(cell, 16) if cell and all(digit in "0123456789abcdefABCDEF" for digit in cell) else 0
        if not geo.is_cell(index, MIN_REGISTERED_RESOLUTION, MAX_REGISTERED_RESOLUTION):
            raise click.BadParameter(f"{cell!r} is not an H3 cell of resolution 9 to 12.", param_hint="--cell")
        return index
    latitude, longitude = _place(at or "")
    return geo.cell_at(latitude, longitude, resolution)


def _place(text: str) -> tuple[float, float]:
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        latitude, longitude = 91.0, 0.0
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise click.BadParameter(f"{text!r} is not a place: give degrees as 48.40,9.99.", param_hint="--at")
    return latitude, longitude


def _gain_cdb(text: str) -> int:
    try:
        gain_cdb = Decimal(text) * 100
    except InvalidOperation:
        gain_cdb = Decimal("NaN")
    if not gain_cdb.is_finite() or gain_cdb % 1 or not MIN_GAIN_CDB <= gain_cdb <= MAX_GAIN_CDB:
        raise click.BadParameter(
            f"{text!r} is not a gain of -10 to 15 dBi with at most two decimals.", param_hint="--gain-dbi"
        )
    return int(gain_cdb)


def _prepare(directory: Path, options: dict[str, Any]) -> DeviceKey:
    """The directory with its settings and key, made where they are missing."""
    from hotspot import config, keys
    from hotspot.files import write_whole

    try:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / config.CONFIG_FILE
        if not path.exists():
            listen = options["listen"] or config.DEFAULT_LISTEN
            text = config.new_file(listen, options["gpsd"], options["gpsd_device"])
            config.parse(text)
            write_whole(path, text.encode())
        config.load(directory)
        return keys.load(directory) if (directory / keys.KEY_FILE).exists() else keys.create(directory)
    except config.ConfigError as error:
        _end(str(error), FAILED)
    except keys.KeyProblemError as error:
        _end(str(error), KEY_PROBLEM)
    except OSError as error:
        _end(f"Cannot write in {directory}: {error.strerror}. Choose another --directory.", FAILED)


def _register(source: str, device: DeviceKey, site: Site, *, wait: bool) -> dict[str, Any]:
    import asyncio

    from hotspot.epochs import ChainSilentError
    from hotspot.registration import RegistrationError

    reader = _reader(source)
    try:
        return asyncio.run(_relay_and_wait(reader, device, site, wait=wait))
    except ChainSilentError as error:
        _end(str(error), UNREACHABLE)
    except RegistrationError as error:
        _end(str(error), FAILED)
    finally:
        reader.close()


async def _relay_and_wait(reader: Any, device: DeviceKey, site: Site, *, wait: bool) -> dict[str, Any]:
    from hotspot.chain_source import ChainAnchors
    from hotspot.clock import SystemClock
    from hotspot.registration import relay, signed_registration, until_final
    from hotspot.wire import ValidatorClient

    network, registry = reader.network, ChainAnchors(reader)
    outcome: dict[str, Any] = {
        "hotspot_id": device.hotspot_id.hex(),
        "transaction": None,
        "final": True,
        "already": True,
    }
    if await registry.registered(device.hotspot_id) is not None:
        return outcome
    clients = [ValidatorClient(one.endpoint) for one in network.validators]
    try:
        relayed = await relay(clients, *signed_registration(device, network.network, site))
    finally:
        for client in clients:
            await client.close()
    if wait:
        await until_final(registry, device.hotspot_id, SystemClock())
    return outcome | {"transaction": relayed.transaction_hash.hex(), "final": wait, "already": False}


# --- run ----------------------------------------------------------------------------------------------------------


@group.command()
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
@json_option
def run(network: str, directories: tuple[Path, ...], listen: str | None, as_json: bool) -> None:
    """Beacon and witness until Ctrl-C."""
    import asyncio

    from hotspot.config import endpoint
    from hotspot.start import StartError

    try:
        at = None if listen is None else endpoint(listen)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--listen") from error
    _configure_log()
    try:
        asyncio.run(_run(_reader(network), directories, at, as_json=as_json))
    except StartError as error:
        _end(str(error), error.code)


async def _run(reader: Any, directories: tuple[Path, ...], listen: Any, *, as_json: bool) -> None:
    import asyncio
    import signal

    from hotspot.daemon import running

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(reader, directories, listen) as (daemon, played):
        _greet(daemon, played, as_json=as_json)
        await daemon.run(stop)
    if not as_json:
        click.echo("Stopped; everything stored stays stored.")


def _greet(daemon: Any, played: Any, *, as_json: bool) -> None:
    from hotspot.start import window_lines

    for warning in played.warnings:
        click.echo(warning, err=True)
    simulated = (played.file.simulated or {}).get("what")
    hotspots = [{"hotspot_id": one.device.hotspot_id.hex(), "listen": one.listen} for one in daemon.hosted]
    if as_json:
        _print_json({"network": played.file.name, "simulated": simulated, "hotspots": hotspots}, indent=None)
    else:
        click.echo(f"Network {played.file.name}" + (f" (simulated: {simulated})" if simulated else ""))
        for line in window_lines(played.rules.params.epoch):
            click.echo(line)
        for one in hotspots:
            click.echo(f"Hotspot {one['hotspot_id'][:16]}... listens for packet forwarders on {one['listen']}.")
    sys.stdout.flush()


def _configure_log() -> None:
    import structlog

    renderer: Any = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


# --- look ---------------------------------------------------------------------------------------------------------


@group.command()
@directory_option
@json_option
def status(directory: Path, as_json: bool) -> None:
    """Print what the running hotspot does."""
    from hotspot.status_client import NotRunningError, ask

    try:
        answer = ask(directory)
    except NotRunningError as error:
        _end(str(error), UNREACHABLE)
    if as_json:
        _print_json(answer)
    else:
        click.echo("\n".join(_status_lines(answer, int(time.time() * 1_000))))


def _status_lines(answer: dict[str, Any], now_ms: int) -> list[str]:
    network, slot = answer["network"], answer["next_slot"]
    simulated = f" (simulated: {network['simulated']})" if network["simulated"] else ""
    reachable = sum(1 for one in answer["validators"] if one["reachable"])
    alive = [one for one in answer["forwarders"] if one["alive"]]
    lines = [
        f"Hotspot    {answer['hotspot_id']}",
        f"Network    {network['name']}{simulated}, epoch {answer['epoch']}, "
        f"{max(answer['epoch_ends_at_ms'] - now_ms, 0) // 1_000} s left",
        f"On chain   {answer['kind']} in {answer['cell']}, {answer['region'] or 'region not known yet'}"
        if answer["registered"]
        else "On chain   not registered when this epoch's registry was read",
        f"Radio      {len(alive)} packet forwarder{'s' * (len(alive) != 1)} on {answer['listen']}",
        f"Validators {reachable} of {len(answer['validators'])} answer",
        "Next slot  none left in this epoch"
        if slot is None
        else f"Next slot  in {max(slot['start_ms'] - now_ms, 0) // 1_000} s, {slot['frequency_hz'] / 1e6:.1f} MHz "
        f"SF{slot['spreading_factor']}",
    ]
    for group_name in ("beacons", "rxpk", "witnesses", "commits", "reveals", "reports", "position"):
        counts = answer["counters"].get(group_name)
        if counts:
            lines.append(f"{group_name:<10} " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    lines += [f"{one['eui']} is used by two packet forwarders." for one in alive if one["shares_its_eui"]]
    return lines


@group.group()
def keys() -> None:
    """The device key."""


@keys.command("show")
@directory_option
@json_option
def keys_show(directory: Path, as_json: bool) -> None:
    """Print the hotspot's id and public key; the private key never leaves its file."""
    from hotspot import keys as device_keys

    try:
        device = device_keys.load(directory)
    except device_keys.KeyProblemError as error:
        _end(str(error), KEY_PROBLEM)
    x, y = device.coordinates
    shown = {
        "hotspot_id": device.hotspot_id.hex(),
        "public_key": f"04{x.hex()}{y.hex()}",
        "file": str(directory / device_keys.KEY_FILE),
    }
    if as_json:
        _print_json(shown)
    else:
        for name, value in shown.items():
            click.echo(f"{name:<12}{value}")


def _reader(source: str) -> Any:
    from chain.network import NetworkFileError, load
    from chain.reader import ChainReader

    try:
        return ChainReader(load(source))
    except NetworkFileError as error:
        _end(str(error), FAILED)


def _print_json(shape: Any, indent: int | None = 2) -> None:
    click.echo(json.dumps(shape, indent=indent, ensure_ascii=False))


def _end(sentence: str, code: int) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(code)
