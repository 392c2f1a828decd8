"""Who may call what: every function that changes state, of every contract. A new one must be put here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from chain.artifacts import NAMES, artifact
from chain.errors import ContractRefused
from chain.libraries import Web3
from chain.network import checksum
from tests.chain.world import World, owner_account
from tests.factories import ROOT

HANDLERS = ROOT / "contracts" / "test" / "invariant"
ZERO = "0x" + "00" * 20
STRANGER = checksum(owner_account(71))

PRIVILEGED = {
    "FarfieldToken": {
        "mint": "Epochs",
        "lock": "Epochs",
        "unlock": "Epochs",
        "slash": "Epochs",
    },
    "Hotspots": {
        "deposit": "Epochs",
        "setFrozen": "TimelockController",
        "locate": "the operator",
    },
    "Epochs": {
        "admit": "TimelockController",
        "cancelRoot": "TimelockController",
        "setParamsHash": "TimelockController",
        "join": "an admitted owner",
        "leave": "a member",
        "setKey": "a member",
        "unlockStake": "an owner whose stake has unbonded",
        "postManifest": "a signing key",
        "submitRoot": "more than two thirds of the stake",
        "veto": "more than a third of the stake",
        "pause": "more than a third of the stake",
    },
    "FarfieldGovernor": {
        "relay": "TimelockController",
        "updateQuorumNumerator": "TimelockController",
        "updateTimelock": "TimelockController",
        "onERC721Received": "nobody",
        "onERC1155Received": "nobody",
        "onERC1155BatchReceived": "nobody",
        "cancel": "the proposer, before the vote begins",
        "propose": "holders above the threshold",
    },
    "TimelockController": {
        "schedule": "FarfieldGovernor",
        "scheduleBatch": "FarfieldGovernor",
        "cancel": "FarfieldGovernor",
        "grantRole": "TimelockController",
        "revokeRole": "TimelockController",
        "updateDelay": "TimelockController",
        "renounceRole": "whoever holds the role",
    },
}
"""Functions that not everybody may call, and who may."""

ANYBODY = {
    "FarfieldToken": {
        *("approve", "burn", "burnFrom", "delegate", "delegateBySig", "permit", "transfer", "transferFrom"),
    },
    "Hotspots": {
        *("register", "collect", "collectFor", "setApprovalForAll", "safeTransferFrom", "safeBatchTransferFrom"),
    },
    "Epochs": {
        *("claim", "claimMany", "cancelByProof", "suspend"),
        *("slashEquivocation", "slashManifests", "slashAvailability"),
    },
    "FarfieldGovernor": {
        *("castVote", "castVoteBySig", "castVoteWithReason", "castVoteWithReasonAndParams"),
        *("castVoteWithReasonAndParamsBySig", "queue", "execute"),
    },
    "TimelockController": {
        *("execute", "executeBatch", "onERC721Received", "onERC1155Received", "onERC1155BatchReceived"),
    },
}
"""Functions anybody may call, for themselves or because a proof or a signature says so."""


def changing(name: str) -> set[str]:
    return {
        one["name"]
        for one in artifact(name).abi
        if one["type"] == "function" and one["stateMutability"] not in ("view", "pure")
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_function_that_changes_state_is_listed_with_its_caller(name: str) -> None:
    assert changing(name) == PRIVILEGED[name].keys() | ANYBODY[name]
    assert not PRIVILEGED[name].keys() & ANYBODY[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_handler_tries_every_function(name: str) -> None:
    """The invariants are worth what the handlers call. Receiving is OpenZeppelin's own."""
    stock = {one for one in changing(name) if one.startswith("on")}
    text = "".join(path.read_text() for path in HANDLERS.glob("*Handler.sol"))
    prefix = {"FarfieldToken": "token", "FarfieldGovernor": "governor", "TimelockController": "timelock"}
    calls = prefix.get(name, name.lower())
    assert [one for one in sorted(changing(name) - stock) if f"{calls}.{one}," not in text] == []


def has_role(world: World, role: bytes, account: str) -> bool:
    return bool(world.call("TimelockController", "hasRole", role, account))


def accounts_of(world: World) -> list[str]:
    """Everybody who had a hand in the network: whoever deployed it, owners, their keys, and a stranger."""
    validators = [checksum(one) for validator in world.plan.validators for one in (validator.owner, validator.key)]
    deployer = world.anvil.rpc("eth_accounts")
    return [*map(Web3.to_checksum_address, deployer), *validators, STRANGER]


def test_no_externally_owned_account_holds_a_role(world: World) -> None:
    """Roles of the Timelock are given by events only, so the events say who ever had one."""
    contracts = world.network.contracts
    lock, governor = checksum(contracts.timelock), checksum(contracts.governor)
    decoder = world.reader.contract("TimelockController").events
    last = world.anvil.rpc("eth_blockNumber")
    asked = {"address": lock, "fromBlock": hex(world.network.deployed_block), "toBlock": last}
    logs = world.reader.rpc.web3.eth.get_logs(asked)
    granted = set()
    for log in logs:
        if log["topics"][0] == Web3.keccak(text="RoleGranted(bytes32,address,address)"):
            event = decoder.RoleGranted().process_log(log)["args"]
            granted.add((bytes(event["role"]), event["account"]))
        assert log["topics"][0] != Web3.keccak(text="RoleRevoked(bytes32,address,address)")
    roles = {one: bytes(world.call("TimelockController", one)) for one in ROLES}
    assert granted == {
        (roles["DEFAULT_ADMIN_ROLE"], lock),
        (roles["PROPOSER_ROLE"], governor),
        (roles["CANCELLER_ROLE"], governor),
        (roles["EXECUTOR_ROLE"], ZERO),
    }
    assert not any(has_role(world, role, account) for role in roles.values() for account in accounts_of(world))
    assert all(world.anvil.rpc("eth_getCode", one, "latest") != "0x" for one in (lock, governor))


ROLES = ("DEFAULT_ADMIN_ROLE", "PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE")


def test_the_contracts_take_orders_from_each_other_only(world: World) -> None:
    contracts = world.network.contracts
    assert world.call("FarfieldToken", "epochs") == checksum(contracts.epochs)
    assert world.call("Hotspots", "epochs") == checksum(contracts.epochs)
    assert world.call("Hotspots", "timelock") == checksum(contracts.timelock)
    assert world.call("Epochs", "timelock") == checksum(contracts.timelock)
    assert world.call("FarfieldGovernor", "timelock") == checksum(contracts.timelock)
    assert world.call("FarfieldGovernor", "token") == checksum(contracts.token)


GUARDED = [
    ("FarfieldToken", "mint", (STRANGER, 1), "OnlyEpochs"),
    ("FarfieldToken", "lock", (STRANGER, 1), "OnlyEpochs"),
    ("FarfieldToken", "unlock", (STRANGER, 1), "OnlyEpochs"),
    ("FarfieldToken", "slash", (STRANGER, 10, STRANGER, 1), "OnlyEpochs"),
    ("Hotspots", "deposit", (1, 1), "OnlyEpochs"),
    ("Hotspots", "setFrozen", (1, bytes(32), True), "OnlyTimelock"),
    ("Epochs", "admit", (STRANGER, True), "OnlyTimelock"),
    ("Epochs", "cancelRoot", (1,), "OnlyTimelock"),
    ("Epochs", "setParamsHash", (bytes(32),), "OnlyTimelock"),
    ("Epochs", "join", (STRANGER, 10**18), "NotAdmitted"),
    ("Epochs", "leave", (), "NotAMember"),
    ("Epochs", "setKey", (STRANGER,), "NotAMember"),
    ("Epochs", "unlockStake", (), "NothingStaked"),
    ("FarfieldGovernor", "relay", (STRANGER, 0, b""), "GovernorOnlyExecutor"),
    ("FarfieldGovernor", "updateQuorumNumerator", (1,), "GovernorOnlyExecutor"),
    ("FarfieldGovernor", "updateTimelock", (STRANGER,), "GovernorOnlyExecutor"),
    ("TimelockController", "updateDelay", (0,), "TimelockUnauthorizedCaller"),
    (
        "TimelockController",
        "schedule",
        (STRANGER, 0, b"", bytes(32), bytes(32), 10**6),
        "AccessControlUnauthorizedAccount",
    ),
    ("TimelockController", "cancel", (bytes(32),), "AccessControlUnauthorizedAccount"),
    ("TimelockController", "grantRole", (bytes(32), STRANGER), "AccessControlUnauthorizedAccount"),
    ("TimelockController", "revokeRole", (bytes(32), STRANGER), "AccessControlUnauthorizedAccount"),
]


@pytest.mark.parametrize(("contract", "function", "arguments", "name"), GUARDED)
def test_refuses_whoever_is_not_meant(
    anvil_world: World, contract: str, function: str, arguments: Sequence[Any], name: str
) -> None:
    """From the deployer, an owner and a stranger alike."""
    data = anvil_world.reader.contract(contract).encode_abi(function, args=list(arguments))
    fields = {"FarfieldToken": "token", "TimelockController": "timelock", "FarfieldGovernor": "governor"}
    to = checksum(getattr(anvil_world.network.contracts, fields.get(contract, contract.lower())))
    callers = [anvil_world.anvil.rpc("eth_accounts")[0], STRANGER]
    for caller in callers if function == "leave" else [*callers, checksum(anvil_world.plan.validators[0].key)]:
        with pytest.raises(ContractRefused) as caught:
            anvil_world.estimate({"from": caller, "to": to, "data": data})
        assert caught.value.name == name


@pytest.fixture(scope="module")
def anvil_world(anvil_chain: Any) -> Any:
    """One network for all of these: nothing of it changes."""
    from tests.chain.world import build_world

    world = build_world(anvil_chain)
    yield world
    world.reader.close()
