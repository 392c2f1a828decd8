"""What a helper needs to see of a hotspot, without its secrets: no key, no passphrase, no address with a password.

Only files named here are read; key files and whatever else lies in the directory are not. What is packed is looked
through once more at the end, and nothing is written if a private key were in it.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import tomllib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

HIDDEN = "***"
SECRET_NAME = re.compile(r"pass|secret|token|pin\b|private|credential|api_?key|auth", re.IGNORECASE)
PRIVATE_SETTING = re.compile(SECRET_NAME.pattern + r"|home|quiet|lat|lon|gpx", re.IGNORECASE)
ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*)://[^\s\"'<>]+", re.IGNORECASE)
FORBIDDEN = (b"PRIVATE KEY", b"aes-256-gcm")


class LeakError(Exception):
    """A bundle would have held a key; nothing was written."""


def without_secrets(text: str) -> str:
    """Addresses keep scheme and host only: user names, passwords, paths with API keys and queries go."""
    return ADDRESS.sub(lambda match: _bare(match.group(0)), text)


def _bare(address: str) -> str:
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return HIDDEN
    rest = f"/{HIDDEN}" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{parts.hostname or HIDDEN}{port}{rest}"


def settings_without_secrets(toml: str) -> Any:
    """A hotspot.toml as a tree without comments, secrets and places; a sentence if it is no TOML."""
    try:
        return _without(tomllib.loads(toml), PRIVATE_SETTING, everything=True)
    except tomllib.TOMLDecodeError:
        return "It is no TOML; what is wrong with it stands in doctor.json."


def tree_without_secrets(tree: Any) -> Any:
    """A JSON tree without secrets, and without the place where a mapper is now."""
    return _without(tree, SECRET_NAME, everything=False)


def _without(tree: Any, hidden: re.Pattern[str], *, everything: bool) -> Any:
    """`everything`: values of hidden names go whatever they are, not only texts; counts are no secrets."""
    if isinstance(tree, Mapping):
        return {name: _value(str(name), value, hidden, everything=everything) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_without(one, hidden, everything=everything) for one in tree]
    return without_secrets(tree) if isinstance(tree, str) else tree


def _value(name: str, value: Any, hidden: re.Pattern[str], *, everything: bool) -> Any:
    is_place = name == "position" and isinstance(value, Mapping) and "cell" in value
    if is_place or (hidden.search(name) and (everything or isinstance(value, str))):
        return None if value is None else HIDDEN
    return _without(value, hidden, everything=everything)


def pack(files: Mapping[str, str | Any], made_at_s: int) -> bytes:
    """A .tar.gz of texts and JSON trees under their names. LeakError."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as tar:
        for name, content in sorted(files.items()):
            data = (content if isinstance(content, str) else json.dumps(content, indent=2, default=str) + "\n").encode()
            if any(mark in data for mark in FORBIDDEN):
                raise LeakError(f"{name} would have held a private key; nothing was written. Please report this.")
            entry = tarfile.TarInfo(f"farfield-support/{name}")
            entry.size, entry.mtime, entry.mode = len(data), made_at_s, 0o600
            tar.addfile(entry, io.BytesIO(data))
    return memory.getvalue()
