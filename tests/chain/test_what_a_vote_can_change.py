"""What docs/contracts.md says a vote can change: it names everything, and a chain does what it says."""

from __future__ import annotations

import pytest

from chain import calls, verify
from chain.calls import Call, Motion
from chain.network import checksum
from protocol.keys import keccak256
from tests.chain.terminal import Person, Terminal
from tests.chain.test_governance import STAKER_SECRET, delegate, later, pass_and_carry_out
from tests.chain.world import GOVERNANCE, World, owner_account, refuses
from tests.contracts.test_roles import PRIVILEGED
from tests.factories import ROOT

BY_VOTE = sorted(
    function for callers in PRIVILEGED.values() for function, who in callers.items() if who == "TimelockController"
)
NEWCOMER = owner_account(77)
NOTHING = bytes(32)


@pytest.mark.parametrize("function", BY_VOTE)
def test_every_function_of_the_timelocks_is_named_for_auditors(function: str) -> None:
    text = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    assert f"`{function}`" in text


def timelock(world: World, function: str, *arguments: object) -> Call:
    """A call of the Timelock, which no command of ours makes."""
    data = world.reader.contract("TimelockController").encode_abi(function, args=list(arguments))
    return Call("TimelockController", world.network.contracts.timelock, bytes.fromhex(data[2:]), function)


def vote_for(terminal: Terminal, who: Person, *decisions: Call) -> None:
    terminal.world.send(calls.propose(terminal.world.network, decisions, "Trust us."), who.key.secret)
    [shown] = terminal.json("gov", "list")["proposals"]
    assert all("DOES NOT KNOW" in one for one in shown["decisions"])
    pass_and_carry_out(terminal, who, shown["proposal"])


def test_one_account_with_the_proposers_role_needs_no_vote_and_verify_says_so(terminal: Terminal) -> None:
    world, staker = terminal.world, terminal.person("staker", STAKER_SECRET)
    delegate(terminal, staker)
    assert verify.findings(world.reader, None) == []
    role = bytes(world.call("TimelockController", "PROPOSER_ROLE"))
    vote_for(terminal, staker, timelock(world, "updateDelay", 0), timelock(world, "grantRole", role, staker.text))
    admit = calls.admit(world.network, NEWCOMER, True)
    order = (checksum(admit.to), 0, admit.data, NOTHING, NOTHING)
    world.send(timelock(world, "schedule", *order, 0), staker.key.secret)
    world.send(timelock(world, "execute", *order), staker.key.secret)
    assert world.call("Epochs", "accountOf", checksum(NEWCOMER))[3] is True
    assert any("PROPOSER_ROLE" in one for one in verify.findings(world.reader, None))


def test_a_governor_without_its_role_carries_nothing_out_any_more(terminal: Terminal) -> None:
    world, staker = terminal.world, terminal.person("staker", STAKER_SECRET)
    delegate(terminal, staker)
    role = bytes(world.call("TimelockController", "PROPOSER_ROLE"))
    vote_for(terminal, staker, timelock(world, "revokeRole", role, checksum(world.network.contracts.governor)))
    decision = calls.set_quorum(world.network, 9)
    world.send(calls.propose(world.network, [decision], "One more."), staker.key.secret)
    name = terminal.json("gov", "list")["proposals"][-1]["proposal"]
    later(terminal, GOVERNANCE.voting_delay_s + 1)
    terminal.run("gov", "vote", name, "for", "--key", staker.file)
    later(terminal, GOVERNANCE.voting_period_s + 1)
    with refuses("AccessControlUnauthorizedAccount"):
        world.send(calls.queue(world.network, Motion((decision,), (0,), keccak256(b"One more."))))
