"""Compares what stands on a chain with this release: code, wiring, roles, and, given a params file, every parameter.

Code is compared byte for byte with the committed artifacts, except where a constructor fills in immutable values; those
are asked for one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from chain.artifacts import NAMES, artifact
from chain.deploy import ANYONE, DAY_S, MS
from chain.events import RoleGranted, RoleRevoked
from chain.genesis import allocations
from chain.log_scan import scan
from chain.network import checksum
from chain.reader import ChainReader
from protocol.ids import Address
from protocol.keys import EpochRoot
from protocol.parameters import Parameters

ROLES = ("DEFAULT_ADMIN_ROLE", "PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE")
SIGNED = {"FarfieldToken": "Farfield", "Epochs": "Farfield", "FarfieldGovernor": "FarfieldGovernor"}
"""Contracts that check signatures, and the name in their EIP-712 domain."""


def findings(reader: ChainReader, params: Parameters | None = None) -> list[str]:
    """Sentences on what is not as this release deploys it; empty if all is well. ChainUnavailable."""
    found = list(_code(reader))
    if found:
        return found
    found = [*_wiring(reader), *_domains(reader), *_roles(reader), *_supply(reader)]
    return found if params is None else [*found, *_parameters(reader, params)]


def _code(reader: ChainReader) -> Iterator[str]:
    for name in NAMES:
        at, committed = reader.network.contracts.of(name), artifact(name)
        code = reader.code(at)
        if not code:
            yield f"There is no contract at {checksum(at)}, where {name} should be."
            continue
        masked = committed.masked(code)
        if masked != committed.deployed_bytecode:
            where = _first_difference(masked, committed.deployed_bytecode)
            yield f"The code at {checksum(at)} is not this release's {name}: byte {where} differs."


def _first_difference(a: bytes, b: bytes) -> int:
    return next((at for at, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))


def _wiring(reader: ChainReader) -> Iterator[str]:
    """Every contract must name the others of the same network."""
    contracts = reader.network.contracts
    token, hotspots, epochs = contracts.token, contracts.hotspots, contracts.epochs
    timelock = contracts.timelock
    expected = {
        ("FarfieldToken", "epochs"): epochs,
        ("Hotspots", "token"): token,
        ("Hotspots", "epochs"): epochs,
        ("Hotspots", "timelock"): timelock,
        ("Epochs", "token"): token,
        ("Epochs", "hotspots"): hotspots,
        ("Epochs", "timelock"): timelock,
        ("FarfieldGovernor", "token"): token,
        ("FarfieldGovernor", "timelock"): timelock,
    }
    for (name, function), address in expected.items():
        found = reader.call(name, function)
        if found != checksum(address):
            yield f"{name} names {found} as its {function}, not {checksum(address)}."


def _domains(reader: ChainReader) -> Iterator[str]:
    """What signatures are bound to, and that the contract hashes a root as validators do."""
    for name, text in SIGNED.items():
        _, *domain, _salt, _extensions = reader.call(name, "eip712Domain")
        expected = [text, "1", reader.network.chain_id, checksum(reader.network.contracts.of(name))]
        if domain != expected:
            yield f"{name} checks signatures for {domain}, not for {expected}."
    root = EpochRoot(epoch=1, set_id=2, root=bytes(range(32)), data_hash=bytes(32), cumulative_total=3)
    values = (root.epoch, root.set_id, root.root, root.data_hash, root.cumulative_total)
    if bytes(reader.call("Epochs", "rootDigest", values)) != reader.network.domain.digest(root):
        yield "Epochs hashes a root otherwise than validators do."


# --- roles ------------------------------------------------------------------------------------------------------------


def role_holders(reader: ChainReader) -> dict[str, list[str]]:
    """Who holds which role in the Timelock, from everything it ever granted and revoked; by the role's name."""
    names = {bytes(reader.call("TimelockController", role)): role for role in ROLES}
    holders: defaultdict[str, set[str]] = defaultdict(set)
    head = reader.head()
    told = [*scan(reader, RoleGranted, head), *scan(reader, RoleRevoked, head)]
    for event in sorted(told, key=lambda one: one.place):
        accounts = holders[names.get(event.role, "0x" + event.role.hex())]
        change = accounts.add if isinstance(event, RoleGranted) else accounts.discard
        change(checksum(event.account))
    return {role: sorted(accounts) for role, accounts in sorted(holders.items()) if accounts}


def expected_roles(timelock: Address, governor: Address) -> dict[str, list[str]]:
    """The roles as deployed: the Governor decides, anyone carries out, and only the Timelock can change that."""
    return {
        "CANCELLER_ROLE": [checksum(governor)],
        "DEFAULT_ADMIN_ROLE": [checksum(timelock)],
        "EXECUTOR_ROLE": [ANYONE],
        "PROPOSER_ROLE": [checksum(governor)],
    }


def _roles(reader: ChainReader) -> Iterator[str]:
    contracts = reader.network.contracts
    expected, found = expected_roles(contracts.timelock, contracts.governor), role_holders(reader)
    for role in sorted(set(expected) | set(found)):
        if expected.get(role, []) != found.get(role, []):
            yield f"{role} is held by {found.get(role, [])}, not by {expected.get(role, [])}."


# --- amounts and parameters -------------------------------------------------------------------------------------------


def _supply(reader: ChainReader) -> Iterator[str]:
    staked = sum(one.stake for one in allocations(reader))
    if reader.genesis_supply() != staked:
        yield f"{reader.genesis_supply()} base units existed at genesis, but only {staked} were staked."


def _parameters(reader: ChainReader, params: Parameters) -> Iterator[str]:
    for name, (found, expected) in _compared(reader, params).items():
        if found != expected:
            yield f"{name} is {found} on chain and {expected} in the params file."


def _compared(reader: ChainReader, params: Parameters) -> dict[str, tuple[Any, Any]]:
    config, rules = reader.config(), chain_rules(reader)
    epoch, stakes = params.epoch, {one.stake for one in allocations(reader)}
    expected = {
        **{f"fees.{name}": value for name, value in asdict(params.fees).items()},
        **{f"governance.{name}": value for name, value in asdict(params.governance).items()},
    }
    return {
        **{name: (rules.get(name), value) for name, value in expected.items()},
        "epoch.length_ms": (config.length_ms, epoch.length_ms),
        "epoch.close_after_ms": (config.close_after_ms, epoch.close_after_ms),
        "epoch.finality_ms": (config.finality_ms, epoch.finality_ms),
        "epoch.challenge_window_ms": (config.challenge_window_ms, epoch.challenge_window_ms),
        "emission.first": (config.first_emission, params.emission.first),
        "emission.halving_epochs": (config.halving_epochs, params.emission.halving_epochs),
        "validators.unbonding_epochs": (config.unbonding_epochs, params.validators.unbonding_epochs),
        "genesis.lock_days": (config.founder_lock_ms // (DAY_S * MS), params.genesis.lock_days),
        "genesis.validator_stake": (stakes, {params.genesis.validator_stake}),
    }


def chain_rules(reader: ChainReader) -> dict[str, int]:
    """Fees and the rules of the vote as the contracts have them, by the name of the parameter."""
    asked = {
        "fees.registration": ("Hotspots", "registrationFee"),
        "fees.location": ("Hotspots", "locationFee"),
        "governance.voting_delay_s": ("FarfieldGovernor", "votingDelay"),
        "governance.voting_period_s": ("FarfieldGovernor", "votingPeriod"),
        "governance.timelock_delay_s": ("TimelockController", "getMinDelay"),
        "governance.proposal_threshold": ("FarfieldGovernor", "proposalThreshold"),
        "governance.quorum_percent": ("FarfieldGovernor", "quorumNumerator"),
    }
    return {name: int(reader.call(*where)) for name, where in asked.items()}
