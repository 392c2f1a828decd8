"""Nodes that give only so many logs at once, each saying so its own way: the back-fills ask for less, and get all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chain import chunks
from chain.chunks import Chunks
from chain.errors import ChainUnavailable, RequestRefused
from chain.events import Registered
from chain.history import History
from chain.log_scan import scan
from chain.reader import ChainReader
from tests.chain.odd_node import Hangup, Http, OddNode, odd_node
from tests.chain.world import World, device, owner_account

MOST = 3
RANGE_ERROR = {"code": -32600, "message": "You can make eth_getLogs requests with up to a 3 block range."}


@pytest.fixture
def node(world: World) -> Iterator[OddNode]:
    """Before a chain with two hotspots and a few dozen blocks."""
    world.register(device(1), owner_account(50))
    world.anvil.mine(24)
    world.register(device(2), owner_account(50))
    with odd_node(world.anvil.url) as one:
        yield one


@pytest.fixture
def reader(world: World, node: OddNode) -> Iterator[ChainReader]:
    one = ChainReader(dataclasses.replace(node.network(world), confirmations=0))
    yield one
    one.close()


def limit(node: OddNode, refusal: Any) -> list[int]:
    """More than MOST blocks get this answer. Returns the sizes asked for."""
    sizes: list[int] = []

    def odd(params: list[Any], go_on: Callable[[], Any]) -> Any:
        sizes.append(int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1)
        return refusal if sizes[-1] > MOST else go_on()

    node.odd["eth_getLogs"] = odd
    return sizes


REFUSALS = [Http(400, {"error": RANGE_ERROR}), Http(413, {"error": RANGE_ERROR}), {"error": RANGE_ERROR}]
SILENCES = [Hangup(), Http(504, {"error": RANGE_ERROR}), Http(400, "too much"), Http(429, {"error": RANGE_ERROR})]


def ids_by_history(reader: ChainReader) -> list[bytes]:
    history = History(reader)
    history.refresh()
    return [one.hotspot_id for one in history.registrations()]


def ids_by_scan(reader: ChainReader) -> list[bytes]:
    return [one.hotspot_id for one in scan(reader, Registered, reader.head())]


@pytest.mark.parametrize("ids", [ids_by_history, ids_by_scan])
@pytest.mark.parametrize("refusal", REFUSALS + SILENCES, ids=str)
def test_a_limit_is_found_in_one_go(
    refusal: Any, ids: Callable[[ChainReader], list[bytes]], node: OddNode, reader: ChainReader
) -> None:
    limit(node, refusal)
    assert ids(reader) == [device(1).id, device(2).id]


@pytest.mark.parametrize("ids", [ids_by_history, ids_by_scan])
def test_a_node_that_gives_no_logs_at_all_is_left_alone_soon(
    ids: Callable[[ChainReader], list[bytes]], node: OddNode, reader: ChainReader
) -> None:
    node.odd["eth_getLogs"] = lambda _params, _go_on: Hangup()
    with pytest.raises(ChainUnavailable, match="cannot be reached"):
        ids(reader)
    assert node.asked.count("eth_getLogs") <= chunks.MAX_SILENCES + 1


@pytest.mark.parametrize("ids", [ids_by_history, ids_by_scan])
def test_what_was_refused_is_not_asked_for_again_at_once(
    ids: Callable[[ChainReader], list[bytes]], node: OddNode, reader: ChainReader
) -> None:
    sizes = limit(node, Http(400, {"error": RANGE_ERROR}))
    ids(reader)
    first_good = next(place for place, size in enumerate(sizes) if size <= MOST)
    assert sum(size > MOST for size in sizes[first_good:]) <= 1
    assert len(sizes) > first_good + 5


@pytest.mark.parametrize("status", [401, 403, 429])
def test_an_address_that_does_not_serve_us_is_replaced_by_the_next(status: int, world: World, node: OddNode) -> None:
    node.odd["eth_blockNumber"] = lambda _params, _go_on: Http(status, {"error": {"code": -1, "message": "no"}})
    reader = ChainReader(dataclasses.replace(world.network, rpc_urls=(node.url, world.anvil.url)))
    assert reader.head() == world.anvil.block_number()
    reader.close()


def test_a_refused_size_is_tried_again_after_a_while() -> None:
    sizes = Chunks(16, 1_000)
    sizes.failed(16, RequestRefused("too many"))
    for _ in range(chunks.TRY_MORE_AFTER):
        assert sizes.blocks == 8
        sizes.came()
    assert sizes.blocks == 16


def test_sizes_grow_while_nothing_is_refused() -> None:
    sizes = Chunks(2, 7)
    for blocks in (2, 4, 7, 7):
        assert sizes.blocks == blocks
        sizes.came()
