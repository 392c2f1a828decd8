"""Sends transactions of one key: simulated first, on disk before they leave, followed until they are final.

One Sender owns the nonces of one key, in one process. Another one with the same key and a journal of its own costs
time, but neither of them loses or doubles a transaction: an order goes to another nonce only when no node can hold what
was signed for its old one, or when somebody else's transaction has used that one in a final block.
Synchronous and thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chain.answers import octets, quantity, reading, revert_data, words_of
from chain.calls import Call
from chain.errors import ChainUnavailable, ContractRefused, RequestRefused, TransactionFailed
from chain.journal import Attempt, Fees, Journal, Order
from chain.network import checksum
from chain.reader import ChainReader
from chain.refusals import refused

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

POLL_S = 0.25
RESEND_AFTER_S = 5
STALL_AFTER_S = 30
MAX_BUMPS = 10
MAX_OPEN_ORDERS = 1_024
MAX_NONCE_TRIES = 16
NONCE_IS_TAKEN = ("nonce too low", "nonce is too low", "oldnonce", "replacement", "replace existing")
IS_THERE = ("already known", "already imported", "alreadyknown")
FEE_IS_TOO_LOW = (
    "underpriced",
    "below minimum",
    "below configured minimum",
    "fee too low",
    "feetoolow",
    "block base fee",
)
"""Of the node's whole pool: "replacement transaction underpriced" is about the nonce."""
COIN_IS_SHORT = ("insufficient funds", "insufficientfunds", "upfront cost exceeds")
"""How geth, Erigon, Nethermind, Besu and anvil put it."""
WEI_PER_GWEI = 10**9
RUN_A_CALL = ("eth_estimateGas", "eth_call")
"""Only these run a contract: whatever the words, no other request's error is a contract's refusal."""
RECHECK_BLOCKS = 64
"""A chain that goes back behind its final block all the same is noticed that far, and what it lost is sent again."""
GAS_RESERVE = (5, 4)
"""Gas limit = estimate x 5/4: the state may change until the transaction is mined."""
REFUNDED = (5, 4)
"""A transaction gets back a fifth of its gas at most (EIP-3529)."""
UNKNOWN_GAS = 300_000
"""More than a later step of a command takes; it is known only once the step before is in a block, at some nodes."""
FORCED_GAS = 2_000_000
"""Gas limit of a transaction that is sent although it will fail: there is no estimate."""
BUMP = (9, 8)
"""A replacement pays 1.125 times the fees; nodes want at least a tenth more."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that is final and took effect."""

    hash: bytes
    block: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a call would come to."""

    gas: int | None
    """None if it would fail, or nobody can say."""
    refusal: ContractRefused | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a transaction stands."""

    block: int | None
    """The block that holds it, or None while none does. Until it is final, this may change."""
    receipt: Receipt | None
    """None until it is final."""


class Sender:
    """The transactions of one key on one network."""

    def __init__(
        self, reader: ChainReader, private_key: bytes, journal_path: Path, *, stall_after_s: float = STALL_AFTER_S
    ) -> None:
        from chain.libraries import Account

        self._reader = reader
        self._account: LocalAccount = Account.from_key(private_key)
        self._journal = Journal(journal_path)
        self._stall_after_s = stall_after_s
        self._follows: dict[int, _Follow] = {}
        self._lock = threading.Lock()

    @property
    def address(self) -> bytes:
        """The account that pays the gas."""
        return bytes.fromhex(self._account.address[2:])

    def close(self) -> None:
        """Gives the journal free; what is open in it is taken up by the next Sender."""
        self._journal.close()

    # --- sending -------------------------------------------------------------------------------------------------

    def simulate(self, call: Call) -> int:
        """Gas the call would take now; ContractRefused if it would fail, with the reason in a sentence."""
        return self._quantity("eth_estimateGas", [self._transaction(call), "pending"])

    def send(self, call: Call, *, force: bool = False, most_gas: int | None = None) -> bytes:
        """Sends a call and returns the transaction's hash; the transaction is on disk before it leaves.

        ContractRefused if a simulation says it would fail, unless `force`; TransactionFailed if the chain does not
        take it, or if its gas limit would be above `most_gas`. When the chain falls silent just then, the hash is
        returned all the same: `wait` or `recover` send it again.
        """
        self._reader.rpc.provider.doubt()  # nothing is signed before the chain has shown which one it is
        gas = self._gas(call, force)
        if most_gas is not None and gas > most_gas:
            raise TransactionFailed(f"To {call.what} takes {gas:,} gas, above the limit of {most_gas:,}.")
        with self._lock:
            nonce = self._next_nonce()
            attempt = self._sign(call, nonce, gas, self._current_fees())
            order_id = self._journal.add(nonce, gas, call, attempt)
            return self._deliver(self._journal.order(order_id), fresh=True).attempts[-1].hash

    def preview(self, calls: Sequence[Call]) -> list[Simulated]:
        """What calls would come to now, each after the ones before it. Nothing is sent, and nobody need hold coin.

        More than one at once takes a node that offers eth_simulateV1; with one that does not, only the first is known.
        """
        if len(calls) > 1:
            together = self._simulate_together(calls)
            if together is not None:
                return together
        return [self._simulate_first(calls[0]), *(Simulated(None, None) for _ in calls[1:])] if calls else []

    def _simulate_first(self, call: Call) -> Simulated:
        try:
            return Simulated(self.simulate(call), None)
        except ContractRefused as refusal:
            return Simulated(None, refusal)

    def _simulate_together(self, calls: Sequence[Call]) -> list[Simulated] | None:
        rows = {"calls": [self._transaction(call) for call in calls]}
        try:
            answer = self._request("eth_simulateV1", [{"blockStateCalls": [rows]}, "latest"])
            with reading("eth_simulateV1"):
                results = [_result(one) for one in answer[0]["calls"]]
        except RequestRefused:
            return None
        if len(results) != len(calls):
            return None
        return [Simulated(one, None) if isinstance(one, int) else Simulated(None, refused(one)) for one in results]

    def gas_price_wei(self) -> int:
        """What a unit of gas costs now, tip included."""
        fees = self._current_fees()
        return (fees.max_wei - fees.tip_wei) // 2 + fees.tip_wei

    def reserve_wei(self, gas: Sequence[int | None]) -> int:
        """The coin that must be there for what `preview` told the gas of to be taken, one after the other.

        Nodes want the whole gas limit at the highest fee, of which most transactions use a third. Calls that were
        simulated together are told without the gas they get back, but the limit must hold that too.
        """
        known = [UNKNOWN_GAS if one is None else one for one in gas]
        whole = known if len(known) == 1 else [one * REFUNDED[0] // REFUNDED[1] for one in known]
        return sum(map(_limit, whole)) * self._current_fees().max_wei

    def coin_wei(self) -> int:
        """The chain's own coin this account holds."""
        return self._quantity("eth_getBalance", [self._account.address, "latest"])

    def recover(self) -> list[Order]:
        """Sends again what a stop, a crash or a reorganisation left open, in order of nonces.

        Returns the orders still open.
        """
        with self._lock:
            self._reopen_lost()
            for order in self._journal.open_orders():
                if self._conclude(order) is None and not self._is_mined(order):
                    self._push(order)
            return self._journal.open_orders()

    def _transaction(self, call: Call) -> dict[str, str]:
        return {"from": self._account.address, "to": checksum(call.to), "data": "0x" + call.data.hex()}

    def _gas(self, call: Call, force: bool) -> int:
        try:
            return _limit(self.simulate(call))
        except ContractRefused:
            if not force:
                raise
            return FORCED_GAS

    def _next_nonce(self) -> int:
        """The lowest nonce that is free, so that no gap ever holds up the ones behind it."""
        taken = {order.nonce for order in self._journal.open_orders()}
        if len(taken) >= MAX_OPEN_ORDERS:
            raise TransactionFailed(f"{len(taken)} transactions are not final yet. Wait until some are.")
        return self._free_nonce(taken)

    def _free_nonce(self, taken: set[int]) -> int:
        nonce = self._quantity("eth_getTransactionCount", [self._account.address, "pending"])
        while nonce in taken:
            nonce += 1
        return nonce

    def _current_fees(self) -> Fees:
        block = self._request("eth_getBlockByNumber", ["latest", False])
        with reading("eth_getBlockByNumber"):
            base = int(block.get("baseFeePerGas", "0x0"), 16)
        tip = self._quantity("eth_maxPriorityFeePerGas", [])
        return Fees(2 * base + tip, tip)

    def _sign(self, call: Call, nonce: int, gas: int, fees: Fees) -> Attempt:
        """Never the same transaction twice: one that was signed before gets a fee that is 1 wei higher."""
        attempt = self._sign_once(call, nonce, gas, fees)
        while self._journal.order_of(attempt.hash) is not None:
            fees = Fees(fees.max_wei + 1, fees.tip_wei + 1)
            attempt = self._sign_once(call, nonce, gas, fees)
        return attempt

    def _sign_once(self, call: Call, nonce: int, gas: int, fees: Fees) -> Attempt:
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": self._reader.network.chain_id,
                "nonce": nonce,
                "to": checksum(call.to),
                "data": call.data,
                "gas": gas,
                "value": 0,
                "maxFeePerGas": fees.max_wei,
                "maxPriorityFeePerGas": fees.tip_wei,
            }
        )
        return Attempt(bytes(signed.hash), bytes(signed.raw_transaction), fees, nonce)

    # --- delivering ----------------------------------------------------------------------------------------------

    def _deliver(self, order: Order, *, fresh: bool = False) -> Order:
        """Hands an order to the chain; moves it on when its nonce is taken for good.

        `fresh`: nobody can have seen it yet, so the node's words decide: refused is refused for ever. An order that was
        kept before is kept whatever is said of it, taken or refused, until a final block shows its nonce used.
        """
        new = fresh
        for _ in range(MAX_NONCE_TRIES):
            refusal = self._offer(order)
            if fresh and (refusal is None or (refusal.certain and not refusal.says(NONCE_IS_TAKEN))):
                if refusal is not None and new:
                    raise self._give_up(order, refusal)
                return order
            if not (fresh and refusal is not None and refusal.certain) and not self._is_beaten(order):
                return order  # ours may still be mined
            try:
                order, fresh = self._move(order), True
            except ChainUnavailable:
                return order  # it moves later, once a final block shows its nonce used
        if not new:
            return order
        self._journal.refuse(order.id)
        raise TransactionFailed("Somebody else sends with the same key all the time. Give each sender its own key.")

    def _give_up(self, order: Order, refusal: _Refusal) -> TransactionFailed:
        self._journal.refuse(order.id)
        return TransactionFailed(self._why_not_taken(order, refusal))

    def _offer(self, order: Order) -> _Refusal | None:
        """What the chain says against an order; None if it takes or has it, or does not answer.

        When the newest attempt is refused for what it costs, an older one may still do, and so on.
        """
        refusals: list[_Refusal] = []
        for attempt in reversed([one for one in order.attempts if one.nonce == order.nonce]):
            refusal = self._offer_one(order, attempt)
            if not refusals and order.id in self._follows:
                self._follows[order.id].refusal = refusal
            if refusal is None or refusal.has:
                return None
            refusals.append(refusal)
            if refusal.says(NONCE_IS_TAKEN) or refusal.says(FEE_IS_TOO_LOW):
                break  # the older ones have the same nonce, and lower fees
        return refusals[0]

    def _offer_one(self, order: Order, attempt: Attempt) -> _Refusal | None:
        failures = self._reader.rpc.provider.failures
        try:
            self._request("eth_sendRawTransaction", ["0x" + attempt.raw.hex()])
        except RequestRefused as error:
            try:
                refusal = _Refusal(str(error), has=self._is_known(order))
            except ChainUnavailable:
                return None
            certain = self._reader.rpc.provider.failures == failures
            return replace(refusal, certain=certain, has=refusal.has or refusal.says(IS_THERE))
        except ChainUnavailable:
            pass  # it is on disk; wait() and recover() send it again
        return None

    def _is_beaten(self, order: Order) -> bool:
        """True if another transaction has used the order's nonce in a final block: none of ours can be mined there."""
        provider = self._reader.rpc.provider
        failures = provider.failures
        try:
            final = self._reader.final_block()
            used = self._quantity("eth_getTransactionCount", [self._account.address, hex(final.number)])
            beaten = used > order.nonce and not self._is_mined(order)
        except ChainUnavailable:
            return False
        return beaten and provider.failures == failures  # one node said all of it, so it is of one chain

    def _move(self, order: Order) -> Order:
        """The order at the next free nonce."""
        taken = {other.nonce for other in self._journal.open_orders() if other.id != order.id}
        nonce = self._free_nonce(taken)
        self._journal.move(order.id, nonce, self._sign(order.call, nonce, order.gas, order.attempts[-1].fees))
        self._follows.pop(order.id, None)
        return self._journal.order(order.id)

    def _is_known(self, order: Order) -> bool:
        return any(self._is_on_chain_or_waits(one) for one in order.attempts)

    def _is_on_chain_or_waits(self, attempt: Attempt) -> bool:
        return self._request("eth_getTransactionByHash", ["0x" + attempt.hash.hex()]) is not None

    def _why_not_taken(self, order: Order, refusal: _Refusal) -> str:
        what = order.call.what
        if refusal.says(COIN_IS_SHORT):
            return f"{self._account.address} cannot pay the gas to {what}. Send it some of the chain's coin."
        if refusal.says(FEE_IS_TOO_LOW):
            gwei = order.attempts[-1].fees.max_wei / WEI_PER_GWEI
            return (
                f"The node wants more than {gwei:g} gwei for a unit of gas to {what} ({refusal.message}): its pool is "
                "full, or it asks for a least tip. Try again later, or use another RPC address."
            )
        return f"The chain does not take the transaction to {what}: {refusal.message}"

    # --- waiting -------------------------------------------------------------------------------------------------

    def wait(self, transaction_hash: bytes, timeout_s: float) -> Receipt:
        """The receipt once the transaction, or a replacement with higher fees, is final.

        ContractRefused if it was mined but failed; TransactionFailed if it is not final in time: it stays in the
        journal, and `recover` or another `wait` takes it up again.
        """
        order = self._order(transaction_hash)
        deadline = time.monotonic() + timeout_s
        while True:
            receipt = self._look(order.id)
            if receipt is not None:
                return self._effect(order.call, receipt)
            if time.monotonic() >= deadline:
                what = order.call.what
                raise TransactionFailed(f"The transaction to {what} is not final after {timeout_s:g} s. It is kept.")
            time.sleep(POLL_S)

    def look(self, transaction_hash: bytes) -> Standing:
        """Where a transaction, or its replacement, stands; one that waits is helped along first.

        ContractRefused if it is final but failed; TransactionFailed if this sender has not sent it.
        """
        order = self._order(transaction_hash)
        receipt = self._look(order.id)
        if receipt is not None:
            final = self._effect(order.call, receipt)
            return Standing(final.block, final)
        return Standing(self._mined_in(self._order(transaction_hash)), None)

    def _order(self, transaction_hash: bytes) -> Order:
        with self._lock:
            order = self._journal.order_of(transaction_hash)
        if order is None:
            raise TransactionFailed(f"0x{transaction_hash.hex()} was not sent by this sender. Check the hash.")
        return order

    def _mined_in(self, order: Order) -> int | None:
        try:
            receipts = [self._receipt(one.hash) for one in order.attempts]
        except ChainUnavailable:
            return None
        return next((one.block for one in receipts if one is not None), None)

    def _look(self, order_id: int) -> _Mined | None:
        """The final receipt of an order, or None after doing what helps it along."""
        with self._lock:
            order = self._journal.order(order_id)
            try:
                receipt = self._conclude(order)
                if receipt is None and not self._is_mined(order):
                    self._help_along(order)
            except ChainUnavailable:
                return None  # the deadline of wait() bounds how long
            return receipt

    def _help_along(self, order: Order) -> None:
        """Pushes the first of those this one queues behind; a nonce is only mined after all below it."""
        for other in self._journal.open_orders():
            if other.nonce <= order.nonce and not self._is_mined(other):
                self._push(other)
                return

    def _push(self, order: Order) -> None:
        """Raises the fees of an order that stalls; sends it again when it was not sent for a while."""
        now = time.monotonic()
        follow = self._follows.get(order.id)
        if follow is None:
            follow = self._follows[order.id] = _Follow(now + self._stall_after_s, now)
        if now >= follow.bump_at and order.bumps < MAX_BUMPS and self._would_gain(order, follow):
            follow.bump_at = now + self._stall_after_s
            self._bump(order)
        elif now >= follow.resend_at:
            follow.resend_at = now + RESEND_AFTER_S
            self._deliver(order)

    def _would_gain(self, order: Order, follow: _Follow) -> bool:
        """Whether higher fees help. Not what the account cannot pay as it is, nor what a node does not take anyway."""
        refusal = follow.refusal
        if refusal is not None and refusal.says(COIN_IS_SHORT):
            return False
        return (refusal is not None and refusal.says(FEE_IS_TOO_LOW)) or self._is_known(order)

    def _bump(self, order: Order) -> None:
        last, now = order.attempts[-1].fees, self._current_fees()
        fees = Fees(max(_bumped(last.max_wei), now.max_wei), max(_bumped(last.tip_wei), now.tip_wei))
        self._journal.add_attempt(order.id, self._sign(order.call, order.nonce, order.gas, fees))
        self._deliver(self._journal.order(order.id))

    def _conclude(self, order: Order) -> _Mined | None:
        """The receipt of whichever attempt was mined in a final block, after settling the order; or None."""
        final = self._reader.final_block()
        for attempt in reversed(order.attempts):
            receipt = self._receipt(attempt.hash)
            if receipt is None or receipt.block > final.number:
                continue
            block = self._reader.fresh_block(receipt.block)
            if block.hash == receipt.block_hash:
                self._journal.settle(order.id, block.number, block.hash)
                self._follows.pop(order.id, None)
                return receipt
        return None

    def _reopen_lost(self) -> None:
        """Takes up again what was final, if the chain went back behind it all the same."""
        blocks = self._journal.settled_blocks(RECHECK_BLOCKS)
        if not blocks:
            return
        final = self._reader.final_block()
        for number, block_hash in blocks:
            if number > final.number or self._reader.fresh_block(number).hash != block_hash:
                self._journal.reopen(block_hash)

    def _is_mined(self, order: Order) -> bool:
        return any(self._receipt(one.hash) is not None for one in order.attempts)

    def _receipt(self, transaction_hash: bytes) -> _Mined | None:
        """Of a transaction in a block; None while it is in none."""
        answer = self._request("eth_getTransactionReceipt", ["0x" + transaction_hash.hex()])
        with reading("eth_getTransactionReceipt"):
            return None if answer is None or answer["blockNumber"] is None else _mined(answer)

    def _effect(self, call: Call, receipt: _Mined) -> Receipt:
        if not receipt.succeeded:
            raise self._why_failed(call, receipt.block)
        return Receipt(receipt.hash, receipt.block, receipt.gas_used)

    def _why_failed(self, call: Call, block: int) -> ContractRefused:
        try:
            self._request("eth_call", [self._transaction(call), hex(block)])
        except ContractRefused as refusal:
            return refusal
        except ChainUnavailable:
            pass
        return ContractRefused("", f"The transaction to {call.what} was mined but failed. Try it again.")

    def _request(self, method: str, params: list[Any]) -> Any:
        """The result of one request; a contract's refusal becomes ContractRefused, another error RequestRefused."""
        response = self._reader.rpc.provider.make_request(method, params)
        error = response.get("error")
        if error is None:
            return response.get("result")
        data = revert_data(method, error) if method in RUN_A_CALL else None
        if data is not None:
            raise refused(data)
        raise RequestRefused(words_of(error))

    def _quantity(self, method: str, params: list[Any]) -> int:
        return quantity(method, self._request(method, params))


@dataclass(slots=True)
class _Follow:
    """When a transaction that waits needs help next."""

    bump_at: float
    resend_at: float
    refusal: _Refusal | None = None
    """What was last said against its newest attempt."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a node does not take a transaction. `certain`: no other node was asked, so none can have it."""

    message: str
    has: bool
    """The node has this attempt or another of the order."""
    certain: bool = False

    def says(self, words: tuple[str, ...]) -> bool:
        """Whether one of these words is in the message."""
        text = self.message.lower()
        return any(one in text for one in words) and not (words is FEE_IS_TOO_LOW and self.says(NONCE_IS_TAKEN))


@dataclass(frozen=True, slots=True)
class _Mined:
    """A transaction in a block, which may not be final yet."""

    hash: bytes
    block: int
    block_hash: bytes
    succeeded: bool
    gas_used: int


def _mined(answer: Any) -> _Mined:
    return _Mined(
        hash=bytes.fromhex(answer["transactionHash"][2:]),
        block=int(answer["blockNumber"], 16),
        block_hash=bytes.fromhex(answer["blockHash"][2:]),
        succeeded=int(answer["status"], 16) == 1,
        gas_used=int(answer["gasUsed"], 16),
    )


def _result(answer: Any) -> int | bytes:
    """One call's gas in eth_simulateV1, or its revert data: in the error at some nodes, beside it at others."""
    if int(answer["status"], 16) == 1:
        return int(answer["gasUsed"], 16)
    return octets("eth_simulateV1", (answer.get("error") or {}).get("data") or answer.get("returnData") or "0x")


def _limit(gas: int) -> int:
    return gas * GAS_RESERVE[0] // GAS_RESERVE[1]


def _bumped(fee_wei: int) -> int:
    return -(-fee_wei * BUMP[0] // BUMP[1])
