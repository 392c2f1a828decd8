"""The options of every command that sends, and what its failures become: a sentence and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

FAILED, FINDINGS, UNREACHABLE, KEY_PROBLEM, UNVERIFIED = 1, 3, 5, 6, 7
EXIT_CODES = """Exit codes: 0 fine, 1 refused or failed, 2 usage, 3 not possible yet, 5 nothing answers, 6 the key
    cannot be used, 7 what was served is not what the chain says."""
KEY_VARIABLE = "FARFIELD_KEY"
JSON_PRINTED = "farfield.json_printed"
"""In a command's context: its one object is on stdout."""

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


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


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
    """Turns what goes wrong into a sentence on stderr and an exit code; with --json into an object on stdout too."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        from chain.errors import ChainError, ChainUnavailable
        from chain.key_files import KeyFileError
        from chain.network import NetworkFileError

        as_json = bool(options.get("as_json"))
        try:
            command(*arguments, **options)
        except Stop as stop:
            _fail(str(stop), stop.code, as_json=as_json)
        except KeyFileError as error:
            _fail(str(error), KEY_PROBLEM, as_json=as_json)
        except ChainUnavailable as error:
            _fail(str(error), UNREACHABLE, as_json=as_json)
        except (ChainError, NetworkFileError) as error:
            _fail(str(error), FAILED, as_json=as_json)

    return run


def print_json(shape: Any) -> None:
    """One JSON object on stdout. A file's name that is not UTF-8 stands in it as JSON escapes it."""
    click.echo(json.dumps(shape, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8"))
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[JSON_PRINTED] = True


def _fail(sentence: str, code: int, *, as_json: bool) -> NoReturn:
    """Ends the process. What a command has printed of its failure is the one object there is."""
    if as_json and not click.get_current_context().meta.get(JSON_PRINTED):
        print_json({"error": sentence, "exit_code": code})
    end(sentence, code)


def end(sentence: str, code: int) -> NoReturn:
    """Ends the process with a sentence on stderr."""
    click.echo(sentence, err=True)
    sys.exit(code)
