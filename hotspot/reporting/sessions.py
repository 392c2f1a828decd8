"""Sessions with one validator: one device signature each, after which commits need none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from hotspot.clock import Clock
from hotspot.counters import Counters
from hotspot.keys import KeyProblemError
from hotspot.wire import CallFailed, Opened, Refused
from protocol.encoding import U48, Network
from protocol.ids import Address, HotspotId
from protocol.limits import MAX_BATCH_ENTRIES
from protocol.reasons import Reason
from protocol.records import SESSION, Session

SESSION_LIFETIME_MS = 12 * 3_600_000
RENEW_BEFORE_MS = 3_600_000
REFUSED_PAUSE_MS = 2_000
"""A refused session is not asked for again sooner; a hotspot that was just registered needs an epoch's time."""

KEY_UNAVAILABLE = "KEY_UNAVAILABLE"
"""The code of an attempt that our own key ended."""
NONCE_BYTES = 32
FIRST_TIME_MS, LAST_TIME_MS = 1_600_000_000_000, 4_200_000_000_000
"""2020 to 2103: a nonce that does not begin with a time says none."""


class SessionSigner(Protocol):
    """A hotspot's key, as far as sessions need it."""

    def sign(self, type_name: str, network: Network, canonical: bytes) -> bytes: ...


class SessionClient(Protocol):
    """A validator, as far as sessions need one."""

    async def challenge(self) -> bytes | CallFailed: ...

    async def open_sessions(self, signed: Sequence[tuple[bytes, bytes]]) -> list[Opened | Refused] | CallFailed: ...


class Sessions:
    """Tokens of all hosted hotspots at one validator."""

    def __init__(
        self,
        validator: Address,
        client: SessionClient,
        signers: Mapping[HotspotId, SessionSigner],
        network: Network,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._validator = validator
        self._client = client
        self._signers = signers
        self._network = network
        self._clock = clock
        self._counters = counters
        self._open: dict[HotspotId, Opened] = {}
        self._not_before_ms: dict[HotspotId, int] = {}
        self._refused: dict[HotspotId, str] = {}
        self._one_at_a_time = asyncio.Lock()
        self._ahead_ms: int | None = None
        """How far the validator's clock is ahead of our monotonic one, which nobody sets."""

    def token(self, hotspot_id: HotspotId) -> bytes | None:
        """The token to commit with, or None without a session that is still good."""
        session = self._open.get(hotspot_id)
        return None if session is None or session.expires_at_ms <= self._clock.now_ms() else session.token

    def problem(self, hotspot_id: HotspotId) -> str:
        """Why there was no token the last time one was asked for, by the refusal's name."""
        return self._refused.get(hotspot_id, Reason.NO_SESSION.name)

    def forget(self, hotspot_id: HotspotId, token: bytes) -> None:
        """The validator does not know this token any more."""
        session = self._open.get(hotspot_id)
        if session is not None and session.token == token:
            del self._open[hotspot_id]

    async def ensure(self, hotspots: Iterable[HotspotId]) -> CallFailed | bool:
        """Opens what is missing, in batches: True when the validator answered, False when nothing was asked of it.

        Refused ones stay without a token; an error ends the attempt.
        """
        async with self._one_at_a_time:
            now_ms = self._clock.now_ms()
            missing = [one for one in dict.fromkeys(hotspots) if self._wants(one, now_ms)]
            for at in range(0, len(missing), MAX_BATCH_ENTRIES):
                failed = await self._open_batch(missing[at : at + MAX_BATCH_ENTRIES])
                if failed is not None:
                    return failed
        return bool(missing)

    def _wants(self, hotspot_id: HotspotId, now_ms: int) -> bool:
        session = self._open.get(hotspot_id)
        expiring = session is None or session.expires_at_ms - now_ms < RENEW_BEFORE_MS
        return expiring and self._not_before_ms.get(hotspot_id, 0) <= now_ms

    async def _open_batch(self, hotspots: Sequence[HotspotId]) -> CallFailed | None:
        nonce = await self.challenge()
        if isinstance(nonce, CallFailed):
            return nonce
        try:
            signed = [self._signed(one, nonce) for one in hotspots]
        except KeyProblemError as error:
            return CallFailed(KEY_UNAVAILABLE, str(error))
        results = await self._client.open_sessions(signed)
        if isinstance(results, CallFailed):
            return results
        for hotspot_id, result in zip(hotspots, results, strict=True):
            if isinstance(result, Opened):
                self._open[hotspot_id] = result
                self._counters.count("sessions", "opened")
            else:
                self._not_before_ms[hotspot_id] = self._clock.now_ms() + REFUSED_PAUSE_MS
                self._refused[hotspot_id] = result.reason
                self._counters.count("sessions", result.reason)
        return None

    async def challenge(self) -> bytes | CallFailed:
        """A nonce to sign; it also tells the validator's time, and that it answers at all."""
        asked_at_ms = self._clock.monotonic_ms()
        nonce = await self._client.challenge()
        if isinstance(nonce, CallFailed):
            return nonce
        if len(nonce) != NONCE_BYTES:
            return CallFailed("WRONG_ANSWER", "the validator's nonce does not have 32 bytes")
        self.compare_clocks(U48.decode(nonce[: U48.width]), asked_at_ms)
        return nonce

    def compare_clocks(self, theirs_ms: int, asked_at_ms: int) -> None:
        """Takes the validator's time between a question, at `asked_at_ms` of our monotonic clock, and now."""
        if FIRST_TIME_MS <= theirs_ms < LAST_TIME_MS:
            self._ahead_ms = theirs_ms - (asked_at_ms + self._clock.monotonic_ms()) // 2

    @property
    def clock_offset_ms(self) -> int | None:
        """How far the validator's clock is ahead of ours as it is set now; None before it told its time."""
        if self._ahead_ms is None:
            return None
        return self._ahead_ms + self._clock.monotonic_ms() - self._clock.now_ms()

    def _signed(self, hotspot_id: HotspotId, nonce: bytes) -> tuple[bytes, bytes]:
        expires_at_ms = self._clock.now_ms() + SESSION_LIFETIME_MS
        session = Session(hotspot_id, self._validator, nonce, expires_at_ms).encode()
        return session, self._signers[hotspot_id].sign(SESSION, self._network, session)
