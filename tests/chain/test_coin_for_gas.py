"""What a command does about the coin its gas takes, and about a chain that falls silent between two steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chain.odd_node import OddNode, odd_node
from tests.chain.terminal import Person, Terminal
from tests.chain.world import FEES, device

THERE = "8a1f8d8d8d97fff"
NEVER_MIND = 10**13
"""The base fee falls from block to block here, so what is enough now is enough for the next block."""


@pytest.fixture
def node(terminal: Terminal) -> Iterator[OddNode]:
    """The terminal's network through a node with oddities."""
    with odd_node(terminal.world.anvil.url) as one:
        terminal.world.network = one.network(terminal.world)
        terminal.save()
        yield one


@pytest.fixture
def owner(terminal: Terminal) -> Person:
    """Somebody who can pay for asserting a location: two transactions."""
    one = terminal.person("owner")
    terminal.world.register(device(1), one.account)
    terminal.give_tokens({one.account: FEES.location})
    return one


def locate(one: Person) -> tuple[object, ...]:
    return "hotspot", "locate", device(1).id.hex(), "--cell", THERE, "--key", one.file


def wanted_wei(terminal: Terminal, told: Any) -> int:
    """What nodes want to be there for these steps, a fifth of whose gas may come back.

    5/4 of the gas, at twice the base fee and the tip.
    """
    base = int(terminal.world.anvil.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    tip = int(terminal.world.anvil.rpc("eth_maxPriorityFeePerGas"), 16)
    return sum(step["gas"] * 5 // 4 * 5 // 4 for step in told["steps"]) * (2 * base + tip)


def set_coin(terminal: Terminal, one: Person, wei: int) -> None:
    terminal.world.anvil.rpc("anvil_setBalance", one.text, hex(wei))


def test_a_command_does_not_start_what_it_has_no_coin_to_end(terminal: Terminal, owner: Person) -> None:
    """Enough for what it is likely to cost, and for the first step as nodes count, but not for both."""
    told = terminal.json(*locate(owner), "--dry-run")
    wanted = wanted_wei(terminal, told)
    set_coin(terminal, owner, wanted - NEVER_MIND)
    assert wanted - NEVER_MIND > int(told["cost_wei"])
    result = terminal.type(*locate(owner))
    assert (result.exit_code, terminal.transactions(owner.account)) == (1, 0)
    assert "to be there in case fees rise" in result.stderr
    assert result.stderr.endswith("Nothing was sent.\n")


@pytest.mark.parametrize("base_fee_wei", [7, 10**9])
def test_a_command_with_just_the_coin_nodes_want_ends_well(
    base_fee_wei: int, terminal: Terminal, owner: Person
) -> None:
    """With a base fee next to nothing, the first step leaves least for the second."""
    terminal.world.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee_wei))
    terminal.world.anvil.mine()
    told = terminal.json(*locate(owner), "--dry-run")
    set_coin(terminal, owner, wanted_wei(terminal, told))
    assert terminal.json(*locate(owner))["final"] is True


def test_the_cost_shown_is_what_it_is_likely_to_cost(terminal: Terminal, owner: Person) -> None:
    told = terminal.json(*locate(owner), "--dry-run")
    before = terminal.coin_wei(owner.account)
    terminal.run(*locate(owner))
    spent = before - terminal.coin_wei(owner.account)
    assert spent <= int(told["cost_wei"]) <= 2 * spent


def test_a_step_nobody_could_simulate_is_counted_too(terminal: Terminal, node: OddNode, owner: Person) -> None:
    node.says("eth_simulateV1", error={"code": -32601, "message": "the method does not exist"})
    told = terminal.json(*locate(owner), "--dry-run")
    told["steps"][1]["gas"] = 0
    set_coin(terminal, owner, wanted_wei(terminal, told))
    result = terminal.type(*locate(owner))
    assert (result.exit_code, terminal.transactions(owner.account)) == (1, 0)


def test_a_chain_that_falls_silent_after_the_first_step_leaves_what_was_sent(
    terminal: Terminal, node: OddNode, owner: Person
) -> None:
    def then_silent(_params: list[Any], go_on: Callable[[], Any]) -> Any:
        node.says("eth_estimateGas", error="busy")
        return go_on()

    node.odd["eth_sendRawTransaction"] = then_silent
    result = terminal.type(*locate(owner), "--json")
    assert result.exit_code == 5
    first, second = json.loads(result.stdout)["steps"]
    assert (first["transaction"] is None, second["transaction"]) == (False, None)
