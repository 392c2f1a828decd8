"""Tells browsers that something changed: server-sent events, bounded in number, ending when the server does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

MAX_LISTENERS = 500
HEARTBEAT_S = 15.0
RETRY_MS = 2_000


class Hub:
    """The newest notice, and everybody waiting for the next. Lives in one event loop."""

    def __init__(self) -> None:
        self._notice: dict[str, Any] = {}
        self._changed = asyncio.Event()
        self._closing = False
        self.listeners = 0

    def publish(self, notice: dict[str, Any]) -> None:
        """Replaces the notice; a listener who missed one sees only the newest. Equal notices are not repeated."""
        if notice != self._notice:
            self._notice = notice
            self._wake()

    def close(self) -> None:
        """Ends every stream."""
        self._closing = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return self.listeners >= MAX_LISTENERS

    async def stream(self) -> AsyncIterator[str]:
        """Events for one listener: the notice of now, then each newer one, with heartbeats between."""
        self.listeners += 1
        try:
            yield f"retry: {RETRY_MS}\n\n"
            told: dict[str, Any] = {}
            while not self._closing:
                changed = self._changed
                if self._notice != told:
                    told = self._notice
                    yield f"event: state\ndata: {json.dumps(told)}\n\n"
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), HEARTBEAT_S)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self.listeners -= 1
