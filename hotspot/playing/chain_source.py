"""The chain as the hotspot needs it: one view per epoch, at the last final block before the epoch's seed is due."""

from __future__ import annotations

import asyncio

from chain.errors import ChainError
from chain.history import History
from chain.reader import ChainReader
from hotspot.playing.epochs import Anchor, ChainSilentError
from protocol.ids import HotspotId
from protocol.records import RegistryRow


class ChainAnchors:
    """Reads registry and validators as they were at a block. The chain is asked from a thread."""

    def __init__(self, reader: ChainReader) -> None:
        self._reader = reader
        self._history = History(reader)

    async def registered(self, hotspot_id: HotspotId) -> RegistryRow | None:
        """The hotspot at the final block, or None. ChainSilentError."""
        return await asyncio.to_thread(self._registered, hotspot_id)

    def _registered(self, hotspot_id: HotspotId) -> RegistryRow | None:
        try:
            entries = self._history.registry_at(self._history.refresh().number)
        except ChainError as error:
            raise ChainSilentError(str(error)) from error
        return next((entry.row for entry in entries if entry.hotspot_id == hotspot_id), None)

    async def anchor(self, epoch: int, deadline_ms: int) -> Anchor | None:
        """The chain as an epoch finds it at the last block before a moment; None while not final. ChainSilentError."""
        return await asyncio.to_thread(self._anchor, epoch, deadline_ms)

    def _anchor(self, epoch: int, deadline_ms: int) -> Anchor | None:
        try:
            block = self._reader.last_block_before(deadline_ms)
            if block is None:
                return None
            reached = self._history.refresh()
        except ValueError as error:  # the chain itself began later: no such epoch
            raise ChainSilentError(str(error)) from error
        except ChainError as error:
            raise ChainSilentError(str(error)) from error
        if reached.number < block.number:
            return None
        entries = self._history.registry_at(block.number)
        return Anchor(
            block_number=block.number,
            block_hash=block.hash,
            registry={entry.hotspot_id: entry.row for entry in entries},
            members=tuple(self._history.validators_at(block.number, epoch).members),
        )
