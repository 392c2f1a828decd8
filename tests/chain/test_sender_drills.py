"""Drills: whatever happens between two steps, to the node or to the chain, each order is mined exactly once."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chain.calls import Call
from chain.errors import ChainUnavailable, TransactionFailed
from chain.network import NetworkFile, checksum, dump
from chain.reader import ChainReader
from tests.chain.proxy import Proxy
from tests.chain.test_sender import WAIT_S, is_registered, mining, nonce, registration, rewriting, until
from tests.chain.world import Anvil, World

ROOT = Path(__file__).resolve().parents[2]
OUTAGE_S = 60
DEATH_S = 180


def fund(world: World, key: bytes) -> str:
    """Gives a key coin for gas; its account."""
    from chain.libraries import Account

    account = str(Account.from_key(key).address)
    world.anvil.rpc("anvil_setBalance", account, hex(10**20))
    return account


def count_mined(chain: Anvil, account: str) -> int:
    return int(chain.rpc("eth_getTransactionCount", account, "latest"), 16)


@pytest.fixture
def start_sending(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes that send; those that still run are ended after the test."""
    running: list[subprocess.Popen[str]] = []

    def start(world: World, key: bytes, calls: Sequence[Call], **options: Any) -> subprocess.Popen[str]:
        network = tmp_path / "network.json"
        network.write_text(dump(world.network))
        order = {
            "network": str(network),
            "key": key.hex(),
            "journal": str(tmp_path / options.pop("journal", "journal")),
            "calls": [(one.contract, one.to.hex(), one.data.hex()) for one in calls],
            "stall_after_s": 30,
            "wait_s": 120,
        }
        command = [sys.executable, "-m", "tests.chain.sending", json.dumps(order | options)]
        running.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


# --- death between two steps ---

STEPS = [
    ("before", "add", 1),
    ("after", "add", 1),
    ("before", "eth_sendRawTransaction", 1),
    ("after", "eth_sendRawTransaction", 1),
    ("after", "eth_sendRawTransaction", 2),
    ("before", "settle", 1),
    ("after", "settle", 1),
]


@pytest.mark.parametrize(("when", "step", "occasion"), STEPS)
def test_a_process_killed_at_any_step_loses_and_doubles_nothing(
    when: str, step: str, occasion: int, start_anvil: Any, make_world: Any, start_sending: Any, open_sender: Any
) -> None:
    world, key = make_world(start_anvil()), bytes([0xC3]) + os.urandom(31)
    account = fund(world, key)
    calls = [registration(world, number) for number in (1, 2)]
    with mining(world.anvil):
        killed = start_sending(world, key, calls, die=(when, step, occasion))
        assert killed.wait(DEATH_S) == -signal.SIGKILL
        sender = open_sender(world, key)
        until(lambda: sender.recover() == [])
        for number, call in zip((1, 2), calls, strict=True):
            if not is_registered(world, number):
                sender.wait(sender.send(call), WAIT_S)
    assert all(is_registered(world, number) for number in (1, 2))
    assert count_mined(world.anvil, account) == 2


@pytest.mark.parametrize(("when", "step"), [("before", "add_attempt"), ("after", "add_attempt")])
def test_a_process_killed_while_it_raises_fees_leaves_one_transaction(
    when: str, step: str, start_anvil: Any, make_world: Any, start_sending: Any, open_sender: Any
) -> None:
    world, key = make_world(start_anvil()), bytes([0xC4]) + os.urandom(31)
    account = fund(world, key)
    world.anvil.rpc("evm_setAutomine", False)
    killed = start_sending(world, key, [registration(world, 1)], die=(when, step, 1), stall_after_s=0.1)
    assert killed.wait(DEATH_S) == -signal.SIGKILL
    sender = open_sender(world, key)
    [order] = sender.recover()
    with mining(world.anvil):
        sender.wait(order.attempts[0].hash, WAIT_S)
    assert is_registered(world, 1)
    assert count_mined(world.anvil, account) == 1


# --- two senders with one key ---


def test_two_processes_with_one_key_lose_and_double_nothing(
    start_anvil: Any, make_world: Any, start_sending: Any
) -> None:
    """Each has a journal of its own, and the chain mines once a second: both are after the same nonces."""
    world, key, each = make_world(start_anvil()), bytes([0xC5]) + os.urandom(31), 12
    account = fund(world, key)
    parts = [range(1, 1 + each), range(101, 101 + each)]
    world.anvil.rpc("evm_setAutomine", False)
    with mining(world.anvil):
        running = [
            start_sending(world, key, [registration(world, number) for number in part], journal=f"journal-{at}")
            for at, part in enumerate(parts)
        ]
        printed = [process.communicate(timeout=DEATH_S)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    hashes = [one for text in printed for one in json.loads(text)]
    assert len(set(hashes)) == 2 * each
    assert all(is_registered(world, number) for part in parts for number in part)
    assert count_mined(world.anvil, account) == 2 * each


def test_a_transaction_that_another_sender_replaced_goes_to_a_nonce_of_its_own(
    start_anvil: Any, make_world: Any, open_sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both took the same nonce; the node kept the one that pays more. The other must not be sent twice, nor lost."""
    world, key = make_world(start_anvil()), bytes([0xC6]) + os.urandom(31)
    world.anvil.rpc("evm_setAutomine", False)
    first, second = open_sender(world, key, journal="first"), open_sender(world, key, journal="second")
    lost = first.send(registration(world, 1))

    def blind(method: str, _params: Any, go_on: Callable[[], Any]) -> Any:
        answer = go_on()
        if method == "eth_getTransactionCount":
            return answer | {"result": "0x0"}
        if method == "eth_maxPriorityFeePerGas":
            return answer | {"result": hex(int(answer["result"], 16) * 2)}
        return answer

    with monkeypatch.context() as patch:
        rewriting(world, patch, blind)
        won = second.send(registration(world, 2))
    assert world.anvil.rpc("eth_getTransactionByHash", "0x" + lost.hex()) is None
    with pytest.raises(TransactionFailed, match="It is kept"):
        first.wait(lost, 0.3)
    assert [order.nonce for order in first.recover()] == [0], "moved while its nonce was not used for good"
    with mining(world.anvil):
        ended = [second.wait(won, WAIT_S).hash, first.wait(lost, WAIT_S).hash]
    assert ended[0] == won
    assert ended[1] != lost
    assert is_registered(world, 1)
    assert is_registered(world, 2)
    assert nonce(world, first) == 2


def test_a_refused_transaction_leaves_no_gap(
    start_anvil: Any, make_world: Any, open_sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(start_anvil())
    sender = open_sender(world)
    world.anvil.rpc("evm_setAutomine", False)

    def refuse(method: str, _params: Any, go_on: Callable[[], Any]) -> Any:
        if method == "eth_sendRawTransaction":
            return {"error": {"code": -32000, "message": "txpool is full"}}
        return go_on()

    first = sender.send(registration(world, 1))
    with monkeypatch.context() as patch:
        rewriting(world, patch, refuse)
        with pytest.raises(TransactionFailed, match="txpool is full"):
            sender.send(registration(world, 2))
    third = sender.send(registration(world, 3))
    with mining(world.anvil):
        sender.wait(first, WAIT_S)
        sender.wait(third, WAIT_S)
    assert nonce(world, sender) == 2


def test_an_order_that_was_kept_outlives_an_empty_account(start_anvil: Any, make_world: Any, open_sender: Any) -> None:
    """Beaten to its nonce while the account has no coin: it waits for coin and goes to a nonce of its own."""
    world, key = make_world(start_anvil()), bytes([0xC7]) + os.urandom(31)
    account = fund(world, key)
    world.anvil.rpc("evm_setAutomine", False)
    sender = open_sender(world, key)
    kept = sender.send(registration(world, 1))
    world.anvil.rpc("anvil_dropAllTransactions")
    world.anvil.rpc("evm_setAutomine", True)
    world.send(registration(world, 2), key)
    world.anvil.finalize()
    world.anvil.rpc("anvil_setBalance", account, "0x0")
    sender.close()
    again = open_sender(world, key)
    world.anvil.rpc("anvil_setBalance", account, "0x0")
    assert [order.nonce for order in again.recover()] == [1]
    assert len(again.recover()) == 1
    world.anvil.rpc("anvil_setBalance", account, hex(10**20))
    again.close()
    last = open_sender(world, key)
    with mining(world.anvil):
        assert last.wait(kept, WAIT_S).hash != kept
    assert is_registered(world, 1)
    assert count_mined(world.anvil, account) == 2


# --- the node forgets, the chain goes back ---


def test_what_a_node_forgot_is_sent_again_from_the_lowest_nonce(
    start_anvil: Any, make_world: Any, open_sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chain.sender.RESEND_AFTER_S", 0.2)
    world = make_world(start_anvil())
    sender = open_sender(world)
    world.anvil.rpc("evm_setAutomine", False)
    sent = [sender.send(registration(world, number)) for number in (1, 2, 3)]
    world.anvil.rpc("anvil_dropAllTransactions")
    with mining(world.anvil):
        assert sender.wait(sent[-1], WAIT_S).hash == sent[-1]
    assert all(is_registered(world, number) for number in (1, 2, 3))
    assert nonce(world, sender) == 3


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_a_reorganisation_puts_transactions_back(
    depth: int, start_anvil: Any, make_world: Any, open_sender: Any
) -> None:
    """Deeper than what the chain called final, too: what was settled in lost blocks is sent again."""
    world = make_world(start_anvil())
    sender = open_sender(world)
    numbers = range(1, 5)
    for number in numbers:
        sender.send(registration(world, number))
        world.anvil.mine(3)
    sender.recover()
    world.anvil.rpc("anvil_reorg", depth, [])
    with mining(world.anvil):
        until(lambda: sender.recover() == [] and all(is_registered(world, number) for number in numbers))
    assert nonce(world, sender) == len(numbers)


# --- the network ---


def test_another_chain_on_the_same_address_gets_nothing(start_anvil: Any, make_world: Any, open_sender: Any) -> None:
    """Same chain id, but another genesis block: a transaction would be valid there as well."""
    first = start_anvil()
    world = make_world(first)
    sender = open_sender(world)
    sender.send(registration(world, 1))
    genesis_s = int(first.rpc("eth_getBlockByNumber", "0x0", False)["timestamp"], 16)
    first.kill()
    until(lambda: time.time() >= genesis_s + 1)  # the genesis block's time, and so its hash, is that of another second
    second = start_anvil(port=first.port)
    with pytest.raises(ChainUnavailable, match="another genesis block"):
        sender.send(registration(world, 2))
    with pytest.raises(ChainUnavailable, match="another genesis block"):
        sender.recover()
    assert second.rpc("eth_getTransactionCount", checksum(sender.address), "pending") == "0x0"


def test_an_address_that_fails_is_replaced_by_the_next(start_anvil: Any, make_world: Any, open_sender: Any) -> None:
    world = make_world(start_anvil())
    proxy = Proxy(world.anvil.port)
    try:
        network = replace_urls(world, (proxy.url, world.anvil.url))
        reader = ChainReader(network)
        sender = open_sender(world, reader=reader)
        sender.send(registration(world, 1))
        proxy.down()
        sender.send(registration(world, 2))
        reader.close()
    finally:
        proxy.down()
    until(lambda: is_registered(world, 1) and is_registered(world, 2))
    assert nonce(world, sender) == 2


def replace_urls(world: World, urls: tuple[str, ...]) -> NetworkFile:
    return dataclasses.replace(world.network, rpc_urls=urls)


@pytest.mark.slow
def test_an_outage_of_a_minute_loses_nothing(start_anvil: Any, make_world: Any, open_sender: Any) -> None:
    """The only address is down for a minute while transactions wait and others are asked for."""
    world = make_world(start_anvil())
    proxy = Proxy(world.anvil.port)
    reader = ChainReader(replace_urls(world, (proxy.url,)))
    sender = open_sender(world, reader=reader)
    sent = [sender.send(registration(world, number)) for number in (1, 2)]
    ended: list[bytes] = []
    waiter = threading.Thread(target=lambda: ended.extend(sender.wait(one, OUTAGE_S + WAIT_S).hash for one in sent))
    try:
        proxy.down()
        waiter.start()
        back = time.monotonic() + OUTAGE_S
        with pytest.raises(ChainUnavailable, match="cannot be reached"):
            sender.send(registration(world, 3))
        waiter.join(back - time.monotonic())
        assert ended == []
        proxy.up()
        with mining(world.anvil):
            sender.wait(sender.send(registration(world, 3)), WAIT_S)
            waiter.join(WAIT_S)
    finally:
        proxy.down()
        waiter.join(WAIT_S)
        reader.close()
    assert ended == sent
    assert nonce(world, sender) == 3
