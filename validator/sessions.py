"""Sessions: one device signature, after which a hotspot's commits need none. Nothing here survives a restart."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from protocol.encoding import U48, Network, signed_bytes
from protocol.ids import Address, HotspotId
from protocol.keys import verify_device
from protocol.reasons import Reason
from protocol.records import SESSION, Session
from protocol.registry import Registered

CHALLENGE_VALID_MS = 60_000
MAX_SESSION_MS = 24 * 3_600_000
MAX_SESSIONS = 100_000
MAX_SESSIONS_PER_HOTSPOT = 4
"""A hotspot that opens more loses its own oldest ones, never another's."""
RANDOM_BYTES = 10
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Opened:
    """An open session."""

    hotspot_id: HotspotId
    expires_at_ms: int


class Sessions:
    """Challenges and open sessions of one validator."""

    def __init__(self, network: Network, validator: Address) -> None:
        self._network, self._validator = network, validator
        self._secret = secrets.token_bytes(32)
        self._open: OrderedDict[bytes, Opened] = OrderedDict()
        self._tokens: dict[HotspotId, list[bytes]] = {}

    def challenge(self, now_ms: int) -> tuple[bytes, int]:
        """(nonce, valid until): the nonce carries its own time and proof, so nothing is kept for strangers."""
        head = U48.encode(now_ms) + secrets.token_bytes(RANDOM_BYTES)
        return head + self._proof(head), now_ms + CHALLENGE_VALID_MS

    def _proof(self, head: bytes) -> bytes:
        return hmac.digest(self._secret, head, "sha256")[:16]

    def _is_fresh(self, nonce: bytes, now_ms: int) -> bool:
        head, proof = nonce[:16], nonce[16:]
        made_ms = int.from_bytes(head[:6], "big")
        return hmac.compare_digest(proof, self._proof(head)) and 0 <= now_ms - made_ms <= CHALLENGE_VALID_MS

    def open(self, session: Session, signature: bytes, hotspot: Registered | None, now_ms: int) -> bytes | Reason:
        """A token for the hotspot that signed the record, or why not."""
        if hotspot is None:
            return Reason.NOT_REGISTERED
        if session.validator != self._validator or not self._is_fresh(session.server_nonce, now_ms):
            return Reason.NO_SESSION
        if not now_ms < session.expires_at_ms <= now_ms + MAX_SESSION_MS:
            return Reason.NO_SESSION
        key, message = hotspot.key(), signed_bytes(SESSION, self._network, session.encode())
        if key is None or not verify_device(key, message, signature):
            return Reason.SIGNATURE_REFUSED
        token = secrets.token_bytes(TOKEN_BYTES)
        self._keep(token, Opened(HotspotId(session.hotspot_id), session.expires_at_ms))
        return token

    def _keep(self, token: bytes, opened: Opened) -> None:
        self._open[token] = opened
        tokens = self._tokens.setdefault(opened.hotspot_id, [])
        tokens.append(token)
        if len(tokens) > MAX_SESSIONS_PER_HOTSPOT:
            self._close(tokens[0])
        if len(self._open) > MAX_SESSIONS:
            self._close(next(iter(self._open)))

    def _close(self, token: bytes) -> None:
        opened = self._open.pop(token)
        tokens = self._tokens[opened.hotspot_id]
        tokens.remove(token)
        if not tokens:
            del self._tokens[opened.hotspot_id]

    def hotspot_of(self, token: bytes, now_ms: int) -> HotspotId | None:
        """Whose session a token is, or None if it is none or has expired."""
        opened = self._open.get(token)
        if opened is None:
            return None
        if opened.expires_at_ms <= now_ms:
            self._close(token)
            return None
        return opened.hotspot_id
