"""What the server knows of one packet forwarder, and which one transmits. No I/O.

A forwarder is known by its EUI, which is a label and no identity: many boxes share one by mistake. It uses two
sockets, so an order to transmit goes to the source of its last PULL_DATA and nowhere else.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from hotspot.radio.gwmp.counter import Counter
from hotspot.radio.gwmp.fields import Rxpk, Stat

Endpoint = tuple[str, int]

MAX_FORWARDERS = 64
SX1301, SX1302 = "SX1301", "SX1302"
LEAST_EXPIRY_MS = 30_000
EXPIRY_INTERVALS = 3
LONGEST_INTERVAL_MS = 120_000
"""A longer pause is no keep-alive interval."""
MAX_RECENT_PACKETS = 256
SHARED_EUI_CHANGES = 3
SHARED_EUI_WITHIN_MS = 60_000


@dataclass(slots=True)
class Forwarder:
    """One forwarder's state; times are monotonic milliseconds."""

    eui: bytes
    version: int
    seen_ms: int
    address: Endpoint | None = None
    """Where its last PULL_DATA came from; None while it only pushes."""
    last_pull_ms: int | None = None
    interval_ms: int = 0
    packets: int = 0
    last_packet_ms: int | None = None
    counter_restarts: int = 0
    stat: Stat | None = None
    counter: Counter = field(default_factory=Counter)
    power_used_dbm: dict[int, int] = field(default_factory=dict)
    """Power the concentrator used for a power asked of it, where the two differ or were tried."""
    _newer: bool = False
    _changes: deque[int] = field(default_factory=lambda: deque(maxlen=SHARED_EUI_CHANGES + 1))
    _recent: OrderedDict[Hashable, None] = field(default_factory=OrderedDict)

    @property
    def concentrator(self) -> str | None:
        """SX1302 or SX1301, by what only the newer program reports of packets (offset) and of itself (temperature).

        None while not both have been seen to lack it.
        """
        if self._newer or (self.stat is not None and self.stat.temperature_tenths is not None):
            return SX1302
        return SX1301 if self.packets and self.stat is not None and self.version > 1 else None

    def is_alive(self, now_ms: int) -> bool:
        """False without PULL_DATA, or once three keep-alives are missing, 30 s at least."""
        if self.last_pull_ms is None:
            return False
        return now_ms - self.last_pull_ms <= max(LEAST_EXPIRY_MS, EXPIRY_INTERVALS * self.interval_ms)

    def pulled(self, version: int, address: Endpoint, now_ms: int) -> None:
        """Takes in a PULL_DATA. After a pause or from another address it may be another program, or another box."""
        if self.last_pull_ms is not None:
            if address != self.address:
                self._changes.append(now_ms)
            if address != self.address or not self.is_alive(now_ms):
                self.start_afresh()
                self.power_used_dbm.clear()
            if address == self.address and now_ms - self.last_pull_ms <= LONGEST_INTERVAL_MS:
                self.interval_ms = now_ms - self.last_pull_ms
        self.version, self.address = version, address
        self.last_pull_ms = self.seen_ms = now_ms

    def start_afresh(self) -> None:
        """Forgets everything that hangs on the counter."""
        self._recent.clear()
        self.counter.forget()

    def shares_its_eui(self, now_ms: int) -> bool:
        """True when the address changed so often that two boxes must be using one EUI."""
        return len(self._changes) > SHARED_EUI_CHANGES and now_ms - self._changes[0] <= SHARED_EUI_WITHIN_MS

    def heard(self, packet: Rxpk, now_ms: int) -> bool:
        """Takes in a packet; False if this very one was delivered before: relays send datagrams twice.

        The copies that a near transmitter leaves on other channels have its counter value too, but other levels.
        """
        if self.counter.saw(packet.tmst_us, now_ms):
            self.counter_restarts += 1
            self._recent.clear()
        key = packet.tmst_us, packet.frequency_hz, packet.payload, packet.snr_cdb, packet.rssi_cdb, packet.antennas
        if key in self._recent:
            return False
        self._recent[key] = None
        if len(self._recent) > MAX_RECENT_PACKETS:
            self._recent.popitem(last=False)
        self.packets += 1
        self._newer = self._newer or packet.frequency_offset_hz is not None
        self.last_packet_ms = now_ms
        return True


class Forwarders:
    """All forwarders of one server."""

    def __init__(self, transmit_eui: bytes | None = None) -> None:
        self._transmit_eui = transmit_eui
        self._known: dict[bytes, Forwarder] = {}

    def all(self) -> list[Forwarder]:
        return list(self._known.values())

    def get(self, eui: bytes) -> Forwarder | None:
        return self._known.get(eui)

    def pushed(self, eui: bytes, version: int, now_ms: int) -> Forwarder | None:
        """The forwarder that sent a PUSH_DATA, or None when there is no room for another."""
        known = self._known.get(eui) or self._added(eui, version, now_ms)
        if known is not None:
            known.seen_ms = now_ms
        return known

    def pulled(self, eui: bytes, version: int, address: Endpoint, now_ms: int) -> Forwarder | None:
        """The forwarder that sent a PULL_DATA, or None when there is no room for another."""
        known = self._known.get(eui) or self._added(eui, version, now_ms)
        if known is not None:
            known.pulled(version, address, now_ms)
        return known

    def _added(self, eui: bytes, version: int, now_ms: int) -> Forwarder | None:
        if len(self._known) >= MAX_FORWARDERS and not self._forget_one(now_ms):
            return None
        self._known[eui] = Forwarder(eui, version, now_ms)
        return self._known[eui]

    def _forget_one(self, now_ms: int) -> bool:
        """Makes room: the one silent for longest among those that do not pull."""
        idle = [one for one in self._known.values() if not one.is_alive(now_ms)]
        if not idle:
            return False
        del self._known[min(idle, key=lambda one: one.seen_ms).eui]
        return True

    def transmitter(self, now_ms: int) -> Forwarder | None:
        """The forwarder that transmits: the configured one, else the first that came and is still there."""
        if self._transmit_eui is not None:
            chosen = self._known.get(self._transmit_eui)
            return chosen if chosen is not None and chosen.is_alive(now_ms) else None
        return next((one for one in self._known.values() if one.is_alive(now_ms)), None)
