"""Every event of our contracts up to the final block, kept in memory and folded on demand.

`refresh` asks only for what is new. Logs are keyed by (block hash, log index), and the blocks at which reading stopped
are remembered: when another block stands where one of them stood - a node lost its newest blocks, or the chain went
back behind what it called final - all above the newest one that still stands is forgotten and read again.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from chain import events, folds
from chain.chunks import Chunks
from chain.errors import ChainUnavailable
from chain.events import Event
from chain.folds import ValidatorSet
from chain.reader import Block, ChainReader
from protocol.closing import Keys
from protocol.ids import Address, HotspotId
from protocol.registry import Registered as RegistryEntry

FIRST_CHUNK_BLOCKS = 2_000
MAX_CHUNK_BLOCKS = 100_000
KEPT_CHECKPOINTS = 512
E = TypeVar("E", bound=Event)
REGISTRY = (events.Registered, events.Located, events.OperatorChanged, events.FrozenSet)
VALIDATORS = (events.ValidatorJoined, events.KeyChanged, events.ValidatorLeft)


class History:
    """The events of one network. Thread-safe; every view is of the last `refresh`."""

    def __init__(self, reader: ChainReader) -> None:
        self._reader = reader
        self._lock = threading.RLock()
        self._decoder: events.Decoder | None = None
        self._names: dict[bytes, str] = {}
        self._chunks = Chunks(FIRST_CHUNK_BLOCKS, MAX_CHUNK_BLOCKS)
        self._checkpoints: list[Block] = []
        self._by_kind: defaultdict[object, list[Event]] = defaultdict(list)
        self._manifests: defaultdict[int, list[events.ManifestPosted]] = defaultdict(list)
        self._roots: dict[int, events.RootSubmitted] = {}

    def refresh(self) -> Block:
        """Reads what the chain added up to its final block, and returns the block the history now reaches.

        ChainUnavailable leaves the history at the last chunk that was read whole.
        """
        with self._lock:
            final = self._reader.final_block()
            self._drop_orphans(final)
            start = self._reader.network.deployed_block if self.block is None else self.block.number + 1
            self._chunks.begin()
            while start <= final.number:
                start = self._read_chunk(start, final)
            return self.block or final

    @property
    def block(self) -> Block | None:
        """The block up to which events have been read, or None before the first refresh."""
        return self._checkpoints[-1] if self._checkpoints else None

    # --- the chain went back ----------------------------------------------------------------------------------------

    def _drop_orphans(self, final: Block) -> None:
        """Forgets what stood in blocks the chain no longer has. A node that is merely behind is waited for."""
        if self.block is None or final.number < self.block.number or self._stands(self.block):
            return
        while self._checkpoints and not self._stands(self._checkpoints[-1]):
            self._checkpoints.pop()
        self._forget_above(self.block.number if self.block else -1)
        self._reader.forget()

    def _stands(self, block: Block) -> bool:
        return self._reader.fresh_block(block.number).hash == block.hash

    def _forget_above(self, number: int) -> None:
        for told in self._by_kind.values():
            while told and told[-1].block > number:
                told.pop()
        self._manifests.clear()
        self._roots.clear()
        for told in (self._by_kind[events.ManifestPosted], self._by_kind[events.RootSubmitted]):
            for event in told:
                self._index(event)

    # --- reading ----------------------------------------------------------------------------------------------------

    def _read_chunk(self, start: int, final: Block) -> int:
        """Reads one chunk; a node that refuses it is asked for half as much. Returns the next block to read.

        The last block is asked for first: that ends the reading at once when the node answers nothing at all.
        """
        end = min(start + self._chunks.blocks - 1, final.number)
        failures = self._reader.failures
        last = final if end == final.number else self._reader.fresh_block(end)
        try:
            logs = self._reader.logs(start, end)
        except ChainUnavailable as error:
            self._chunks.failed(end - start + 1, error)
            return start
        if self._reader.fresh_block(end).hash != last.hash or self._reader.failures != failures:
            # By-number queries can race a reorganisation, or reach a node that is behind and knows no logs yet.
            raise ChainUnavailable("The chain, or the node asked, changed while it was read. It is tried again later.")
        self._keep(self._decode(logs))
        self._checkpoints.append(last)
        del self._checkpoints[1:-KEPT_CHECKPOINTS]
        self._chunks.came()
        return end + 1

    def _decode(self, logs: Any) -> list[Event]:
        """The events of a chunk in the chain's order, each once."""
        if self._decoder is None:
            self._decoder = events.Decoder()
            self._names = {self._reader.network.contracts.of(name): name for name in events.EMITTERS}
        once = {(bytes(log["blockHash"]), log["logIndex"]): log for log in logs}
        ordered = sorted(once.values(), key=lambda log: (log["blockNumber"], log["logIndex"]))
        found = (self._decoder.decode(self._contract(log), log, self._time_ms(log)) for log in ordered)
        return [event for event in found if event is not None]

    def _keep(self, told: list[Event]) -> None:
        for event in told:
            self._by_kind[_group(event)].append(event)
            self._index(event)

    def _index(self, event: Event) -> None:
        if isinstance(event, events.ManifestPosted):
            self._manifests[event.epoch].append(event)
        elif isinstance(event, events.RootSubmitted):
            self._roots[event.epoch] = event

    def _contract(self, log: Any) -> str:
        return self._names[bytes.fromhex(log["address"][2:])]

    def _time_ms(self, log: Any) -> int:
        stated = log.get("blockTimestamp")
        if stated is not None:
            return int(stated, 16) * 1000 if isinstance(stated, str) else int(stated) * 1000
        return self._reader.block(log["blockNumber"]).timestamp_ms

    # --- folds ------------------------------------------------------------------------------------------------------

    def registry_at(self, block: int) -> list[RegistryEntry]:
        """The hotspots as they were at a block, sorted by id."""
        config = self._reader.config()
        with self._lock:
            told = cast("list[folds.RegistryEvent]", self._by_kind[REGISTRY])
            return folds.registry(told, block, config.genesis_ms, config)

    def validators_at(self, block: int, epoch: int) -> ValidatorSet:
        """The validators in force in an epoch, as far as a block knows."""
        with self._lock:
            return folds.validators(cast("list[folds.SetEvent]", self._by_kind[VALIDATORS]), block, epoch)

    def signing_keys_at(self, block: int) -> Keys:
        """Every signing key announced up to a block, with the owner account it is bound to for ever."""
        with self._lock:
            return folds.bindings(cast("list[folds.SetEvent]", self._by_kind[VALIDATORS]), block)

    def params_hash_at(self, block: int) -> bytes | None:
        """The params hash in force at a block, or None before the contracts were deployed."""
        return folds.params_hash(self.of(events.ParamsSet), block)

    def admitted_at(self, block: int) -> frozenset[Address]:
        """The accounts that may join the validators at a block."""
        return folds.admitted(self.of(events.Admitted), block)

    def holders_at(self, block: int) -> Mapping[HotspotId, Mapping[Address, int]]:
        """Who holds how many of the 10,000 shares of each hotspot at a block."""
        return folds.holders(self.of(events.SharesMoved), block)

    # --- views ------------------------------------------------------------------------------------------------------

    def of(self, kind: type[E]) -> list[E]:
        """All events of one kind, in the chain's order."""
        group = next((one for one in (REGISTRY, VALIDATORS) if kind in one), kind)
        with self._lock:
            return [event for event in self._by_kind[group] if isinstance(event, kind)]

    def manifests(self, epoch: int) -> list[events.ManifestPosted]:
        """The manifests posted for an epoch, in the chain's order."""
        with self._lock:
            return list(self._manifests.get(epoch, ()))

    def root(self, epoch: int) -> events.RootSubmitted | None:
        """The root of an epoch, or None if there is none or it was dropped while it waited."""
        return next((one for one in self.roots() if one.epoch == epoch), None)

    def roots(self) -> list[events.RootSubmitted]:
        """All roots but those that were dropped while they waited, by epoch."""
        with self._lock:
            dropped = {one.epoch for one in self.of(events.RootCancelled)}
            return [self._roots[epoch] for epoch in sorted(self._roots) if epoch not in dropped]

    def rooted_through(self) -> int:
        """No root of this epoch or an earlier one is accepted any more: of the newest root, dropped ones included."""
        with self._lock:
            return max(self._roots, default=0)

    def claims(self) -> list[events.Claimed]:
        """All claims paid, in the chain's order."""
        return self.of(events.Claimed)

    def registrations(self) -> list[events.Registered]:
        """All registrations, in the chain's order."""
        return self.of(events.Registered)


def _group(event: Event) -> object:
    """Events that one fold needs together are kept together, in the chain's order."""
    kind = type(event)
    if kind in REGISTRY:
        return REGISTRY
    return VALIDATORS if kind in VALIDATORS else kind
