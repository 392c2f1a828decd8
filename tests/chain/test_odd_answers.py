"""What a node answers that is no answer: a sentence and another try later, never a traceback."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chain.errors import ContractRefused, RequestRefused, TransactionFailed
from chain.events import Registered
from chain.log_scan import scan
from chain.reader import ChainReader
from chain.sender import Sender
from tests.chain.odd_node import OddNode, odd_node
from tests.chain.test_sender import registration, until
from tests.chain.world import World, device, owner_account

NO_ANSWER = "something that is no answer"


@pytest.fixture
def node(world: World) -> Iterator[OddNode]:
    with odd_node(world.anvil.url) as one:
        yield one


@pytest.fixture
def reader(world: World, node: OddNode) -> Iterator[ChainReader]:
    """A reader for which the newest block is final."""
    one = ChainReader(dataclasses.replace(node.network(world), confirmations=0))
    yield one
    one.close()


@pytest.fixture
def sender(world: World, reader: ChainReader, open_sender: Callable[..., Sender]) -> Sender:
    return open_sender(world, reader=reader)


@pytest.mark.parametrize(
    "method", ["eth_estimateGas", "eth_getTransactionCount", "eth_maxPriorityFeePerGas", "eth_getBlockByNumber"]
)
@pytest.mark.parametrize("result", [None, "many", 7])
def test_sending_is_tried_later_when_the_node_answers_nonsense(
    method: str, result: Any, world: World, node: OddNode, sender: Sender
) -> None:
    def odd(params: list[Any], go_on: Callable[[], Any]) -> Any:
        return go_on() if params and params[0] == "0x0" else {"result": result}

    node.odd[method] = odd
    with pytest.raises(RequestRefused, match=NO_ANSWER):
        sender.send(registration(world, 1))
    node.odd.clear()
    assert sender.recover() == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("busy", RequestRefused),
        ({"code": 3, "message": "execution reverted", "data": "0xzz"}, RequestRefused),
        ({"code": 3, "message": "execution reverted", "data": "0x"}, ContractRefused),
    ],
)
def test_an_error_of_any_shape_is_a_sentence(
    error: Any, kind: type[Exception], world: World, node: OddNode, sender: Sender
) -> None:
    node.says("eth_estimateGas", error=error)
    with pytest.raises(kind):
        sender.send(registration(world, 1))


@pytest.mark.parametrize("method", ["eth_blockNumber", "eth_getLogs", "eth_getCode"])
def test_reading_is_tried_later_when_the_node_answers_null(
    method: str, world: World, node: OddNode, reader: ChainReader
) -> None:
    node.says(method, result=None)
    ask: dict[str, Callable[[], Any]] = {
        "eth_blockNumber": reader.head,
        "eth_getLogs": lambda: reader.logs(0, 1),
        "eth_getCode": lambda: reader.code(world.network.contracts.epochs),
    }
    with pytest.raises(RequestRefused, match=NO_ANSWER):
        ask[method]()


def test_a_scan_of_logs_is_tried_later_when_the_node_answers_null(node: OddNode, reader: ChainReader) -> None:
    head = reader.head()
    node.says("eth_getLogs", result=None)
    with pytest.raises(RequestRefused, match=NO_ANSWER):
        list(scan(reader, Registered, head))


@pytest.mark.parametrize("missing", ["topics", "blockHash", "logIndex"])
def test_half_a_log_is_no_log(missing: str, world: World, node: OddNode, reader: ChainReader) -> None:
    world.register(device(1), owner_account(50))
    head = reader.head()

    def odd(_params: list[Any], go_on: Callable[[], Any]) -> Any:
        answer = go_on()
        for log in answer["result"]:
            log[missing] = None
        return answer

    node.odd["eth_getLogs"] = odd
    with pytest.raises(RequestRefused):
        reader.logs(head, head)
    with pytest.raises(RequestRefused):
        list(scan(reader, Registered, head))


@pytest.mark.parametrize("missing", ["parentHash", "hash", "number", "timestamp"])
def test_half_a_block_is_no_block(missing: str, node: OddNode, reader: ChainReader) -> None:
    head = reader.head()

    def odd(params: list[Any], go_on: Callable[[], Any]) -> Any:
        answer = go_on()
        if params[0] != "0x0":
            del answer["result"][missing]
        return answer

    node.odd["eth_getBlockByNumber"] = odd
    with pytest.raises(RequestRefused):
        reader.fresh_block(head)


@pytest.mark.parametrize("answer", [{"blockNumber": "0x1"}, "yes", {"blockNumber": "high"}])
def test_half_a_receipt_changes_nothing(answer: Any, world: World, node: OddNode, sender: Sender) -> None:
    sent = sender.send(registration(world, 1))
    node.says("eth_getTransactionReceipt", result=answer)
    assert sender.look(sent).block is None
    node.odd.clear()
    until(lambda: sender.look(sent).receipt is not None)  # the block may be mined before anvil calls it the newest


def test_a_simulation_nobody_can_read_leaves_the_first_step(world: World, node: OddNode, sender: Sender) -> None:
    for result in (None, [], [{"calls": []}], [{"calls": [{"status": "0x0", "error": "no"}] * 2}]):
        node.says("eth_simulateV1", result=result)
        first, second = sender.preview([registration(world, 1), registration(world, 2)])
        assert (first.gas is None, second.gas) == (False, None)


def test_mistakes_of_ours_stay_visible(reader: ChainReader) -> None:
    with pytest.raises(Exception, match="nosuch") as error:
        reader.call("Epochs", "nosuch")
    assert not isinstance(error.value, RequestRefused)


# --- what is said of a transaction ---


@pytest.mark.parametrize(
    "error", [{"message": "execution reverted"}, {"message": "intrinsic gas too low", "data": "0x"}, "busy"]
)
def test_a_refused_transaction_does_not_jam_the_key(error: Any, world: World, node: OddNode, sender: Sender) -> None:
    """No node runs a contract when it takes a transaction: these words are about the transaction."""
    node.says("eth_sendRawTransaction", error=error)
    with pytest.raises(TransactionFailed, match="does not take the transaction"):
        sender.send(registration(world, 1))
    node.odd.clear()
    assert sender.recover() == []
    sender.send(registration(world, 1))
