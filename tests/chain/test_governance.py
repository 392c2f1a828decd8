"""farfield gov: from a proposal to what it decided, on a real chain."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from chain import calls
from chain.network import checksum
from protocol.encoding import sha256
from protocol.ids import Address
from tests.chain.terminal import FAR, Person, Terminal
from tests.chain.world import GOVERNANCE, WINDOWS, World, device, owner_account, refuses

STAKER_SECRET = bytes([0xB0]) + (0).to_bytes(31, "big")
NEWCOMER = owner_account(77)


@pytest.fixture
def staker(terminal: Terminal) -> Person:
    """The first validator's owner: a million tokens, all of them staked, delegated to itself."""
    one = terminal.person("staker", STAKER_SECRET)
    delegate(terminal, one)
    return one


def delegate(terminal: Terminal, who: Person) -> None:
    """Votes count from the second after."""
    terminal.run("gov", "delegate", "--key", who.file)
    later(terminal, 2)


def later(terminal: Terminal, seconds: int) -> None:
    terminal.world.anvil.warp(terminal.world.anvil.now_s() + seconds)


def proposed(terminal: Terminal, who: Person, *words: object) -> str:
    return str(terminal.json("gov", "propose", *words, "--key", who.file)["proposal"])


def pass_and_carry_out(terminal: Terminal, who: Person, name: str) -> None:
    later(terminal, GOVERNANCE.voting_delay_s + 1)
    terminal.run("gov", "vote", name, "for", "--key", who.file)
    later(terminal, GOVERNANCE.voting_period_s + 1)
    terminal.run("gov", "queue", name, "--key", who.file)
    later(terminal, GOVERNANCE.timelock_delay_s + 1)
    terminal.run("gov", "execute", name, "--key", who.file)


def test_staked_tokens_vote_a_validator_in(terminal: Terminal, staker: Person) -> None:
    name = proposed(terminal, staker, "admit", checksum(NEWCOMER), "--why", "It runs ten hotspots.")
    pass_and_carry_out(terminal, staker, name[:12])
    assert terminal.world.call("Epochs", "accountOf", checksum(NEWCOMER))[3] is True
    [shown] = terminal.json("gov", "list")["proposals"]
    assert shown["state"] == "executed"
    assert shown["decisions"] == [f"let {checksum(NEWCOMER)} become a validator"]
    assert "It runs ten hotspots." in shown["description"]


def test_each_of_the_five_decisions_is_carried_out(terminal: Terminal, staker: Person) -> None:
    terminal.world.register(device(1), NEWCOMER)
    hotspot = device(1).id
    digest = "0x" + "ab" * 32
    for words in (
        ("params", digest),
        ("freeze", hotspot.hex(), "--reason", "It is a copy."),
        ("quorum", "7"),
    ):
        pass_and_carry_out(terminal, staker, proposed(terminal, staker, *words))
    assert terminal.world.call("Epochs", "paramsHash").hex() == "ab" * 32
    assert terminal.world.call("Hotspots", "frozen", int.from_bytes(hotspot, "big")) is True
    assert terminal.world.call("FarfieldGovernor", "quorumNumerator") == 7


def test_a_waiting_root_is_dropped_by_a_vote(make_world: Callable[..., World], tmp_path: Path) -> None:
    windows = dataclasses.replace(WINDOWS, length_ms=600_000, challenge_window_ms=300_000)
    terminal = Terminal(make_world(confirmations=0, windows=windows), tmp_path)
    staker = terminal.person("staker", STAKER_SECRET)
    delegate(terminal, staker)
    terminal.world.warp_past(1)
    terminal.world.submit(terminal.world.root(1, total=5))
    pass_and_carry_out(terminal, staker, proposed(terminal, staker, "cancel-root", "1"))
    assert terminal.world.call("Epochs", "pending")[2] == 0
    assert terminal.world.call("Epochs", "lastEpoch") == 1


def test_says_what_will_happen_and_sends_nothing_in_a_dry_run(terminal: Terminal, staker: Person) -> None:
    before = terminal.transactions(staker.account)
    shown = terminal.run("gov", "propose", "admit", checksum(NEWCOMER), "--key", staker.file, "--dry-run")
    assert f"the network shall let {checksum(NEWCOMER)} become a validator" in shown
    assert "The vote begins 5 seconds after this and lasts 30 seconds; then it waits 10 seconds" in shown
    assert re.search(r"[0-9,]+ gas, about 0\.0\d+ coin", shown)
    assert shown.endswith("Nothing was sent. Without --dry-run it is.\n")
    assert terminal.transactions(staker.account) == before


def test_the_list_says_what_is_possible_next(terminal: Terminal, staker: Person) -> None:
    assert "Nothing was proposed yet" in terminal.run("gov", "list")
    name = proposed(terminal, staker, "admit", checksum(NEWCOMER))[:12]
    assert f"{name} pending" in terminal.run("gov", "list")
    later(terminal, GOVERNANCE.voting_delay_s + 1)
    assert f"farfield gov vote {name} for|against|abstain" in terminal.run("gov", "list")
    terminal.run("gov", "vote", name, "for", "--key", staker.file)
    assert "1000000 FAR for, 0 FAR against, 0 FAR abstain; for and abstain must come to 160000 FAR" in terminal.run(
        "gov", "list"
    )
    later(terminal, GOVERNANCE.voting_period_s + 1)
    assert f"farfield gov queue {name}" in terminal.run("gov", "list")
    terminal.run("gov", "queue", name, "--key", staker.file)
    assert "It waits in the Timelock until" in terminal.run("gov", "list")
    later(terminal, GOVERNANCE.timelock_delay_s + 1)
    assert f"farfield gov execute {name}" in terminal.run("gov", "list")


def test_what_too_few_voted_on_is_defeated(terminal: Terminal, staker: Person) -> None:
    proposed(terminal, staker, "admit", checksum(NEWCOMER))
    later(terminal, GOVERNANCE.voting_delay_s + GOVERNANCE.voting_period_s + 2)
    assert "0 FAR voted for or abstained, and it takes 160000 FAR" in terminal.run("gov", "list")


def test_who_did_not_delegate_is_told_so(terminal: Terminal, staker: Person) -> None:
    name = proposed(terminal, staker, "admit", checksum(NEWCOMER))
    later(terminal, GOVERNANCE.voting_delay_s + 1)
    stranger = terminal.person("stranger")
    result = terminal.type("gov", "vote", name, "for", "--key", stranger.file)
    assert result.exit_code == 3
    assert "had no votes when this vote began. Delegate before the next one" in result.stderr
    assert terminal.transactions(stranger.account) == 0


def test_too_early_is_refused_before_anything_is_sent(terminal: Terminal, staker: Person) -> None:
    name = proposed(terminal, staker, "admit", checksum(NEWCOMER))
    before = terminal.transactions(staker.account)
    for verb in ("queue", "execute"):
        result = terminal.type("gov", verb, name, "--key", staker.file)
        assert result.exit_code == 1
        assert "Nothing was sent." in result.stderr
    assert terminal.transactions(staker.account) == before


def test_a_holder_below_the_threshold_cannot_propose(terminal: Terminal) -> None:
    stranger = terminal.person("stranger")
    result = terminal.type("gov", "propose", "quorum", "5", "--key", stranger.file, "--json")
    assert result.exit_code == 1
    assert '"GovernorInsufficientProposerVotes"' in result.stdout


def test_a_proposal_nobody_can_withdraw_for_its_proposer(terminal: Terminal, staker: Person) -> None:
    """Its text names the proposer, so that nobody can propose the same first and withdraw it."""
    text = terminal.json("gov", "propose", "quorum", "9", "--key", staker.file, "--dry-run")["description"]
    other = terminal.person("other", bytes([0xB0]) + (1).to_bytes(31, "big"))
    delegate(terminal, other)
    call = calls.propose(terminal.world.network, [calls.set_quorum(terminal.world.network, 9)], text)
    with refuses("GovernorRestrictedProposer"):
        terminal.world.send(call, other.key.secret)


def test_what_this_release_does_not_know_is_shown_as_a_warning(terminal: Terminal, staker: Person) -> None:
    network = terminal.world.network
    odd = calls.transfer(network, Address(NEWCOMER), FAR)
    terminal.world.send(calls.propose(network, [odd], "A gift."), staker.key.secret)
    assert "WHICH THIS RELEASE DOES NOT KNOW: look closely" in terminal.run("gov", "list")


def test_coin_a_proposal_would_send_is_shown_with_a_warning_and_kept(terminal: Terminal, staker: Person) -> None:
    """The Timelock may hold coin. A proposal of somebody else's tool can send it anywhere."""
    network = terminal.world.network
    terminal.world.anvil.rpc("anvil_setBalance", checksum(network.contracts.timelock), hex(9))
    gift = [[checksum(NEWCOMER)], [7], [b""], "A gift."]
    data = terminal.world.reader.contract("FarfieldGovernor").encode_abi("propose", args=gift)
    call = calls.Call("FarfieldGovernor", network.contracts.governor, bytes.fromhex(data[2:]), "propose a gift")
    terminal.world.send(call, staker.key.secret)
    assert "AND SEND 7 WEI OF THE TIMELOCK'S COIN WITH IT: look closely" in terminal.run("gov", "list")
    [shown] = terminal.json("gov", "list")["proposals"]
    assert shown["values_wei"] == ["7"]
    assert "SEND 7 WEI" in shown["decisions"][0]
    before = terminal.coin_wei(NEWCOMER)
    pass_and_carry_out(terminal, staker, shown["proposal"])
    assert terminal.coin_wei(NEWCOMER) == before + 7


def test_a_proposal_whose_text_is_no_text_is_carried_out(terminal: Terminal, staker: Person) -> None:
    network = terminal.world.network
    plain = calls.propose(network, [calls.set_quorum(network, 9)], "AAAA")
    odd = dataclasses.replace(plain, data=plain.data.replace(b"AAAA", b"\xff\xfe\xfd\xfc"))
    terminal.world.send(odd, staker.key.secret)
    [shown] = terminal.json("gov", "list")["proposals"]
    pass_and_carry_out(terminal, staker, shown["proposal"])
    assert terminal.world.call("FarfieldGovernor", "quorumNumerator") == 9


def test_the_reason_of_a_freeze_is_hashed_on_chain_and_stands_in_the_vote(terminal: Terminal, staker: Person) -> None:
    terminal.world.register(device(1), NEWCOMER)
    told = terminal.json("gov", "propose", "freeze", device(1).id.hex(), "--reason", "A copy.", "--key", staker.file)
    assert "A copy." in told["description"]
    [shown] = terminal.json("gov", "list")["proposals"]
    assert shown["decisions"] == [f"freeze hotspot 0x{device(1).id.hex()}"]
    digest = sha256(b"A copy.").hex()
    assert digest in terminal.world.anvil.rpc("eth_getTransactionByHash", told["steps"][0]["transaction"])["input"]


def test_knows_a_proposal_by_the_beginning_of_its_id(terminal: Terminal, staker: Person) -> None:
    result = terminal.type("gov", "queue", "0xdead", "--key", staker.file)
    assert result.exit_code == 1
    assert "No proposal's id begins with 0xdead" in result.stderr


def test_an_account_is_told_its_votes(terminal: Terminal, staker: Person) -> None:
    shown = terminal.run("gov", "list", "--account", staker.text)
    assert f"{staker.text} votes with 1000000 FAR and holds 1000000 FAR, with which {staker.text} votes." in shown
    other = checksum(owner_account(1))
    assert "which nobody votes with: farfield gov delegate" in terminal.run("gov", "list", "--account", other)
