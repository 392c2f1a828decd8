"""The options of every command that sends, and what its failures become: a sentence and an exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from chain.terminal import FAILED, KEY_PROBLEM, UNREACHABLE, end, json_option

EXIT_CODES = """Exit codes: 0 fine, 1 refused or failed, 2 usage, 3 not possible yet, 5 nothing answers, 6 the key
    cannot be used, 7 what was served is not what the chain says."""
KEY_VARIABLE = "FARFIELD_KEY"

network_option = click.option(
    "--network",
    default="network.json",
    envvar="FARFIELD_NETWORK",
    show_default=True,
    show_envvar=True,
    metavar="FILE|URL",
    help="The network's file or address.",
)


def unicode_text(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A callback for texts that are stored: a byte that is not UTF-8 arrives as half a surrogate pair."""
    if value is not None and any("\ud800" <= one <= "\udfff" for one in value):
        raise click.BadParameter("this text is not UTF-8. Type it again in a terminal set to UTF-8.", param=parameter)
    return value


class Stop(Exception):  # noqa: N818 - it ends a command, for whatever reason
    """Ends a command: a sentence with the next step, and the exit code."""

    def __init__(self, sentence: str, code: int = FAILED) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Sending:
    """How a command sends."""

    network: str
    key: Path
    dry_run: bool
    force: bool
    wait: bool
    as_json: bool


def sending(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of sending and calls it with one `Sending`; its failures become sentences."""

    @wraps(command)
    def run(**options: Any) -> None:
        names = ("network", "key", "dry_run", "force", "wait", "as_json")
        command(Sending(**{name: options.pop(name) for name in names}), **options)

    for option in (
        json_option,
        click.option("--wait/--no-wait", default=True, help="Wait until it is final (default)."),
        click.option("--force", is_flag=True, help="Send although the simulation says that it fails."),
        click.option("--dry-run", is_flag=True, help="Simulate, print what it would cost, send nothing."),
        click.option(
            "--key",
            required=True,
            envvar=KEY_VARIABLE,
            show_envvar=True,
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="The key that sends and pays the gas.",
        ),
        network_option,
    ):
        run = option(run)
    return ends_with_a_sentence(run)


def ends_with_a_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Turns what goes wrong into a sentence on stderr and an exit code; see `chain.terminal.end`."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        from chain.errors import ChainError, ChainUnavailable
        from chain.key_files import KeyFileError
        from chain.network import NetworkFileError

        try:
            command(*arguments, **options)
        except Stop as stop:
            end(str(stop), stop.code)
        except KeyFileError as error:
            end(str(error), KEY_PROBLEM)
        except ChainUnavailable as error:
            end(str(error), UNREACHABLE)
        except (ChainError, NetworkFileError) as error:
            end(str(error), FAILED)

    return run
