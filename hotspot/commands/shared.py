"""What every verb shares: options, exit codes, and how a sentence ends a command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chain.terminal import FAILED, end

if TYPE_CHECKING:
    from chain.network import NetworkFile
    from chain.reader import ChainReader

NETWORK_FILE = "network.json"
NETWORK_VARIABLE = "FARFIELD_NETWORK"

network_option = click.option(
    "--network",
    default=None,
    envvar=NETWORK_VARIABLE,
    show_envvar=True,
    metavar="FILE|URL",
    help=f"The network's file or address; default: what hotspot.toml names, or {NETWORK_FILE} here.",
)
directory_option = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    envvar="FARFIELD_DIRECTORY",
    show_envvar=True,
    show_default="here",
    metavar="DIR",
    help="Where the hotspot keeps its key, settings and reports.",
)


def network_source(given: str | None, directory: Path) -> str | None:
    """Where the network file is: as given, as hotspot.toml says, or network.json in the working directory."""
    if given is not None:
        return given
    from hotspot import config

    try:
        named = config.load(directory, os.environ).network
    except config.ConfigError as error:
        end(str(error), FAILED)
    if named is not None:
        return named
    return NETWORK_FILE if Path(NETWORK_FILE).exists() else None


def network_file(given: str | None, directory: Path) -> NetworkFile:
    """The network; ends the command with a sentence if there is none."""
    from chain.network import NetworkFileError, load

    try:
        return load(network_source(given, directory) or NETWORK_FILE)
    except NetworkFileError as error:
        end(str(error), FAILED)


def reader_for(given: str | None, directory: Path) -> ChainReader:
    """A reader of the network's chain; ends the command with a sentence if there is no network."""
    from chain.reader import ChainReader

    return ChainReader(network_file(given, directory))


def absolute_source(source: str) -> str:
    """A network's address as it is, its file's path so that it can be found from anywhere."""
    return source if source.startswith(("http://", "https://")) else str(Path(source).resolve())
