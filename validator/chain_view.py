"""What the chain says of each epoch: B_e, S_e, registry, validators, posts, closing. Kept, because none of it changes.

Synchronous; the daemon refreshes it in a thread and reads it from its loop.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from chain.errors import ChainUnavailable
from chain.events import RootSubmitted
from chain.folds import ValidatorSet
from chain.history import History
from chain.reader import Block, ChainReader
from protocol.closing import Closing, Keys, Post, close
from protocol.encoding import epoch_draw, epoch_seed
from protocol.ids import HotspotId
from protocol.keys import PublicKey
from protocol.parameters import Parameters
from protocol.registry import Registered
from protocol.schedule import epoch_at, epoch_start_ms

KEPT_EPOCHS = 64
KEPT = {"newest": 1, "signing_keys": 2, "keys": 4, "registry": 16}
"""How many answers of a kind are kept, where each of them is as large as the registry."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EpochFacts:
    """What everybody may know of an epoch once B_e is final."""

    start_ms: int
    seed: bytes
    block_hash: bytes
    params_hash: bytes


class ChainView:
    """The chain as one validator or auditor sees it, by epoch."""

    def __init__(self, reader: ChainReader, history: History, params: Parameters) -> None:
        self.reader, self.history, self.params = reader, history, params
        self.network, self.domain = reader.network.network, reader.network.domain
        self.genesis_ms = reader.config().genesis_ms
        self._kept: dict[str, OrderedDict[int, object]] = {}
        self._final = history.block
        self.losses = 0
        """How often the chain was found to have lost blocks that were final."""

    def refresh(self) -> None:
        """Reads what is new; ChainUnavailable changes nothing. A chain that lost its end is asked everything again."""
        before, final = self._final, self.history.refresh()
        if before is not None and before != final and self.reader.fresh_block(before.number).hash != before.hash:
            self._kept.clear()
            self.losses += 1
        self._final = final

    @property
    def final(self) -> Block:
        """The block every answer is of."""
        if self._final is None:
            raise ChainUnavailable("The chain has not been read yet.")
        return self._final

    def start_ms(self, epoch: int) -> int:
        return epoch_start_ms(self.genesis_ms, self.params.epoch, epoch)

    def end_ms(self, epoch: int) -> int:
        return self.start_ms(epoch + 1)

    def epoch_at(self, time_ms: int) -> int:
        return epoch_at(self.genesis_ms, self.params.epoch, time_ms)

    # --- fixed by B_e ---------------------------------------------------------------------------------------------

    def seed_block(self, epoch: int) -> Block | None:
        """B_e, or None while it is not final."""
        deadline_ms = self.start_ms(epoch) - self.params.epoch.seed_lead_ms
        return self._keep("B", epoch, lambda: self._reached(deadline_ms, self.reader.last_block_before, self.final))

    def seed(self, epoch: int) -> bytes | None:
        block = self.seed_block(epoch)
        return None if block is None else epoch_seed(self.network, epoch, block.hash)

    def facts(self, epoch: int) -> EpochFacts | None:
        block = self.seed_block(epoch)
        if block is None:
            return None
        seed = epoch_seed(self.network, epoch, block.hash)
        return EpochFacts(self.start_ms(epoch), seed, block.hash, self.params_hash(epoch) or b"")

    def registry(self, epoch: int) -> Mapping[HotspotId, Registered] | None:
        """Hotspots at B_e by id, or None while it is not final."""
        return self._keep("registry", epoch, lambda: self._at_seed_block(epoch, self._registry_at))

    def keys(self, epoch: int) -> Mapping[HotspotId, PublicKey | None] | None:
        """Device keys of the epoch's hotspots, or None while B_e is not final."""
        registry = self.registry(epoch)
        if registry is None:
            return None
        return self._keep("keys", epoch, lambda: {one: hotspot.key() for one, hotspot in registry.items()})

    def known_keys(self, epoch: int) -> Mapping[HotspotId, PublicKey | None] | None:
        """`keys` as far as they are kept: never waits for the chain."""
        return self._cache("keys").get(epoch)  # type: ignore[return-value]

    def newest_registry(self) -> Mapping[HotspotId, Registered]:
        """Hotspots at the final block."""
        return self._keep("newest", self.final.number, lambda: self._registry_at(self.final.number)) or {}

    def validators(self, epoch: int) -> ValidatorSet | None:
        """The epoch's validators as B_e knows them, or None while it is not final."""
        return self._keep(
            "members",
            epoch,
            lambda: self._at_seed_block(epoch, lambda block: self.history.validators_at(block, epoch)),
        )

    def params_hash(self, epoch: int) -> bytes | None:
        """The params hash in force at B_e, or None while it is not final."""
        return self._keep("params", epoch, lambda: self._at_seed_block(epoch, self.history.params_hash_at))

    def current_set(self) -> ValidatorSet:
        """The set in force now: whoever signs roots."""
        final = self.final
        return self.history.validators_at(final.number, max(self.epoch_at(final.timestamp_ms), 0))

    def signing_keys(self) -> Keys:
        """Every signing key announced so far, with the owner account it is bound to for ever."""
        return self._signing_keys(self.final)

    def _signing_keys(self, final: Block) -> Keys:
        return self._keep("signing_keys", final.number, lambda: self.history.signing_keys_at(final.number)) or {}

    # --- fixed after the epoch --------------------------------------------------------------------------------------

    def draw(self, epoch: int) -> bytes | None:
        """draw_e, or None while S_e is not final."""
        end_ms = self.end_ms(epoch)
        block = self._keep("S", epoch, lambda: self._reached(end_ms, self.reader.first_block_from, self.final))
        return None if block is None else epoch_draw(self.network, epoch, block.hash)

    def posts(self, epoch: int) -> list[Post]:
        """Manifests posted for an epoch, in the chain's order."""
        return self._posts(epoch, self.final)

    def _posts(self, epoch: int, final: Block) -> list[Post]:
        return [
            Post(one.epoch, one.validator, one.manifest_hash, one.signatures, one.block, one.block_time_ms)
            for one in self.history.manifests(epoch)
            if one.block <= final.number
        ]

    def closing(self, epoch: int) -> Closing | None:
        """Where an epoch's evidence stands, or None while B_e is not known. A closed epoch stays as it is.

        All of it is of one final block: a refresh meanwhile must not close the epoch without a post it just brought.
        """
        final, members = self.final, self.validators(epoch)
        if members is None:
            return None
        kept = self._cache("closing").get(epoch)
        if isinstance(kept, Closing):
            return kept
        found = close(
            self._posts(epoch, final),
            members.members,
            self._signing_keys(final),
            self.domain,
            self.end_ms(epoch),
            self.params.epoch,
            lambda time_ms: self._reached(time_ms, self.reader.first_block_from, final),
            final,
        )
        if found.closed:
            self._remember("closing", epoch, found)
        return found

    def root(self, epoch: int) -> RootSubmitted | None:
        """The root of an epoch, unless it was dropped while it waited."""
        return self.history.root(epoch)

    def rooted_through(self) -> int:
        """No root of this epoch or an earlier one is accepted any more, also where one was dropped; 0 before."""
        return self.history.rooted_through()

    def rooted_epochs(self) -> list[int]:
        """Every epoch with a root on chain, oldest first."""
        return [one.epoch for one in self.history.roots()]

    def last_root(self, before: int | None = None) -> RootSubmitted | None:
        """The newest root, or the newest of an epoch below `before`."""
        roots = [one for one in self.history.roots() if before is None or one.epoch < before]
        return roots[-1] if roots else None

    # --- keeping --------------------------------------------------------------------------------------------------

    def _reached(self, time_ms: int, find: Callable[[int], Block | None], final: Block) -> Block | None:
        """A block found by time, if `final` lies behind it: answers must all be of one chain state."""
        if final.timestamp_ms <= time_ms:
            return None
        block = find(time_ms)
        return block if block is not None and block.number <= final.number else None

    def _at_seed_block(self, epoch: int, fold: Callable[[int], T]) -> T | None:
        block = self.seed_block(epoch)
        return None if block is None else fold(block.number)

    def _registry_at(self, block: int) -> dict[HotspotId, Registered]:
        return {one.hotspot_id: one for one in self.history.registry_at(block)}

    def _cache(self, name: str) -> OrderedDict[int, object]:
        return self._kept.setdefault(name, OrderedDict())

    def _remember(self, name: str, key: int, value: object) -> None:
        cache = self._cache(name)
        cache[key] = value
        while len(cache) > KEPT.get(name, KEPT_EPOCHS):
            cache.popitem(last=False)

    def _keep(self, name: str, key: int, find: Callable[[], T | None]) -> T | None:
        known = self._cache(name).get(key)
        if known is not None:
            return known  # type: ignore[return-value]
        found = find()
        if found is not None:
            self._remember(name, key, found)
        return found
