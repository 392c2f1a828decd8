"""A chain for tests: anvil on an ephemeral port, networks deployed on it, and time that moves when a test says so."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import coincurve
import h3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chain import calls
from chain.calls import Call
from chain.deploy import FirstValidator, Plan, deploy
from chain.errors import ContractRefused
from chain.network import NetworkFile, ValidatorEntry, checksum
from chain.reader import ChainReader
from chain.refusals import refused
from devnet.toolchain import ToolchainError, anvil, anvil_command
from protocol.encoding import signed_bytes
from protocol.ids import Address, HotspotId
from protocol.keys import (
    EpochRoot,
    PrivateKey,
    coordinates,
    hotspot_id,
    quorum_address,
    sign_device,
    sign_quorum,
)
from protocol.parameters import Emission, Fees, Governance, Windows
from protocol.records import REGISTRATION, Registration

CHAIN_ID = 31337
STAKE = 10**24
START_DEADLINE_S = 20
MINED_DEADLINE_S = 10
DEPLOYER = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
"""The first of anvil's public test accounts; each of them holds coin for gas."""
RELAYER = bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
OTHER = bytes.fromhex("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a")
PARAMS_HASH = b"\x11" * 32
WINDOWS = Windows(
    length_ms=60_000,
    seed_lead_ms=5_000,
    guard_ms=15_000,
    commit_window_ms=3_000,
    reveal_after_ms=4_000,
    close_after_ms=12_000,
    challenge_window_ms=10_000,
    slot_tolerance_ms=1_000,
    finality_ms=3_000,
)
EMISSION = Emission(first=10**24, halving_epochs=4)
FEES = Fees(registration=50 * 10**18, location=20 * 10**18)
GOVERNANCE = Governance(
    voting_delay_s=5,
    voting_period_s=30,
    timelock_delay_s=10,
    proposal_threshold=1_000 * 10**18,
    quorum_percent=4,
)
LOCK_DAYS = 365
UNBONDING_EPOCHS = 8
HOME = int(h3.latlng_to_cell(48.4, 9.99, 10), 16)


class Anvil:
    """One anvil process. With `block_time_s` 0 it mines a block for each transaction."""

    def __init__(
        self, *, chain_id: int = CHAIN_ID, block_time_s: int = 0, state: Path | None = None, port: int = 0
    ) -> None:
        try:
            binary = anvil()
        except ToolchainError as error:
            pytest.skip(f"anvil cannot be had here: {error} `python -m devnet.toolchain anvil` tries again.")
        self.chain_id = chain_id
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = anvil_command(binary, port=self.port, chain_id=chain_id, state=state, block_time_s=block_time_s)
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._await_answer()
        except BaseException:
            self.kill()
            raise

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                self.rpc("eth_chainId")
            except OSError:
                assert self.process.poll() is None, "anvil ended at once"
                assert time.monotonic() < deadline, "anvil does not answer"
                time.sleep(0.02)
            else:
                return

    def rpc(self, method: str, *params: Any) -> Any:
        """The result of one JSON-RPC request."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as response:
            answer = json.load(response)
        assert "error" not in answer, answer
        return answer["result"]

    def now_s(self) -> int:
        """Time of the newest block."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def block_number(self) -> int:
        return int(self.rpc("eth_blockNumber"), 16)

    def warp(self, to_s: int) -> None:
        """The next block, mined at once, has this timestamp."""
        self.rpc("evm_setNextBlockTimestamp", to_s)
        self.mine()

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.rpc("evm_mine")

    def finalize(self) -> None:
        """Everything mined so far becomes final."""
        self.mine(2)

    def receipt(self, transaction_hash: str) -> Any:
        """The receipt of a transaction that is about to be mined."""
        deadline = time.monotonic() + MINED_DEADLINE_S
        while (receipt := self.rpc("eth_getTransactionReceipt", transaction_hash)) is None:
            assert time.monotonic() < deadline, f"{transaction_hash} is not mined"
            time.sleep(0.005)
        return receipt

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def validator_key(number: int) -> coincurve.PrivateKey:
    """The signing key of validator `number`; public test keys, no account of anvil's."""
    return coincurve.PrivateKey(bytes([0xA0]) + number.to_bytes(31, "big"))


def owner_key(number: int) -> bytes:
    """The secret of the owner account of validator `number`."""
    return bytes([0xB0]) + number.to_bytes(31, "big")


def owner_account(number: int) -> Address:
    """The owner account of validator `number`."""
    return quorum_address(coincurve.PrivateKey(owner_key(number)))


def checksum_of(secret: bytes) -> str:
    """The account of a secret, as people write it."""
    return checksum(quorum_address(coincurve.PrivateKey(secret)))


@dataclass(frozen=True)
class Device:
    """A hotspot's key."""

    key: PrivateKey

    @cached_property
    def id(self) -> HotspotId:
        return hotspot_id(self.key.public_key())

    def registration(self, owner: bytes, **changes: Any) -> Registration:
        x, y = coordinates(self.key.public_key())
        plain = Registration(x=x, y=y, owner=owner, cell=HOME, gain_cdb=200, elevation_m=10, kind=0)
        return dataclasses.replace(plain, **changes)


def device(number: int) -> Device:
    return Device(ec.derive_private_key(number + 1, ec.SECP256R1()))


@dataclass
class World:
    """A network on a test chain."""

    anvil: Anvil
    network: NetworkFile
    plan: Plan
    keys: tuple[coincurve.PrivateKey, ...]
    reader: ChainReader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = ChainReader(self.network)

    # --- time ---

    def end_of(self, epoch: int) -> int:
        """Second at which an epoch ends."""
        return (self.plan.genesis_ms + (epoch + 1) * self.plan.windows.length_ms) // 1000

    def warp_past(self, epoch: int) -> None:
        """A block right after an epoch's end, if the chain is not later already."""
        if self.anvil.now_s() < self.end_of(epoch):
            self.anvil.warp(self.end_of(epoch))

    def warp_window(self) -> None:
        """A block after the challenge window of whatever was submitted last."""
        self.anvil.warp(self.anvil.now_s() + self.plan.windows.challenge_window_ms // 1000)

    # --- sending ---

    def send(self, call: Call, key: bytes = RELAYER) -> Any:
        """Mines a call and returns its receipt; ContractRefused if a contract refuses."""
        from chain.libraries import Account

        account = Account.from_key(key)
        transaction = {"from": account.address, "to": checksum(call.to), "data": "0x" + call.data.hex()}
        gas = self.estimate(transaction)
        nonce = self.anvil.rpc("eth_getTransactionCount", account.address, "pending")
        signed = account.sign_transaction(
            {
                "chainId": self.anvil.chain_id,
                "nonce": int(nonce, 16),
                "to": checksum(call.to),
                "data": call.data,
                "gas": gas * 2,
                "maxFeePerGas": 10**10,
                "maxPriorityFeePerGas": 10**9,
            }
        )
        sent = self.anvil.rpc("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
        receipt = self.anvil.receipt(sent)
        assert receipt["status"] == "0x1"
        return receipt

    def estimate(self, transaction: dict[str, str]) -> int:
        response = self.reader.rpc.web3.provider.make_request("eth_estimateGas", [transaction])
        if "error" in response:
            raise refused(bytes.fromhex(response["error"].get("data", "0x")[2:]))
        return int(response["result"], 16)

    def call(self, contract: str, function: str, *arguments: Any) -> Any:
        """A view at the newest block; ContractRefused if it refuses."""
        from chain.libraries import ContractLogicError

        try:
            return self.reader.call(contract, function, *arguments)
        except ContractLogicError as error:
            raise refused(bytes.fromhex(str(error.data)[2:])) from error

    # --- doing ---

    def sign_registration(self, one: Device, registration: Registration) -> bytes:
        return sign_device(one.key, signed_bytes(REGISTRATION, self.network.network, registration.encode()))

    def register(self, one: Device, owner: bytes, **changes: Any) -> Any:
        registration = one.registration(owner, **changes)
        return self.send(calls.register(self.network, registration, self.sign_registration(one, registration)))

    def root(self, epoch: int, root: bytes = b"\x22" * 32, total: int = 0, **changes: Any) -> EpochRoot:
        plain = EpochRoot(epoch=epoch, set_id=1, root=root, data_hash=b"\x33" * 32, cumulative_total=total)
        return dataclasses.replace(plain, **changes)

    def signatures(self, root: EpochRoot, signers: Sequence[int] | None = None) -> list[bytes]:
        digest = self.network.domain.digest(root)
        numbers = range(len(self.keys)) if signers is None else signers
        return [sign_quorum(self.keys[number], digest) for number in numbers]

    def submit(self, root: EpochRoot, signers: Sequence[int] | None = None) -> Any:
        return self.send(calls.submit_root(self.network, root, self.signatures(root, signers)))

    def make_live(self, root: EpochRoot) -> None:
        """Submits a root and lets its window pass."""
        self.warp_past(root.epoch)
        self.submit(root)
        self.warp_window()


def first_set(stakes: Sequence[int]) -> tuple[FirstValidator, ...]:
    """Validators 0, 1, ... with these stakes."""
    return tuple(
        FirstValidator(owner_account(number), quorum_address(validator_key(number)), stake)
        for number, stake in enumerate(stakes)
    )


def build_plan(
    chain: Anvil,
    validators: tuple[FirstValidator, ...],
    *,
    emission: Emission = EMISSION,
    windows: Windows = WINDOWS,
    fees: Fees = FEES,
    lock_days: int = LOCK_DAYS,
    governance: Governance = GOVERNANCE,
    unbonding_epochs: int = UNBONDING_EPOCHS,
    genesis_in_s: int = 0,
) -> Plan:
    """A network whose epoch 0 starts at the chain's present time."""
    return Plan(
        genesis_ms=(chain.now_s() + genesis_in_s) * 1000,
        windows=windows,
        emission=emission,
        fees=fees,
        lock_days=lock_days,
        governance=governance,
        unbonding_epochs=unbonding_epochs,
        params_hash=PARAMS_HASH,
        validators=validators,
    )


def build_world(
    chain: Anvil,
    *,
    stakes: Sequence[int] = (STAKE,) * 4,
    confirmations: int | None = None,
    **options: Any,
) -> World:
    """Deploys a fresh network; options as `build_plan` has them."""
    first = first_set(stakes)
    plan = build_plan(chain, first, **options)
    deployed = deploy(chain.url, DEPLOYER, chain.chain_id, plan)
    chain.finalize()
    network = NetworkFile(
        name="test",
        chain_id=chain.chain_id,
        genesis_hash=deployed.genesis_hash,
        rpc_urls=(chain.url,),
        contracts=deployed.contracts,
        deployed_block=deployed.block,
        params_hash=PARAMS_HASH,
        validators=tuple(ValidatorEntry(one.owner, one.key, "127.0.0.1:1") for one in first),
        map_url="http://127.0.0.1:8080",
        confirmations=confirmations,
        simulated=None,
    )
    return World(chain, network, plan, tuple(validator_key(number) for number in range(len(stakes))))


def refuses(*names: str) -> Any:
    """The block must end in a custom error of one of these names, and it has a sentence."""
    return _Refuses(names)


class _Refuses:
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        assert isinstance(error, ContractRefused), f"expected {self._names}, got {error!r}"
        assert error.name in self._names
        assert error.sentence.endswith(".")
        return True
