"""How every command ends: its exit codes, its one JSON object, and the sentence that says what to do next."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

import click

FAILED, USAGE, FINDINGS, UNREACHABLE, KEY_PROBLEM, UNVERIFIED, OTHER_VERSION = 1, 2, 3, 5, 6, 7, 8
"""2 is click's. 3: something to look at, or not possible yet. 7: what was served is not what the chain says."""
JSON_PRINTED = "farfield.json_printed"
"""In a command's context: its one object is on stdout."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def print_json(shape: Any, indent: int | None = 2) -> None:
    """One JSON object on stdout. A file's name that is not UTF-8 stands in it as JSON escapes it."""
    click.echo(json.dumps(shape, indent=indent, ensure_ascii=False).encode("utf-8", "backslashreplace").decode())
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[JSON_PRINTED] = True


def end(sentence: str, code: int = FAILED) -> NoReturn:
    """Ends the process with a sentence on stderr; with --json in an object on stdout too, unless it printed its own."""
    context = click.get_current_context(silent=True)
    if context is not None and context.params.get("as_json") and not context.meta.get(JSON_PRINTED):
        print_json({"error": sentence, "exit_code": code})
    click.echo(sentence, err=True)
    sys.exit(code)
