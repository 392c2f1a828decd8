"""farfield hotspot register: a key if there is none, and one signed record on chain."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hotspot.commands.init import make_directory
from hotspot.commands.shared import (
    FAILED,
    KEY_PROBLEM,
    NETWORK_FILE,
    UNREACHABLE,
    directory_option,
    end,
    json_option,
    network_option,
    network_source,
    print_json,
    reader_for,
)

if TYPE_CHECKING:
    from hotspot.keys import DeviceKey
    from hotspot.registration import Site

KINDS = {"fixed": 0, "mapper": 1, "fixed-wifi": 2, "mapper-wifi": 3}
MIN_GAIN_CDB, MAX_GAIN_CDB = -1_000, 1_500
MAX_ELEVATION_M = 9_000


@click.command()
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
@click.option("--wifi-bridge", default=None, metavar="PATH", help="Socket of a Wi-Fi bridge, for a new hotspot.toml.")
@click.option("--gpsd", default=None, metavar="HOST:PORT", help="A mapper's gpsd, for a new hotspot.toml.")
@click.option("--gpsd-device", default=None, metavar="PATH", help="Which receiver of that gpsd.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the registration is final.")
@json_option
def register(network: str | None, directory: Path, as_json: bool, **options: Any) -> None:
    """Make a key if there is none, and put this hotspot on chain through a validator, which pays the gas."""
    site = _site(options)
    source = network_source(network, directory) or NETWORK_FILE
    device = _prepare(directory, options | {"network": source if Path(source).exists() else None})
    outcome = _register(source, device, site, wait=not options["no_wait"])
    if as_json:
        print_json(outcome | {"directory": str(directory)})
        return
    click.echo(f"Hotspot {outcome['hotspot_id']}")
    if outcome["already"]:
        click.echo("is registered already.")
    else:
        click.echo(f"Transaction 0x{outcome['transaction']}")
        click.echo("It is registered and final." if outcome["final"] else "It is on its way into the chain.")
        click.echo(
            f"Next: farfield hotspot run --directory {directory} (one that runs already takes the key by itself)"
        )


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
    from hotspot import keys

    make_directory(directory, options)
    try:
        return keys.load(directory) if keys.exists(directory) else keys.create(directory)
    except keys.KeyProblemError as error:
        end(str(error), KEY_PROBLEM)


def _register(source: str, device: DeviceKey, site: Site, *, wait: bool) -> dict[str, Any]:
    import asyncio

    from hotspot.epochs import ChainSilentError
    from hotspot.registration import RegistrationError

    reader = reader_for(source, Path())
    try:
        return asyncio.run(_relay_and_wait(reader, device, site, wait=wait))
    except ChainSilentError as error:
        end(str(error), UNREACHABLE)
    except RegistrationError as error:
        end(str(error), FAILED)
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
