"""What a validator does when its chain turns out to have lost final blocks: it settles again what they decided.

A chain that keeps its promise never gets here. What was signed stays signed: for an epoch that comes to another root
now, the signer refuses, the epoch stays without a root, and the next one pays its work, because amounts are cumulative.
"""

from __future__ import annotations

import asyncio

from protocol.encoding import sha256
from protocol.limits import CLOSING_EPOCHS
from validator.assembly import Before, NotYetError, genesis, restore
from validator.chain_view import ChainView
from validator.epoch_files import EpochFiles
from validator.rules import NetworkRules
from validator.sources import BlobSource

EARLIEST = CLOSING_EPOCHS + 1
"""How many settled epochs are looked at: of an older one no manifest can be posted any more."""


def decided_by(chain: ChainView, epoch: int) -> str:
    """What of the chain decides an epoch, hashed: seed, draw and the counted manifests; "" while it is not known."""
    closing, seed, draw = chain.closing(epoch), chain.seed(epoch), chain.draw(epoch)
    if closing is None or not closing.closed or seed is None or draw is None:
        return ""
    return sha256(
        seed, draw, *(part for post in closing.counted for part in (post.validator, post.manifest_hash))
    ).hex()


def first_undone(chain: ChainView, files: EpochFiles, settled_epoch: int) -> int | None:
    """The oldest settled epoch that the chain decides otherwise now, or does not decide yet; None if there is none."""
    for epoch in range(max(settled_epoch - EARLIEST + 1, 1), settled_epoch + 1):
        record = files.get(epoch)
        if record.settled and record.decided_by != decided_by(chain, epoch):
            return epoch
    return None


async def state_before(
    chain: ChainView, rules: NetworkRules, source: BlobSource, files: EpochFiles, epoch: int
) -> Before:
    """The state an epoch starts from, as this machine settled it; NotYetError if it is not here."""
    if epoch == 1:
        return genesis(rules, chain.genesis_ms)
    digest = files.get(epoch - 1).state
    data = await source.get(bytes.fromhex(digest)) if digest else None
    before = None if data is None else await restore(data, rules, source)
    if before is None:
        raise NotYetError(f"the state of epoch {epoch - 1} is not to be had")
    return before


async def forget_from(files: EpochFiles, epoch: int, settled_epoch: int) -> None:
    """Drops what these epochs came to, on the device too; their own manifests stay."""
    for one in range(settled_epoch, epoch - 1, -1):
        await asyncio.to_thread(files.unsettle, one)
