"""farfield hotspot beacon: what would be sent when. Nothing is transmitted."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import click

from chain.terminal import FAILED, KEY_PROBLEM, UNREACHABLE, end, json_option, print_json
from hotspot.commands.shared import directory_option, network_option, reader_for


@click.command()
@network_option
@directory_option
@click.option("--dry-run", is_flag=True, help="The only way there is: slots are drawn by the network, not by you.")
@json_option
def beacon(network: str | None, directory: Path, dry_run: bool, as_json: bool) -> None:
    """Show this epoch's slots with frequency, power and time on air; transmit nothing."""
    if not dry_run:
        raise click.UsageError("A beacon is only sent in a slot the network draws; see yours with --dry-run.")
    found = _planned(network, directory)
    if as_json:
        print_json(found)
        return
    now_ms = time.time() * 1_000
    click.echo(f"Epoch {found['epoch']}, {found['region']}, antenna gain {found['gain_cdb'] / 100:g} dBi:")
    for one in found["slots"]:
        left_s = (one["start_ms"] - now_ms) / 1_000
        when = f"in {left_s:.0f} s" if left_s >= 0 else "past"
        rate = (
            f"SF{one['spreading_factor']}, {one['airtime_us'] / 1_000:.1f} ms on air" if one["airtime_us"] else "Wi-Fi"
        )
        click.echo(
            f"  slot {one['index']}  {when:>10}  {one['frequency_hz'] / 1e6:.1f} MHz  {rate}  "
            f"{one['power_dbm']} dBm out of the radio, {one['eirp_cdb'] / 100:g} dBm radiated"
        )
    click.echo(f"{found['frame_bytes']} bytes each. Nothing was transmitted.")


def _planned(network: str | None, directory: Path) -> dict[str, Any]:
    from hotspot.keys import KeyProblemError, place
    from hotspot.playing.epochs import ChainSilentError
    from hotspot.running.start import StartError
    from protocol.ids import HotspotId

    reader = reader_for(network, directory)
    try:
        hotspot_id = HotspotId(bytes.fromhex(place.show(directory).hotspot_id))  # its public half is all this needs
        return asyncio.run(_plan(reader, hotspot_id, directory))
    except KeyProblemError as error:
        end(str(error), KEY_PROBLEM)
    except StartError as error:
        end(str(error), error.code)
    except ChainSilentError as error:
        end(str(error), UNREACHABLE)
    finally:
        reader.close()


async def _plan(reader: Any, hotspot_id: Any, directory: Path) -> dict[str, Any]:
    from hotspot.playing.chain_source import ChainAnchors
    from hotspot.running.start import join
    from hotspot.wire import ValidatorClient
    from protocol.schedule import epoch_at, epoch_start_ms

    clients = [ValidatorClient(one.endpoint) for one in reader.network.validators]
    try:
        played = await join(reader, clients, directory)
    finally:
        for client in clients:
            await client.close()
    windows = played.rules.params.epoch
    number = max(epoch_at(played.genesis_ms, windows, time.time_ns() // 1_000_000), 1)
    start_ms = epoch_start_ms(played.genesis_ms, windows, number)
    anchor = await ChainAnchors(reader).anchor(number, start_ms - windows.seed_lead_ms)
    if anchor is None:
        end(f"The seed of epoch {number} is not final yet. Try again in a moment.", FAILED)
    return _slots(reader, hotspot_id, played, number, start_ms, anchor)


def _slots(reader: Any, hotspot_id: Any, played: Any, number: int, start_ms: int, anchor: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from hotspot.playing.beaconing import most_power_dbm, plan_epoch, slot_airtime_us
    from hotspot.playing.epochs import Epoch
    from protocol.encoding import epoch_seed
    from protocol.ids import Kind
    from protocol.parameters import FRAME_BYTES

    seed = epoch_seed(reader.network.network, number, anchor.block_hash)
    epoch = Epoch(number, start_ms, start_ms + played.rules.params.epoch.length_ms, seed, anchor)
    row = epoch.row(hotspot_id)
    is_wifi = row is not None and Kind(row.kind).is_wifi
    plan = plan_epoch(played.rules, epoch, hotspot_id, wifi=is_wifi)
    if isinstance(plan, str):
        end(f"This hotspot has no slots in epoch {number}: {plan}. `farfield hotspot doctor` says what to do.", FAILED)
    slots = [
        asdict(slot)
        | {
            "power_dbm": most_power_dbm(slot, plan.row.gain_cdb),
            "airtime_us": 0 if is_wifi else slot_airtime_us(slot),
        }
        for slot in plan.slots
    ]
    return {
        "epoch": number,
        "region": plan.region,
        "gain_cdb": plan.row.gain_cdb,
        "frame_bytes": FRAME_BYTES,
        "slots": slots,
        "transmitted": False,
    }
