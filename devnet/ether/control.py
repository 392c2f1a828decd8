"""The control socket: one JSON object a line, each answered by one line, on a loopback port.

`{"do": "attach", ...station...}`, `{"do": "detach", "name"}`, `{"do": "stations"}`, `{"do": "report"}`,
`{"do": "finish", "at_ms"}`, `{"do": "stop"}`. An answer holds `"ok": true` and what was asked for, or `"error"` with a
sentence. Nothing a client sends ends the connection but a line without end.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from devnet.ether.config import ConfigError
from devnet.ether.medium import AttachError
from devnet.ether.serving import MAX_LINE_BYTES, LineServer, Peer

Fields = dict[str, Any]
Command = Callable[[Fields], Awaitable[Fields]]


class RequestError(ValueError):
    """A request that makes no sense now; the text is a sentence for a person."""


class Control(LineServer):
    """Answers lines by the commands it is given."""

    def __init__(self, commands: dict[str, Command]) -> None:
        super().__init__()
        self._commands = commands

    async def answer(self, peer: Peer, line: str) -> None:
        """Runs one command and sends its answer."""
        try:
            answer = {"ok": True, **await self._run(line)}
        except (RequestError, ConfigError, AttachError) as error:
            answer = {"error": str(error)}
        peer.send(json.dumps(answer, separators=(",", ":")))

    def refuse_long_line(self, peer: Peer) -> None:
        peer.send(json.dumps({"error": f"a line may have at most {MAX_LINE_BYTES} bytes"}))

    async def _run(self, line: str) -> Fields:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RequestError("the line is not JSON") from error
        name = fields.get("do") if isinstance(fields, dict) else None
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None:
            raise RequestError(f'"do" must be one of {", ".join(sorted(self._commands))}')
        return await command(fields)
