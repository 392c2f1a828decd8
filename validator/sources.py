"""Where blobs come from: this machine first, then any peer; what arrives is stored, so that it can be served on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from protocol.limits import MAX_SEGMENT_BYTES
from validator.blobs import BlobStore


class BlobPeer(Protocol):
    """Somebody who may have a blob. Returns None, never raises, when it does not, or not within `most_bytes`."""

    async def fetch(self, digest: bytes, most_bytes: int = MAX_SEGMENT_BYTES) -> bytes | None: ...


class BlobSource:
    """Blobs by hash from the store or from peers, verified by the peer client and again by the store's name."""

    def __init__(self, store: BlobStore, peers: Sequence[BlobPeer]) -> None:
        self.store, self._peers = store, list(peers)

    async def get(
        self, digest: bytes, first: BlobPeer | None = None, most_bytes: int = MAX_SEGMENT_BYTES
    ) -> bytes | None:
        """The blob, or None if nobody has it. `first` is asked before the others."""
        known = await asyncio.to_thread(self.store.get, digest)
        if known is not None:
            return known
        for peer in self._order(first):
            data = await peer.fetch(digest, most_bytes)
            if data is not None:
                await asyncio.to_thread(self.store.put, data)
                return data
            self._put_last(peer)
        return None

    def _order(self, first: BlobPeer | None) -> list[BlobPeer]:
        """Everybody once."""
        return [*([first] if first else []), *(peer for peer in self._peers if peer is not first)]

    def _put_last(self, peer: BlobPeer) -> None:
        """Whoever did not give a blob is asked last for the next ones: one that is slow costs its time only once."""
        if peer in self._peers:
            self._peers.remove(peer)
            self._peers.append(peer)
