"""Sends transactions of one key: simulated first, on disk before they leave, followed until they are final.

One Sender owns the nonces of one key, in one process. Synchronous and thread-safe.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
MAX_NONCE_TRIES = 5
GAS_RESERVE = (5, 4)
"""Gas limit = estimate x 5/4: the state may change until the transaction is mined."""
BUMP = (9, 8)
"""A replacement pays 1.125 times the fees; nodes want at least a tenth more."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that is final and took effect."""

    hash: bytes
    block: int
    gas_used: int


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
        transaction = {"from": self._account.address, "to": checksum(call.to), "data": "0x" + call.data.hex()}
        return int(self._request("eth_estimateGas", [transaction]), 16)

    def send(self, call: Call) -> bytes:
        """Sends a call and returns the transaction's hash; the transaction is on disk before it leaves.

        ContractRefused if a simulation says it would fail, TransactionFailed if the chain does not take it.
        When the chain falls silent just then, the hash is returned all the same: `wait` or `recover` send it again.
        """
        gas = self.simulate(call) * GAS_RESERVE[0] // GAS_RESERVE[1]
        with self._lock:
            nonce = self._next_nonce()
            attempt = self._sign(call, nonce, gas, self._current_fees())
            order_id = self._journal.add(nonce, gas, call, attempt)
            return self._deliver(self._journal.order(order_id)).attempts[-1].hash

    def recover(self) -> list[Order]:
        """Sends again what a stop or a crash left open, in order of nonces. Returns the orders still open."""
        with self._lock:
            for order in self._journal.open_orders():
                if self._final_receipt(order) is not None:
                    self._journal.settle(order.id)
                else:
                    self._deliver(order)
            return self._journal.open_orders()

    def _next_nonce(self) -> int:
        open_orders = self._journal.open_orders()
        if len(open_orders) >= MAX_OPEN_ORDERS:
            raise TransactionFailed(f"{len(open_orders)} transactions are not final yet. Wait until some are.")
        pending = int(self._request("eth_getTransactionCount", [self._account.address, "pending"]), 16)
        return max([pending, *(order.nonce + 1 for order in open_orders)])

    def _current_fees(self) -> Fees:
        base = int(self._request("eth_getBlockByNumber", ["latest", False]).get("baseFeePerGas", "0x0"), 16)
        tip = int(self._request("eth_maxPriorityFeePerGas", []), 16)
        return Fees(2 * base + tip, tip)

    def _sign(self, call: Call, nonce: int, gas: int, fees: Fees) -> Attempt:
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
        return Attempt(bytes(signed.hash), bytes(signed.raw_transaction), fees)

    def _deliver(self, order: Order) -> Order:
        """Hands the newest attempt to the chain; moves the order on while its nonce turns out to be taken."""
        for _ in range(MAX_NONCE_TRIES):
            try:
                self._request("eth_sendRawTransaction", ["0x" + order.attempts[-1].raw.hex()])
            except RequestRefused as error:
                if self._is_known(order):
                    return order
                if not _nonce_is_taken(str(error)):
                    self._journal.settle(order.id)
                    raise TransactionFailed(self._why_not_taken(order, str(error))) from error
                order = self._move(order)
                continue
            except ChainUnavailable:
                pass  # it is on disk; wait() and recover() send it again
            return order
        raise TransactionFailed("Somebody else sends with the same key at the same time. Give each sender its own key.")

    def _move(self, order: Order) -> Order:
        """The order at the next free nonce."""
        nonce = int(self._request("eth_getTransactionCount", [self._account.address, "pending"]), 16)
        others = [other.nonce + 1 for other in self._journal.open_orders() if other.id != order.id]
        nonce = max([nonce, *others])
        self._journal.move(order.id, nonce, self._sign(order.call, nonce, order.gas, order.attempts[-1].fees))
        return self._journal.order(order.id)

    def _is_known(self, order: Order) -> bool:
        return any(self._request("eth_getTransactionByHash", ["0x" + one.hash.hex()]) for one in order.attempts)

    def _why_not_taken(self, order: Order, message: str) -> str:
        if "insufficient funds" in message.lower():
            return f"{self._account.address} cannot pay the gas to {order.call.what}. Send it some of the chain's coin."
        return f"The chain does not take the transaction to {order.call.what}: {message}"

    # --- waiting -------------------------------------------------------------------------------------------------

    def wait(self, transaction_hash: bytes, timeout_s: float) -> Receipt:
        """The receipt once the transaction, or a replacement with higher fees, is final.

        ContractRefused if it was mined but failed; TransactionFailed if it is not final in time: it stays in the
        journal, and `recover` or another `wait` takes it up again.
        """
        with self._lock:
            order = self._journal.order_of(transaction_hash)
        if order is None:
            raise TransactionFailed(f"0x{transaction_hash.hex()} was not sent by this sender. Check the hash.")
        deadline = time.monotonic() + timeout_s
        follow = _Follow(resend_at=time.monotonic() + RESEND_AFTER_S, bump_at=time.monotonic() + self._stall_after_s)
        while True:
            receipt = self._look(order.id, follow)
            if receipt is not None:
                return self._conclude(order.id, receipt)
            if time.monotonic() >= deadline:
                what = order.call.what
                raise TransactionFailed(f"The transaction to {what} is not final after {timeout_s:g} s. It is kept.")
            time.sleep(POLL_S)

    def _look(self, order_id: int, follow: _Follow) -> Any:
        """The final receipt of an order, or None after doing what helps it along."""
        with self._lock:
            order = self._journal.order(order_id)
            try:
                receipt = self._final_receipt(order)
                if receipt is None:
                    self._help_along(order, follow)
            except ChainUnavailable:
                return None  # the deadline of wait() bounds how long
            return receipt

    def _help_along(self, order: Order, follow: _Follow) -> None:
        now = time.monotonic()
        if any(self._receipt(one.hash) for one in order.attempts):
            return  # mined, only not final yet
        if now >= follow.bump_at and follow.bumps < MAX_BUMPS:
            follow.bumps += 1
            follow.bump_at = now + self._stall_after_s
            self._bump(order)
        elif now >= follow.resend_at:
            follow.resend_at = now + RESEND_AFTER_S
            self._deliver(order)

    def _bump(self, order: Order) -> None:
        last = order.attempts[-1].fees
        fees = Fees(_bumped(last.max_wei), _bumped(last.tip_wei))
        self._journal.add_attempt(order.id, self._sign(order.call, order.nonce, order.gas, fees))
        self._deliver(self._journal.order(order.id))

    def _final_receipt(self, order: Order) -> Any:
        """The receipt of whichever attempt was mined in a final block, or None."""
        final = self._reader.final_block().number
        for attempt in reversed(order.attempts):
            receipt = self._receipt(attempt.hash)
            if receipt is not None and int(receipt["blockNumber"], 16) <= final:
                return receipt
        return None

    def _receipt(self, transaction_hash: bytes) -> Any:
        return self._request("eth_getTransactionReceipt", ["0x" + transaction_hash.hex()])

    def _conclude(self, order_id: int, receipt: Any) -> Receipt:
        with self._lock:
            self._journal.settle(order_id)
            call = self._journal.order(order_id).call
        block = int(receipt["blockNumber"], 16)
        if int(receipt["status"], 16) != 1:
            raise self._why_failed(call, block)
        return Receipt(bytes.fromhex(receipt["transactionHash"][2:]), block, int(receipt["gasUsed"], 16))

    def _why_failed(self, call: Call, block: int) -> ContractRefused:
        transaction = {"from": self._account.address, "to": checksum(call.to), "data": "0x" + call.data.hex()}
        try:
            self._request("eth_call", [transaction, hex(block)])
        except ContractRefused as refusal:
            return refusal
        except ChainUnavailable:
            pass
        return ContractRefused("", f"The transaction to {call.what} was mined but failed. Try it again.")

    def _request(self, method: str, params: list[Any]) -> Any:
        """The result of one request; a revert becomes ContractRefused, another error RequestRefused."""
        response = self._reader.rpc.web3.provider.make_request(method, params)
        error = response.get("error")
        if error is None:
            return response.get("result")
        data = _revert_data(error)
        if data is not None:
            raise refused(data)
        raise RequestRefused(str(error.get("message", error)))


@dataclass(slots=True)
class _Follow:
    """When a transaction that is waited for needs help next."""

    resend_at: float
    bump_at: float
    bumps: int = 0


def _bumped(fee_wei: int) -> int:
    return -(-fee_wei * BUMP[0] // BUMP[1])


def _nonce_is_taken(message: str) -> bool:
    text = message.lower()
    return any(words in text for words in ("nonce too low", "underpriced", "already known", "already imported"))


def _revert_data(error: Any) -> bytes | None:
    """The revert data an RPC error carries; b"" for a revert without any; None if it is no revert."""
    data = error.get("data")
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x"):
        return bytes.fromhex(data[2:])
    return b"" if "revert" in str(error.get("message", "")).lower() else None
