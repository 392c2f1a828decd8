"""farfield hotspot reports: every report by the id in the log, how it was delivered, how it was judged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.terminal import FAILED, KEY_PROBLEM, UNREACHABLE, end, json_option, print_json
from hotspot.commands.shared import directory_option, network_file, network_option

if TYPE_CHECKING:
    from chain.network import NetworkFile
    from hotspot.reporting.history import Fate
    from hotspot.wire import ReportVerdict

MOST = 10_000
HEX = frozenset("0123456789abcdefABCDEF")


@click.command()
@network_option
@directory_option
@click.option("--why", is_flag=True, help="Ask a validator for the verdict on each, with the numbers behind it.")
@click.option("--id", "prefix", default="", metavar="HEX", help="Only those whose id starts so, as the log names them.")
@click.option("--last", type=click.IntRange(1, MOST), default=20, show_default=True, help="How many, newest first.")
@json_option
def reports(network: str | None, directory: Path, why: bool, prefix: str, last: int, as_json: bool) -> None:
    """List the reports of this hotspot; with --why, each with its verdict and reason."""
    if set(prefix) - HEX:
        raise click.BadParameter(f"{prefix!r} is not hexadecimal.", param_hint="--id")
    found = _stored(directory, last, prefix)
    verdicts = _verdicts(network_file(network, directory), found) if why and found else None
    shapes = [_shape(one, {} if isinstance(verdicts, str) else verdicts) for one in found]
    if as_json:
        print_json({"reports": shapes})
    elif not shapes:
        click.echo("No reports are stored yet.")
    for shape in shapes if not as_json else ():
        click.echo("\n".join(_lines(shape)))
    if isinstance(verdicts, str):
        end(verdicts, UNREACHABLE)


def _stored(directory: Path, last: int, prefix: str) -> list[Fate]:
    from hotspot.keys import KeyProblemError, place
    from hotspot.reporting.history import opened, outbox_of
    from hotspot.reporting.outbox import StorageError

    try:
        hotspot_id = bytes.fromhex(place.show(directory).hotspot_id)
        path = outbox_of(directory)
        if path is None:
            return []
        with opened(path) as history:
            return history.fates(hotspot_id, prefix, limit=last)
    except KeyProblemError as error:
        end(str(error), KEY_PROBLEM)
    except StorageError as error:
        end(str(error), FAILED)


def _verdicts(file: NetworkFile, found: list[Fate]) -> dict[bytes, ReportVerdict] | str:
    """Verdicts by report id, from the first validator that answers; a sentence if none does."""
    import asyncio

    return asyncio.run(_ask(file, [one.report_id for one in found]))


async def _ask(file: NetworkFile, ids: list[Any]) -> dict[bytes, ReportVerdict] | str:
    from hotspot.wire import CallFailed, ValidatorClient
    from protocol.limits import MAX_BATCH_ENTRIES

    problems = []
    for entry in file.validators:
        client, verdicts = ValidatorClient(entry.endpoint), {}
        try:
            for at in range(0, len(ids), MAX_BATCH_ENTRIES):
                told = await client.verdicts(ids[at : at + MAX_BATCH_ENTRIES])
                if isinstance(told, CallFailed):
                    problems.append(f"{entry.endpoint}: {told.sentence}.")
                    break
                verdicts |= {one.report_id: one for one in told}
            else:
                return verdicts
        finally:
            await client.close()
    return "No validator answers. " + " ".join(problems)


def _shape(one: Fate, verdicts: dict[bytes, ReportVerdict] | None) -> dict[str, Any]:
    from hotspot.reporting.reports import Step

    at_ms, detail = one.described()
    shape: dict[str, Any] = {
        "id": one.report_id.hex(),
        "epoch": one.epoch,
        "role": one.role.name.lower(),
        "at_ms": at_ms,
        "detail": detail,
        "delivery": one.outcome or "under way",
        "told": one.sentence(),
        "validators_committed": one.acknowledged(Step.COMMIT),
        "validators_revealed": one.acknowledged(Step.REVEAL),
    }
    if verdicts is None:
        return shape
    shape["offered"] = [
        {
            "validator": f"0x{offered.validator.hex()}",
            "step": offered.step.name.lower(),
            "at_ms": offered.at_ms,
            "outcome": offered.outcome,
            "why": offered.why,
            "sentence": offered.sentence(),
        }
        for offered in one.offered
    ]
    verdict = verdicts.get(one.report_id)
    from hotspot.reporting.verdicts import sentence

    return shape | {
        "verdict": None if verdict is None else verdict.reason,
        "final": verdict is not None and verdict.final,
        "why": "No validator remembers it: they keep verdicts of the last epochs." if verdict is None and one.outcome
        else sentence(verdict),
        "measured": None if verdict is None else verdict.measured,
        "allowed": None if verdict is None else verdict.allowed,
    }  # fmt: skip


def _lines(shape: dict[str, Any]) -> list[str]:
    at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(shape["at_ms"] / 1_000))
    lines = [
        f"{shape['id'][:16]}  epoch {shape['epoch']}  {shape['role']:<7}  {at}  {shape['detail']}",
        f"{'':18}{shape['told']} ({shape['validators_committed']} validators have its commit, "
        f"{shape['validators_revealed']} the report)",
    ]
    lines += [
        f"{'':18}{one['validator'][:10]}..: {one['sentence']}"
        for one in shape.get("offered", ())
        if one["outcome"] != "acknowledged"
    ]
    if "why" in shape:
        lines.append(f"{'':18}{shape['verdict'] or '-'}: {shape['why']}")
    return lines
