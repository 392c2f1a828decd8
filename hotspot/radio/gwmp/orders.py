"""Orders to transmit and who waits for their answers: our own beacons, and downlinks of other networks. No socket.

An answer names its order by a token only. Tokens are drawn here for every order, so that two senders never meet.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from hotspot.radio.gwmp.codec import HEADER_BYTES, TxAck

MAX_OPEN_ORDERS = 256
MAX_DRAWS = 64
ANSWER_WITHIN_MS = 5_000
"""Forwarders drop an order they cannot read without a word."""
UNREADABLE = "UNREADABLE_ANSWER"
"""The error of an answer that came and cannot be read; the frame may have been sent."""
Answered = Callable[[TxAck | None, bytes], None]
"""Gets the answer and its datagram; None and nothing when none came in time."""


@dataclass(frozen=True, slots=True)
class Open:
    """An order that waits for its answer, until a monotonic millisecond."""

    answered: Answered
    until_ms: int


class Orders:
    """The open orders of all forwarders."""

    def __init__(self) -> None:
        self._open: dict[bytes, Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    def place(self, eui: bytes, answered: Answered, now_ms: int) -> bytes | None:
        """The token for a new order through this forwarder; None when too many orders are open."""
        self.expire(now_ms)
        if len(self._open) >= MAX_OPEN_ORDERS:
            return None
        for _ in range(MAX_DRAWS):
            token = secrets.token_bytes(2)
            if token + eui not in self._open:
                self._open[token + eui] = Open(answered, now_ms + ANSWER_WITHIN_MS)
                return token
        return None

    def withdraw(self, eui: bytes, token: bytes) -> None:
        """Nobody waits for this order's answer any more."""
        self._open.pop(token + eui, None)

    def answer(self, answer: TxAck, datagram: bytes) -> bool:
        """Hands an answer to whoever waits for it; False if nobody does."""
        waiting = self._open.pop(answer.header.token + answer.header.eui, None)
        if waiting is not None:
            waiting.answered(answer, datagram)
        return waiting is not None

    def expire(self, now_ms: int) -> None:
        """Tells those whose answer did not come in time."""
        late = [key for key, one in self._open.items() if one.until_ms <= now_ms]
        for key in late:
            self._open.pop(key).answered(None, b"")


def with_token(datagram: bytes, token: bytes) -> bytes:
    """The same datagram under another token."""
    return datagram[:1] + token + datagram[HEADER_BYTES - 1 :]
