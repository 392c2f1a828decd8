"""What a validator does for hotspots: takes their records in, says what became of them, relays registrations."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from chain.errors import ChainUnavailable
from protocol.encoding import Network, sha256
from protocol.ids import Address, HotspotId, ReportId
from protocol.keys import PublicKey, Receipt
from protocol.limits import CLOSING_EPOCHS
from protocol.reasons import Reason
from protocol.records import Beacon, Outcome, Registration, Session, Witness
from validator.admission import (
    Calendar,
    Offer,
    commit_entry,
    is_this_network,
    refuse_commit,
    refuse_report,
    report_entry,
)
from validator.chain_view import ChainView, EpochFacts
from validator.clock import Clock
from validator.inbox import Entry, EpochInbox, Inbox
from validator.relay import Relay, Relayed
from validator.sessions import Sessions
from validator.signer import Signer
from validator.verdicts import VerdictDesk

RELAYS_AT_ONCE = 2
Keys = Mapping[HotspotId, PublicKey | None]
T = TypeVar("T")


class UnavailableError(Exception):
    """The chain or the disk does not answer; the caller tries again later. The message is a sentence."""


@dataclass(frozen=True, slots=True)
class CommitEntry:
    """One commit of a batch."""

    token: bytes
    epoch: int
    report_id: ReportId


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """One revealed report of a batch."""

    report: Beacon | Witness
    canonical: bytes
    signature: bytes


@dataclass(slots=True)
class Taken:
    """What became of a batch: refused entries by place, and the receipt for all others."""

    validator: Address
    refusals: list[tuple[int, Reason]] = field(default_factory=list)
    receipt: Receipt | None = None
    signature: bytes = b""


@dataclass(slots=True)
class Batch:
    """One call's records while they are looked at, one by one, before any of them is stored."""

    taken: Taken
    now_ms: int
    keys: Mapping[int, Keys]
    """Device keys by epoch, of the epochs that take records now."""
    stored: list[Entry] = field(default_factory=list)
    new: set[tuple[int, int, bytes]] = field(default_factory=set)
    ahead: Counter[tuple[int, int, HotspotId]] = field(default_factory=Counter)
    """New rows of each hotspot, by epoch and kind: the inbox does not count them yet."""

    def offer(self, entry: Entry, inbox: EpochInbox) -> Offer:
        known = inbox.holds(entry) or (entry.epoch, entry.kind, entry.key) in self.new
        ahead = self.ahead[entry.epoch, entry.kind, entry.hotspot_id]
        return Offer(entry, inbox, self.keys[entry.epoch], known, ahead)

    def accept(self, offer: Offer) -> None:
        entry = offer.entry
        self.stored.append(entry)
        if not offer.known:
            self.new.add((entry.epoch, entry.kind, entry.key))
            self.ahead[entry.epoch, entry.kind, entry.hotspot_id] += 1


class Gateway:
    """The gateway of one validator. Its loop never waits for the chain: what has to be asked is asked in a thread."""

    def __init__(
        self,
        owner: Address,
        chain: ChainView,
        inbox: Inbox,
        sessions: Sessions,
        signer: Signer,
        relay: Relay,
        desk: VerdictDesk,
        clock: Clock,
        receive_clock: Clock,
    ) -> None:
        self._owner, self._chain, self._inbox, self._sessions = owner, chain, inbox, sessions
        self._signer, self._relay, self._desk = signer, relay, desk
        self._clock, self._receive_clock = clock, receive_clock
        self._calendar = Calendar(chain.genesis_ms, chain.params.epoch)
        self._network: Network = chain.network
        self._relaying = asyncio.Semaphore(RELAYS_AT_ONCE)

    def challenge(self) -> tuple[bytes, int]:
        return self._sessions.challenge(self._clock.now_ms())

    async def open_sessions(self, sessions: Sequence[tuple[Session, bytes]]) -> list[bytes | Reason]:
        """A token, or the reason there is none, for each signed session record."""
        registry = await self._asked(self._chain.newest_registry)
        now_ms = self._clock.now_ms()
        return [
            self._sessions.open(session, signature, registry.get(HotspotId(session.hotspot_id)), now_ms)
            for session, signature in sessions
        ]

    async def take_commits(self, commits: Sequence[CommitEntry]) -> Taken:
        """Stores commits with the time they arrived."""
        received_at_ms = self._receive_clock.now_ms()
        batch = await self._begin({commit.epoch for commit in commits})
        for place, commit in enumerate(commits):
            hotspot_id = self._sessions.hotspot_of(commit.token, batch.now_ms)
            if hotspot_id is None:
                self._refuse(batch, place, commit.epoch, Reason.NO_SESSION)
            else:
                self._consider(batch, place, commit_entry(commit.epoch, hotspot_id, commit.report_id, received_at_ms))
        return await self._acknowledge(batch)

    async def take_reports(self, reports: Sequence[ReportEntry]) -> Taken:
        """Stores revealed reports."""
        batch = await self._begin({one.report.epoch for one in reports})
        for place, one in enumerate(reports):
            if not is_this_network(one.report, self._network):
                self._refuse(batch, place, one.report.epoch, Reason.WRONG_NETWORK)
            else:
                self._consider(batch, place, report_entry(one.report, one.canonical, one.signature), one)
        return await self._acknowledge(batch)

    async def _begin(self, epochs: set[int]) -> Batch:
        """Has keys and inbox of every epoch that takes records now in memory; from here on nothing blocks."""
        now_ms, keys = self._clock.now_ms(), {}
        for epoch in sorted(epochs):
            if self._calendar.refusal(epoch, now_ms) is None:
                known = self._chain.known_keys(epoch) if self._inbox.is_open(epoch) else None
                keys[epoch] = await asyncio.to_thread(self._open, epoch) if known is None else known
        return Batch(Taken(self._owner), now_ms, keys)

    def _open(self, epoch: int) -> Keys:
        try:
            keys = self._chain.keys(epoch)
            self._inbox.epoch(epoch)
        except (ChainUnavailable, OSError) as error:
            raise UnavailableError(f"{error}; nothing of this batch was stored, send it again") from error
        if keys is None:
            raise UnavailableError(f"the registry of epoch {epoch} is not known yet; try again in a moment")
        return keys

    def _consider(self, batch: Batch, place: int, entry: Entry, report: ReportEntry | None = None) -> None:
        refusal = self._calendar.refusal(entry.epoch, batch.now_ms)
        if refusal is None:
            offer = batch.offer(entry, self._inbox.epoch(entry.epoch))
            refusal = self._refusal(offer, report)
            if refusal is None:
                batch.accept(offer)
                return
        self._refuse(batch, place, entry.epoch, refusal)

    def _refusal(self, offer: Offer, report: ReportEntry | None) -> Reason | None:
        if report is None:
            return refuse_commit(offer)
        return refuse_report(offer, self._network, report.canonical, report.signature)

    def _refuse(self, batch: Batch, place: int, epoch: int, reason: Reason) -> None:
        batch.taken.refusals.append((place, reason))
        self._inbox.count_refusal(epoch, reason)

    async def _acknowledge(self, batch: Batch) -> Taken:
        """The receipt, once every stored entry is on the device; entries stored before are covered again."""
        taken, stored = batch.taken, batch.stored
        if not stored:
            return taken
        try:
            await self._inbox.store(stored)
        except OSError as error:
            raise UnavailableError(f"{error}; nothing of this batch was stored, send it again") from error
        ids = b"".join(entry.report_id for entry in stored)
        taken.receipt = Receipt(sha256(ids), len(stored), self._clock.now_ms())
        taken.signature = self._signer.receipt(taken.receipt)
        return taken

    async def verdicts(self, report_ids: Sequence[ReportId]) -> list[tuple[Outcome, bool]]:
        """(outcome, final) of the reports this validator knows."""
        try:
            return await self._desk.look_up(report_ids)
        except ChainUnavailable as error:
            raise UnavailableError(str(error)) from error

    async def relay(self, registration: Registration, signature: bytes, host: str) -> Relayed:
        """Puts a registration on chain, within the daily limits of its owner and of the caller's address."""
        async with self._relaying:
            return await self._asked(self._relay.register, registration, signature, host)

    async def epoch_facts(self, epoch: int) -> EpochFacts | None:
        """Seed and start of an epoch, or None while B_e is not final, and when the epoch is long past."""
        if epoch < max(self._chain.epoch_at(self._clock.now_ms()) - CLOSING_EPOCHS, 1):
            return None
        return await self._asked(self._chain.facts, epoch)

    async def _asked(self, ask: Callable[..., T], *arguments: Any) -> T:
        """What the chain says, from a thread; UnavailableError while it is silent."""
        try:
            return await asyncio.to_thread(ask, *arguments)
        except ChainUnavailable as error:
            raise UnavailableError(str(error)) from error
