"""Verifying a deployment: whatever is not as this release deploys it is found and named."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from chain.artifacts import NAMES
from chain.genesis import allocations
from chain.network import checksum
from chain.reader import ChainReader
from chain.verify import ROLES, chain_rules, expected_roles, findings, role_holders
from protocol.parameters import Parameters
from tests.chain.world import DEPLOYER, World, checksum_of, owner_account
from tests.factories import DEVNET

STRANGER = checksum(b"\xee" * 20)


def fitting(world: World) -> Parameters:
    """The params this world was deployed with."""
    return dataclasses.replace(
        DEVNET,
        emission=world.plan.emission,
        genesis=dataclasses.replace(DEVNET.genesis, validator_stake=world.plan.validators[0].stake),
    )


def impersonate(world: World, account: bytes, name: str, function: str, *arguments: Any) -> None:
    """A transaction in the name of a contract, which no key could send."""
    anvil, contract = world.anvil, world.reader.contract(name)
    anvil.rpc("anvil_setBalance", checksum(account), hex(10**20))
    anvil.rpc("anvil_impersonateAccount", checksum(account))
    data = contract.encode_abi(function, args=arguments)
    sent = anvil.rpc("eth_sendTransaction", {"from": checksum(account), "to": contract.address, "data": data})
    assert anvil.receipt(sent)["status"] == "0x1"


def test_a_fresh_deployment_is_what_the_release_deploys(world: World) -> None:
    assert findings(world.reader) == []
    assert findings(world.reader, fitting(world)) == []


@pytest.mark.parametrize("name", NAMES)
def test_one_changed_byte_of_code_is_found(world: World, name: str) -> None:
    at = checksum(world.network.contracts.of(name))
    code = bytearray.fromhex(world.anvil.rpc("eth_getCode", at, "latest")[2:])
    code[10] ^= 1
    world.anvil.rpc("anvil_setCode", at, "0x" + code.hex())
    assert findings(world.reader) == [f"The code at {at} is not this release's {name}: byte 10 differs."]


def test_code_that_goes_on_is_found(world: World) -> None:
    at = checksum(world.network.contracts.hotspots)
    world.anvil.rpc("anvil_setCode", at, world.anvil.rpc("eth_getCode", at, "latest") + "00")
    assert len(findings(world.reader)) == 1


def test_an_address_without_a_contract_is_found(world: World) -> None:
    contracts = dataclasses.replace(world.network.contracts, governor=owner_account(9))
    reader = ChainReader(dataclasses.replace(world.network, contracts=contracts))
    assert findings(reader) == [
        f"There is no contract at {checksum(owner_account(9))}, where FarfieldGovernor should be."
    ]
    reader.close()


def test_contracts_of_two_networks_do_not_pass_for_one(make_world: Any) -> None:
    one, other = make_world(), make_world()
    mixed = dataclasses.replace(one.network.contracts, hotspots=other.network.contracts.hotspots)
    reader = ChainReader(dataclasses.replace(one.network, contracts=mixed))
    found = findings(reader)
    own = checksum(one.network.contracts.hotspots)
    assert f"Epochs names {own} as its hotspots, not {checksum(mixed.hotspots)}." in found
    assert len(found) == 4
    reader.close()


# --- roles ---


def test_no_account_with_a_key_holds_a_role(world: World) -> None:
    contracts = world.network.contracts
    assert role_holders(world.reader) == expected_roles(contracts.timelock, contracts.governor)
    deployer = checksum_of(DEPLOYER)
    for role in ROLES:
        digest = world.call("TimelockController", role)
        for account in (deployer, *(checksum(one.owner) for one in world.plan.validators)):
            assert world.call("TimelockController", "hasRole", digest, account) is False


@pytest.mark.parametrize("role", ROLES)
def test_a_role_somebody_got_later_is_found(world: World, role: str) -> None:
    digest = world.call("TimelockController", role)
    impersonate(world, world.network.contracts.timelock, "TimelockController", "grantRole", digest, STRANGER)
    [finding] = findings(world.reader)
    assert finding.startswith(f"{role} is held by ")
    assert STRANGER in finding
    impersonate(world, world.network.contracts.timelock, "TimelockController", "revokeRole", digest, STRANGER)
    assert findings(world.reader) == []


def test_a_role_the_governor_lost_is_found(world: World) -> None:
    contracts = world.network.contracts
    digest = world.call("TimelockController", "PROPOSER_ROLE")
    governor = checksum(contracts.governor)
    impersonate(world, contracts.timelock, "TimelockController", "revokeRole", digest, governor)
    assert findings(world.reader) == [f"PROPOSER_ROLE is held by [], not by ['{governor}']."]


# --- parameters and genesis ---


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ("fees", "registration"),
        ("fees", "location"),
        ("governance", "voting_delay_s"),
        ("governance", "voting_period_s"),
        ("governance", "timelock_delay_s"),
        ("governance", "proposal_threshold"),
        ("governance", "quorum_percent"),
        ("emission", "first"),
        ("emission", "halving_epochs"),
        ("epoch", "length_ms"),
        ("epoch", "close_after_ms"),
        ("epoch", "finality_ms"),
        ("epoch", "challenge_window_ms"),
        ("genesis", "validator_stake"),
        ("genesis", "lock_days"),
        ("validators", "unbonding_epochs"),
    ],
)
def test_every_parameter_is_compared(world: World, section: str, name: str) -> None:
    params = fitting(world)
    part = getattr(params, section)
    bent = dataclasses.replace(params, **{section: dataclasses.replace(part, **{name: getattr(part, name) + 1})})
    [finding] = findings(world.reader, bent)
    assert finding.startswith(f"{section}.{name} is ")


def test_all_that_exists_at_genesis_is_staked(world: World) -> None:
    found = allocations(world.reader)
    assert [(one.owner, one.key, one.stake) for one in found] == [
        (one.owner, one.key, one.stake) for one in world.plan.validators
    ]
    assert sum(one.stake for one in found) == world.reader.genesis_supply() == world.reader.total_supply()


def test_the_rules_of_the_vote_are_the_plans(world: World) -> None:
    rules = chain_rules(world.reader)
    assert {name.partition(".")[2]: value for name, value in rules.items()} == {
        **dataclasses.asdict(world.plan.fees),
        **dataclasses.asdict(world.plan.governance),
    }
