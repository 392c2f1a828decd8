"""Puts the three contracts of a network on a chain. The deployer's key holds no role afterwards.

The contracts name each other, so their addresses are predicted from the deployer's nonce and all three transactions
are sent at once; the Epochs constructor checks that it stands where the token expects it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chain.artifacts import artifact
from chain.errors import DeployFailed
from chain.network import Contracts, checksum
from protocol.ids import Address
from protocol.keys import keccak256
from protocol.parameters import Emission, Windows

if TYPE_CHECKING:
    from web3 import Web3

GAS_LIMITS = {"FarfieldToken": 6_000_000, "Hotspots": 3_000_000, "Epochs": 9_000_000}
"""Far above what they take with 64 validators; what is not used is not paid."""
RECEIPT_TIMEOUT_S = 120
MS = 1000


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
    """The block of the first of the three; events begin there."""
    gas_used: dict[str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """A network to be deployed. Windows are whole seconds on chain."""

    genesis_ms: int
    windows: Windows
    emission: Emission
    params_hash: bytes
    validators: tuple[FirstValidator, ...]

    def problem(self) -> str | None:
        """A sentence on what cannot be deployed, or None."""
        w = self.windows
        times = (self.genesis_ms, w.length_ms, w.close_after_ms, w.finality_ms, w.challenge_window_ms)
        if any(time_ms % MS for time_ms in times):
            return "Genesis and the epoch's windows must be whole seconds, because a chain's clock is."
        if w.close_after_ms + w.finality_ms + w.challenge_window_ms >= w.length_ms:
            return "close_after, finality and challenge_window together must be shorter than an epoch."
        return None


def deploy(rpc_url: str, private_key: bytes, chain_id: int, plan: Plan) -> Deployment:
    """Deploys and waits until all three are mined; DeployFailed says what went wrong.

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
    deployer = Address(bytes.fromhex(account.address[2:]))
    contracts = Contracts(*(_address_of(deployer, first_nonce + step) for step in range(3)))
    fee = _fee(web3)
    hashes = {}
    for step, (name, arguments) in enumerate(_constructors(contracts, plan).items()):
        transaction = {
            "chainId": chain_id,
            "nonce": first_nonce + step,
            "gas": GAS_LIMITS[name],
            "data": _creation(web3, name, arguments),
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


def _constructors(contracts: Contracts, plan: Plan) -> dict[str, Sequence[Any]]:
    """Constructor arguments by contract, in the order of deployment."""
    windows = plan.windows
    config = (
        checksum(contracts.token),
        checksum(contracts.hotspots),
        plan.genesis_ms // MS,
        windows.length_ms // MS,
        windows.close_after_ms // MS,
        windows.finality_ms // MS,
        windows.challenge_window_ms // MS,
        plan.emission.first,
        plan.emission.halving_epochs,
    )
    owners = [checksum(one.owner) for one in plan.validators]
    stakes = [one.stake for one in plan.validators]
    members = [(checksum(one.owner), checksum(one.key), one.stake) for one in plan.validators]
    return {
        "FarfieldToken": (checksum(contracts.epochs), owners, stakes),
        "Hotspots": (),
        "Epochs": (config, plan.params_hash, members),
    }


def _creation(web3: Web3, name: str, arguments: Sequence[Any]) -> str:
    code = artifact(name)
    factory = web3.eth.contract(abi=code.abi, bytecode="0x" + code.bytecode.hex())
    return str(factory.constructor(*arguments).data_in_transaction)


def _address_of(deployer: Address, nonce: int) -> Address:
    """The address of the contract an account creates with this nonce: keccak256(rlp([account, nonce]))[12:]."""
    from chain.libraries import rlp

    return Address(keccak256(rlp.encode([deployer, nonce]))[12:])


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
