"""What the server knows of one packet forwarder, and which one transmits. No I/O.

A forwarder is known by its EUI, which is a label and no identity: many boxes share one by mistake. It uses two
sockets, so an order to transmit goes to the source of its last PULL_DATA and nowhere else.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

Endpoint = tuple[str, int]

MAX_FORWARDERS = 64
LEAST_EXPIRY_MS = 30_000
EXPIRY_INTERVALS = 3
MAX_RECENT_PACKETS = 256
SHARED_EUI_CHANGES = 3
SHARED_EUI_WITHIN_MS = 60_000


@dataclass(slots=True)
class Forwarder:
    """One forwarder's state; times are monotonic milliseconds."""

    eui: bytes
    version: int
    address: Endpoint
    last_pull_ms: int
    interval_ms: int = 0
    power_used_dbm: dict[int, int] = field(default_factory=dict)
    """Power the concentrator used for a power asked of it, where the two differ or were tried."""
    _changes: deque[int] = field(default_factory=lambda: deque(maxlen=SHARED_EUI_CHANGES + 1))
    _recent: OrderedDict[tuple[int, bytes], None] = field(default_factory=OrderedDict)

    def is_alive(self, now_ms: int) -> bool:
        """False once three keep-alives are missing, 30 s at least."""
        return now_ms - self.last_pull_ms <= max(LEAST_EXPIRY_MS, EXPIRY_INTERVALS * self.interval_ms)

    def pulled(self, version: int, address: Endpoint, now_ms: int) -> None:
        """Takes in a PULL_DATA. After a pause or from another address its counter may have started afresh."""
        moved = address != self.address
        if moved:
            self._changes.append(now_ms)
        if moved or not self.is_alive(now_ms):
            self._recent.clear()
        else:
            self.interval_ms = now_ms - self.last_pull_ms
        self.version, self.address, self.last_pull_ms = version, address, now_ms

    def shares_its_eui(self, now_ms: int) -> bool:
        """True when the address changed so often that two boxes must be using one EUI."""
        return len(self._changes) > SHARED_EUI_CHANGES and now_ms - self._changes[0] <= SHARED_EUI_WITHIN_MS

    def is_repeated(self, tmst_us: int, payload: bytes) -> bool:
        """True if this very packet was delivered before; forwarders behind relays send datagrams twice."""
        key = (tmst_us, payload)
        if key in self._recent:
            return True
        self._recent[key] = None
        if len(self._recent) > MAX_RECENT_PACKETS:
            self._recent.popitem(last=False)
        return False


class Forwarders:
    """All forwarders of one server."""

    def __init__(self, transmit_eui: bytes | None = None) -> None:
        self._transmit_eui = transmit_eui
        self._known: dict[bytes, Forwarder] = {}

    def all(self) -> list[Forwarder]:
        return list(self._known.values())

    def get(self, eui: bytes) -> Forwarder | None:
        return self._known.get(eui)

    def pulled(self, eui: bytes, version: int, address: Endpoint, now_ms: int) -> Forwarder | None:
        """The forwarder that sent a PULL_DATA, or None when there is no room for another."""
        known = self._known.get(eui)
        if known is not None:
            known.pulled(version, address, now_ms)
            return known
        if len(self._known) >= MAX_FORWARDERS and not self._forget_one(now_ms):
            return None
        self._known[eui] = Forwarder(eui, version, address, now_ms)
        return self._known[eui]

    def _forget_one(self, now_ms: int) -> bool:
        for eui, forwarder in self._known.items():
            if not forwarder.is_alive(now_ms):
                del self._known[eui]
                return True
        return False

    def transmitter(self, now_ms: int) -> Forwarder | None:
        """The forwarder that transmits: the configured one, else the first that came and is still there."""
        if self._transmit_eui is not None:
            chosen = self._known.get(self._transmit_eui)
            return chosen if chosen is not None and chosen.is_alive(now_ms) else None
        return next((one for one in self._known.values() if one.is_alive(now_ms)), None)
