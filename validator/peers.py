"""The other validators: what one asks of them, and what one does for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from protocol.ids import Address
from protocol.keys import EpochRoot, ManifestSigned, recover_quorum
from protocol.limits import CLOSING_EPOCHS, MAX_MANIFEST_BYTES
from protocol.manifest import decode_manifest
from protocol.records import SEGMENT_ROWS
from validator.blobs import BlobStore
from validator.chain_view import ChainView
from validator.clock import Clock
from validator.seal import manifest_problem, size_problem
from validator.signer import EquivocationError, Signer
from validator.sources import BlobPeer, BlobSource

MAX_MANIFESTS_TRIED = 4
"""Of one validator and epoch: an honest one announces one, a faulty one must not fill the disk with others."""


@dataclass(frozen=True, slots=True)
class RootSignature:
    """A peer's signature under the root it computed."""

    root: EpochRoot
    signature: bytes


class Peer(BlobPeer, Protocol):
    """One other validator. Nothing here raises for what a peer does: a peer's fault is None or a sentence."""

    owner: Address
    name: str

    async def announce(self, epoch: int, validator: Address, manifest_hash: bytes, signature: bytes) -> bytes | str:
        """The peer's Available signature, or a sentence on why there is none."""
        ...

    async def root_signature(self, epoch: int, set_id: int) -> RootSignature | None: ...


@dataclass(slots=True)
class Announced:
    """What one validator has announced for one epoch: pulled one at a time."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    hashes: set[bytes] = field(default_factory=set)


class Availability:
    """What this validator does when a peer announces a manifest: pull, check, keep, sign."""

    def __init__(
        self, chain: ChainView, source: BlobSource, signer: Signer, peers: Sequence[Peer], clock: Clock, own: Address
    ) -> None:
        self._chain, self._source, self._signer, self._clock = chain, source, signer, clock
        self._peers = {peer.owner: peer for peer in peers}
        self._own = own
        self._announced: dict[tuple[int, Address], Announced] = {}

    @property
    def store(self) -> BlobStore:
        return self._source.store

    async def consider(self, epoch: int, validator: Address, manifest_hash: bytes, signature: bytes) -> bytes | str:
        """This validator's Available signature, or why not, as a sentence."""
        refusal = await asyncio.to_thread(self._refuse_early, epoch, validator, manifest_hash, signature)
        if refusal is not None:
            return refusal
        announced = self._announced_by(epoch, validator)
        async with announced.lock:
            if len(announced.hashes | {manifest_hash}) > MAX_MANIFESTS_TRIED:
                return "too many different manifests; one manifest per validator and epoch"
            announced.hashes.add(manifest_hash)
            problem = await self._pull(epoch, validator, manifest_hash)
            if problem is not None:
                return problem
            try:
                return await asyncio.to_thread(self._signer.available, epoch, validator, manifest_hash)
            except EquivocationError as error:
                return f"{error}; one manifest per validator and epoch"

    def _announced_by(self, epoch: int, validator: Address) -> Announced:
        oldest = self._chain.epoch_at(self._clock.now_ms()) - CLOSING_EPOCHS
        for key in [key for key in self._announced if key[0] < oldest]:
            del self._announced[key]
        return self._announced.setdefault((epoch, validator), Announced())

    def _refuse_early(self, epoch: int, validator: Address, manifest_hash: bytes, signature: bytes) -> str | None:
        now_ms, end_ms = self._clock.now_ms(), self._chain.end_ms(epoch)
        last_ms = end_ms + CLOSING_EPOCHS * self._chain.params.epoch.length_ms
        members = self._chain.validators(epoch) if epoch >= 1 and end_ms <= now_ms < last_ms else None
        if members is None:
            return f"epoch {epoch} takes no manifests now"
        digest = self._chain.domain.digest(ManifestSigned(epoch, manifest_hash))
        signer = recover_quorum(digest, signature)
        binding = None if signer is None else self._chain.signing_keys().get(signer)
        if binding is None or binding.owner != validator or validator not in members.stakes:
            return "the announcement is not signed by that validator's key"
        return None

    async def _pull(self, epoch: int, validator: Address, manifest_hash: bytes) -> str | None:
        """Gets and checks manifest and segments; they are stored before anything is signed."""
        poster = self._peers.get(validator)
        data = await self._source.get(manifest_hash, poster, MAX_MANIFEST_BYTES)
        manifest = await asyncio.to_thread(decode_manifest, data) if data is not None else None
        if manifest is None or (manifest.epoch, manifest.validator) != (epoch, validator):
            return "the manifest is not to be had, not canonical, or of another epoch or validator"
        if manifest.network != self._chain.network:
            return "the manifest is of another network"
        registry = await asyncio.to_thread(self._chain.registry, epoch)
        assert registry is not None, "known once the members are"
        problem = size_problem(manifest, len(registry))
        if problem is not None:
            return problem
        segments = []
        for reference in manifest.segments:
            most_bytes = reference.rows * SEGMENT_ROWS[reference.kind].width()
            segment = await self._source.get(reference.digest, poster, most_bytes)
            if segment is None:
                return "a segment is not to be had, or is larger than the manifest says"
            segments.append(segment)
        return await asyncio.to_thread(manifest_problem, manifest, segments, self._chain.network, epoch, registry)
