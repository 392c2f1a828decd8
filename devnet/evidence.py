"""What an epoch came to, read back from the chain and the public evidence: nothing here comes from what was sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from chain.events import RootSubmitted
from chain.network import NetworkFile
from protocol.epoch import OutcomeTable, Summary, decode_outcomes, decode_summary
from protocol.evidence import Evidence, unite
from protocol.ids import Role
from protocol.need import NeedMap, decode_map
from protocol.parameters import NeedRules
from protocol.reasons import Reason
from protocol.state import State, decode_state
from validator.assembly import counted_manifest
from validator.blobs import BlobStore
from validator.chain_view import ChainView
from validator.disk import Disk
from validator.sources import BlobSource
from validator.wire.client import PeerClient


class EvidenceMissingError(Exception):
    """A blob the chain names is served by no validator; the message says which."""


@dataclass(frozen=True, slots=True)
class EpochEvidence:
    """One settled epoch, decoded."""

    root: RootSubmitted
    summary: Summary
    table: OutcomeTable
    before: State | None
    state: State
    need_map: NeedMap
    """The map the epoch paid by."""
    evidence: Evidence

    @property
    def earned(self) -> dict[bytes, int]:
        """Base units by id: how far each cumulative amount moved."""
        old = self.before.accounts if self.before else {}
        moved = {
            one.id: one.cumulative - (old[one.id].cumulative if one.id in old else 0)
            for one in self.state.accounts.values()
        }
        return {account: amount for account, amount in sorted(moved.items()) if amount}

    def outcomes(self) -> dict[str, int]:
        """Reports by outcome, beacons and witnesses together."""
        counts = Counter(Reason(one.reason).name for one in self.table.outcomes)
        return dict(sorted(counts.items()))

    def accepted_witnesses(self) -> int:
        return sum(one.role == Role.WITNESS and one.reason == Reason.ACCEPTED for one in self.table.outcomes)


class EvidenceReader:
    """Fetches evidence from any validator by hash."""

    def __init__(self, network: NetworkFile, directory: Path) -> None:
        self._network = network
        self._store = BlobStore(directory, Disk())

    def read(self, chain: ChainView, root: RootSubmitted) -> EpochEvidence:
        """The epoch under a root; EvidenceMissingError if a part of it is served by nobody."""
        return asyncio.run(self._read(chain, root))

    def state(self, root: RootSubmitted) -> State:
        """The state under a root: its accounts are the root's leaves."""
        return asyncio.run(self._state(root))

    async def _state(self, root: RootSubmitted) -> State:
        async with _peers(self._network) as peers:
            blobs = BlobSource(self._store, peers)
            summary = _decoded(decode_summary(await _get(blobs, root.data_hash)), "summary")
            return _decoded(decode_state(await _get(blobs, summary.head.state_after)), "state")

    async def _read(self, chain: ChainView, root: RootSubmitted) -> EpochEvidence:
        async with _peers(self._network) as peers:
            blobs = BlobSource(self._store, peers)
            summary = _decoded(decode_summary(await _get(blobs, root.data_hash)), "summary")
            rules: NeedRules = chain.params.need
            before = await blobs.get(summary.head.state_before)  # epoch 1 starts from a state nobody publishes
            return EpochEvidence(
                root=root,
                summary=summary,
                table=_decoded(decode_outcomes(await _get(blobs, summary.head.outcomes)), "outcome table"),
                before=None if before is None else _decoded(decode_state(before), "state before"),
                state=_decoded(decode_state(await _get(blobs, summary.head.state_after)), "state"),
                need_map=_decoded(decode_map(await _get(blobs, summary.head.need_map), rules), "need map"),
                evidence=await self._evidence(chain, root.epoch, blobs),
            )

    async def _evidence(self, chain: ChainView, epoch: int, blobs: BlobSource) -> Evidence:
        closing = chain.closing(epoch)
        if closing is None or not closing.closed:
            raise EvidenceMissingError(f"The chain has a root of epoch {epoch} but no longer the manifests under it.")
        return unite([await counted_manifest(post, chain.network, blobs) for post in closing.counted])


@asynccontextmanager
async def _peers(network: NetworkFile) -> AsyncIterator[list[PeerClient]]:
    """The network's validators for the length of one read."""
    peers = [
        PeerClient(one.owner, one.endpoint, f"validator {place}") for place, one in enumerate(network.validators, 1)
    ]
    try:
        yield peers
    finally:
        for peer in peers:
            await peer.close()


async def _get(blobs: BlobSource, digest: bytes) -> bytes:
    data = await blobs.get(digest)
    if data is None:
        raise EvidenceMissingError(f"No validator serves the blob {digest.hex()}.")
    return data


T = TypeVar("T")


def _decoded(value: T | None, what: str) -> T:
    if value is None:
        raise EvidenceMissingError(f"The {what} under the root is not canonical.")
    return value


def points_by_cell(table: OutcomeTable) -> Mapping[int, int]:
    """Points of each cell with sites, in units of 10^-18."""
    points: dict[int, int] = {}
    for site in table.sites:
        points[site.cell] = points.get(site.cell, 0) + site.points
    return points
