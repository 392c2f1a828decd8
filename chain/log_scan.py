"""Events of a few kinds over many blocks, found by the node itself: for commands, which need no whole history.

Up to the newest block if asked to: what a command sends meets the newest state, not the final one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from chain.artifacts import artifact
from chain.chunks import Chunks
from chain.errors import ChainUnavailable, RequestRefused
from chain.events import KNOWN, Decoder, Event
from chain.network import checksum
from chain.reader import ChainReader, translated, whole
from protocol.keys import keccak256

FIRST_CHUNK_BLOCKS = 10_000
MAX_CHUNK_BLOCKS = 1_000_000
Kind = TypeVar("Kind", bound=Event)


def scan(reader: ChainReader, kind: type[Kind], to_block: int, indexed: Sequence[bytes | None] = ()) -> Iterator[Kind]:
    """The events of one kind from the deployment up to a block, in the chain's order; their block times are 0.

    `indexed`: what the event's indexed arguments must be, 32 bytes each, None for any. ChainUnavailable.
    """
    contract, topics = _topics(kind)
    wanted: list[Any] = [["0x" + one.hex() for one in topics]]
    wanted += [None if one is None else "0x" + one.rjust(32, b"\0").hex() for one in indexed]
    decoder = Decoder()
    for log in _all_logs(reader, contract, wanted, to_block):
        event = decoder.decode(contract, log, 0)
        if isinstance(event, kind):
            yield event


def _topics(kind: type[Event]) -> tuple[str, list[bytes]]:
    """The contract that emits a kind of event, and the topics of the event's names there."""
    names = [(contract, name) for (contract, name), (found, _) in KNOWN.items() if found is kind]
    [contract] = {contract for contract, _ in names}
    entries = [one for one in artifact(contract).abi if one["type"] == "event" and (contract, one["name"]) in names]
    signatures = (f"{one['name']}({','.join(each['type'] for each in one['inputs'])})" for one in entries)
    return contract, [keccak256(one.encode("ascii")) for one in signatures]


def _all_logs(reader: ChainReader, contract: str, topics: Sequence[Any], to_block: int) -> Iterator[Any]:
    """A node that refuses a stretch of blocks, or takes too long for it, is asked for half of it."""
    start, chunks = reader.network.deployed_block, Chunks(FIRST_CHUNK_BLOCKS, MAX_CHUNK_BLOCKS)
    while start <= to_block:
        end = min(start + chunks.blocks - 1, to_block)
        try:
            found = _logs(reader, contract, topics, start, end)
        except ChainUnavailable as error:
            chunks.failed(end - start + 1, error)
            if not isinstance(error, RequestRefused):
                reader.head()  # raises if the node answers nothing at all
            continue
        chunks.came()
        yield from found
        start = end + 1


def _logs(reader: ChainReader, contract: str, topics: Sequence[Any], start: int, end: int) -> Sequence[Any]:
    address = checksum(reader.network.contracts.of(contract))
    wanted = {"fromBlock": start, "toBlock": end, "address": address, "topics": list(topics)}
    eth = reader.rpc.web3.eth
    with translated("the request for its logs"):
        return whole(eth.get_logs(wanted))


def logs_of(reader: ChainReader, transaction_hash: bytes) -> Sequence[Any]:
    """The raw logs of a transaction in a block. ChainUnavailable."""
    eth = reader.rpc.web3.eth
    with translated("the request for a receipt"):
        return whole(eth.get_transaction_receipt(transaction_hash)["logs"])
