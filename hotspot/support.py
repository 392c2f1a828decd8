"""What a helper needs to see of a hotspot, without its secrets: no key, no passphrase, no address with a password.

Only files named here are read; key files and whatever else lies in the directory are not. What is packed is looked
through once more at the end, and nothing is written if a private key were in it.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

HIDDEN = "***"
SECRET_NAME = re.compile(r"pass|secret|token|pin\b|private|credential|api_?key|auth", re.IGNORECASE)
SETTING = re.compile(r"^(\s*)([A-Za-z0-9_.\"'-]+)(\s*=\s*).*$")
ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*)://[^\s\"'<>]+", re.IGNORECASE)
FORBIDDEN = (b"PRIVATE KEY", b'"ciphertext"')


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


def settings_without_secrets(toml: str) -> str:
    """A hotspot.toml with the values of secret keys hidden, line by line, comments included."""
    return "\n".join(_hidden(line) for line in without_secrets(toml).splitlines()) + "\n"


def _hidden(line: str) -> str:
    match = SETTING.match(line.lstrip("# "))
    if match is None or not SECRET_NAME.search(match.group(2)):
        return line
    return f'{match.group(1)}{match.group(2)}{match.group(3)}"{HIDDEN}"'


def tree_without_secrets(tree: Any) -> Any:
    """The same for a JSON tree."""
    if isinstance(tree, Mapping):
        return {
            name: HIDDEN if SECRET_NAME.search(str(name)) and isinstance(value, str) else tree_without_secrets(value)
            for name, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return [tree_without_secrets(one) for one in tree]
    return without_secrets(tree) if isinstance(tree, str) else tree


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
