"""What opens a key: a file, a credential of the service manager, or somebody at the terminal. Never an argument."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from hotspot.keys import files
from hotspot.keys.device import KeyProblemError

VARIABLE = "FARFIELD_PASSPHRASE_FILE"
CREDENTIALS, CREDENTIAL = "CREDENTIALS_DIRECTORY", "device-passphrase"
Ask = Callable[[str], str]


def find(what: str, file: Path | None = None, ask: Ask | None = None) -> str:
    """The passphrase or PIN of `what`: of `file`, else as the environment names it, else typed; KeyProblemError."""
    named = file or _named_file()
    if named is not None:
        return of_file(named)
    credential = _credential()
    if credential is not None:
        return credential
    if ask is None and sys.stdin is not None and sys.stdin.isatty():
        ask = _ask
    if ask is None:
        raise KeyProblemError(
            f"Nobody is here to type the passphrase of {what}. Write it into a file only you can read and name that "
            f"file in {VARIABLE}."
        )
    return ask(f"Passphrase of {what}")


def new(file: Path | None = None, ask: Ask | None = None) -> str:
    """A passphrase to set: of `file`, else typed twice; KeyProblemError."""
    if file is not None:
        return of_file(file)
    if ask is None and sys.stdin is not None and sys.stdin.isatty():
        ask = _ask
    if ask is None:
        raise KeyProblemError("Nobody is here to type a new passphrase; give --new-passphrase-file.")
    first = ask("New passphrase")
    if ask("The same again") != first:
        raise KeyProblemError("The two are not the same; nothing was changed.")
    return first


def of_file(path: Path) -> str:
    """The first line of a file only its owner can read; KeyProblemError."""
    try:
        return _line(files.read(path))
    except FileNotFoundError as error:
        raise KeyProblemError(f"{path}, which should hold the passphrase, does not exist.") from error


def _named_file() -> Path | None:
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def _credential() -> str | None:
    """A credential of the service manager; it alone says who may read those."""
    directory = os.environ.get(CREDENTIALS)
    if not directory:
        return None
    try:
        with (Path(directory) / CREDENTIAL).open("rb") as file:
            return _line(file.read(files.MAX_BYTES))
    except OSError:
        return None


def _line(data: bytes) -> str:
    try:
        return data.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise KeyProblemError("The passphrase's file is not text.") from error


def _ask(what: str) -> str:
    import getpass

    return getpass.getpass(f"{what}: ")
