"""farfield hotspot survey: record other networks' signal, make the file the need map reads, and sign it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.terminal import FAILED, KEY_PROBLEM, end, json_option, print_json
from hotspot.commands.shared import directory_option, network_file, network_option

if TYPE_CHECKING:
    from hotspot.config import Config
    from hotspot.quiet import Zone
    from hotspot.survey.readings import Reading, Refusal
    from hotspot.survey.rows import Made

NOT_VERIFIED = 7
LEAST_RESOLUTION = 9
RECORDED = "survey.csv"
source_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def survey() -> None:
    """Measure other networks' signal; only the res-9 cell of each place leaves this device.

    Exit codes: 0 fine, 1 failed, 2 usage, 6 the key cannot be used, 7 a signature does not verify.
    """


# --- take ---------------------------------------------------------------------------------------------------------


@survey.command("take")
@directory_option
@click.option("--every-s", type=click.IntRange(1, 3_600), default=10, show_default=True)
@click.option("--times", type=click.IntRange(1), default=None, help="Stop after so many; default: Ctrl-C.")
@json_option
def survey_take(directory: Path, every_s: int, times: int | None, as_json: bool) -> None:
    """On a phone with Termux:API: note its cells and its position again and again, in survey.csv, for you alone."""
    import asyncio
    import contextlib

    from hotspot.survey.readings import SurveyError

    config = _config(directory)
    counts: Counter[str] = Counter()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_take(config, directory, every_s, times, counts))
    except SurveyError as error:
        end(str(error), FAILED)
    shape = {"file": str(directory / RECORDED), "counts": dict(sorted(counts.items()))}
    if as_json:
        print_json(shape)
    else:
        click.echo(f"{directory / RECORDED}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))


async def _take(config: Config, directory: Path, every_s: int, times: int | None, counts: Counter[str]) -> None:
    import asyncio

    from hotspot.clock import SystemClock
    from hotspot.positions.mapper import receiver_of
    from hotspot.positions.termux import Termux
    from hotspot.survey.taking import Latest, take

    clock = SystemClock()
    latest = Latest(clock)
    receiver = receiver_of(config, directory, clock) or Termux(clock)
    following = asyncio.ensure_future(receiver.run(latest.told))
    try:
        taken = 0
        while times is None or taken < times:
            await clock.sleep_ms(every_s * 1_000)
            counts.update(await take(directory / RECORDED, latest, _zones(config), clock))
            taken += 1
    finally:
        following.cancel()
        await asyncio.wait({following})


# --- sign ---------------------------------------------------------------------------------------------------------


@survey.command("sign")
@click.argument("sources", nargs=-1, required=True, type=source_file)
@network_option
@directory_option
@click.option("--class", "radio_class", type=click.Choice(["cellular", "wifi", "lora"]), default="cellular")
@click.option("--at", metavar="LAT,LON", help="Where a Termux cell info file was taken.")
@click.option("--location", type=source_file, help="The same, as termux-location printed it.")
@click.option("--time", "when", metavar="ISO", help="When it was taken; default: the file's own time.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE")
@json_option
def survey_sign(network: str | None, directory: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Make one signed file of SOURCES: survey.csv and the like, or what termux-telephony-cellinfo printed (JSON).

    Our CSV has the columns time, lat, lon, radio (lte, nr, wifi, lora), operator and dbm, with accuracy_m if known.
    """
    from hotspot.keys import KeyProblemError, load
    from hotspot.survey import rows, signature
    from hotspot.survey.readings import SurveyError

    config = _config(directory)
    names = network_file(network, directory).network
    try:
        device = load(directory)
        made = rows.make(_readings(options), options["radio_class"], _zones(config), device.hotspot_id.hex())
        signature.write(out, made, device, names)
    except KeyProblemError as error:
        end(str(error), KEY_PROBLEM)
    except (SurveyError, OSError) as error:
        end(str(error), FAILED)
    _print_made(made, out, device.hotspot_id.hex(), options["radio_class"], as_json=as_json)


def _readings(options: dict[str, Any]) -> Iterator[Reading | Refusal]:
    for path in options["sources"]:
        with path.open("rb") as file:
            is_json = file.read(1_024).lstrip()[:1] in (b"[", b"{")
        yield from _of_termux(path, options) if is_json else _of_csv(path)


def _of_csv(path: Path) -> Iterator[Reading | Refusal]:
    from hotspot.survey.readings import of_csv

    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        yield from of_csv(lines)


def _of_termux(path: Path, options: dict[str, Any]) -> Iterable[Reading | Refusal]:
    from hotspot.survey.readings import SurveyError, moment_ms, of_cells

    latitude, longitude = _place(options["at"], options["location"])
    at_ms = path.stat().st_mtime_ns // 1_000_000 if options["when"] is None else moment_ms(options["when"])
    if at_ms is None:
        raise SurveyError(f"{options['when']!r} is not a time: give 2026-11-24T12:00:00Z.")
    return of_cells(path.read_bytes(), at_ms, latitude, longitude)


def _place(at: str | None, location: Path | None) -> tuple[float, float]:
    from hotspot.positions.fix import Fix
    from hotspot.positions.termux import read_answer
    from hotspot.survey.readings import SurveyError

    if location is not None:
        found = read_answer(location.read_bytes())
        if not isinstance(found, Fix):
            raise SurveyError(f"{location} holds no position ({found}).")
        return found.latitude_deg, found.longitude_deg
    try:
        latitude, longitude = (float(part) for part in (at or "").split(","))
    except ValueError:
        latitude, longitude = 91.0, 0.0
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise SurveyError("Cell info says nothing of the place: give --at LAT,LON or --location FILE.")
    return latitude, longitude


# --- check --------------------------------------------------------------------------------------------------------


@survey.command("check")
@click.argument("file", type=source_file)
@json_option
def survey_check(file: Path, as_json: bool) -> None:
    """Say who signed FILE, or exit with 7."""
    from hotspot.survey import signature
    from hotspot.survey.readings import SurveyError

    try:
        signed = signature.check(file)
    except SurveyError as error:
        end(str(error), NOT_VERIFIED)
    one = signed.survey
    shape = {
        "hotspot_id": one.hotspot_id.hex(),
        "rows": one.rows,
        "first_day": one.first_day,
        "last_day": one.last_day,
        "chain_id": signed.network.chain_id,
        "contract": f"0x{signed.network.hotspots.hex()}",
    }
    if as_json:
        print_json(shape)
    else:
        click.echo(f"{one.rows} rows, signed by hotspot {one.hotspot_id.hex()} for chain {signed.network.chain_id}.")


# --- shared -------------------------------------------------------------------------------------------------------


def _config(directory: Path) -> Config:
    import os

    from hotspot import config

    try:
        found = config.load(directory, os.environ)
    except config.ConfigError as error:
        end(str(error), FAILED)
    if found.mapper_resolution < LEAST_RESOLUTION:
        end("A survey tells res-9 cells; `mapper_resolution` in hotspot.toml allows coarser ones only.", FAILED)
    if found.quiet_home_m and found.home is None:
        end(
            'Say where home is, so that it stays out: `home = "LAT,LON"` in hotspot.toml, or `quiet_home_m = 0`.',
            FAILED,
        )
    return found


def _zones(config: Config) -> list[Zone]:
    from hotspot.quiet import Zone

    home = [Zone(*config.home, config.quiet_home_m)] if config.home is not None and config.quiet_home_m else []
    return [*config.quiet_zones, *home]


def _refusals(made: Made) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in made.refused.items())


def _print_made(made: Made, out: Path, hotspot_id: str, radio_class: str, *, as_json: bool) -> None:
    from hotspot.survey.signature import beside

    if as_json:
        shape = {name: value for name, value in asdict(made).items() if name != "data"}
        print_json({"file": str(out), "signature": str(beside(out)), "hotspot_id": hotspot_id, **shape})
        return
    click.echo(f"{out}: {made.readings} readings in {made.rows} rows and {made.cells} cells, signed.")
    if made.refused:
        click.echo(f"Left out: {_refusals(made)}.")
    click.echo(f"Next: farfield map import {out} --class {radio_class} --source NUMBER --out baseline.rows")
