"""What every command that sends has in common: it simulates, shows the cost, sends what works, waits."""

from __future__ import annotations

import dataclasses
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import pytest

from chain import calls
from chain.errors import ContractRefused
from chain.network import checksum
from chain.sender import Sender
from chain.transacting.session import coin_text
from chain.transacting.values import ACCOUNT, AMOUNT, HOTSPOT_ID
from tests.chain.terminal import FAR, Person, Terminal
from tests.chain.world import FEES, World, device, owner_account

THERE = "8a1f8d8d8d97fff"


@pytest.fixture
def somebody(terminal: Terminal) -> Person:
    return terminal.person("somebody")


@pytest.fixture
def by_hand(terminal: Terminal) -> Iterator[Terminal]:
    """Blocks are mined only when the test says so."""
    terminal.world.anvil.rpc("evm_setAutomine", False)
    yield terminal
    terminal.world.anvil.rpc("evm_setAutomine", True)


# --- what people type -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "base_units"),
    [("1", FAR), ("12.5", 25 * FAR // 2), ("0.000000000000000001", 1), ("123456789012.000000000000000001", None)],
)
def test_an_amount_is_exact(text: str, base_units: int | None) -> None:
    assert AMOUNT.parse(text) == (base_units or 123_456_789_012 * FAR + 1)


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1e3", "1.", ".5", "0.0000000000000000001", "1,5", "NaN", "٣", "9" * 21, "9" * 20 + "1"]
)
def test_an_amount_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        AMOUNT.parse(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ACCOUNT, "0x12"),
        (ACCOUNT, "0x" + "g" * 40),
        (ACCOUNT, "0xABab" + "ab" * 18),
        (HOTSPOT_ID, "7f" * 32),
        (HOTSPOT_ID, "ff" * 31),
    ],
)
def test_what_is_mistyped_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("wei", "text"),
    [(0, "0 coin"), (10**18, "1 coin"), (1, "0.000000000000000001 coin"), (1_234_567_890_123, "0.00000123456 coin")],
)
def test_coin_is_shown_with_the_digits_that_matter(wei: int, text: str) -> None:
    assert coin_text(wei) == text


# --- simulation -------------------------------------------------------------------------------------------------------


def test_a_step_is_simulated_after_those_before_it(terminal: Terminal, open_sender: Callable[..., Sender]) -> None:
    one = terminal.person("owner")
    terminal.world.register(device(1), one.account)
    terminal.give_tokens({one.account: FEES.location})
    sender = open_sender(terminal.world, one.key.secret)
    network = terminal.world.network
    move = calls.locate(network, device(1).id, int(THERE, 16), 0, 0)
    [alone] = sender.preview([move])
    assert isinstance(alone.refusal, ContractRefused)
    assert alone.refusal.name == "ERC20InsufficientAllowance"
    allow = calls.approve(network, network.contracts.hotspots, FEES.location)
    assert [one.refusal for one in sender.preview([allow, move])] == [None, None]
    less = calls.approve(network, network.contracts.hotspots, FEES.location - 1)
    assert [one.refusal and one.refusal.name for one in sender.preview([less, move])] == [
        None,
        "ERC20InsufficientAllowance",
    ]


class Without(BaseHTTPRequestHandler):
    """A node that knows no eth_simulateV1, before one that does."""

    target = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        if request["method"] == "eth_simulateV1":
            error = {"code": -32601, "message": "the method eth_simulateV1 does not exist/is not available"}
            answer = json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode()
        else:
            onward = urllib.request.Request(self.target, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(onward, timeout=20) as response:
                answer = response.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def plain_node(terminal: Terminal) -> Iterator[Terminal]:
    """The terminal's network through a node that can simulate one call at a time only."""
    handler = type("Handler", (Without,), {"target": terminal.world.anvil.url})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    terminal.world.network = dataclasses.replace(terminal.world.network, rpc_urls=(url,))
    terminal.save()
    yield terminal
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_node_that_simulates_one_call_at_a_time_is_enough(plain_node: Terminal) -> None:
    one = plain_node.person("owner")
    plain_node.world.register(device(1), one.account)
    plain_node.give_tokens({one.account: FEES.location})
    words = ("hotspot", "locate", device(1).id.hex(), "--cell", THERE, "--key", one.file)
    dry = plain_node.json(*words, "--dry-run")
    assert [step["gas"] is None for step in dry["steps"]] == [False, True]
    assert plain_node.json(*words)["final"] is True
    assert plain_node.tokens(one.account) == 0


def test_what_fails_after_the_first_step_is_told_with_what_was_sent(plain_node: Terminal) -> None:
    one = plain_node.person("owner")
    plain_node.world.register(device(1), one.account)
    result = plain_node.type("hotspot", "locate", device(1).id.hex(), "--cell", THERE, "--key", one.file, "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)["steps"]
    assert (first["transaction"] is None, second["transaction"]) == (False, None)
    assert "holds 0 FAR" in result.stderr


# --- sending ----------------------------------------------------------------------------------------------------------


def test_what_would_fail_is_not_sent_but_with_force(terminal: Terminal, somebody: Person) -> None:
    words = ("validator", "suspend", checksum(owner_account(0)), "--key", somebody.file)
    plain = terminal.type(*words)
    assert (plain.exit_code, terminal.transactions(somebody.account)) == (1, 0)
    assert "would fail" in plain.stdout
    assert plain.stderr.endswith("Nothing was sent.\n")
    forced = terminal.type(*words, "--force")
    assert (forced.exit_code, terminal.transactions(somebody.account)) == (1, 1)
    assert "Nothing was sent" not in forced.stderr


def test_a_dry_run_that_would_fail_says_so(terminal: Terminal, somebody: Person) -> None:
    words = ("validator", "suspend", checksum(owner_account(0)), "--key", somebody.file, "--dry-run")
    assert terminal.type(*words).exit_code == 1


def test_tells_what_it_waits_for_until_it_is_final(make_world: Callable[..., World], tmp_path: Path) -> None:
    terminal = Terminal(make_world(), tmp_path)
    one = terminal.person("one")
    done = threading.Event()

    def mine() -> None:
        while not done.wait(0.5):
            terminal.world.anvil.mine()

    miner = threading.Thread(target=mine)
    miner.start()
    try:
        result = terminal.type("gov", "delegate", "--key", one.file)
    finally:
        done.set()
        miner.join()
    assert result.exit_code == 0
    assert "Sent 0x" in result.stderr
    assert "to be final..." in result.stderr


def test_without_waiting_it_ends_once_it_is_sent(by_hand: Terminal, somebody: Person) -> None:
    told = by_hand.json("gov", "delegate", "--key", somebody.file, "--no-wait")
    assert told["final"] is False
    assert by_hand.world.anvil.rpc("eth_getTransactionByHash", told["steps"][0]["transaction"]) is not None


def test_the_next_command_takes_care_of_what_was_left_open(by_hand: Terminal, somebody: Person) -> None:
    first = by_hand.json("gov", "delegate", "--key", somebody.file, "--no-wait")["steps"][0]["transaction"]
    by_hand.world.anvil.rpc("anvil_dropTransaction", first)
    result = by_hand.type("gov", "delegate", checksum(owner_account(9)), "--key", somebody.file, "--no-wait")
    assert "1 earlier transaction of this key not final yet, the first to let" in result.stderr
    by_hand.world.anvil.mine()
    assert by_hand.transactions(somebody.account) == 2
    assert by_hand.world.call("FarfieldToken", "delegates", somebody.text) == checksum(owner_account(9))


def test_a_dry_run_sends_nothing_of_what_was_left_open(by_hand: Terminal, somebody: Person) -> None:
    first = by_hand.json("gov", "delegate", "--key", somebody.file, "--no-wait")["steps"][0]["transaction"]
    by_hand.world.anvil.rpc("anvil_dropTransaction", first)
    by_hand.run("gov", "delegate", "--key", somebody.file, "--dry-run")
    by_hand.world.anvil.mine()
    assert by_hand.transactions(somebody.account) == 0


def test_who_stops_waiting_is_told_that_it_stays_sent(
    terminal: Terminal, somebody: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Sender, transaction_hash: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sender, "look", interrupted)
    result = terminal.type("gov", "delegate", "--key", somebody.file)
    assert result.exit_code == 130
    assert "stays sent; the next command with this key takes care of it" in result.stderr


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_chain_that_is_another_gets_nothing_signed(terminal: Terminal, somebody: Person) -> None:
    terminal.world.network = dataclasses.replace(terminal.world.network, chain_id=1)
    terminal.save()
    result = terminal.type("gov", "delegate", "--key", somebody.file)
    assert (result.exit_code, "is chain 31337, not 1" in result.stderr) == (5, True)
    assert terminal.transactions(somebody.account) == 0


def test_a_chain_out_of_reach_is_exit_code_5(terminal: Terminal, somebody: Person) -> None:
    terminal.world.network = dataclasses.replace(terminal.world.network, rpc_urls=("http://127.0.0.1:1",))
    terminal.save()
    assert terminal.type("gov", "delegate", "--key", somebody.file).exit_code == 5


def test_a_key_that_is_not_there_is_exit_code_6(terminal: Terminal) -> None:
    result = terminal.type("gov", "delegate", "--key", terminal.directory / "none.key")
    assert (result.exit_code, "does not exist" in result.stderr) == (6, True)


def test_a_journal_that_cannot_be_written_is_a_sentence(terminal: Terminal, somebody: Person) -> None:
    genesis = terminal.world.network.genesis_hash.hex()[:8]
    (terminal.directory / f"somebody.key.{genesis}.sqlite").mkdir()
    result = terminal.type("gov", "delegate", "--key", somebody.file)
    assert result.exit_code == 1
    assert "Put the key into a directory you can write to." in result.stderr
    assert terminal.transactions(somebody.account) == 0


def test_the_key_can_come_from_the_environment(
    terminal: Terminal, somebody: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARFIELD_KEY", str(somebody.file))
    assert terminal.json("gov", "delegate")["sender"] == somebody.text
