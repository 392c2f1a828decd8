"""Puts the contracts of a network on a chain. The deployer's key holds no role afterwards, and nobody else's does.

The contracts name each other, so their addresses are predicted from the deployer's nonce and all transactions are sent
at once; the constructors check that what they need stands where it was predicted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chain.artifacts import NAMES, artifact
from chain.errors import DeployFailed
from chain.network import Contracts, checksum
from chain.rehearsal import FIRST_NONCE, STAGE, rehearse
from protocol.ids import Address
from protocol.keys import keccak256
from protocol.limits import MAX_VALIDATORS
from protocol.parameters import TOKEN, Emission, Fees, Governance, Parameters, Windows

if TYPE_CHECKING:
    from web3 import Web3

GAS_LIMITS = {
    "FarfieldToken": 12_000_000,
    "Hotspots": 6_000_000,
    "TimelockController": 3_000_000,
    "FarfieldGovernor": 6_000_000,
    "Epochs": 14_000_000,
}
"""Far above what they take with 64 validators; what is not used is not paid. Each is below one transaction's limit."""
RECEIPT_TIMEOUT_S = 120
MS = 1000
DAY_S = 86_400
ANYONE = "0x" + "00" * 20
"""In the Timelock, account 0 as executor lets anyone carry out what is due."""


@dataclass(frozen=True, slots=True)
class FirstValidator:
    """A member of the first set; its stake is minted to `owner` and locked."""

    owner: Address
    key: Address
    stake: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """What stands on chain now."""

    chain_id: int
    genesis_hash: bytes
    contracts: Contracts
    block: int
    """The block of the first of them; events begin there."""
    gas_used: dict[str, int]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a deployment would do: nothing has been sent."""

    deployer: Address
    contracts: Contracts
    gas_used: dict[str, int] | None
    """By contract, from a simulation of all constructors in order; None if the node cannot simulate."""
    max_gas: int
    gas_price_wei: int
    balance_wei: int
    problems: tuple[str, ...]
    """Sentences on what would fail; empty if nothing is known to."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A network to be deployed. Windows are whole seconds on chain."""

    genesis_ms: int
    windows: Windows
    emission: Emission
    fees: Fees
    lock_days: int
    governance: Governance
    unbonding_epochs: int
    params_hash: bytes
    validators: tuple[FirstValidator, ...]

    @classmethod
    def of(
        cls, params: Parameters, params_hash: bytes, genesis_ms: int, validators: Sequence[tuple[Address, Address]]
    ) -> Plan:
        """The plan that follows from a params file; `validators` are (owner, key), all with the params' stake."""
        return cls(
            genesis_ms=genesis_ms,
            windows=params.epoch,
            emission=params.emission,
            fees=params.fees,
            lock_days=params.genesis.lock_days,
            governance=params.governance,
            unbonding_epochs=params.validators.unbonding_epochs,
            params_hash=params_hash,
            validators=tuple(FirstValidator(owner, key, params.genesis.validator_stake) for owner, key in validators),
        )

    def problem(self) -> str | None:
        """A sentence on what cannot be deployed, or None."""
        w = self.windows
        times = (self.genesis_ms, w.length_ms, w.close_after_ms, w.finality_ms, w.challenge_window_ms)
        if any(time_ms % MS for time_ms in times):
            return "Genesis and the epoch's windows must be whole seconds, because a chain's clock is."
        if w.close_after_ms + w.finality_ms + w.challenge_window_ms >= w.length_ms:
            return "close_after, finality and challenge_window together must be shorter than an epoch."
        if not 1 <= len(self.validators) <= MAX_VALIDATORS:
            return f"A network starts with 1 to {MAX_VALIDATORS} validators; {len(self.validators)} were given."
        if any(one.stake <= 0 or one.stake % TOKEN for one in self.validators):
            return "A stake is a positive number of whole tokens; correct validator_stake."
        return self._named_twice()

    def _named_twice(self) -> str | None:
        for what in ("owner", "key"):
            counts = Counter(getattr(one, what) for one in self.validators)
            double = next((checksum(account) for account, count in counts.items() if count > 1), None)
            if double is not None:
                return f"{double} is the {what} of more than one validator; give each one of its own."
        return None


def deploy(rpc_url: str, private_key: bytes, chain_id: int, plan: Plan) -> Deployment:
    """Deploys and waits until all contracts are mined; DeployFailed says what went wrong.

    ChainUnavailable if the address does not answer, or is another chain.
    """
    from chain.libraries import Web3Exception
    from chain.rpc import Rpc

    problem = plan.problem()
    if problem is not None:
        raise DeployFailed(problem)
    rpc = Rpc([rpc_url], chain_id)
    try:
        return _deploy(rpc.web3, private_key, chain_id, plan)
    except Web3Exception as error:
        raise DeployFailed(f"The chain does not take it: {error}. Check that the key holds coin.") from error
    finally:
        rpc.close()


def _deploy(web3: Web3, private_key: bytes, chain_id: int, plan: Plan) -> Deployment:
    from chain.libraries import Account

    account = Account.from_key(private_key)
    first_nonce = web3.eth.get_transaction_count(account.address, "pending")
    contracts = predict(Address(bytes.fromhex(account.address[2:])), first_nonce)
    fee = _fee(web3)
    hashes = {}
    for step, (name, data) in enumerate(_creations(contracts, plan).items()):
        transaction = {
            "chainId": chain_id,
            "nonce": first_nonce + step,
            "gas": GAS_LIMITS[name],
            "data": data,
            "value": 0,
            **fee,
        }
        hashes[name] = web3.eth.send_raw_transaction(account.sign_transaction(transaction).raw_transaction)
    receipts = {name: _mined(web3, name, sent) for name, sent in hashes.items()}
    return Deployment(
        chain_id=chain_id,
        genesis_hash=bytes(web3.eth.get_block(0)["hash"]),
        contracts=contracts,
        block=min(receipt["blockNumber"] for receipt in receipts.values()),
        gas_used={name: receipt["gasUsed"] for name, receipt in receipts.items()},
    )


def predict(deployer: Address, first_nonce: int) -> Contracts:
    """Where the contracts will stand if their deployer begins with this nonce."""
    token, hotspots, timelock, governor, epochs = (
        _address_of(deployer, first_nonce + step) for step in range(len(NAMES))
    )
    return Contracts(token=token, hotspots=hotspots, epochs=epochs, timelock=timelock, governor=governor)


def _address_of(deployer: Address, nonce: int) -> Address:
    """The address of the contract an account creates with this nonce: keccak256(rlp([account, nonce]))[12:]."""
    from chain.libraries import rlp

    return Address(keccak256(rlp.encode([deployer, nonce]))[12:])


# --- what the constructors are given ----------------------------------------------------------------------------------


def _creations(contracts: Contracts, plan: Plan) -> dict[str, bytes]:
    """What each transaction carries, in the order of deployment."""
    from chain.libraries import Web3

    arguments, data = _constructors(contracts, plan), {}
    for name in NAMES:
        code = artifact(name)
        factory = Web3().eth.contract(abi=code.abi, bytecode="0x" + code.bytecode.hex())
        data[name] = bytes.fromhex(str(factory.constructor(*arguments[name]).data_in_transaction)[2:])
    return data


def _constructors(contracts: Contracts, plan: Plan) -> dict[str, Sequence[Any]]:
    """Constructor arguments by contract."""
    token, epochs, timelock = (checksum(at) for at in (contracts.token, contracts.epochs, contracts.timelock))
    rules = plan.governance
    owners = [checksum(one.owner) for one in plan.validators]
    members = [(checksum(one.owner), checksum(one.key), one.stake) for one in plan.validators]
    return {
        "FarfieldToken": (epochs, owners, [one.stake for one in plan.validators]),
        "Hotspots": (token, epochs, timelock, plan.fees.registration, plan.fees.location),
        "TimelockController": (rules.timelock_delay_s, [checksum(contracts.governor)], [ANYONE], ANYONE),
        "FarfieldGovernor": (
            token,
            timelock,
            rules.voting_delay_s,
            rules.voting_period_s,
            rules.proposal_threshold,
            rules.quorum_percent,
        ),
        "Epochs": (_config(contracts, plan), plan.params_hash, members),
    }


def _config(contracts: Contracts, plan: Plan) -> tuple[Any, ...]:
    windows = plan.windows
    return (
        checksum(contracts.token),
        checksum(contracts.hotspots),
        checksum(contracts.timelock),
        plan.genesis_ms // MS,
        windows.length_ms // MS,
        windows.close_after_ms // MS,
        windows.finality_ms // MS,
        windows.challenge_window_ms // MS,
        plan.emission.first,
        plan.emission.halving_epochs,
        plan.unbonding_epochs,
        plan.lock_days * DAY_S,
    )


def _fee(web3: Web3) -> dict[str, int]:
    base = web3.eth.get_block("latest").get("baseFeePerGas", 0)
    tip = web3.eth.max_priority_fee
    return {"maxFeePerGas": 2 * base + tip, "maxPriorityFeePerGas": tip}


def _mined(web3: Web3, name: str, sent: bytes) -> Any:
    from chain.libraries import TimeExhausted

    try:
        receipt = web3.eth.wait_for_transaction_receipt(sent, timeout=RECEIPT_TIMEOUT_S)
    except TimeExhausted as error:
        raise DeployFailed(f"{name} was not mined within {RECEIPT_TIMEOUT_S} s. Check that the chain runs.") from error
    if receipt["status"] != 1:
        raise DeployFailed(f"The constructor of {name} refused. Check validators, stakes and windows of the plan.")
    return receipt


# --- without sending anything -----------------------------------------------------------------------------------------


def preview(rpc_url: str, deployer: Address, chain_id: int, plan: Plan) -> Preview:
    """Simulates a deployment; nothing is signed or sent. ChainUnavailable if the address is not that chain."""
    from chain.libraries import Web3Exception
    from chain.rpc import Rpc

    rpc = Rpc([rpc_url], chain_id)
    try:
        return _preview(rpc.web3, deployer, plan)
    except Web3Exception as error:
        raise DeployFailed(f"The chain does not answer as expected: {error}. Try another RPC address.") from error
    finally:
        rpc.close()


def _preview(web3: Web3, deployer: Address, plan: Plan) -> Preview:
    account = checksum(deployer)
    contracts = predict(deployer, web3.eth.get_transaction_count(account, "pending"))
    problem = plan.problem()
    rehearsed = None if problem else rehearse(web3.provider, _creations(predict(STAGE, FIRST_NONCE), plan))
    problems = [one for one in (problem, rehearsed and rehearsed.refusal) if one]
    price, balance = _fee(web3)["maxFeePerGas"], web3.eth.get_balance(account)
    max_gas = sum(GAS_LIMITS.values())
    if balance < max_gas * price:
        problems.append(f"{account} holds {balance} wei; up to {max_gas * price} are needed. Send it coin.")
    gas_used = dict(rehearsed.gas) if rehearsed and rehearsed.gas else None
    return Preview(deployer, contracts, gas_used, max_gas, price, balance, tuple(problems))
