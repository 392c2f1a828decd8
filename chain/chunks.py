"""How many blocks' logs to ask for at once, learned from what a node refuses or takes too long for."""

from __future__ import annotations

from chain.errors import ChainUnavailable, RequestRefused

MAX_SILENCES = 5
"""A node that answers other requests and not this one is asked for less so often, at ten seconds each."""
TRY_MORE_AFTER = 32
"""A size that was refused is tried again after so many chunks: limits often count logs, and those lie unevenly."""


class Chunks:
    """`blocks` is what to ask for next. It grows while all goes well, up to just below what was refused."""

    def __init__(self, first: int, most: int) -> None:
        self.blocks = first
        self._most = most
        self._refused: int | None = None
        self._good = 0
        self._silences = 0

    def begin(self) -> None:
        """A new reading: a node that was silent in the last one gets as much patience as ever."""
        self._silences = 0

    def failed(self, asked: int, error: ChainUnavailable) -> None:
        """Asks for half as much from now on; raises the error if that is no use."""
        self._refused, self._good = asked, 0
        self.blocks = max(asked // 2, 1)
        self._silences += not isinstance(error, RequestRefused)
        if asked == 1 or self._silences > MAX_SILENCES:
            raise error

    def came(self) -> None:
        """A chunk came whole."""
        self._good += 1
        self._silences = 0
        if self._good >= TRY_MORE_AFTER:
            self._refused = None
        more = min(self.blocks * 2, self._most)
        if self._refused is None or more < self._refused - 1:
            self.blocks, self._good = more, 0
