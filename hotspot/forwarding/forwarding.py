"""Between packet forwarders and network servers: uplinks out, orders back, answers out again, all as they came.

To a network server each forwarder looks as it did before: the same EUI, keep-alives, versions and status. Three things
change: our own beacons are cut out of what it hears, tokens of orders are replaced on the way to the forwarder and put
back into the answers, and every acknowledgement comes from whoever is next. The server answers for its downlinks:
none is refused for the duty cycle, all are charged to it, and it is our beacons that then have to wait.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from hotspot.clock import Clock
from hotspot.config import Endpoint
from hotspot.counters import Counters
from hotspot.forwarding.cut import without
from hotspot.forwarding.downlink import Downlink, read_downlink
from hotspot.forwarding.names import ServerName
from hotspot.forwarding.upstream import Upstream
from hotspot.playing.duty_cycle import Allowed, Ledger
from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.orders import UNREADABLE, Answered, with_token
from hotspot.reporting.reports import Transmission
from protocol import beacon
from protocol.ids import HotspotId

MAX_GATEWAYS = 64
FORGET_AFTER_MS = 180_000
"""A forwarder silent for this long makes room for another."""
NOT_A_SLOT = 0
"""The epoch of transmissions that are no beacons: epoch 0 has no slots."""
NOBODY = HotspotId(b"")
GROUP = "network_server"


class Radio(Protocol):
    """The packet-forwarder port, as far as downlinks need it."""

    @property
    def bound_port(self) -> int | None: ...

    def relay(self, eui: bytes, order: bytes, answered: Answered) -> bool: ...

    def milliseconds_until(self, eui: bytes, tmst_us: int) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Journal:
    """Where charges are kept over a restart, once there is such a place."""

    keep: Callable[[Transmission], None]
    drop: Callable[[Transmission], None]


@dataclass(slots=True)
class Gateway:
    """One forwarder towards all servers."""

    upstreams: list[Upstream]
    seen_ms: int


class Forwarding:
    """The passage of one packet-forwarder port to all its network servers."""

    def __init__(
        self, servers: Sequence[Endpoint], radio: Radio, ledger: Ledger, clock: Clock, counters: Counters
    ) -> None:
        self.journal: Journal | None = None
        self._names = [ServerName(server, clock) for server in servers]
        self._radio, self._ledger, self._clock, self._counters = radio, ledger, clock, counters
        self._gateways: dict[bytes, Gateway] = {}
        self._last_ms: dict[tuple[str, str], int] = {}

    def stop(self) -> None:
        """Closes every socket."""
        for name in self._names:
            name.stop()
        for gateway in self._gateways.values():
            _close(gateway)
        self._gateways.clear()

    def snapshot(self) -> list[dict[str, Any]]:
        """By network server: whether it answers, and everything counted."""
        now_ms = self._clock.monotonic_ms()
        return [
            {
                "server": str(name.server),
                "address": None if name.address is None else name.address[1][0],
                "forwarders": [eui.hex() for eui in self._gateways],
                "seconds_since_answer": self._seconds_since(name, ("PUSH_ACK", "PULL_ACK", "order"), now_ms),
                "seconds_since_order": self._seconds_since(name, ("order",), now_ms),
                "counters": self._counters.snapshot().get(_group(name), {}),
            }
            for name in self._names
        ]

    def _seconds_since(self, name: ServerName, events: Sequence[str], now_ms: int) -> int | None:
        times = [self._last_ms[key] for event in events if (key := (_group(name), event)) in self._last_ms]
        return (now_ms - max(times)) // 1_000 if times else None

    def _count(self, group: str, event: str) -> None:
        self._counters.count(group, event)
        self._last_ms[group, event] = self._clock.monotonic_ms()

    # --- out ------------------------------------------------------------------------------------------------

    def pushed(self, header: codec.Header, datagram: bytes, push: codec.PushData | None) -> None:
        """Passes a PUSH_DATA on, without the packets that are ours."""
        ours = () if push is None else _ours(push)
        if ours:
            start = codec.HEADER_BYTES + len(header.eui)
            rest = without(datagram[start:], frozenset(ours))
            if rest is None:
                return
            datagram = datagram[:start] + rest
        self._send(header.eui, datagram, header.kind.name)

    def pulled(self, header: codec.Header, datagram: bytes) -> None:
        """Passes a keep-alive on, which also tells the server where to send orders."""
        self._send(header.eui, datagram, header.kind.name)

    def _send(self, eui: bytes, datagram: bytes, name: str) -> None:
        gateway = self._gateway(eui)
        if gateway is None:
            self._counters.count(GROUP, "too_many_forwarders")
            return
        for server, upstream in zip(self._names, gateway.upstreams, strict=True):
            server.refresh()
            upstream.use(server.address)
            upstream.send(datagram, name)

    def _gateway(self, eui: bytes) -> Gateway | None:
        now_ms = self._clock.monotonic_ms()
        known = self._gateways.get(eui)
        if known is None:
            if len(self._gateways) >= MAX_GATEWAYS and not self._forget_one(now_ms):
                return None
            known = Gateway([self._upstream(eui, at) for at in range(len(self._names))], now_ms)
            self._gateways[eui] = known
        known.seen_ms = now_ms
        return known

    def _upstream(self, eui: bytes, at: int) -> Upstream:
        count = partial(self._count, _group(self._names[at]))
        return Upstream(partial(self._on_order, eui, at), count, self._radio.bound_port)

    def _forget_one(self, now_ms: int) -> bool:
        eui, oldest = min(self._gateways.items(), key=lambda item: item[1].seen_ms)
        if now_ms - oldest.seen_ms < FORGET_AFTER_MS:
            return False
        _close(self._gateways.pop(eui))
        return True

    # --- back -----------------------------------------------------------------------------------------------

    def _on_order(self, eui: bytes, at: int, header: codec.Header, datagram: bytes) -> None:
        group = _group(self._names[at])
        self._count(group, "order")
        downlink = read_downlink(datagram[codec.HEADER_BYTES :])
        if downlink is None:
            self._counters.count(group, "order_unreadable")
        charge = None if downlink is None else self._charge(eui, downlink, group)
        if not self._radio.relay(eui, datagram, partial(self._answered, eui, at, header.token, charge)):
            self._counters.count(group, "order_not_passed_on")
            self._refund(charge)

    def _charge(self, eui: bytes, downlink: Downlink, group: str) -> Transmission:
        lead_ms = None if downlink.tmst_us is None else self._radio.milliseconds_until(eui, downlink.tmst_us)
        at_ms = self._clock.now_ms() + max(lead_ms or 0, 0)
        if self._ledger.region:
            allowed = self._ledger.may_send(downlink.frequency_hz, downlink.airtime_us, at_ms)
            if not isinstance(allowed, Allowed):
                self._counters.count(group, "order_over_duty_cycle")
        charge = Transmission(
            NOBODY, NOT_A_SLOT, secrets.randbits(62), at_ms, downlink.frequency_hz, downlink.airtime_us
        )
        self._ledger.charge(charge)
        if self.journal is not None:
            self.journal.keep(charge)
        return charge

    def _refund(self, charge: Transmission | None) -> None:
        if charge is None:
            return
        self._ledger.refund(charge)
        if self.journal is not None:
            self.journal.drop(charge)

    def _answered(
        self,
        eui: bytes,
        at: int,
        token: bytes,
        charge: Transmission | None,
        answer: codec.TxAck | None,
        datagram: bytes,
    ) -> None:
        group = _group(self._names[at])
        if answer is None:
            self._counters.count(group, "order_unanswered")
            return
        if answer.error is not None:
            self._counters.count(group, "order_refused")
            if answer.error != UNREADABLE:
                self._refund(charge)
        gateway = self._gateways.get(eui)
        if gateway is not None:
            gateway.upstreams[at].send(with_token(datagram, token), answer.header.kind.name)


def _ours(push: codec.PushData) -> list[int]:
    pairs = zip(push.indexes, push.packets, strict=True)
    return [index for index, packet in pairs if beacon.tag_in(packet.payload) is not None]


def _group(name: ServerName) -> str:
    return f"{GROUP} {name.server}"


def _close(gateway: Gateway) -> None:
    for upstream in gateway.upstreams:
        upstream.close()
