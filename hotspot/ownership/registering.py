"""Registering without a relayer: with a key that pays the gas itself, or only to see what it would come to."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import Any

import click

from chain import calls
from chain.calls import Call
from chain.network import NetworkFile, checksum, load
from chain.reader import ChainReader
from chain.refusals import far
from chain.sender import Sender
from chain.terminal import print_json
from chain.transacting.options import Sending, Stop, ends_with_a_sentence
from chain.transacting.session import Intent, carry_out, coin_text, finish, session
from hotspot.keys import DeviceKey
from hotspot.ownership.registration import Site, signed_registration
from protocol.records import Registration


def _call(network: NetworkFile, device: DeviceKey, site: Site) -> Call:
    record, signature = signed_registration(device, network.network, site)
    registration = Registration.decode(record)
    assert registration is not None, "it was encoded just now"
    return calls.register(network, registration, signature)


def _words(reader: ChainReader, site: Site) -> list[str]:
    fee = reader.call("Hotspots", "registrationFee")
    return [
        f"{checksum(site.owner)} gets all 10,000 shares, in cell {site.cell:x}.",
        f"The fee of {far(fee)} is burned from what the hotspot earns first.",
    ]


@ends_with_a_sentence
def pay_yourself(options: Sending, device: DeviceKey, site: Site) -> None:
    """Sends the registration with the key of the options, which pays the gas."""
    with session(options) as opened:
        told = {"hotspot_id": device.hotspot_id.hex(), "owner": checksum(site.owner)}
        intent = Intent([_call(opened.network, device, site)], _words(opened.reader, site), told)
        sentence = f"Hotspot {device.hotspot_id.hex()} is registered. Next: farfield hotspot run"
        finish(opened, intent, carry_out(opened, intent), sentence)


@ends_with_a_sentence
def rehearse(source: str, device: DeviceKey, site: Site, *, as_json: bool) -> None:
    """Says what a validator would send and pay; nothing leaves this machine but questions to the chain."""
    network = load(source)
    reader = ChainReader(network)
    with tempfile.TemporaryDirectory() as scratch:
        sender = Sender(reader, secrets.token_bytes(32), Path(scratch) / "journal.sqlite")
        try:
            [simulated] = sender.preview([_call(network, device, site)])
            price_wei, words = sender.gas_price_wei(), _words(reader, site)
        finally:
            sender.close()
            reader.close()
    refusal, gas = simulated.refusal, simulated.gas or 0
    if as_json:
        told: dict[str, Any] = {"hotspot_id": device.hotspot_id.hex(), "dry_run": True, "gas": simulated.gas}
        told |= {"cost_wei": str(gas * price_wei), "error": refusal and refusal.name}
        print_json(told | {"problem": refusal and refusal.sentence})
    if refusal is not None:
        raise Stop(refusal.sentence)
    if not as_json:
        click.echo("\n".join(words))
        click.echo(f"A validator would send it and pay {gas:,} gas, about {coin_text(gas * price_wei)}.")
        click.echo("Nothing was sent. Without --dry-run it is.")
