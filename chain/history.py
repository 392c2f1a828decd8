"""Every event of our contracts up to the final block, kept in memory and folded on demand.

`refresh` asks only for what is new. When the chain is found to have gone back behind the last block seen (a node that
lost its newest blocks), everything is read again from the deployment on.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from chain import events, folds
from chain.errors import ChainUnavailable, RequestRefused
from chain.folds import ValidatorSet
from chain.reader import Block, ChainReader
from protocol.registry import Registered as RegistryEntry

FIRST_CHUNK_BLOCKS = 2_000
MAX_CHUNK_BLOCKS = 100_000


class History:
    """The events of one network. Thread-safe; every view is of the last `refresh`."""

    def __init__(self, reader: ChainReader) -> None:
        self._reader = reader
        self._lock = threading.RLock()
        self._decoder: events.Decoder | None = None
        self._seen: Block | None = None
        self._chunk_blocks = FIRST_CHUNK_BLOCKS
        self._clear()

    def _clear(self) -> None:
        self._seen = None
        self._registered: list[events.Registered] = []
        self._joined: list[events.ValidatorJoined] = []
        self._manifests: defaultdict[int, list[events.ManifestPosted]] = defaultdict(list)
        self._roots: dict[int, events.RootSubmitted] = {}
        self._claims: list[events.Claimed] = []

    def refresh(self) -> Block:
        """Reads what the chain added up to its final block, and returns the block the history now reaches.

        ChainUnavailable leaves the history at the last chunk that was read whole.
        """
        with self._lock:
            final = self._reader.final_block()
            if self._lost_its_end(final):
                self._clear()
                self._reader.forget()
            start = self._reader.network.deployed_block if self._seen is None else self._seen.number + 1
            while start <= final.number:
                start = self._read_chunk(start, final)
            return self._seen or final

    @property
    def block(self) -> Block | None:
        """The block up to which events have been read, or None before the first refresh."""
        return self._seen

    def _lost_its_end(self, final: Block) -> bool:
        """True if another block stands where the last one read stood. A node that is merely behind is waited for."""
        seen = self._seen
        if seen is None or final.number < seen.number:
            return False
        return self._reader.fresh_block(seen.number).hash != seen.hash

    def _read_chunk(self, start: int, final: Block) -> int:
        """Reads one chunk; a node that refuses it gets half as much. Returns the next block to read."""
        end = min(start + self._chunk_blocks - 1, final.number)
        try:
            logs = self._reader.logs(start, end)
        except ChainUnavailable as error:
            self._chunk_blocks = max((end - start + 1) // 2, 1)
            if end == start or not isinstance(error, RequestRefused):
                raise
            return start
        self._seen = self._end_of(end, final)
        for log in logs:
            self._keep(log)
        self._chunk_blocks = min(self._chunk_blocks * 2, MAX_CHUNK_BLOCKS)
        return end + 1

    def _end_of(self, end: int, final: Block) -> Block:
        """The last block of a chunk, from the node that gave the logs: one that is behind gives none for it."""
        block = self._reader.fresh_block(end)
        if end == final.number and block.hash != final.hash:
            raise ChainUnavailable("Two RPC addresses disagree about a final block. It is tried again later.")
        return block

    def _keep(self, log: Any) -> None:
        if self._decoder is None:
            self._decoder = events.Decoder()
        event = self._decoder.decode(self._contract(log), log, self._time_ms(log))
        match event:
            case events.Registered():
                self._registered.append(event)
            case events.ValidatorJoined():
                self._joined.append(event)
            case events.ManifestPosted():
                self._manifests[event.epoch].append(event)
            case events.RootSubmitted():
                self._roots[event.epoch] = event
            case events.Claimed():
                self._claims.append(event)

    def _contract(self, log: Any) -> str:
        ours = bytes.fromhex(log["address"][2:]) == self._reader.network.contracts.hotspots
        return "Hotspots" if ours else "Epochs"

    def _time_ms(self, log: Any) -> int:
        stated = log.get("blockTimestamp")
        if stated is not None:
            return int(stated, 16) * 1000 if isinstance(stated, str) else int(stated) * 1000
        return self._reader.block(log["blockNumber"]).timestamp_ms

    # --- views ---------------------------------------------------------------------------------------------------

    def registry_at(self, block: int) -> list[RegistryEntry]:
        """The hotspots registered up to a block, sorted by id."""
        config = self._reader.config()
        with self._lock:
            return folds.registry(self._registered, block, config.genesis_ms, config)

    def validators_at(self, block: int) -> ValidatorSet:
        """The validators at a block."""
        with self._lock:
            return folds.validators(self._joined, block)

    def manifests(self, epoch: int) -> list[events.ManifestPosted]:
        """The manifests posted for an epoch, in the chain's order."""
        with self._lock:
            return list(self._manifests.get(epoch, ()))

    def root(self, epoch: int) -> events.RootSubmitted | None:
        """The root of an epoch, or None."""
        with self._lock:
            return self._roots.get(epoch)

    def roots(self) -> list[events.RootSubmitted]:
        """All roots, by epoch."""
        with self._lock:
            return [self._roots[epoch] for epoch in sorted(self._roots)]

    def claims(self) -> list[events.Claimed]:
        """All claims paid, in the chain's order."""
        with self._lock:
            return list(self._claims)

    def registrations(self) -> list[events.Registered]:
        """All registrations, in the chain's order."""
        with self._lock:
            return list(self._registered)
