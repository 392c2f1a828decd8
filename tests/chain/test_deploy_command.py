"""farfield network deploy: what it would do, what it does, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chain import verify
from chain.artifacts import NAMES
from chain.command import group
from chain.deploy import GAS_LIMITS, Plan, predict, preview
from chain.deploy_command import _write
from chain.errors import ChainUnavailable
from chain.network import checksum, load
from chain.reader import ChainReader
from chain.transacting.options import Stop
from protocol.ids import Address
from protocol.keys import quorum_address
from tests.chain.world import (
    CHAIN_ID,
    DEPLOYER,
    STAKE,
    Anvil,
    World,
    build_plan,
    checksum_of,
    first_set,
    owner_account,
    validator_key,
)
from tests.factories import DEVNET, DEVNET_FILE


class Desk:
    """Somebody with the files a deployment needs."""

    def __init__(self, chain: Anvil, directory: Path) -> None:
        self.chain, self.network = chain, directory / "network.json"
        self.params, self.validators, self.key = (directory / name for name in ("params.toml", "first.json", "key"))
        self.params.write_bytes(DEVNET_FILE)
        self.name_validators(4)
        self.key.write_text(DEPLOYER.hex())
        self.key.chmod(0o600)

    def name_validators(self, count: int) -> None:
        rows = [
            {
                "owner": checksum(owner_account(number)),
                "key": checksum(quorum_address(validator_key(number))),
                "endpoint": f"127.0.0.1:{7_000 + number}",
            }
            for number in range(count)
        ]
        self.validators.write_text(json.dumps(rows))

    def deploy(self, *more: str, **options: Any) -> Result:
        given = {
            "network": self.network,
            "params": self.params,
            "validators": self.validators,
            "key": self.key,
            "rpc": self.chain.url,
            "chain-id": CHAIN_ID,
            "genesis": self.chain.now_s(),
        } | options
        arguments = [text for name, value in given.items() for text in (f"--{name}", str(value))]
        return CliRunner().invoke(group, ["deploy", *arguments, *more])

    def verify(self, *more: str) -> Result:
        return CliRunner().invoke(group, ["deploy", "--verify", "--network", str(self.network), *more])

    def sent(self) -> int:
        return int(self.chain.rpc("eth_getTransactionCount", checksum_of(DEPLOYER), "latest"), 16)


@pytest.fixture
def desk(anvil_chain: Anvil, tmp_path: Path) -> Desk:
    return Desk(anvil_chain, tmp_path)


def test_a_dry_run_reports_everything_and_sends_nothing(desk: Desk) -> None:
    before = desk.sent()
    result = desk.deploy("--dry-run", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["problems"] == []
    assert told["roles"]["EXECUTOR_ROLE"] == ["0x" + "0" * 40]
    assert told["parameters"]["fees"] == {"registration": str(50 * 10**18), "location": str(20 * 10**18)}
    assert [one["stake"] for one in told["allocations"]] == [str(100_000 * 10**18)] * 4
    assert sum(told["gas"].values()) < 20_000_000
    assert desk.sent() == before
    assert not desk.network.exists()


def test_what_a_dry_run_foretold_is_what_is_deployed(desk: Desk) -> None:
    desk.chain.rpc("anvil_mine", "0x1")  # a simulation on a chain's very first block reckons without its hour
    foretold = json.loads(desk.deploy("--dry-run", "--json").stdout)
    result = desk.deploy("--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["contracts"] == foretold["contracts"]
    assert told["findings"] == []
    for name, gas in told["gas"].items():
        assert abs(gas - foretold["gas"][name]) < gas / 50
    network = load(str(desk.network))
    assert [one.endpoint for one in network.validators][:2] == ["127.0.0.1:7000", "127.0.0.1:7001"]
    reader = ChainReader(network)
    assert reader.check() == []
    reader.close()
    assert desk.verify("--params", str(desk.params)).exit_code == 0


def test_is_written_for_people_too(desk: Desk) -> None:
    result = desk.deploy("--dry-run")
    for words in (
        "PROPOSER_ROLE       0x",
        "fees         50 FAR to register, 20 FAR to move",
        "vote         5 s until it begins, 30 s long, 10 s in the Timelock, quorum 4 %",
        "locked for 365 days",
        "Nothing was sent.",
    ):
        assert words in result.stdout


def test_verify_says_what_differs(desk: Desk) -> None:
    assert desk.deploy().exit_code == 0
    at = checksum(load(str(desk.network)).contracts.token)
    desk.chain.rpc("anvil_setCode", at, "0x00")
    result = desk.verify("--json")
    assert result.exit_code == 7
    told = json.loads(result.stdout)
    assert told["verified"] is False
    assert told["findings"] == [f"The code at {at} is not this release's FarfieldToken: byte 0 differs."]


def test_other_params_than_those_on_chain_are_found(desk: Desk, tmp_path: Path) -> None:
    assert desk.deploy().exit_code == 0
    other = tmp_path / "other.toml"
    other.write_bytes(DEVNET_FILE.replace(b"quorum_percent = 4", b"quorum_percent = 5"))
    result = desk.verify("--params", str(other))
    assert result.exit_code == 7
    assert "governance.quorum_percent is 4 on chain and 5 in the params file." in result.stdout


def test_never_writes_over_a_network(desk: Desk) -> None:
    desk.network.write_text("{}")
    result = desk.deploy()
    assert (result.exit_code, desk.network.read_text()) == (1, "{}")
    assert "exists already" in result.stderr


# --- before anything is paid ---


@pytest.mark.parametrize("as_json", [True, False])
def test_what_the_simulation_refuses_is_not_sent(desk: Desk, as_json: bool) -> None:
    poor = bytes([0xD3]) * 32
    desk.key.write_text(poor.hex())
    result = desk.deploy(*["--json"] * as_json)
    assert result.exit_code == 1
    assert "Send it coin. Nothing was sent." in result.stderr
    assert not desk.network.exists()
    assert [one[-13:] for one in json.loads(result.stdout)["problems"]] == ["Send it coin."] if as_json else True


def test_with_force_it_is_sent_though_the_simulation_refuses(desk: Desk) -> None:
    """The simulation wants coin for all the gas it could take; the chain takes less."""
    coin_wei = int(desk.chain.rpc("eth_gasPrice"), 16) * 30_000_000
    spender = bytes([0xD4]) * 32
    desk.key.write_text(spender.hex())
    desk.chain.rpc("anvil_setBalance", checksum_of(spender), hex(coin_wei))
    assert desk.deploy().exit_code == 1
    forced = desk.deploy("--force")
    assert "Nothing was sent" not in forced.stderr
    assert int(desk.chain.rpc("eth_getTransactionCount", checksum_of(spender), "latest"), 16) > 0
    assert desk.deploy("--force", "--dry-run").exit_code == 0


def test_who_stops_waiting_knows_the_addresses(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    foretold = json.loads(desk.deploy("--dry-run", "--json").stdout)["contracts"]
    monkeypatch.setattr("chain.deploy.deploy", interrupted)
    result = desk.deploy()
    assert all(f"{name} {address}" in result.stderr for name, address in foretold.items())
    assert not desk.network.exists()


@pytest.mark.parametrize("what", ["owner", "key"])
def test_a_validator_named_twice_is_refused_by_name(desk: Desk, what: str) -> None:
    rows = json.loads(desk.validators.read_text())
    rows[3][what] = rows[1][what]
    desk.validators.write_text(json.dumps(rows))
    before = desk.sent()
    result = desk.deploy("--force")
    assert result.exit_code == 1
    assert f"{rows[1][what]} is the {what} of more than one validator" in result.stderr
    assert (desk.sent(), desk.network.exists()) == (before, False)


@pytest.mark.parametrize("target", ["missing/network.json", "locked/network.json"])
def test_a_file_that_cannot_be_written_is_found_before_anything_is_sent(desk: Desk, target: str) -> None:
    locked = desk.network.parent / "locked"
    locked.write_text("no directory: root may write everywhere else")
    before = desk.sent()
    result = desk.deploy(network=desk.network.parent / target)
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert desk.sent() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [({"confirmations": 100_001}, "finality.confirmations should be"), ({"name": "x", "endpoint": "\ud800"}, "UTF-8")],
)
def test_a_file_nobody_could_load_is_found_before_anything_is_sent(
    desk: Desk, options: dict[str, Any], words: str
) -> None:
    rows = json.loads(desk.validators.read_text())
    rows[0]["endpoint"] = options.pop("endpoint", rows[0]["endpoint"])
    desk.validators.write_text(json.dumps(rows))
    before = desk.sent()
    result = desk.deploy(**options)
    assert result.exit_code == 1
    assert words in result.stderr
    assert (desk.sent(), desk.network.exists()) == (before, False)


def test_a_network_that_cannot_be_kept_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Stop, match="save it"):
        _write(tmp_path, "the addresses")
    assert capsys.readouterr().out == "the addresses\n"


@pytest.mark.parametrize("as_json", [True, False])
def test_addresses_are_told_though_verifying_finds_no_chain(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    def no_answer(*_: Any) -> list[str]:
        raise ChainUnavailable("Nothing answers.")

    monkeypatch.setattr(verify, "findings", no_answer)
    result = desk.deploy(*["--json"] * as_json)
    assert result.exit_code == 5
    assert checksum(load(str(desk.network)).contracts.token) in result.stdout
    if as_json:
        assert json.loads(result.stdout)["findings"] is None


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (lambda desk: desk.name_validators(3), 1, "at least 4"),
        (lambda desk: desk.validators.write_text("["), 1, "not JSON"),
        (lambda desk: desk.params.write_bytes(b"name = 5"), 1, "Correct the file"),
        (lambda desk: desk.params.unlink(), 1, "cannot be read"),
        (lambda desk: desk.key.chmod(0o644), 6, "can be read by others"),
    ],
)
def test_says_what_is_wrong_with_a_file(desk: Desk, spoil: Any, code: int, words: str) -> None:
    spoil(desk)
    before = desk.sent()
    result = desk.deploy()
    assert result.exit_code == code
    assert words in result.stderr
    assert desk.sent() == before


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"chain-id": 1}, 5, "is chain 31337, not 1"),
        ({"rpc": "http://127.0.0.1:1"}, 5, "refuses the connection"),
        ({"genesis": "tomorrow"}, 1, "is not a time"),
        ({"genesis": "²"}, 1, "is not a time"),
        ({"genesis": "9" * 5_000}, 1, "is not a time"),
        ({"genesis": "1969-12-31T23:59:59Z"}, 1, "before 1970"),
        ({"name": "\udcff"}, 2, "not UTF-8"),
    ],
)
@pytest.mark.parametrize("dry", [True, False])
def test_says_what_is_wrong_with_an_option(
    desk: Desk, options: dict[str, Any], code: int, words: str, dry: bool
) -> None:
    result = desk.deploy(*["--dry-run"] * dry, **options)
    assert result.exit_code == code
    assert words in result.stderr


def test_asks_for_what_is_missing() -> None:
    result = CliRunner().invoke(group, ["deploy", "--rpc", "http://127.0.0.1:1"])
    assert result.exit_code == 2
    assert "--params, --validators, --chain-id, --key, --genesis" in result.stderr


# --- simulating ---


def deployer() -> Address:
    return Address(bytes.fromhex(checksum_of(DEPLOYER)[2:]))


def test_a_simulation_names_the_constructor_that_refuses(world: World) -> None:
    hasty = dataclasses.replace(world.plan, unbonding_epochs=1)
    found = preview(world.anvil.url, deployer(), CHAIN_ID, hasty)
    [problem] = found.problems
    assert problem.startswith("The constructor of Epochs would refuse. ")
    assert found.gas_used is None


def test_the_largest_first_set_fits_its_transactions(anvil_chain: Anvil) -> None:
    """64 validators: every creation stays below its gas limit, and that below what one transaction may use."""
    found = preview(anvil_chain.url, deployer(), CHAIN_ID, build_plan(anvil_chain, first_set([STAKE] * 64)))
    assert (found.problems, list(found.gas_used or {})) == ((), list(NAMES))
    for name, gas in (found.gas_used or {}).items():
        assert gas < GAS_LIMITS[name] * 3 // 4
        assert GAS_LIMITS[name] < 2**24


def test_a_simulation_says_when_the_key_cannot_pay(world: World) -> None:
    found = preview(world.anvil.url, owner_account(77), CHAIN_ID, world.plan)
    assert [problem.endswith("Send it coin.") for problem in found.problems] == [True]
    assert found.gas_used is not None


def test_a_plan_that_cannot_work_is_not_simulated(world: World) -> None:
    found = preview(world.anvil.url, deployer(), CHAIN_ID, Plan.of(DEVNET, bytes(32), 1_500, [(owner_account(0),) * 2]))
    assert "whole seconds" in found.problems[0]


def test_addresses_follow_from_deployer_and_nonce(world: World) -> None:
    contracts = predict(deployer(), 0)
    assert len({*vars_of(contracts)}) == 5


def vars_of(contracts: Any) -> list[bytes]:
    return [getattr(contracts, name) for name in type(contracts).__slots__]
