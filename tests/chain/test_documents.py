"""The commands that the documents for owners, validators and holders name: each is there, with the options named."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

import farfield
from tests.factories import ROOT

DOCUMENTS = ("ownership.md", "governance.md")


def commands() -> Iterator[tuple[str, list[str]]]:
    """(document, words) of every command, in code spans and code blocks."""
    for name in DOCUMENTS:
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        for line in re.findall(r"farfield ((?:hotspot|validator|gov|network) [^`#\n]*)", text):
            yield name, line.split()


@pytest.mark.parametrize(("document", "words"), list(commands()))
def test_a_command_in_a_document_is_there_with_its_options(document: str, words: list[str]) -> None:
    command: click.Command = farfield.main
    context = click.Context(command)
    rest = list(words)
    while isinstance(command, click.Group) and rest and rest[0] != "...":
        found = command.get_command(context, rest.pop(0))
        assert found is not None, f"{document}: {' '.join(words)}"
        command = found
    known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
    options = {word.rstrip(",.") for word in rest if word.startswith("--")}
    assert options <= known, f"{document}: {' '.join(words)}"
