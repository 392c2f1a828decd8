"""Where the gas of one call goes, from the chain's own trace of every instruction."""

from __future__ import annotations

from collections import Counter
from typing import Any

from chain.calls import Call
from chain.libraries import Account
from chain.network import checksum
from tests.chain.world import RELAYER, World

COLD_SLOAD, OPENED_SLOT, CHANGED_SLOT = 2_100, 20_000, 2_900
COLD_ACCOUNT, WARM_ACCOUNT = 2_600, 100
"""EIP-2929, EIP-2200."""
KINDS = (
    "transaction and its bytes",
    "slots opened",
    "slots changed",
    "cold slots read",
    "events",
    "other contracts called",
    "signatures recovered",
    "everything else",
)
"""The lines of a profile, in the order of the report."""
CALLS = frozenset({"CALL", "STATICCALL", "DELEGATECALL"})


def profile(world: World, call: Call) -> dict[str, int]:
    """Gas by kind; sums to what the transaction would use now."""
    sender = Account.from_key(RELAYER).address
    transaction = {"from": sender, "to": checksum(call.to), "data": "0x" + call.data.hex()}
    options = {"disableMemory": True, "disableStorage": True}
    trace = world.anvil.rpc("debug_traceCall", transaction, "latest", options)
    spent = _by_kind(trace["structLogs"])
    spent["transaction and its bytes"] = trace["gas"] - spent.total()
    return {kind: spent[kind] for kind in KINDS}


def _by_kind(steps: list[dict[str, Any]]) -> Counter[str]:
    spent: Counter[str] = Counter()
    known: set[str] = set()
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        kind = _kind(step["op"], step["gasCost"])
        cost = step["gasCost"]
        if step["op"] in CALLS and after is not None:
            # A call's own cost includes what it hands on, unless it calls a contract built into the chain.
            kind, cost = "signatures recovered", step["gas"] - after["gas"]
            if after["depth"] > step["depth"]:
                called = step["stack"][-2]
                kind, cost = "other contracts called", WARM_ACCOUNT if called in known else COLD_ACCOUNT
                known.add(called)
        spent[kind] += cost
    return spent


def _kind(operation: str, cost: int) -> str:
    if operation == "SSTORE" and cost >= CHANGED_SLOT:
        return "slots opened" if cost >= OPENED_SLOT else "slots changed"
    if operation == "SLOAD" and cost >= COLD_SLOAD:
        return "cold slots read"
    return "events" if operation.startswith("LOG") else "everything else"
