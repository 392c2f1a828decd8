"""The sender: on disk before it leaves, once and only once, whatever happens in between."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chain import calls
from chain.calls import Call
from chain.errors import ChainUnavailable, ContractRefused, TransactionFailed
from chain.journal import Journal
from chain.network import checksum, dump
from chain.reader import ChainReader
from chain.sender import Sender
from tests.chain.world import OTHER, RELAYER, Anvil, World, device, owner_account

ALICE = owner_account(50)
WAIT_S = 60
FRESH = iter(range(1, 1_000))


def registration(world: World, number: int) -> Call:
    one = device(number)
    plain = one.registration(ALICE)
    return calls.register(world.network, plain, world.sign_registration(one, plain))


def is_registered(world: World, number: int) -> bool:
    return bool(world.call("Hotspots", "isRegistered", int.from_bytes(device(number).id, "big")))


def nonce(world: World, sender: Sender) -> int:
    return int(world.anvil.rpc("eth_getTransactionCount", checksum(sender.address), "latest"), 16)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextlib.contextmanager
def mining(chain: Anvil) -> Iterator[None]:
    """Blocks keep coming, so that what is sent becomes final."""
    chain.rpc("evm_setIntervalMining", 1)
    try:
        yield
    finally:
        chain.rpc("evm_setIntervalMining", 0)
        chain.rpc("evm_setAutomine", True)


@pytest.fixture
def own_world(start_anvil: Callable[..., Anvil], make_world: Callable[..., World]) -> World:
    """A world on a chain of its own, which the test may stop mining on."""
    return make_world(start_anvil())


def rewriting(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[str, Any, Callable[[], Any]], Any]
) -> None:
    """Every request of the world's reader passes `change(method, params, go_on)`."""
    provider = world.reader.rpc.web3.provider
    original = provider.make_request
    monkeypatch.setattr(
        provider, "make_request", lambda method, params: change(method, params, lambda: original(method, params))
    )


# --- the ordinary way ---


def test_sends_and_waits_until_it_is_final(own_world: World, open_sender: Callable[..., Sender]) -> None:
    sender = open_sender(own_world)
    sent = sender.send(registration(own_world, 1))
    with mining(own_world.anvil):
        receipt = sender.wait(sent, WAIT_S)
    assert receipt.hash == sent
    assert receipt.block <= own_world.reader.final_block().number
    assert is_registered(own_world, 1)


def test_many_threads_send_with_one_key(world: World, open_sender: Callable[..., Sender]) -> None:
    sender = open_sender(world)
    numbers = range(10, 34)
    with ThreadPoolExecutor(8) as pool:
        hashes = list(pool.map(lambda number: sender.send(registration(world, number)), numbers))
    until(lambda: all(is_registered(world, number) for number in numbers))
    assert len(set(hashes)) == nonce(world, sender) == len(numbers)


def test_simulation_turns_a_refusal_into_a_sentence(world: World, open_sender: Callable[..., Sender]) -> None:
    world.register(device(1), ALICE)
    sender = open_sender(world)
    with pytest.raises(ContractRefused) as refusal:
        sender.send(registration(world, 1))
    assert refusal.value.name == "AlreadyRegistered"
    assert refusal.value.sentence == (
        f"Hotspot 0x{device(1).id.hex()} is registered already. There is nothing left to do."
    )
    assert nonce(world, sender) == 0


def test_says_when_the_key_cannot_pay(world: World, open_sender: Callable[..., Sender]) -> None:
    sender = open_sender(world)
    world.anvil.rpc("anvil_setBalance", checksum(sender.address), "0x1")
    with pytest.raises(TransactionFailed, match="cannot pay the gas to register a hotspot"):
        sender.send(registration(world, 1))
    world.anvil.rpc("anvil_setBalance", checksum(sender.address), hex(10**20))
    sender.send(registration(world, 1))
    until(lambda: is_registered(world, 1))


def test_signs_nothing_for_another_chain(world: World, open_sender: Callable[..., Sender]) -> None:
    wrong = ChainReader(dataclasses.replace(world.network, chain_id=1))
    sender = open_sender(world, reader=wrong)
    with pytest.raises(ChainUnavailable, match="is chain 31337, not 1"):
        sender.send(registration(world, 1))
    assert sender.recover() == []
    wrong.close()


def test_refuses_to_wait_for_a_strangers_transaction(world: World, open_sender: Callable[..., Sender]) -> None:
    with pytest.raises(TransactionFailed, match="was not sent by this sender"):
        open_sender(world).wait(bytes(32), 0)


def test_says_when_a_transaction_is_not_final_in_time(own_world: World, open_sender: Callable[..., Sender]) -> None:
    sender = open_sender(own_world)
    sent = sender.send(registration(own_world, 1))
    with pytest.raises(TransactionFailed, match=r"is not final after 0\.3 s\. It is kept"):
        sender.wait(sent, 0.3)
    own_world.anvil.finalize()
    assert sender.wait(sent, WAIT_S).hash == sent


def test_a_failed_transaction_is_told_with_its_reason(
    own_world: World, open_sender: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two relayers register the same hotspot in the same block: the second fails on chain, not in simulation."""
    chain = own_world.anvil
    monkeypatch.setattr(Sender, "simulate", lambda _sender, _call: 300_000)
    chain.rpc("evm_setAutomine", False)
    first, second = open_sender(own_world, journal="first"), open_sender(own_world, journal="second")
    sent = [one.send(registration(own_world, 1)) for one in (first, second)]
    chain.mine(3)
    ended = []
    for sender, transaction in zip((first, second), sent, strict=True):
        try:
            ended.append(sender.wait(transaction, WAIT_S).block)
        except ContractRefused as refusal:
            ended.append(refusal.name)
    assert "AlreadyRegistered" in ended
    assert sum(isinstance(one, int) for one in ended) == 1


# --- what goes wrong between persisting and sending ---


def test_a_transaction_is_on_disk_before_it_leaves(
    world: World, open_sender: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sender = open_sender(world)
    seen: list[str] = []
    add = Journal.add
    monkeypatch.setattr(Journal, "add", lambda *args: (seen.append("journal"), add(*args))[1])
    rewriting(world, monkeypatch, lambda method, _params, go_on: (seen.append(method), go_on())[1])
    sender.send(registration(world, 1))
    assert seen.index("journal") < seen.index("eth_sendRawTransaction")
    sender.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "journal")) as database:
        database.execute("PRAGMA wal_checkpoint")
        assert database.execute("SELECT count(*) FROM attempts").fetchone() == (1,)


def test_the_journal_syncs_every_write(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal._database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()


def test_a_crash_before_sending_loses_and_doubles_nothing(
    world: World, open_sender: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bytes([0xC1]) + os.urandom(31)
    sender = open_sender(world, key)

    class Crash(BaseException):
        pass

    def crash(method: str, _params: Any, go_on: Callable[[], Any]) -> Any:
        if method == "eth_sendRawTransaction":
            raise Crash
        return go_on()

    with monkeypatch.context() as patch:
        rewriting(world, patch, crash)
        with pytest.raises(Crash):
            sender.send(registration(world, 1))
    sender.close()
    assert not is_registered(world, 1)
    again = open_sender(world, key)
    [order] = again.recover()
    assert order.call.what.startswith("register a hotspot")
    until(lambda: is_registered(world, 1))
    world.anvil.finalize()
    assert again.wait(order.attempts[-1].hash, WAIT_S).hash == order.attempts[-1].hash
    assert again.recover() == []
    again.send(registration(world, 2))
    until(lambda: is_registered(world, 2))
    assert nonce(world, again) == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from chain.calls import Call
from chain.network import load
from chain.reader import ChainReader
from chain.sender import Sender
reader = ChainReader(load(sys.argv[1]))
sender = Sender(reader, bytes.fromhex(sys.argv[2]), Path(sys.argv[3]))
provider = reader.rpc.web3.provider
ask = provider.make_request
def die(method, params):
    if method == "eth_sendRawTransaction":
        os.kill(os.getpid(), signal.SIGKILL)
    return ask(method, params)
provider.make_request = die
sender.send(Call("Hotspots", reader.network.contracts.hotspots, bytes.fromhex(sys.argv[4]), "register"))
"""


def test_a_killed_process_is_taken_up_where_it_was(
    world: World, open_sender: Callable[..., Sender], tmp_path: Path
) -> None:
    key = bytes([0xC2]) + os.urandom(31)
    open_sender(world, key, journal="unused")
    network = tmp_path / "network.json"
    network.write_text(dump(world.network))
    call = registration(world, 1)
    arguments = [str(network), key.hex(), str(tmp_path / "journal"), call.data.hex()]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not is_registered(world, 1)
    sender = open_sender(world, key)
    assert len(sender.recover()) == 1
    until(lambda: is_registered(world, 1))
    assert nonce(world, sender) == 1


def test_a_lost_answer_is_no_second_transaction(
    world: World, open_sender: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node took the transaction but its answer was lost: sending again is "already known" or "nonce too low"."""
    sender = open_sender(world)

    def lose(method: str, _params: Any, go_on: Callable[[], Any]) -> Any:
        answer = go_on()
        if method == "eth_sendRawTransaction":
            raise ChainUnavailable("The chain cannot be reached.")
        return answer

    with monkeypatch.context() as patch:
        rewriting(world, patch, lose)
        sent = sender.send(registration(world, 1))
    until(lambda: is_registered(world, 1))
    [order] = sender.recover()
    assert order.attempts[-1].hash == sent
    world.anvil.finalize()
    assert sender.wait(sent, WAIT_S).hash == sent
    assert nonce(world, sender) == 1


def test_a_nonce_somebody_else_used_is_given_up_for_the_next(
    world: World, open_sender: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same key sends from somewhere else between our looking up the nonce and our sending."""
    sender = open_sender(world, OTHER)

    def race(method: str, _params: Any, go_on: Callable[[], Any]) -> Any:
        answer = go_on()
        if method == "eth_maxPriorityFeePerGas":
            world.register(device(next(FRESH) + 100), ALICE)
        return answer

    before = nonce(world, sender)
    with monkeypatch.context() as patch:
        patch.setattr("tests.chain.world.World.send.__defaults__", (OTHER,), raising=True)
        rewriting(world, patch, race)
        sent = sender.send(registration(world, 1))
    until(lambda: is_registered(world, 1))
    world.anvil.finalize()
    assert sender.wait(sent, WAIT_S).hash == sent
    assert nonce(world, sender) == before + 2


def test_one_journal_belongs_to_one_process(world: World, open_sender: Callable[..., Sender]) -> None:
    open_sender(world)
    with pytest.raises(TransactionFailed, match="Only one process may send with a key"):
        open_sender(world)


# --- stalls and outages ---


def test_a_stalled_transaction_is_replaced_with_higher_fees(
    own_world: World, open_sender: Callable[..., Sender]
) -> None:
    chain = own_world.anvil
    chain.rpc("evm_setAutomine", False)
    sender = open_sender(own_world, stall_after_s=0.2)
    first = sender.send(registration(own_world, 1))

    def bumped() -> bool:
        with pytest.raises(TransactionFailed):
            sender.wait(first, 0.3)
        return len(sender.recover()[0].attempts) >= 2

    until(bumped)
    one, two, *_ = sender.recover()[0].attempts
    assert two.fees.max_wei * 8 >= one.fees.max_wei * 9
    assert two.fees.tip_wei * 8 >= one.fees.tip_wei * 9
    chain.mine(3)
    receipt = sender.wait(first, WAIT_S)
    assert receipt.hash != first
    assert is_registered(own_world, 1)
    assert nonce(own_world, sender) == 1


def test_an_outage_while_waiting_is_waited_out(
    own_world: World, open_sender: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = open_sender(own_world)
    sent = sender.send(registration(own_world, 1))
    own_world.anvil.finalize()
    failures = iter(range(6))

    def down(_method: str, _params: Any, go_on: Callable[[], Any]) -> Any:
        if next(failures, None) is not None:
            raise ChainUnavailable("The chain cannot be reached.")
        return go_on()

    rewriting(own_world, monkeypatch, down)
    assert sender.wait(sent, WAIT_S).hash == sent


def test_a_reorganisation_is_waited_out(own_world: World, open_sender: Callable[..., Sender]) -> None:
    """Mined, reorganised away, sent again: the receipt is that of the block that became final."""
    chain = own_world.anvil
    sender = open_sender(own_world)
    sent = sender.send(registration(own_world, 1))
    until(lambda: is_registered(own_world, 1))
    chain.rpc("anvil_rollback", 1)
    assert not is_registered(own_world, 1)
    sender.recover()
    until(lambda: is_registered(own_world, 1))
    chain.finalize()
    assert sender.wait(sent, WAIT_S).hash == sent
    assert nonce(own_world, sender) == 1


def test_too_many_open_transactions_are_refused(
    world: World, open_sender: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chain.sender.MAX_OPEN_ORDERS", 2)
    sender = open_sender(world)
    sender.send(registration(world, 1))
    sender.send(registration(world, 2))
    with pytest.raises(TransactionFailed, match="2 transactions are not final yet"):
        sender.send(registration(world, 3))
    world.anvil.finalize()
    sender.recover()
    sender.send(registration(world, 3))


def test_relayer_is_a_stranger_to_the_contracts(world: World, open_sender: Callable[..., Sender]) -> None:
    sender = open_sender(world, RELAYER)
    sender.send(registration(world, 1))
    until(lambda: is_registered(world, 1))
    assert world.call("Hotspots", "operatorOf", int.from_bytes(device(1).id, "big")) == checksum(ALICE)
