"""What existed on a network's first day: the first validators' stakes, from the events of the deployment."""

from __future__ import annotations

from chain.events import ValidatorJoined
from chain.log_scan import scan
from chain.reader import ChainReader


def allocations(reader: ChainReader) -> list[ValidatorJoined]:
    """The first validators, in the order they were named; each stake was minted to its owner and locked."""
    left, found = reader.genesis_supply(), list[ValidatorJoined]()
    for one in scan(reader, ValidatorJoined, reader.head()):
        if one.effective_epoch > 0:
            break
        found.append(one)
        left -= one.stake
        if left <= 0:
            break
    return found
