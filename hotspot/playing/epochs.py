"""Which epoch it is, and what the chain said before it: seed, registry and validators at B_e, once they are final."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hotspot.clock import LONGEST_SLEEP_MS, Clock
from hotspot.counters import Counters
from protocol.closing import Member
from protocol.encoding import Network, epoch_seed
from protocol.ids import HotspotId
from protocol.parameters import Windows
from protocol.records import RegistryRow
from protocol.schedule import epoch_at, epoch_start_ms

FIRST_EPOCH = 1
"""Epoch 0 is set-up: it has no slots."""
MAX_KEPT_EPOCHS = 4
LONGEST_POLL_MS = 30_000
POLLS_PER_SEED_LEAD = 10


class ChainSilentError(Exception):
    """The chain does not answer; it is asked again."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The chain at B_e."""

    block_number: int
    block_hash: bytes
    registry: Mapping[HotspotId, RegistryRow]
    members: tuple[Member, ...]


class AnchorSource(Protocol):
    """The chain, as far as epochs need it."""

    async def anchor(self, epoch: int, deadline_ms: int) -> Anchor | None:
        """The chain as an epoch finds it at the last block before a moment; None while not final. ChainSilentError."""
        ...


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch as every party computes it."""

    number: int
    start_ms: int
    end_ms: int
    seed: bytes
    anchor: Anchor

    def row(self, hotspot_id: HotspotId) -> RegistryRow | None:
        """The hotspot as registered at B_e, or None."""
        return self.anchor.registry.get(hotspot_id)


class EpochWatcher:
    """Finds every epoch ahead of its start and tells its listeners."""

    def __init__(
        self,
        network: Network,
        genesis_ms: int,
        windows: Windows,
        source: AnchorSource,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._network = network
        self._genesis_ms = genesis_ms
        self._windows = windows
        self._source = source
        self._clock = clock
        self._counters = counters
        self._known: dict[int, Epoch] = {}
        self._listeners: list[Callable[[Epoch], None]] = []

    def listen(self, listener: Callable[[Epoch], None]) -> None:
        """Calls back with every epoch found from now on."""
        self._listeners.append(listener)

    def number_at(self, time_ms: int) -> int:
        """The epoch a moment lies in."""
        return epoch_at(self._genesis_ms, self._windows, time_ms)

    def start_ms(self, number: int) -> int:
        """Unix milliseconds."""
        return epoch_start_ms(self._genesis_ms, self._windows, number)

    def row(self, hotspot_id: HotspotId, number: int) -> RegistryRow | None:
        """A hotspot's registration for an epoch; by the newest epoch known where that one is not found yet."""
        newest = max(self._known, default=None)
        epoch = self._known.get(number) or (None if newest is None else self._known[newest])
        return None if epoch is None else epoch.row(hotspot_id)

    @property
    def newest(self) -> Epoch | None:
        """The newest epoch found."""
        return self._known[max(self._known)] if self._known else None

    async def run(self) -> None:
        """Watches until cancelled."""
        while True:
            number = self._wanted()
            await self._until_seed(number)
            epoch = await self._find(number)
            if epoch is not None:
                self._counters.count("epochs", "found")
                self._tell(epoch)
            elif self._wanted() > number:
                self._counters.count("epochs", "never_found")
            else:
                self._counters.count("epochs", "clock_set_back")

    def _wanted(self) -> int:
        """The epoch to look for by the clock of this moment; one that was found is over or known."""
        after_newest = max(self._known, default=FIRST_EPOCH - 1) + 1
        return max(after_newest, self.number_at(self._clock.now_ms()))

    def _seed_ms(self, number: int) -> int:
        """When the chain can say the seed of an epoch, at the earliest."""
        return self.start_ms(number) - self._windows.seed_lead_ms

    async def _until_seed(self, number: int) -> None:
        """Waits in steps, so that a clock that is set right meanwhile is noticed."""
        while (left_ms := self._seed_ms(number) - self._clock.now_ms()) > 0 and self._wanted() == number:
            await self._clock.sleep_ms(min(left_ms, LONGEST_SLEEP_MS))

    async def _find(self, number: int) -> Epoch | None:
        """The epoch, or None if by the clock another is wanted before the chain said enough."""
        start_ms, seed_ms = self.start_ms(number), self._seed_ms(number)
        poll_ms = max(min(LONGEST_POLL_MS, self._windows.seed_lead_ms // POLLS_PER_SEED_LEAD), 1)
        while self._wanted() == number:
            try:
                anchor = await self._source.anchor(number, seed_ms)
            except ChainSilentError:
                self._counters.count("epochs", "chain_silent")
                anchor = None
            if anchor is not None:
                seed = epoch_seed(self._network, number, anchor.block_hash)
                return Epoch(number, start_ms, start_ms + self._windows.length_ms, seed, anchor)
            await self._clock.sleep_ms(poll_ms)
        return None

    def _tell(self, epoch: Epoch) -> None:
        self._known[epoch.number] = epoch
        while len(self._known) > MAX_KEPT_EPOCHS:
            del self._known[min(self._known)]
        for listener in self._listeners:
            listener(epoch)
