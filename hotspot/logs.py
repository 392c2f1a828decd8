"""Structured logs: events with keys and values, to standard error and to the page's live log, secrets removed."""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import MutableMapping
from typing import Any

MAX_KEPT = 200
MAX_VALUE_CHARACTERS = 500
SECRET_KEYS = frozenset({"key", "private", "secret", "passphrase", "password", "pin", "token", "authorization"})
ADDRESS_SECRETS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@]+@")
HIDDEN = "***"
recent: deque[dict[str, Any]] = deque(maxlen=MAX_KEPT)
"""The last events of this process, oldest first."""


def configure(form: str = "auto") -> None:
    """`form`: json, console, or auto (console on a terminal)."""
    import structlog

    on_terminal = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            remember,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Takes secrets out of an event: values of secret keys, and names and passwords inside addresses."""
    for name, value in event.items():
        if name.lower() in SECRET_KEYS:
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = without_secrets(value)
    return event


def without_secrets(text: str) -> str:
    """A text without the user names and passwords of the addresses in it."""
    return ADDRESS_SECRETS.sub(rf"\g<scheme>{HIDDEN}@", text)[:MAX_VALUE_CHARACTERS]


def remember(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keeps an event for the page."""
    recent.append({name: value if isinstance(value, int | bool) else str(value) for name, value in event.items()})
    return event
