"""What a node says against a transaction: words decide only what nobody can have; a final block decides the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chain.errors import TransactionFailed
from chain.reader import ChainReader
from chain.sender import Sender
from tests.chain.odd_node import OddNode, odd_node
from tests.chain.test_sender import WAIT_S, is_registered, mining, nonce, registration
from tests.chain.world import World, checksum_of

SEND = "eth_sendRawTransaction"


@pytest.fixture
def own_world(start_anvil: Callable[..., Any], make_world: Callable[..., World]) -> World:
    return make_world(start_anvil())


@pytest.fixture
def node(own_world: World) -> Iterator[OddNode]:
    with odd_node(own_world.anvil.url) as one:
        yield one


@pytest.fixture
def reader(own_world: World, node: OddNode) -> Iterator[ChainReader]:
    one = ChainReader(node.network(own_world))
    yield one
    one.close()


@pytest.fixture
def key() -> bytes:
    return bytes([0xC8]) + os.urandom(31)


@pytest.fixture(autouse=True)
def _always_resend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chain.sender.RESEND_AFTER_S", 0)


def refusing(node: OddNode, message: str, times: int) -> None:
    """The node refuses the first transactions it gets with these words."""
    left = iter(range(times))

    def odd(_params: list[Any], go_on: Callable[[], Any]) -> Any:
        return go_on() if next(left, None) is None else {"error": {"code": -32000, "message": message}}

    node.odd[SEND] = odd


def in_pool(world: World, transaction: bytes) -> bool:
    return world.anvil.rpc("eth_getTransactionByHash", "0x" + transaction.hex()) is not None


# --- an order that was kept ---


@pytest.mark.parametrize(
    "answer", [{"error": {"message": "tx rejected"}}, {"error": "no"}, {"result": "0x" + "1" * 64}]
)
def test_a_kept_order_moves_once_its_nonce_is_used_whatever_the_node_says(
    answer: Any, own_world: World, node: OddNode, reader: ChainReader, key: bytes, open_sender: Callable[..., Sender]
) -> None:
    """Even when the node seems to take it: it can never be mined there."""
    chain, sender = own_world.anvil, open_sender(own_world, key, reader=reader)
    chain.rpc("evm_setAutomine", False)
    kept = sender.send(registration(own_world, 1))
    [order] = sender.recover()
    chain.rpc("anvil_dropAllTransactions")
    chain.rpc("evm_setAutomine", True)
    own_world.send(registration(own_world, 2), key)
    old = "0x" + order.attempts[0].raw.hex()
    node.odd[SEND] = lambda params, go_on: answer if params[0] == old else go_on()
    assert [one.nonce for one in sender.recover()] == [0], "moved before a final block shows the nonce used"
    chain.finalize()
    assert [one.nonce for one in sender.recover()] == [1]
    with mining(chain):
        assert sender.wait(kept, WAIT_S).hash != kept
    assert (is_registered(own_world, 1), nonce(own_world, sender)) == (True, 2)


def test_a_kept_order_below_the_pools_least_fee_gets_a_higher_one(
    own_world: World, node: OddNode, reader: ChainReader, open_sender: Callable[..., Sender]
) -> None:
    chain, sender = own_world.anvil, open_sender(own_world, reader=reader, stall_after_s=0)
    chain.rpc("evm_setAutomine", False)
    sender.send(registration(own_world, 1))
    chain.rpc("anvil_dropAllTransactions")
    refusing(node, "transaction underpriced: gas tip cap 1, minimum needed 2", 1)
    before = sender._journal.open_orders()[0].attempts[-1].fees  # nothing public shows fees
    sender._push(sender._journal.open_orders()[0])
    sender.recover()
    [order] = sender.recover()
    assert order.attempts[-1].fees.max_wei > before.max_wei
    assert any(in_pool(own_world, one.hash) for one in order.attempts[1:])


# --- a new order ---


@pytest.mark.parametrize(
    "message", ["transaction underpriced", "transaction gas price below minimum: gas tip cap 1, minimum needed 2"]
)
def test_a_fee_below_the_nodes_least_is_told_as_that(
    message: str, own_world: World, node: OddNode, reader: ChainReader, open_sender: Callable[..., Sender]
) -> None:
    sender = open_sender(own_world, reader=reader)
    refusing(node, message, 100)
    with pytest.raises(TransactionFailed, match=r"wants more than \S+ gwei"):
        sender.send(registration(own_world, 1))
    assert node.asked.count(SEND) == 1
    assert sender.recover() == []


def test_a_nonce_somebody_else_waits_at_is_given_up(
    own_world: World, node: OddNode, reader: ChainReader, open_sender: Callable[..., Sender]
) -> None:
    sender = open_sender(own_world, reader=reader)
    refusing(node, "replacement transaction underpriced", 1)
    sender.send(registration(own_world, 1))
    assert is_registered(own_world, 1)


def test_a_transaction_the_node_has_already_is_kept_as_it_is(
    own_world: World, node: OddNode, reader: ChainReader, open_sender: Callable[..., Sender]
) -> None:
    """Signing it for another nonce as well would send it twice."""
    sender = open_sender(own_world, reader=reader)
    refusing(node, "already known", 100)
    sent = sender.send(registration(own_world, 1))
    [order] = sender.recover()
    assert [one.hash for one in order.attempts] == [sent]


def test_a_nonce_that_cannot_be_looked_up_leaves_the_order_open(
    own_world: World, node: OddNode, reader: ChainReader, open_sender: Callable[..., Sender]
) -> None:
    """It is on disk under a hash the caller knows, instead of being sent twice by a caller that tries again."""
    sender = open_sender(own_world, reader=reader)

    def refuse(_params: list[Any], _go_on: Callable[[], Any]) -> Any:
        node.says("eth_getTransactionCount", error="busy")
        return {"error": {"message": "nonce too low"}}

    node.odd[SEND] = refuse
    sent = sender.send(registration(own_world, 1))
    node.odd.clear()
    assert [one.attempts[0].hash for one in sender.recover()] == [sent]
    assert is_registered(own_world, 1)


# --- fees the account cannot pay ---


def test_fees_beyond_the_account_leave_the_earlier_attempt_in_force(
    own_world: World, key: bytes, open_sender: Callable[..., Sender]
) -> None:
    chain = own_world.anvil
    sender = open_sender(own_world, key, stall_after_s=0)
    chain.rpc("evm_setAutomine", False)
    first = sender.send(registration(own_world, 1))
    [order] = sender._journal.open_orders()  # `recover` would raise the fees already
    chain.rpc("anvil_setBalance", checksum_of(key), hex(order.gas * order.attempts[0].fees.max_wei))
    for _ in range(4):
        [order] = sender.recover()
    assert len(order.attempts) == 2, "raised again what was refused for want of coin"
    chain.rpc("anvil_dropAllTransactions")
    sender.recover()
    assert in_pool(own_world, first)
    with mining(chain):
        assert sender.wait(first, WAIT_S).hash == first


def test_raising_fees_goes_on_once_there_is_coin(
    own_world: World, key: bytes, open_sender: Callable[..., Sender]
) -> None:
    chain = own_world.anvil
    sender = open_sender(own_world, key, stall_after_s=0)
    chain.rpc("evm_setAutomine", False)
    sender.send(registration(own_world, 1))
    [order] = sender._journal.open_orders()
    chain.rpc("anvil_setBalance", checksum_of(key), hex(order.gas * order.attempts[0].fees.max_wei))
    for _ in range(3):
        sender.recover()
    chain.rpc("anvil_setBalance", checksum_of(key), hex(10**20))
    for _ in range(3):
        [order] = sender.recover()
    assert len(order.attempts) > 2
