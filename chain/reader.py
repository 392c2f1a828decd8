"""Reads a chain at its final block, where nothing can change any more.

Synchronous and thread-safe: asyncio callers use asyncio.to_thread. Every failure of the chain is one ChainUnavailable.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from chain.answers import reading
from chain.artifacts import artifact
from chain.errors import ChainUnavailable, RequestRefused
from chain.events import EMITTERS
from chain.network import CONTRACTS, NetworkFile, checksum
from protocol.ids import Address

if TYPE_CHECKING:
    from web3.contract import Contract

    from chain.rpc import Rpc

MAX_CACHED_BLOCKS = 4_096
MAX_CACHED_PLACES = 4_096
LOG_FIELDS = ("address", "topics", "data", "blockNumber", "blockHash", "logIndex")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Block:
    """A block; `timestamp_ms` is in whole seconds, as every EVM chain's."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp_ms: int

    @property
    def time_ms(self) -> int:
        """`timestamp_ms` under the name protocol.closing uses."""
        return self.timestamp_ms


@dataclass(frozen=True, slots=True)
class EpochsConfig:
    """What the Epochs contract was deployed with; windows in milliseconds, amounts in base units."""

    token: Address
    hotspots: Address
    timelock: Address
    genesis_ms: int
    length_ms: int
    close_after_ms: int
    finality_ms: int
    challenge_window_ms: int
    first_emission: int
    halving_epochs: int
    unbonding_epochs: int
    founder_lock_ms: int
    params_hash: bytes
    """Those in force when this was read; `History.params_hash_at` says which hold for an epoch."""


@dataclass(frozen=True, slots=True)
class Root:
    """A root the contract accepted; its dataHash is in the event RootSubmitted."""

    epoch: int
    root: bytes
    cumulative_total: int
    active_at_ms: int


class ChainReader:
    """The chain of one network. Nothing is asked of it before the first call."""

    def __init__(self, network: NetworkFile) -> None:
        self.network = network
        self._lock = threading.Lock()
        self._rpc: Rpc | None = None
        self._contracts: dict[str, Contract] = {}
        self._config: EpochsConfig | None = None
        self._blocks: OrderedDict[int, Block] = OrderedDict()
        self._places: OrderedDict[int, Block] = OrderedDict()

    @property
    def rpc(self) -> Rpc:
        """The connection; made at first use, because web3 takes a second to import."""
        with self._lock:
            if self._rpc is None:
                from chain.rpc import Rpc

                self._rpc = Rpc(self.network.rpc_urls, self.network.chain_id, self.network.genesis_hash)
            return self._rpc

    @property
    def failures(self) -> int:
        """How often an RPC address failed: unchanged between two requests, one node answered both."""
        return self.rpc.provider.failures

    def close(self) -> None:
        """Gives the connections back; the reader connects again if it is used again."""
        with self._lock:
            rpc, self._rpc, self._contracts = self._rpc, None, {}
        if rpc is not None:
            rpc.close()

    def contract(self, name: str) -> Contract:
        """web3's view of one of our contracts, by the name of its artifact."""
        if name not in self._contracts:
            at, abi = checksum(self.network.contracts.of(name)), artifact(name).abi
            self._contracts[name] = self.rpc.web3.eth.contract(address=at, abi=abi)
        return self._contracts[name]

    # --- is it the right chain? ----------------------------------------------------------------------------------

    def check(self) -> list[str]:
        """Sentences on what is wrong with the chain or with the network file; empty if all is well.

        ChainUnavailable if no address answers at all.
        """
        findings, answered = self._check_addresses()
        if not answered:
            raise ChainUnavailable(" ".join(findings))
        if any(sentence.endswith(WRONG_CHAIN) for sentence in findings):
            return findings
        return findings + self._check_contracts()

    def _check_addresses(self) -> tuple[list[str], bool]:
        from chain.rpc import UNANSWERED, describe

        findings, answered = [], False
        for endpoint in self.rpc.endpoints:
            try:
                problem = endpoint.problem(self.network.chain_id, self.network.genesis_hash)
            except UNANSWERED as error:
                findings.append(f"{describe(endpoint.url, error)}. Check the address, or remove it from the file.")
                continue
            answered = True
            if problem is not None:
                findings.append(f"{problem}. {WRONG_CHAIN}")
        return findings, answered

    def _check_contracts(self) -> list[str]:
        addresses = self.network.contracts
        empty = [name for name in CONTRACTS if not self.code(getattr(addresses, name))]
        if empty:
            return [f"There is no contract at the address of {name}. Get the network's file again." for name in empty]
        config = self.config()
        facts = [
            (config.params_hash == self.network.params_hash, "The params hash on chain is another than the file's"),
            (config.token == addresses.token, "The Epochs contract pays another token than the file names"),
            (config.hotspots == addresses.hotspots, "The Epochs contract uses another registry than the file names"),
            (config.timelock == addresses.timelock, "The Epochs contract obeys another Timelock than the file names"),
        ]
        findings = [f"{sentence}. Get the network's file again." for true, sentence in facts if not true]
        return findings + [
            f"{checksum(one.owner)} is not a validator with the key the file names. Get the network's file again."
            for one in self.network.validators
            if self.call("Epochs", "validatorOf", checksum(one.key)) != checksum(one.owner)
        ]

    # --- blocks --------------------------------------------------------------------------------------------------

    def final_block(self) -> Block:
        """The newest block that cannot change: the chain's finalized one, or the one with N confirmations."""
        confirmations = self.network.confirmations
        if confirmations is not None:
            return self.fresh_block(max(self.head() - confirmations, 0))
        eth = self.rpc.web3.eth
        with translated("the request for its final block"):
            return _block(eth.get_block("finalized"))

    def block(self, number: int) -> Block:
        """A block by its number. Ask for final ones only: they are kept."""
        with self._lock:
            known = self._blocks.get(number)
        if known is not None:
            return known
        found = self.fresh_block(number)
        with self._lock:
            _remember(self._blocks, number, found, MAX_CACHED_BLOCKS)
        return found

    def fresh_block(self, number: int) -> Block:
        """A block by its number as the chain has it now, final or not."""
        eth = self.rpc.web3.eth
        with translated(f"the request for block {number}"):
            return _block(eth.get_block(number))

    def last_block_before(self, deadline_ms: int) -> Block | None:
        """The highest block with timestamp <= deadline; None until a final block lies later, so it never changes.

        ValueError if the chain began only after the deadline.
        """
        after = self._first_where(deadline_ms, deadline_ms + 1)
        if after is None:
            return None
        if after.number == 0:
            raise ValueError(f"the chain began at {after.timestamp_ms} ms, after {deadline_ms} ms")
        return self.block(after.number - 1)

    def first_block_from(self, time_ms: int) -> Block | None:
        """The first block with timestamp >= time, once it is final; None before."""
        return self._first_where(time_ms, time_ms)

    def _first_where(self, below_ms: int, from_ms: int) -> Block | None:
        """The first final block with timestamp >= from_ms, found by bisection between the nearest known blocks."""
        with self._lock:
            known = self._places.get(from_ms)
        if known is not None:
            return known
        final = self.final_block()
        if final.timestamp_ms < from_ms:
            return None
        low, high = self._bracket(from_ms, final)
        while high.number - low > 1:
            middle = self.block((low + high.number) // 2)
            if middle.timestamp_ms >= from_ms:
                high = middle
            else:
                low = middle.number
        with self._lock:
            _remember(self._places, from_ms, high, MAX_CACHED_PLACES)
        return high

    def _bracket(self, from_ms: int, final: Block) -> tuple[int, Block]:
        """The number of a block before the one sought (-1: none), and a block at or after it."""
        with self._lock:
            blocks = list(self._blocks.values())
        low = max((one.number for one in blocks if one.timestamp_ms < from_ms), default=-1)
        later = [one for one in blocks if one.timestamp_ms >= from_ms]
        return low, min(later, key=lambda one: one.number, default=final)

    def forget(self) -> None:
        """Drops everything kept of blocks: the chain was found to have gone back."""
        with self._lock:
            self._blocks.clear()
            self._places.clear()

    # --- contracts -----------------------------------------------------------------------------------------------

    def head(self) -> int:
        """The number of the newest block, final or not."""
        eth = self.rpc.web3.eth
        with translated("the request for its newest block"):
            return int(eth.block_number)

    def code(self, address: bytes) -> bytes:
        """What stands at an address now; b"" if no contract does."""
        eth, at = self.rpc.web3.eth, checksum(address)
        with translated("the request for a contract's code"):
            return bytes(eth.get_code(at))

    def call(self, contract: str, function: str, *arguments: Any, block: int | str = "latest") -> Any:
        """The result of one view of a contract of ours, as web3 decodes it."""
        asked = self.contract(contract).functions[function](*arguments)
        with translated(f"the call of {contract}.{function}"):
            return asked.call(block_identifier=block)

    def _final_call(self, contract: str, function: str, *arguments: Any) -> Any:
        return self.call(contract, function, *arguments, block=self.final_block().number)

    def config(self) -> EpochsConfig:
        """The network's clock, emission and params hash, from the contract; read once."""
        if self._config is None:
            token, hotspots, timelock, *numbers = self.call("Epochs", "config")
            genesis, length, close_after, finality, window, first, halving, unbonding, founder_lock = numbers
            self._config = EpochsConfig(
                token=_account(token),
                hotspots=_account(hotspots),
                timelock=_account(timelock),
                genesis_ms=genesis * 1000,
                length_ms=length * 1000,
                close_after_ms=close_after * 1000,
                finality_ms=finality * 1000,
                challenge_window_ms=window * 1000,
                first_emission=first,
                halving_epochs=halving,
                unbonding_epochs=unbonding,
                founder_lock_ms=founder_lock * 1000,
                params_hash=bytes(self.call("Epochs", "paramsHash")),
            )
        return self._config

    def live_root(self) -> Root | None:
        """The root claims use, at the final block; None before the first."""
        return _root(self._final_call("Epochs", "live"))

    def pending_root(self) -> Root | None:
        """The root in its challenge window, at the final block; None if there is none."""
        return _root(self._final_call("Epochs", "pending"))

    def claimed(self, leaf_id: bytes) -> int:
        """Base units this id has been paid, at the final block."""
        return int(self._final_call("Epochs", "claimed", int.from_bytes(leaf_id, "big")))

    def total_supply(self) -> int:
        """Base units in existence, at the final block."""
        return int(self._final_call("FarfieldToken", "totalSupply"))

    def genesis_supply(self) -> int:
        """Base units that existed from the first: the first validators' stakes."""
        return int(self.call("FarfieldToken", "genesisSupply"))

    def minted(self) -> int:
        """Base units minted since genesis, burned since or not, at the final block."""
        return int(self._final_call("FarfieldToken", "minted"))

    def balance_of(self, account: bytes) -> int:
        """Base units an account holds, at the final block."""
        return int(self._final_call("FarfieldToken", "balanceOf", checksum(account)))

    def logs(self, from_block: int, to_block: int) -> Sequence[Any]:
        """Raw logs of the contracts in EMITTERS in these blocks, both included; RequestRefused if too many."""
        addresses = [checksum(self.network.contracts.of(name)) for name in EMITTERS]
        eth = self.rpc.web3.eth
        with translated("the request for its logs"):
            return whole(eth.get_logs({"fromBlock": from_block, "toBlock": to_block, "address": addresses}))


WRONG_CHAIN = "Nothing is signed for it: correct the RPC address or the network file."


@contextmanager
def translated(asked: str) -> Iterator[None]:
    """Turns what web3 raises about an answer, and what reading one that is none raises, into RequestRefused."""
    from chain.libraries import Web3Exception

    try:
        with reading(asked):
            yield
    except Web3Exception as error:
        raise RequestRefused(f"The chain does not answer as expected: {error}. It is tried again later.") from error


def whole(logs: Sequence[Any]) -> Sequence[Any]:
    """Logs of which each says what it is and in which block it stands; ValueError or LookupError if one does not."""
    if any(log[name] is None for log in logs for name in LOG_FIELDS):
        raise ValueError("a log in no block")
    return logs


def _block(found: Any) -> Block:
    return Block(found["number"], bytes(found["hash"]), bytes(found["parentHash"]), found["timestamp"] * 1000)


def _root(found: Any) -> Root | None:
    root, cumulative_total, epoch, active_at = found
    return Root(epoch, bytes(root), cumulative_total, active_at * 1000) if epoch else None


def _account(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


def _remember(cache: OrderedDict[int, T], key: int, value: T, most: int) -> None:
    cache[key] = value
    while len(cache) > most:
        cache.popitem(last=False)
