"""From nothing to the first income: an owner with neither coin nor tokens never needs any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.network import checksum
from chain.sender import Sender
from hotspot import keys as device_keys
from protocol.ids import Address
from protocol.parameters import Relay as Limits
from protocol.records import Registration
from tests.chain.conftest import anvil_chain, make_world, terminal
from tests.chain.terminal import FAR, Person, Terminal
from tests.chain.world import FEES, RELAYER, device
from tests.hotspot.evidence_server import publish, serving
from tests.hotspot.fake_validator import FakeValidator
from validator.clock import SystemClock
from validator.daily_limits import DailyLimits
from validator.disk import Disk
from validator.relay import Relay, RelayRefusedError

__all__ = ["anvil_chain", "make_world", "terminal"]
COUNT_DOWN = "5b6001900380600457"
TAKES_SHARES = "f23a6e61"
FIRST, SECOND = 30 * FAR + 7, 90 * FAR + 10_003


@pytest.fixture
def relay(terminal: Terminal, tmp_path: Path) -> Iterator[Relay]:
    """The product's own relay, which pays from its own key."""
    sender = Sender(terminal.world.reader, RELAYER, tmp_path / "relay.sqlite")
    limits = Limits(per_owner=8, per_address=8, per_day=8)
    yield Relay(terminal.world.reader, sender, DailyLimits(limits, SystemClock(), tmp_path / "today.json", Disk()))
    sender.close()


@pytest.fixture
def validator(terminal: Terminal, relay: Relay) -> Iterator[FakeValidator]:
    """Asks the relay for every registration it is sent."""

    def register(registration: Registration, signature: bytes) -> bytes:
        return relay.register(registration, signature, "127.0.0.1").transaction_hash

    with serving(terminal, register) as one:
        yield one


def test_a_key_with_nothing_registers_earns_pays_its_fee_and_is_paid(
    terminal: Terminal, validator: FakeValidator, tmp_path: Path
) -> None:
    owner = terminal.person("owner", coin_wei=0)
    payer = terminal.person("payer")
    place = ("--at", "48.4,9.99", "--directory", tmp_path / "mine")
    told = terminal.json("hotspot", "register", "--owner", owner.text, *place)
    hotspot = device_keys.load(tmp_path / "mine").hotspot_id
    assert (told["hotspot_id"], told["final"]) == (hotspot.hex(), True)

    # The first income is less than the fee: all of it is burned and nobody is paid.
    supply = supply_of(terminal)
    publish(terminal, validator, 1, [(hotspot, FIRST)])
    terminal.run("hotspot", "claim", hotspot.hex(), "--owner", owner.text, "--key", payer.file)
    assert debt_of(terminal, hotspot) == FEES.registration - FIRST
    assert (terminal.tokens(owner.account), supply_of(terminal)) == (0, supply)

    # The second pays the rest of the fee; what is left goes to the owner, but for what 10,000 shares cannot divide.
    publish(terminal, validator, 2, [(hotspot, SECOND)])
    told = terminal.json("hotspot", "claim", hotspot.hex(), "--owner", owner.text, "--key", payer.file)
    income = SECOND - FEES.registration
    paid = income // 10_000 * 10_000
    assert (told["fees_burned"], told["collected"]) == (str(FEES.registration - FIRST), str(paid))
    assert income - paid == 3
    assert terminal.tokens(owner.account) == paid
    assert debt_of(terminal, hotspot) == 0
    assert supply_of(terminal) == supply + income
    assert burned(terminal) == FEES.registration
    assert terminal.tokens(terminal.world.network.contracts.hotspots) == 3

    # Somebody else paid all the gas.
    assert (terminal.coin_wei(owner.account), terminal.transactions(owner.account)) == (0, 0)
    assert terminal.tokens(payer.account) == 0


def test_a_key_without_coin_is_told_so_before_it_sends(terminal: Terminal, validator: FakeValidator) -> None:
    owner = terminal.person("owner", coin_wei=0)
    result = terminal.type("gov", "delegate", "--key", owner.file)
    assert result.exit_code == 1
    assert f"{owner.text} holds 0 coin and this takes about 0.0" in result.stderr
    assert "Send it some, or let another key send this. Nothing was sent." in result.stderr


def debt_of(terminal: Terminal, hotspot: bytes) -> int:
    return int(terminal.world.call("Hotspots", "debtOf", int.from_bytes(hotspot, "big")))


def supply_of(terminal: Terminal) -> int:
    return int(terminal.world.call("FarfieldToken", "totalSupply"))


def burned(terminal: Terminal) -> int:
    return int(terminal.world.call("FarfieldToken", "burned"))


def test_the_owner_may_be_any_account(terminal: Terminal, owner_of_nothing: Person) -> None:
    """An account nobody has heard of holds all shares, with no transaction of its own."""
    assert terminal.transactions(owner_of_nothing.account) == 0
    [row] = terminal.json("hotspot", "shares", "--owner", owner_of_nothing.text)["hotspots"]
    assert row["holders"] == [{"holder": checksum(owner_of_nothing.account), "shares": 10_000, "collectable": "0"}]


def test_a_dry_run_says_what_a_relayer_would_pay_and_sends_nothing(
    terminal: Terminal, validator: FakeValidator, tmp_path: Path
) -> None:
    owner = terminal.person("owner", coin_wei=0)
    words = ("hotspot", "register", "--owner", owner.text, "--at", "48.4,9.99", "--directory", tmp_path / "mine")
    assert terminal.type(*words, "--dry-run").exit_code == 6
    (tmp_path / "mine").mkdir()
    device_keys.create(tmp_path / "mine")
    shown = terminal.run(*words, "--dry-run")
    assert "The fee of 50 FAR is burned from what the hotspot earns first." in shown
    assert "A validator would send it and pay 1" in shown
    assert [one.name for one in (tmp_path / "mine").iterdir()] == [device_keys.KEY_FILE]
    assert validator.registrations == []
    terminal.run(*words)
    again = terminal.type(*words, "--dry-run", "--json")
    assert (again.exit_code, '"error": "AlreadyRegistered"' in again.stdout) == (1, True)


def test_who_has_coin_registers_without_a_relayer(terminal: Terminal, tmp_path: Path) -> None:
    owner, payer = terminal.person("owner", coin_wei=0), terminal.person("payer")
    words = ("hotspot", "register", "--owner", owner.text, "--at", "48.4,9.99", "--directory", tmp_path / "mine")
    told = terminal.json(*words, "--key", payer.file)
    assert told["final"] is True
    [row] = terminal.json("hotspot", "shares", told["hotspot_id"])["hotspots"]
    assert row["operator"] == owner.text


@pytest.mark.parametrize(("counts_to", "relayed"), [(10, True), (40_000, False)])
def test_an_owner_that_is_a_contract_may_not_spend_the_relayers_gas(
    terminal: Terminal, relay: Relay, counts_to: int, relayed: bool
) -> None:
    owner = Address(b"\xaa" * 20)
    code = f"62{counts_to:06x}{COUNT_DOWN}7f{TAKES_SHARES}{'00' * 28}5f5260205ff3"
    terminal.world.anvil.rpc("anvil_setCode", checksum(owner), "0x" + code)
    registration = device(1).registration(owner)
    signature = terminal.world.sign_registration(device(1), registration)
    if relayed:
        relay.register(registration, signature, "127.0.0.1")
        assert terminal.world.call("Hotspots", "balanceOf", checksum(owner), int.from_bytes(device(1).id)) == 10_000
    else:
        with pytest.raises(RelayRefusedError, match="gas, above the limit of 400,000"):
            relay.register(registration, signature, "127.0.0.1")


@pytest.fixture
def owner_of_nothing(terminal: Terminal, validator: FakeValidator, tmp_path: Path) -> Person:
    one = terminal.person("nobody", coin_wei=0)
    place = ("--at", "48.4,9.99", "--directory", tmp_path / "theirs")
    terminal.run("hotspot", "register", "--owner", one.text, *place)
    return one
