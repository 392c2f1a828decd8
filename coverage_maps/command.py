"""`farfield map`: serve the map, read the need of a cell, cut an area, import a baseline. Heavy parts load on use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chain.terminal import FAILED, UNREACHABLE, UNVERIFIED, end, json_option, print_json

if TYPE_CHECKING:
    from chain.network import NetworkFile
    from coverage_maps.importers.measurements import ImportReport
    from coverage_maps.view import EpochView

CLASSES = ("cellular", "wifi", "lora")
MAX_SOURCE = 2**16 - 1

network_option = click.option(
    "--network",
    "network_source",
    default="network.json",
    show_default=True,
    envvar="FARFIELD_NETWORK",
    metavar="FILE|URL",
    help="The network's file or address.",
)
epoch_option = click.option("--epoch", type=click.IntRange(min=0), help="Epoch; the newest settled one by default.")
directory_option = click.option(
    "--directory", type=click.Path(path_type=Path, file_okay=False), help="Where fetched evidence is kept."
)


@click.group()
def group() -> None:
    """Look at coverage: serve the map, read need and gaps."""


def _kept_in(directory: Path | None) -> Path:
    if directory is not None:
        return directory
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "farfield" / "map"


def _network(source: str) -> NetworkFile:
    from chain.network import NetworkFileError, load

    try:
        return load(source)
    except NetworkFileError as error:
        end(str(error))


def _view(network_source: str, epoch: int | None, directory: Path | None) -> EpochView:
    """The checked view of one epoch; ends the command with a sentence if there is none."""
    from coverage_maps.one_epoch import Unreachable, read_epoch
    from coverage_maps.record import Problem

    found = read_epoch(_network(network_source), epoch, _kept_in(directory))
    if isinstance(found, Unreachable):
        end(found.sentence, UNREACHABLE)
    if isinstance(found, Problem):
        end(found.sentence, FAILED if found.missing else UNVERIFIED)
    return found


# --- serve ------------------------------------------------------------------------------------------------------------


@group.command()
@network_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65_535), help="0 takes any free one.")
@directory_option
@click.option("--area", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A GeoJSON area to draw.")
@json_option
def serve(network_source: str, host: str, port: int, directory: Path | None, area: Path | None, as_json: bool) -> None:
    """Serve the map of a network until Ctrl-C."""
    from coverage_maps.serve import MAPLIBRE, PAGE, ServeError, Settings, run

    network = _network(network_source)
    if not (PAGE / MAPLIBRE).exists():
        click.echo("The page's libraries are missing: run `make setup`, or `npm ci --ignore-scripts`", err=True)
        click.echo("and `python -m coverage_maps.vendor`. Until then only the data under /v1 is served.", err=True)

    def ready(bound: int) -> None:
        address = f"http://{host}:{bound}"
        if as_json:
            print_json({"map": address}, indent=None)
        else:
            click.echo(f"Map of {network.name} at {address} (Ctrl-C ends it)")

    settings = Settings(network, _kept_in(directory), host, port, area.read_bytes() if area else None)
    try:
        run(settings, ready)
    except ServeError as error:
        end(str(error))


# --- need -------------------------------------------------------------------------------------------------------------


@group.command()
@click.argument("cell")
@network_option
@epoch_option
@directory_option
@json_option
def need(cell: str, network_source: str, epoch: int | None, directory: Path | None, as_json: bool) -> None:
    """Print what CELL (an H3 index, or LAT,LON) pays, and every number behind it."""
    from coverage_maps import shapes
    from coverage_maps.places import parse_cell
    from coverage_maps.view import pay_cell_of

    wanted = parse_cell(cell)
    if wanted is None:
        raise click.UsageError(f"{cell!r} is neither an H3 index of 15 hexadecimal digits nor LAT,LON in degrees.")
    view = _view(network_source, epoch, directory)
    pay_cell = pay_cell_of(view.record, wanted)
    if pay_cell is None:
        raise click.UsageError(f"{cell} is coarser than a pay cell; give one of resolution 8 or finer.")
    shape = shapes.cell_shape(view, pay_cell)
    if as_json:
        print_json(shape)
        return
    click.echo(f"Cell {shape['cell']} in epoch {shape['epoch']}: {shape['sentence']}")
    for step in shape["steps"]:
        click.echo(f"  {step['title']:<28}{step['value']:>16}   {step['how']}")
    for site in shape["sites"]:
        numbers = f"place {site['rank'] or '-'}, quality {site['quality']}"
        click.echo(f"  {site['name']:<28}{numbers:>24}   {site['sentence']}")


# --- area -------------------------------------------------------------------------------------------------------------


@group.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@network_option
@epoch_option
@directory_option
@json_option
def area(file: Path, network_source: str, epoch: int | None, directory: Path | None, as_json: bool) -> None:
    """Print how much of the area in a GeoJSON FILE is covered, and its five largest gaps.

    Covered: an accepted report measured a hotspot's signal in the cell, or a hotspot holds a place in it.
    Areas are exact on the WGS84 ellipsoid.
    """
    from coverage_maps.api import cut_area
    from coverage_maps.geojson import GeoJsonError, read_area
    from coverage_maps.geometry import AreaTooLargeError

    data = file.read_bytes()
    try:
        read_area(data)
        shape = cut_area(_view(network_source, epoch, directory), data)
    except (GeoJsonError, AreaTooLargeError) as error:
        end(f"{file}: {error}")
    if as_json:
        print_json(shape)
        return
    click.echo(f"Epoch {shape['epoch']}: {shape['covered_share']:.1%} of {shape['area_km2']:,.2f} km2 is covered.")
    gaps = "gap" if shape["gap_count"] == 1 else "gaps"
    click.echo(f"  covered    {shape['covered_km2']:>12,.2f} km2")
    click.echo(f"  uncovered  {shape['uncovered_km2']:>12,.2f} km2 in {shape['gap_count']} {gaps}")
    for gap in shape["gaps"]:
        place = f"{gap['latitude_deg']:.4f}, {gap['longitude_deg']:.4f}"
        click.echo(
            f"  gap {gap['number']}  {gap['km2']:>15,.2f} km2 around {place}, where a hotspot pays {gap['weight']}x"
        )
    click.echo("See it on the map: drop the file on the page, or start it with `farfield map serve --area FILE`.")


# --- import -----------------------------------------------------------------------------------------------------------


@group.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--class", "radio_class", type=click.Choice(CLASSES), default="lora", show_default=True)
@click.option("--source", type=click.IntRange(1, MAX_SOURCE), required=True, help="The source's number in the network.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Canonical rows to write.")
@json_option
def import_baseline(file: Path, radio_class: str, source: int, out: Path, as_json: bool) -> None:
    """Turn a CSV of positions with dBm (plain or gzipped) into a canonical baseline file."""
    from dataclasses import asdict

    from coverage_maps.importers.files import ImportFileError, import_file, write_durably
    from protocol.need import RADIO_CLASSES

    try:
        imported = import_file(file, RADIO_CLASSES[radio_class], source)
        write_durably(out, imported.data)
    except ImportFileError as error:
        end(str(error))
    except OSError as error:
        end(f"{out} cannot be written: {error.strerror}.")
    if as_json:
        print_json({"file": str(out), "radio_class": radio_class, "source": source, **asdict(imported.report)})
    else:
        _print_report(imported.report, click.echo)
        click.echo(f"Written to {out}. List it in the params by this sha256:\n  {imported.report.sha256}")


def _print_report(report: ImportReport, echo: Callable[[str], None]) -> None:
    lines = {
        "rows read": report.rows_read,
        **{f"refused: {reason}": count for reason, count in report.refused.items()},
        "further receptions of a frame": report.repeated_receptions,
        "measurements": report.measurements,
        "rows written": report.rows_written,
        "equal rows merged": report.merged_duplicates,
        "cells": report.cells,
        "undated rows": report.undated_rows,
    }
    for what, count in lines.items():
        echo(f"{what:<36}{count:>12,}")
    if report.weakest_cdb is not None and report.strongest_cdb is not None:
        echo(f"{'signal, dBm':<36}{report.weakest_cdb / 100:>12g} to {report.strongest_cdb / 100:g}")
