"""Four validators over one chain, time moved by hand: an epoch played, and what each made of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from protocol.epoch import decode_outcomes
from protocol.reasons import Reason
from tests.validator.nodes import EPOCH, ChainWorld, LocalNetwork, Node, all_hear_all, start_ms, three_devices

DEVICES = three_devices()
SETTLES_WITHIN_MS = EPOCH.close_after_ms + 10_000


@asynccontextmanager
async def four(directory: Path, **options: Any) -> AsyncIterator[LocalNetwork]:
    """Four validators shortly before epoch 1."""
    network = LocalNetwork(directory, **options)
    network.chain.register(*DEVICES)
    network.clock.time_ms = start_ms(1) - 2_000
    await network.start()
    try:
        yield network
    finally:
        await network.stop()


async def play(network: LocalNetwork, epoch: int, **bent: Any) -> ChainWorld:
    """The records of one epoch reach every living validator; the clock stands at its end."""
    network.clock.time_ms = max(network.clock.time_ms, start_ms(epoch + 1) - 1_000)
    world = all_hear_all(network.world(epoch, *DEVICES))
    await network.feed(world)
    await network.run(start_ms(epoch + 1))
    return world


async def has_root(network: LocalNetwork, epoch: int, within_ms: int = SETTLES_WITHIN_MS + 30_000) -> None:
    await network.run_until(lambda: any(one.epoch == epoch for one in network.chain.submitted), within_ms)
    await network.run(network.clock.time_ms + 4_000)


def own_roots(network: LocalNetwork, epoch: int) -> set[tuple[bytes, bytes]]:
    """(root, dataHash) as each validator that is alive has settled it."""
    records = [node.files.get(epoch) for node in network.nodes.values()]
    assert all(record.settled for record in records)
    return {(bytes.fromhex(record.root), bytes.fromhex(record.summary)) for record in records}


def outcomes(node: Node, epoch: int) -> dict[Reason, int]:
    data = node.store.get(bytes.fromhex(node.files.get(epoch).outcomes))
    table = decode_outcomes(data or b"")
    assert table is not None
    counts: dict[Reason, int] = {}
    for one in table.outcomes:
        counts[Reason(one.reason)] = counts.get(Reason(one.reason), 0) + 1
    return counts


ALL_ACCEPTED = {Reason.ACCEPTED: 9}
"""Three beacons, and each heard by the two others."""
