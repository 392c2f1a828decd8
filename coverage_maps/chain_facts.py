"""What the map takes from the chain, by epoch: roots, the registry and seed at B_e, claims. Read at the final block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from chain.history import History
from chain.network import NetworkFile
from chain.reader import Block, ChainReader, EpochsConfig
from coverage_maps.record import Root
from protocol.encoding import epoch_seed
from protocol.ids import HotspotId
from protocol.registry import Registered


class ChainFacts:
    """The chain of one network. Methods raise ChainUnavailable; nothing is shown of a chain that does not answer."""

    def __init__(self, network: NetworkFile) -> None:
        self.network = network
        self._reader = ChainReader(network)
        self._history = History(self._reader)

    def close(self) -> None:
        self._reader.close()

    def refresh(self) -> Block:
        """Reads what is new, and returns the final block everything below is of."""
        return self._history.refresh()

    def check(self) -> list[str]:
        """Sentences on what is wrong with the chain or the network file."""
        return self._reader.check()

    def config(self) -> EpochsConfig:
        return self._reader.config()

    def roots(self) -> list[Root]:
        """All roots the contract took, by epoch."""
        return [
            Root(
                epoch=one.epoch,
                root=one.root,
                data_hash=one.data_hash,
                cumulative_total=one.cumulative_total,
                active_at_ms=one.active_at_ms,
                block=one.block,
                signers=one.signers,
            )
            for one in self._history.roots()
        ]

    def at_seed_block(self, epoch: int, seed_lead_ms: int) -> tuple[Mapping[HotspotId, Registered], bytes] | None:
        """(registry, seed) of an epoch by its B_e; None while that block is not final."""
        config = self._reader.config()
        start_ms = config.genesis_ms + epoch * config.length_ms
        block = self._reader.last_block_before(start_ms - seed_lead_ms)
        if block is None:
            return None
        registry = {one.hotspot_id: one for one in self._history.registry_at(block.number)}
        return registry, epoch_seed(self.network.network, epoch, block.hash)

    def newest_registry(self) -> dict[HotspotId, Registered]:
        """Hotspots at the final block."""
        block = self._history.block
        return {} if block is None else {one.hotspot_id: one for one in self._history.registry_at(block.number)}

    def claimed(self) -> dict[bytes, int]:
        """Base units paid so far, by leaf id."""
        total: Counter[bytes] = Counter()
        for claim in self._history.claims():
            total[claim.leaf_id] += claim.amount
        return dict(total)
