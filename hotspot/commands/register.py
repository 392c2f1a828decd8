"""farfield hotspot register: a key if there is none, and one signed record on chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.terminal import FAILED, KEY_PROBLEM, UNREACHABLE, end, json_option, print_json
from chain.transacting.values import ACCOUNT
from hotspot.commands.init import make_directory
from hotspot.commands.places import ELEVATION_M, cell_of, gain_cdb_of
from hotspot.commands.shared import NETWORK_FILE, directory_option, network_option, network_source, reader_for

if TYPE_CHECKING:
    from hotspot.keys import DeviceKey
    from hotspot.ownership.registration import Site

KINDS = {"fixed": 0, "mapper": 1, "fixed-wifi": 2, "mapper-wifi": 3}


@click.command()
@network_option
@directory_option
@click.option("--owner", required=True, type=ACCOUNT, help="Account that earns; it needs no gas and no tokens.")
@click.option("--at", metavar="LAT,LON", help="Where it stands, in degrees. Only an H3 cell of it is published.")
@click.option("--cell", metavar="H3", help="Where it stands, as an H3 cell of resolution 9 to 12.")
@click.option("--resolution", type=click.IntRange(9, 12), default=10, show_default=True, help="Of the cell of --at.")
@click.option("--gain-dbi", default="0", show_default=True, metavar="DBI", help="Antenna gain, at most two decimals.")
@click.option("--elevation-m", type=ELEVATION_M, default=0, help="Antenna above ground.")
@click.option("--kind", type=click.Choice(list(KINDS)), default="fixed", show_default=True)
@click.option("--listen", default=None, metavar="HOST:PORT", help="Port for packet forwarders, for a new hotspot.toml.")
@click.option("--wifi-bridge", default=None, metavar="PATH", help="Socket of a Wi-Fi bridge, for a new hotspot.toml.")
@click.option("--gpsd", default=None, metavar="HOST:PORT", help="A mapper's gpsd, for a new hotspot.toml.")
@click.option("--gpsd-device", default=None, metavar="PATH", help="Which receiver of that gpsd.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the registration is final.")
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Pay the gas with this key instead of asking a validator.",
)
@click.option("--dry-run", is_flag=True, help="Simulate, print what it would cost and whom, send nothing.")
@json_option
def register(network: str | None, directory: Path, as_json: bool, **options: Any) -> None:
    """Make a key if there is none, and put this hotspot on chain through a validator, which pays the gas."""
    site = _site(options)
    source = network_source(network, directory) or NETWORK_FILE
    if options["dry_run"] or options["key"]:
        _without_relayer(source, directory, site, options, as_json=as_json)
        return
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
    from hotspot.ownership.registration import Site
    from protocol.ids import Address, Kind

    return Site(
        owner=Address(options["owner"]),
        cell=cell_of(options["at"], options["cell"], options["resolution"]),
        gain_cdb=gain_cdb_of(options["gain_dbi"]),
        elevation_m=options["elevation_m"],
        kind=Kind(KINDS[options["kind"]]),
    )


def _without_relayer(source: str, directory: Path, site: Site, options: dict[str, Any], *, as_json: bool) -> None:
    """With a key that pays, or a dry run, which makes neither key nor settings."""
    from chain.transacting.options import Sending
    from hotspot.ownership.registering import pay_yourself, rehearse

    dry_run, key = options["dry_run"], options["key"]
    if dry_run:
        device = _existing_key(directory)
    else:
        device = _prepare(directory, options | {"network": source if Path(source).exists() else None})
    if key is None:
        rehearse(source, device, site, as_json=as_json)
        return
    sending = Sending(source, key, dry_run=dry_run, force=False, wait=not options["no_wait"], as_json=as_json)
    pay_yourself(sending, device, site)


def _existing_key(directory: Path) -> DeviceKey:
    from hotspot import keys

    if not keys.exists(directory):
        end(f"{directory} has no device key, and a dry run makes none: farfield hotspot keys create", KEY_PROBLEM)
    try:
        return keys.load(directory)
    except keys.KeyProblemError as error:
        end(str(error), KEY_PROBLEM)


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

    from hotspot.ownership.registration import RegistrationError
    from hotspot.playing.epochs import ChainSilentError

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
    from hotspot.clock import SystemClock
    from hotspot.ownership.registration import relay, signed_registration, until_final
    from hotspot.playing.chain_source import ChainAnchors
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
