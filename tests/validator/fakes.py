"""A chain without a node, moved by hand: a block a second, events as our contracts have them, a sender, a clock.

FakeChain stands where ChainReader and History stand; the real ChainView works on it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from chain.artifacts import artifact
from chain.calls import Call
from chain.errors import ChainUnavailable, ContractRefused
from chain.events import ManifestPosted, RootSubmitted
from chain.folds import ValidatorSet
from chain.network import Contracts, NetworkFile, ValidatorEntry
from chain.reader import Block, EpochsConfig
from chain.sender import Receipt
from protocol.closing import Binding, Member
from protocol.columns import Row
from protocol.encoding import sha256
from protocol.ids import Address
from protocol.keys import Domain, EpochRoot, recover_quorum
from protocol.parameters import Parameters
from protocol.quorum import is_quorum, stake_of
from protocol.registry import Registered
from protocol.rulebook import Step
from protocol.schedule import epoch_start_ms
from protocol.verdicts import Engine
from tests.factories import DEVNET, GENESIS_MS, NETWORK, Device

FIRST_BLOCK_MS = GENESIS_MS - 120_000
BLOCK_MS = 1_000
FINAL_BLOCKS = 2
EPOCHS_CONTRACT = Address(b"\x22" * 20)
TIMELOCK = Address(b"\x44" * 20)
DOMAIN = Domain(NETWORK.chain_id, EPOCHS_CONTRACT)


class ManualClock:
    """Moves when a test says so."""

    def __init__(self, now_ms: int = GENESIS_MS) -> None:
        self.time_ms = now_ms

    def now_ms(self) -> int:
        return self.time_ms


@dataclass(frozen=True)
class Skewed:
    """Another clock, wrong by a fixed amount."""

    true: ManualClock
    skew_ms: int

    def now_ms(self) -> int:
        return self.true.now_ms() + self.skew_ms


@dataclass
class FakeChain:
    """Blocks follow the clock; the final one lies two behind. `down` makes everything unavailable."""

    clock: ManualClock
    members: Sequence[Member]
    params: Parameters = DEVNET
    params_hash: bytes = sha256(b"params")
    first_block_ms: int = FIRST_BLOCK_MS
    down: bool = False
    registered: list[Registered] = field(default_factory=list)
    posts: list[ManifestPosted] = field(default_factory=list)
    submitted: list[RootSubmitted] = field(default_factory=list)
    sets: list[tuple[int, ValidatorSet]] = field(default_factory=list)
    """(first block, set), oldest first."""
    endpoints: dict[Address, str] = field(default_factory=dict)
    in_loop: list[str] = field(default_factory=list)
    """What was asked on an event loop's own thread: each of these may block it."""
    findings: list[str] = field(default_factory=list)
    closed: bool = False
    lost_from: int = 2**63
    """Blocks from this number on are others than they were: the chain lost its end and went on."""
    block: Block | None = None
    """What the last refresh read."""

    def __post_init__(self) -> None:
        self.sets.append((0, ValidatorSet(1, tuple(sorted(self.members, key=lambda one: one.owner)))))

    # --- time -----------------------------------------------------------------------------------------------------

    def number_at(self, time_ms: int) -> int:
        """The last block at or before a time."""
        return (time_ms - self.first_block_ms) // BLOCK_MS

    def block_numbered(self, number: int) -> Block:
        return Block(number, self._hash(number), self._hash(number - 1), self.first_block_ms + number * BLOCK_MS)

    def _hash(self, number: int) -> bytes:
        return sha256(b"other" if number >= self.lost_from else b"block", number.to_bytes(8, "big", signed=True))

    def next_block(self) -> Block:
        """The block a transaction sent now is mined in."""
        return self.block_numbered(self.number_at(self.clock.now_ms()) + 1)

    def seed_block(self, epoch: int) -> Block:
        start_ms = epoch_start_ms(GENESIS_MS, self.params.epoch, epoch)
        return self.block_numbered(self.number_at(start_ms - self.params.epoch.seed_lead_ms))

    # --- as ChainReader ---------------------------------------------------------------------------------------------

    def _asked(self, what: str) -> None:
        try:
            asyncio.get_running_loop()
            self.in_loop.append(what)
        except RuntimeError:
            pass
        if self.down:
            raise ChainUnavailable("No RPC address answers. It is tried again later.")

    @property
    def network(self) -> NetworkFile:
        return NetworkFile(
            name="test",
            chain_id=NETWORK.chain_id,
            genesis_hash=sha256(b"genesis"),
            rpc_urls=("http://127.0.0.1:1",),
            contracts=Contracts(
                token=Address(b"\x33" * 20),
                hotspots=NETWORK.hotspots,
                epochs=EPOCHS_CONTRACT,
                timelock=TIMELOCK,
                governor=Address(b"\x55" * 20),
            ),
            deployed_block=0,
            params_hash=self.params_hash,
            validators=tuple(
                ValidatorEntry(one.owner, one.key, self.endpoints.get(one.owner, "127.0.0.1:1")) for one in self.members
            ),
            map_url="",
            confirmations=None,
            simulated=None,
        )

    def check(self) -> list[str]:
        self._asked("check")
        return self.findings

    def close(self) -> None:
        self.closed = True

    def config(self) -> EpochsConfig:
        windows, emission = self.params.epoch, self.params.emission
        return EpochsConfig(
            token=Address(b"\x33" * 20),
            hotspots=NETWORK.hotspots,
            timelock=TIMELOCK,
            genesis_ms=GENESIS_MS,
            length_ms=windows.length_ms,
            close_after_ms=windows.close_after_ms,
            finality_ms=windows.finality_ms,
            challenge_window_ms=windows.challenge_window_ms,
            first_emission=emission.first,
            halving_epochs=emission.halving_epochs,
            unbonding_epochs=self.params.validators.unbonding_epochs,
            founder_lock_ms=0,
            params_hash=self.params_hash,
        )

    def final_block(self) -> Block:
        self._asked("final_block")
        return self.block_numbered(self.number_at(self.clock.now_ms()) - FINAL_BLOCKS)

    def fresh_block(self, number: int) -> Block:
        self._asked("fresh_block")
        return self.block_numbered(number)

    def last_block_before(self, deadline_ms: int) -> Block | None:
        self._asked("last_block_before")
        if deadline_ms < self.first_block_ms:
            raise ValueError(f"the chain began at {self.first_block_ms} ms, after {deadline_ms} ms")
        found = self.block_numbered(self.number_at(deadline_ms))
        return found if found.number < self.final_block().number else None

    def first_block_from(self, time_ms: int) -> Block | None:
        self._asked("first_block_from")
        found = self.block_numbered(-(-(time_ms - self.first_block_ms) // BLOCK_MS))
        return found if found.number <= self.final_block().number else None

    # --- as History -------------------------------------------------------------------------------------------------

    def refresh(self) -> Block:
        self.block = self.final_block()
        return self.block

    def registry_at(self, block: int) -> list[Registered]:
        self._asked("registry_at")
        found = (one for one in self.registered if one.row.block <= block)
        return sorted(found, key=lambda one: one.hotspot_id)

    def validators_at(self, block: int, epoch: int) -> ValidatorSet:
        self._asked("validators_at")
        return [members for first, members in self.sets if first <= block][-1]

    def signing_keys_at(self, block: int) -> dict[Address, Binding]:
        self._asked("signing_keys_at")
        known = [(first, one) for first, members in self.sets if first <= block for one in members.members]
        return {one.key: Binding(one.owner, first) for first, one in reversed(known)}

    def params_hash_at(self, block: int) -> bytes:
        self._asked("params_hash_at")
        return self.params_hash

    def rooted_through(self) -> int:
        return max((one.epoch for one in self.roots()), default=0)

    def call(self, contract: str, function: str, key: str) -> str:
        """The owner account of a signing key."""
        assert (contract, function) == ("Epochs", "validatorOf")
        self._asked("call")
        owners = {one.key: one.owner for _, members in self.sets for one in members.members}
        return "0x" + owners.get(Address(bytes.fromhex(key[2:])), bytes(20)).hex()

    def manifests(self, epoch: int) -> list[ManifestPosted]:
        self._asked("manifests")
        return [one for one in self.posts if one.epoch == epoch]

    def root(self, epoch: int) -> RootSubmitted | None:
        self._asked("root")
        return next((one for one in self.roots() if one.epoch == epoch), None)

    def roots(self) -> list[RootSubmitted]:
        self._asked("roots")
        read = self.block.number if self.block else -1
        return [one for one in self.submitted if one.block <= read]

    # --- what transactions do -----------------------------------------------------------------------------------------

    def register(self, *devices: Device) -> None:
        self.registered.extend(one.registered for one in devices)

    def post(self, owner: Address, epoch: int, manifest_hash: bytes, signatures: Sequence[bytes]) -> None:
        end_ms = epoch_start_ms(GENESIS_MS, self.params.epoch, epoch + 1)
        if self.clock.now_ms() < end_ms:
            raise ContractRefused("EpochNotOver", "The epoch has not ended yet.")
        if any((one.epoch, one.validator) == (epoch, owner) for one in self.posts):
            raise ContractRefused("AlreadyPosted", "This validator has posted its manifest of this epoch.")
        block = self.next_block()
        self.posts.append(
            ManifestPosted(
                block=block.number,
                log_index=len(self.posts),
                block_time_ms=block.timestamp_ms,
                epoch=epoch,
                validator=owner,
                manifest_hash=manifest_hash,
                signatures=tuple(signatures),
            )
        )

    def submit(self, root: EpochRoot, signatures: Sequence[bytes]) -> None:
        members = self.sets[-1][1]
        last = self.submitted[-1] if self.submitted else None
        block = self.next_block()
        if root.set_id != members.set_id:
            raise ContractRefused("WrongSet", "The signatures are those of another set of validators.")
        if last is not None and root.epoch <= last.epoch:
            raise ContractRefused("EpochNotNew", "A root of this epoch or a later one was accepted before.")
        if last is not None and block.timestamp_ms < last.active_at_ms:
            raise ContractRefused("RootPending", "The last root is still in its challenge window.")
        keys = [recover_quorum(DOMAIN.digest(root), one) for one in signatures]
        signers = {members.owner_of(key) for key in keys if key is not None} - {None}
        if not is_quorum(stake_of(signers, members.stakes), members.total_stake):
            raise ContractRefused("NoQuorum", "The signers do not hold more than two thirds of the stake.")
        self.accept(root, tuple(sorted(signers)))

    def accept(self, root: EpochRoot, signers: Sequence[Address] = ()) -> RootSubmitted:
        """Puts a root on chain as it is."""
        block = self.next_block()
        event = RootSubmitted(
            block=block.number,
            log_index=0,
            block_time_ms=block.timestamp_ms,
            epoch=root.epoch,
            set_id=root.set_id,
            root=root.root,
            data_hash=root.data_hash,
            cumulative_total=root.cumulative_total,
            active_at_ms=block.timestamp_ms + self.params.epoch.challenge_window_ms,
            signers=tuple(signers),
        )
        self.submitted.append(event)
        return event


@cache
def _codec(contract: str) -> Any:
    from web3 import Web3

    return Web3().eth.contract(abi=artifact(contract).abi)


@dataclass
class FakeSender:
    """Carries out calls of one validator's key on the fake chain, from their real call data."""

    chain: FakeChain
    owner: Address
    calls: list[Call] = field(default_factory=list)
    registrations: list[Mapping[str, Any]] = field(default_factory=list)
    refuse: Exception | None = None
    recovered: int = 0

    def send(self, call: Call, *, most_gas: int | None = None) -> bytes:
        self.chain._asked("send")
        if self.refuse is not None:
            raise self.refuse
        self.calls.append(call)
        function, arguments = _codec(call.contract).decode_function_input(call.data)
        if function.fn_name == "postManifest":
            self.chain.post(self.owner, arguments["epoch"], arguments["manifestHash"], arguments["signatures"])
        elif function.fn_name == "submitRoot":
            r, packed = arguments["r"], arguments["signatures"]
            root = EpochRoot(r["epoch"], r["setId"], r["root"], r["dataHash"], r["cumTotal"])
            self.chain.submit(root, [packed[at : at + 65] for at in range(0, len(packed), 65)])
        else:
            self.registrations.append(arguments)
        return sha256(call.data)

    def wait(self, transaction: bytes, timeout_s: float) -> Receipt:
        self.chain._asked("wait")
        return Receipt(transaction, self.chain.next_block().number, 21_000)

    def recover(self) -> list[Any]:
        self.recovered += 1
        return []

    def close(self) -> None:
        return None


class MemoEngine:
    """An engine that runs the same tables once, for tests with four validators that are not about the engine."""

    def __init__(self, real: Engine) -> None:
        self._real, self._lock = real, threading.Lock()
        self._kept: dict[bytes, list[tuple[int, ...]]] = {}

    def run(self, tables: Mapping[str, tuple[type[Row], Sequence[Row]]], made: Sequence[Step]) -> list[tuple[int, ...]]:
        key = sha256(repr((tables, made)).encode())
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._real.run(tables, made)
            return self._kept[key]
