"""Deployment: three contracts that know each other, and a deployer that is nobody afterwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from chain.artifacts import NAMES, artifact
from chain.deploy import deploy
from chain.errors import ChainUnavailable, DeployFailed
from chain.network import checksum
from chain.reader import ChainReader
from protocol.parameters import Emission, Windows
from tests.chain.world import CHAIN_ID, DEPLOYER, WINDOWS, Anvil, World, checksum_of, owner_account


def test_contracts_stand_where_they_expect_each_other(world: World) -> None:
    contracts = world.network.contracts
    assert world.call("FarfieldToken", "epochs") == checksum(contracts.epochs)
    assert world.call("Epochs", "token") == checksum(contracts.token)
    assert world.call("Epochs", "hotspots") == checksum(contracts.hotspots)


def test_events_begin_at_the_block_it_names(world: World) -> None:
    first = world.network.deployed_block
    logs = world.reader.logs(first, first + len(NAMES) - 1)
    assert {log["address"] for log in logs} == {
        checksum(world.network.contracts.epochs),
        checksum(world.network.contracts.governor),
        checksum(world.network.contracts.timelock),
    }
    assert world.reader.logs(0, first - 1) == []


def test_code_on_chain_is_the_committed_one_with_its_immutable_values_filled_in(world: World) -> None:
    for name in NAMES:
        on_chain = world.reader.code(world.network.contracts.of(name))
        assert artifact(name).masked(on_chain) == artifact(name).deployed_bytecode
        assert on_chain != artifact(name).deployed_bytecode or not artifact(name).immutables


def test_deployer_holds_nothing_of_the_network(world: World) -> None:
    from chain.libraries import Account

    deployer = Account.from_key(DEPLOYER).address
    assert world.call("FarfieldToken", "balanceOf", deployer) == 0
    assert world.call("Epochs", "validatorOf", deployer) == "0x" + "0" * 40


def test_a_key_deploys_more_than_one_network(make_world: Callable[..., World]) -> None:
    first, second = make_world(), make_world()
    assert first.network.contracts != second.network.contracts
    assert first.reader.check() == second.reader.check() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"genesis_ms": 1_500}, "whole seconds"),
        ({"windows": dataclasses.replace(WINDOWS, finality_ms=1)}, "whole seconds"),
        ({"windows": dataclasses.replace(WINDOWS, close_after_ms=47_000)}, "shorter than an epoch"),
    ],
)
def test_refuses_a_plan_that_cannot_work(world: World, changes: dict[str, object], words: str) -> None:
    with pytest.raises(DeployFailed, match=words):
        deploy(world.anvil.url, DEPLOYER, CHAIN_ID, dataclasses.replace(world.plan, **changes))


def test_says_which_contract_refused(world: World) -> None:
    hasty = dataclasses.replace(world.plan, unbonding_epochs=1)
    with pytest.raises(DeployFailed, match="The constructor of Epochs refused"):
        deploy(world.anvil.url, DEPLOYER, CHAIN_ID, hasty)


@pytest.mark.parametrize("what", ["owner", "key"])
def test_a_validator_named_twice_is_named_and_nothing_is_sent(world: World, what: str) -> None:
    first, second, *rest = world.plan.validators
    double = dataclasses.replace(second, **{what: getattr(first, what)})
    plan = dataclasses.replace(world.plan, validators=(first, double, *rest))
    before = world.anvil.rpc("eth_getTransactionCount", checksum_of(DEPLOYER), "latest")
    with pytest.raises(DeployFailed, match=f"{checksum(getattr(first, what))} is the {what} of more than one"):
        deploy(world.anvil.url, DEPLOYER, CHAIN_ID, plan)
    assert world.anvil.rpc("eth_getTransactionCount", checksum_of(DEPLOYER), "latest") == before


def test_says_when_the_key_cannot_pay(world: World) -> None:
    with pytest.raises(DeployFailed, match="Check that the key holds coin"):
        deploy(world.anvil.url, bytes([0xD0]) * 32, CHAIN_ID, world.plan)


def test_deploys_to_the_chain_it_was_told_and_to_no_other(world: World) -> None:
    with pytest.raises(ChainUnavailable, match="is chain 31337, not 1"):
        deploy(world.anvil.url, DEPLOYER, 1, world.plan)
    with pytest.raises(ChainUnavailable, match="refuses the connection"):
        deploy("http://127.0.0.1:1", DEPLOYER, CHAIN_ID, world.plan)


def test_a_network_with_real_epochs_deploys(anvil_chain: Anvil, world: World) -> None:
    hours = Windows(
        length_ms=86_400_000,
        seed_lead_ms=1_800_000,
        guard_ms=600_000,
        commit_window_ms=20_000,
        reveal_after_ms=25_000,
        close_after_ms=3_600_000,
        challenge_window_ms=3_600_000,
        slot_tolerance_ms=3_000,
        finality_ms=900_000,
    )
    plan = dataclasses.replace(world.plan, windows=hours, emission=Emission(10**24, 365))
    deployed = deploy(anvil_chain.url, DEPLOYER, CHAIN_ID, plan)
    reader = ChainReader(dataclasses.replace(world.network, contracts=deployed.contracts))
    assert reader.config().length_ms == 86_400_000
    assert reader.call("Epochs", "stakeOf", checksum(owner_account(0))) == world.plan.validators[0].stake
    reader.close()
