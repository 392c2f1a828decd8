"""Fetching income: the state under the live root from whichever validator serves it, and claims for what is open."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from chain.calls import Call, Claim, claim_many, collect_for
from chain.claims import claims_of, live_submission
from chain.events import Collected, Decoder, Deposited, RootSubmitted
from chain.log_scan import logs_of
from chain.network import NetworkFile
from chain.reader import ChainReader
from chain.refusals import far
from chain.sender import Receipt
from chain.shares import HotspotFacts, facts_of
from chain.terminal import FINDINGS, UNREACHABLE, UNVERIFIED
from chain.transacting.options import Stop
from hotspot.wire import CallFailed, ValidatorClient
from protocol.epoch import decode_summary
from protocol.ids import Address, is_hotspot_id
from protocol.state import State, decode_state

CLAIMS_PER_TRANSACTION = 40
HOTSPOTS_PER_COLLECT = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Open:
    """One id's claim, and what of it is not paid yet; base units."""

    claim: Claim
    amount: int
    facts: HotspotFacts | None
    """None of an account's own leaf."""

    @property
    def fee(self) -> int:
        """How much of the amount is burned for the registration."""
        return 0 if self.facts is None else min(self.facts.debt, self.amount)

    @property
    def line(self) -> str:
        """What it comes to, for people."""
        if self.facts is None:
            return f"Account 0x{self.claim.leaf_id[12:].hex()}: {far(self.amount)} open, paid to itself."
        burned = f", {far(self.fee)} of it burned for the registration" if self.fee else ""
        return f"Hotspot 0x{self.claim.leaf_id.hex()}: {far(self.amount)} open{burned}."


def open_claims(reader: ChainReader, wanted: Collection[bytes]) -> list[Open]:
    """What the live root grants these ids beyond what they have been paid.

    Stop if no root is live, nobody serves its state, or what is served is not what the chain says.
    """
    submission = live_submission(reader)
    if submission is None:
        raise Stop(
            "No root is live yet, so there is nothing to claim. Ask again after the first challenge window.", FINDINGS
        )
    state = asyncio.run(_state_under(reader.network, submission))
    claims = claims_of(state, submission.root, wanted)
    if claims is None:
        raise Stop(
            f"The state validators serve is not the one under the root of epoch {submission.epoch}. "
            "Nothing was sent; tell the network's operators.",
            UNVERIFIED,
        )
    found = (_open(reader, claim) for claim in claims)
    return [one for one in found if one.amount > 0]


def _open(reader: ChainReader, claim: Claim) -> Open:
    paid = reader.call("Epochs", "claimed", int.from_bytes(claim.leaf_id, "big"))
    facts = facts_of(reader, claim.leaf_id) if is_hotspot_id(claim.leaf_id) else None
    return Open(claim, claim.cumulative - paid, facts)


async def _state_under(network: NetworkFile, submission: RootSubmitted) -> State:
    """The state under a root, hash by hash from its dataHash on."""
    clients = [ValidatorClient(one.endpoint) for one in network.validators]
    try:
        summary = decode_summary(await _blob(clients, submission.data_hash))
        state = None if summary is None else decode_state(await _blob(clients, summary.head.state_after))
    finally:
        for client in clients:
            await client.close()
    if state is None:
        raise Stop(
            f"The evidence under the root of epoch {submission.epoch} is not canonical. Nothing was sent; "
            "tell the network's operators.",
            UNVERIFIED,
        )
    return state


async def _blob(clients: Sequence[ValidatorClient], digest: bytes) -> bytes:
    problems = []
    for client in clients:
        answer = await client.blob(digest)
        if not isinstance(answer, CallFailed):
            return answer
        problems.append(f"{client.endpoint}: {answer.sentence}.")
    raise Stop(f"No validator serves the evidence under the live root. {' '.join(problems)} Try later.", UNREACHABLE)


# --- transactions -------------------------------------------------------------------------------------------------


def claim_calls(network: NetworkFile, claims: Sequence[Claim]) -> list[Call]:
    """Claims in as few transactions as they fit."""
    return [claim_many(network, some) for some in _batches(claims, CLAIMS_PER_TRANSACTION)]


def collect_calls(network: NetworkFile, holder: Address, hotspot_ids: Sequence[bytes]) -> list[Call]:
    """Collects of one holder in as few transactions as they fit."""
    return [collect_for(network, holder, some) for some in _batches(hotspot_ids, HOTSPOTS_PER_COLLECT)]


def _batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


@dataclass(frozen=True, slots=True)
class Paid:
    """What transactions paid, base units: `collected` to the holder, `fees` burned."""

    collected: int
    fees: int


def paid(reader: ChainReader, holder: Address, receipts: Sequence[Receipt]) -> Paid:
    """What final transactions paid a holder, from their events."""
    decoder, found = Decoder(), Paid(0, 0)
    for log in (log for one in receipts for log in logs_of(reader, one.hash)):
        event = decoder.decode("Hotspots", log, 0)
        if isinstance(event, Collected) and event.holder == holder:
            found = replace(found, collected=found.collected + event.amount)
        elif isinstance(event, Deposited):
            found = replace(found, fees=found.fees + event.fee)
    return found
