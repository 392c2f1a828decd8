"""farfield hotspot locate, shares, transfer, claim, collect, on a real chain with a validator that serves evidence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h3
import pytest

from chain.errors import ChainUnavailable
from chain.network import checksum
from hotspot.ownership import income
from hotspot.ownership.income import Paid
from protocol.encoding import sha256
from protocol.epoch import settle
from protocol.ids import account_id
from tests.chain.conftest import anvil_chain, make_world, terminal
from tests.chain.terminal import FAR, Person, Terminal, grant
from tests.chain.world import FEES, HOME, Device, World, device, owner_account
from tests.factories import DEVNET
from tests.hotspot.evidence_server import publish, serving
from tests.hotspot.fake_validator import FakeValidator
from tests.property.engine import KeptDuckDb
from tests.protocol.rulebook_cases import honest_world

__all__ = ["anvil_chain", "make_world", "terminal"]
ONE, TWO = device(1), device(2)
THERE = int(h3.latlng_to_cell(48.5, 9.99, 10), 16)
BUYER = owner_account(60)


@pytest.fixture
def owner(terminal: Terminal) -> Person:
    """Owns hotspot ONE; holds coin but no tokens."""
    one = terminal.person("owner")
    terminal.world.register(ONE, one.account)
    return one


@pytest.fixture
def validator(terminal: Terminal) -> Iterator[FakeValidator]:
    with serving(terminal) as one:
        yield one


# --- locate ---------------------------------------------------------------------------------------------------------


def test_a_move_burns_the_fee_and_allows_no_more_than_that(terminal: Terminal, owner: Person) -> None:
    terminal.give_tokens({owner.account: 30 * FAR})
    told = terminal.json("hotspot", "locate", ONE.id.hex(), "--cell", f"{THERE:x}", "--key", owner.file)
    assert [step["contract"] for step in told["steps"]] == ["FarfieldToken", "Hotspots"]
    assert (told["final"], told["moved"], told["fee"]) == (True, True, str(FEES.location))
    assert terminal.tokens(owner.account) == 30 * FAR - FEES.location
    network = terminal.world.network
    left = terminal.world.call("FarfieldToken", "allowance", owner.text, checksum(network.contracts.hotspots))
    assert left == 0


def test_an_allowance_that_is_there_is_used(terminal: Terminal, owner: Person) -> None:
    from chain import calls

    terminal.give_tokens({owner.account: 30 * FAR})
    network = terminal.world.network
    terminal.world.send(calls.approve(network, network.contracts.hotspots, FEES.location), owner.key.secret)
    told = terminal.json("hotspot", "locate", ONE.id.hex(), "--cell", f"{THERE:x}", "--key", owner.file)
    assert [step["contract"] for step in told["steps"]] == ["Hotspots"]


def test_a_new_gain_at_the_same_place_is_free(terminal: Terminal, owner: Person) -> None:
    told = terminal.json("hotspot", "locate", ONE.id.hex(), "--gain-dbi", "5.5", "--key", owner.file)
    assert (len(told["steps"]), told["fee"]) == (1, "0")
    info = terminal.world.call("Hotspots", "infoOf", int.from_bytes(ONE.id, "big"))
    assert (info[2], info[3], info[5]) == (550, 10, HOME)


def test_who_cannot_pay_the_fee_sends_not_even_the_allowance(terminal: Terminal, owner: Person) -> None:
    result = terminal.type("hotspot", "locate", ONE.id.hex(), "--cell", f"{THERE:x}", "--key", owner.file, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["steps"][1]["error"] == "ERC20InsufficientBalance"
    assert terminal.transactions(owner.account) == 0


def test_only_the_operator_moves_it(terminal: Terminal, owner: Person) -> None:
    stranger = terminal.person("stranger")
    terminal.give_tokens({stranger.account: 30 * FAR})
    result = terminal.type("hotspot", "locate", ONE.id.hex(), "--cell", f"{THERE:x}", "--key", stranger.file, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["steps"][0]["error"] == "NotOperator"
    assert terminal.transactions(stranger.account) == 0


def test_nothing_new_is_exit_code_3(terminal: Terminal, owner: Person) -> None:
    result = terminal.type("hotspot", "locate", ONE.id.hex(), "--cell", f"{HOME:x}", "--key", owner.file)
    assert (result.exit_code, terminal.transactions(owner.account)) == (3, 0)


# --- shares ---------------------------------------------------------------------------------------------------------


def test_shares_can_be_handed_on_and_the_majority_runs_it(terminal: Terminal, owner: Person) -> None:
    shown = terminal.run("hotspot", "transfer", ONE.id.hex(), 6_000, "--to", checksum(BUYER), "--key", owner.file)
    assert f"{owner.text} keeps 4,000 of 10,000 shares, {checksum(BUYER)} then holds 6,000." in shown
    assert f"{checksum(BUYER)} runs the hotspot." in shown
    [row] = terminal.json("hotspot", "shares", ONE.id.hex())["hotspots"]
    assert row["operator"] == checksum(BUYER)
    assert [(one["holder"], one["shares"]) for one in row["holders"]] == [(checksum(BUYER), 6_000), (owner.text, 4_000)]


def test_nobody_hands_on_more_than_there_is(terminal: Terminal, owner: Person) -> None:
    terminal.run("hotspot", "transfer", ONE.id.hex(), 6_000, "--to", checksum(BUYER), "--key", owner.file)
    result = terminal.type("hotspot", "transfer", ONE.id.hex(), 4_001, "--to", checksum(BUYER), "--key", owner.file)
    assert result.exit_code == 1
    assert "Nothing was sent." in result.stderr
    assert terminal.transactions(owner.account) == 1


def test_an_account_sees_everything_it_holds(terminal: Terminal, owner: Person) -> None:
    terminal.world.register(TWO, owner.account)
    shown = terminal.run("hotspot", "shares", "--owner", owner.text)
    assert f"Hotspot {ONE.id.hex()}" in shown
    assert f"Hotspot {TWO.id.hex()}" in shown
    assert shown.count("50 FAR of its registration fee are burned from what it earns first") == 2
    assert "holds no shares" in terminal.run("hotspot", "shares", "--owner", checksum(BUYER))


@pytest.mark.parametrize("words", [[], [ONE.id.hex(), "--owner", "0x" + "11" * 20], ["12ab"], ["--owner", "0x11"]])
def test_a_question_that_cannot_be_meant_is_usage(terminal: Terminal, words: list[str]) -> None:
    assert terminal.type("hotspot", "shares", *words).exit_code == 2


# --- claim and collect ------------------------------------------------------------------------------------------------


def test_anybody_fetches_income_for_its_owner(terminal: Terminal, owner: Person, validator: FakeValidator) -> None:
    publish(terminal, validator, 1, [(ONE.id, 80 * FAR)])
    stranger = terminal.person("stranger")
    told = terminal.json("hotspot", "claim", ONE.id.hex(), "--owner", owner.text, "--key", stranger.file)
    assert told["claims"] == [{"id": ONE.id.hex(), "amount": str(80 * FAR), "fee": str(50 * FAR)}]
    assert (told["collected"], told["fees_burned"]) == (str(30 * FAR), str(50 * FAR))
    assert terminal.tokens(owner.account) == 30 * FAR
    assert terminal.transactions(owner.account) == 0


def test_fetches_for_every_hotspot_and_the_account_itself(
    terminal: Terminal, owner: Person, validator: FakeValidator
) -> None:
    terminal.world.register(TWO, owner.account)
    publish(terminal, validator, 1, [(ONE.id, 60 * FAR), (TWO.id, 70 * FAR), (account_id(owner.account), 5)])
    told = terminal.json("hotspot", "claim", "--key", owner.file)
    assert len(told["claims"]) == 3
    assert terminal.tokens(owner.account) == 10 * FAR + 20 * FAR + 5


def test_a_later_root_pays_what_came_after(terminal: Terminal, owner: Person, validator: FakeValidator) -> None:
    publish(terminal, validator, 1, [(ONE.id, 60 * FAR)])
    terminal.run("hotspot", "claim", "--key", owner.file)
    publish(terminal, validator, 2, [(ONE.id, 61 * FAR)])
    assert terminal.json("hotspot", "claim", "--key", owner.file)["collected"] == str(FAR)
    assert "claimed and collected already" in terminal.run("hotspot", "claim", "--key", owner.file)


def test_what_somebody_else_claimed_is_only_collected(
    terminal: Terminal, owner: Person, validator: FakeValidator
) -> None:
    terminal.run("hotspot", "transfer", ONE.id.hex(), 2_500, "--to", checksum(BUYER), "--key", owner.file)
    publish(terminal, validator, 1, [(ONE.id, 90 * FAR)])
    terminal.run("hotspot", "claim", "--key", owner.file)
    stranger = terminal.person("stranger")
    told = terminal.json("hotspot", "collect", "--owner", checksum(BUYER), "--key", stranger.file)
    assert told["collected"] == str(10 * FAR)
    assert (terminal.tokens(owner.account), terminal.tokens(BUYER)) == (30 * FAR, 10 * FAR)
    assert "nothing to collect" in terminal.run("hotspot", "collect", "--owner", checksum(BUYER), "--key", owner.file)


@pytest.mark.parametrize("verb", ["claim", "collect"])
def test_a_final_payment_is_told_though_its_amount_cannot_be_read(
    terminal: Terminal, owner: Person, validator: FakeValidator, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_: object) -> Paid:
        raise ChainUnavailable("Nothing answers.")

    publish(terminal, validator, 1, [(ONE.id, 90 * FAR)])
    if verb == "collect":
        terminal.run("hotspot", "transfer", ONE.id.hex(), 2_500, "--to", checksum(BUYER), "--key", owner.file)
        terminal.run("hotspot", "claim", "--key", owner.file)
    payee = checksum(BUYER) if verb == "collect" else owner.text
    monkeypatch.setattr(income, "paid", no_answer)
    result = terminal.type("hotspot", verb, "--owner", payee, "--key", owner.file, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["final"], told["collected"]) == (True, None)
    assert "how much was paid cannot be read now: Nothing answers." in result.stderr
    assert terminal.tokens(bytes.fromhex(payee[2:])) > 0


def test_claims_what_a_settled_epoch_came_to(make_world: Callable[..., World], tmp_path: Path) -> None:
    """The evidence that the rules themselves make of what hotspots said, not a test's own."""
    terminal = Terminal(make_world(confirmations=0, emission=DEVNET.emission), tmp_path)
    owner = terminal.person("owner")
    engine = KeptDuckDb()
    played = honest_world()
    result = settle(played.inputs(), engine)
    engine.close()
    for one in played.devices:
        terminal.world.register(Device(one.key), owner.account)
    mine = {one.hotspot_id for one in played.devices}
    earned = sum(amount for leaf, amount in result.state.leaves() if leaf in mine)
    assert earned > 0
    with serving(terminal) as validator:
        validator.blobs |= {sha256(blob): blob for blob in (result.summary, result.state.encode())}
        grant(terminal.world, result.epoch, result.state.leaves(), result.data_hash)
        told = terminal.json("hotspot", "claim", "--key", owner.file)
    assert sum(int(one["amount"]) for one in told["claims"]) == earned
    assert int(told["collected"]) == terminal.tokens(owner.account)
    left = terminal.tokens(terminal.world.network.contracts.hotspots)
    assert terminal.tokens(owner.account) + left == earned - int(told["fees_burned"])
    assert left < 10_000 * len(mine)


def test_a_hundred_hotspots_go_in_as_few_transactions_as_fit(
    terminal: Terminal, owner: Person, validator: FakeValidator
) -> None:
    leaves = []
    for number in range(10, 91):
        terminal.world.register(device(number), owner.account)
        leaves.append((device(number).id, 51 * FAR))
    publish(terminal, validator, 1, leaves)
    told = terminal.json("hotspot", "claim", "--key", owner.file)
    assert len(told["steps"]) == 3 + 1  # 81 claims, 40 at once, then one collect
    assert terminal.tokens(owner.account) == 81 * FAR


def test_a_dry_run_of_a_claim_shows_the_cost_of_all_its_steps(
    terminal: Terminal, owner: Person, validator: FakeValidator
) -> None:
    publish(terminal, validator, 1, [(ONE.id, 60 * FAR)])
    told = terminal.json("hotspot", "claim", "--key", owner.file, "--dry-run")
    assert all(step["gas"] > 40_000 and step["transaction"] is None for step in told["steps"])
    assert int(told["cost_wei"]) > 0
    assert (terminal.transactions(owner.account), terminal.tokens(owner.account)) == (0, 0)


def test_evidence_that_is_not_the_roots_is_exit_code_7(
    terminal: Terminal, owner: Person, validator: FakeValidator
) -> None:
    from tests.hotspot.evidence_server import evidence

    blobs, data_hash = evidence(1, [(ONE.id, 60 * FAR)])
    validator.blobs |= {sha256(blob): blob for blob in blobs}
    grant(terminal.world, 1, [(ONE.id, 61 * FAR)], data_hash)
    result = terminal.type("hotspot", "claim", "--key", owner.file)
    assert (result.exit_code, terminal.transactions(owner.account)) == (7, 0)
    assert "not the one under the root of epoch 1" in result.stderr


def test_evidence_nobody_serves_is_exit_code_5(terminal: Terminal, owner: Person, validator: FakeValidator) -> None:
    publish(terminal, validator, 1, [(ONE.id, 60 * FAR)])
    validator.blobs = {}
    result = terminal.type("hotspot", "claim", "--key", owner.file)
    assert result.exit_code == 5
    assert "No validator serves the evidence under the live root" in result.stderr


def test_before_the_first_root_there_is_nothing_to_claim(
    terminal: Terminal, owner: Person, validator: FakeValidator
) -> None:
    result = terminal.type("hotspot", "claim", "--key", owner.file)
    assert result.exit_code == 3
    assert "No root is live yet" in result.stderr


@pytest.mark.parametrize("verb", ["locate", "shares", "transfer", "claim", "collect"])
def test_help_imports_nothing_heavy(verb: str) -> None:
    program = (
        "import sys; from farfield import main\n"
        f"try: main(['hotspot', {verb!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'grpc', 'web3', 'h3', 'structlog', 'coincurve', 'cryptography'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
