"""What a validator does for hotspots: takes their records in, says what became of them, relays registrations."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from protocol.encoding import Network, sha256
from protocol.ids import Address, HotspotId, ReportId
from protocol.keys import PublicKey, Receipt
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
from validator.inbox import Entry, Inbox
from validator.relay import Relay, Relayed
from validator.sessions import Sessions
from validator.signer import Signer
from validator.verdicts import VerdictDesk


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


class Gateway:
    """The gateway of one validator."""

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

    def challenge(self) -> tuple[bytes, int]:
        return self._sessions.challenge(self._clock.now_ms())

    async def open_sessions(self, sessions: Sequence[tuple[Session, bytes]]) -> list[bytes | Reason]:
        """A token, or the reason there is none, for each signed session record."""
        registry = self._chain.newest_registry()
        now_ms = self._clock.now_ms()
        return [
            self._sessions.open(session, signature, registry.get(HotspotId(session.hotspot_id)), now_ms)
            for session, signature in sessions
        ]

    async def take_commits(self, commits: Sequence[CommitEntry]) -> Taken:
        """Stores commits with the time they arrived."""
        taken, now_ms, stored = Taken(self._owner), self._clock.now_ms(), []
        received_at_ms = self._receive_clock.now_ms()
        for place, commit in enumerate(commits):
            hotspot_id = self._sessions.hotspot_of(commit.token, now_ms)
            if hotspot_id is None:
                taken.refusals.append((place, Reason.NO_SESSION))
                continue
            entry = commit_entry(commit.epoch, hotspot_id, commit.report_id, received_at_ms)
            refusal = self._refusal(entry, now_ms)
            self._sort(taken, stored, place, entry, refusal)
        return await self._acknowledge(taken, stored)

    async def take_reports(self, reports: Sequence[ReportEntry]) -> Taken:
        """Stores revealed reports."""
        taken, now_ms, stored = Taken(self._owner), self._clock.now_ms(), []
        for place, one in enumerate(reports):
            if not is_this_network(one.report, self._network):
                taken.refusals.append((place, Reason.WRONG_NETWORK))
                continue
            entry = report_entry(one.report, one.canonical, one.signature)
            refusal = self._refusal(entry, now_ms, one)
            self._sort(taken, stored, place, entry, refusal)
        return await self._acknowledge(taken, stored)

    def _refusal(self, entry: Entry, now_ms: int, report: ReportEntry | None = None) -> Reason | None:
        closed = self._calendar.refusal(entry.epoch, now_ms)
        if closed is not None:
            return closed
        offer = Offer(entry, self._inbox.epoch(entry.epoch), self._keys(entry.epoch))
        if report is None:
            return refuse_commit(offer)
        return refuse_report(offer, self._network, report.canonical, report.signature)

    def _keys(self, epoch: int) -> Mapping[HotspotId, PublicKey | None]:
        keys = self._chain.keys(epoch)
        if keys is None:
            raise UnavailableError(f"the registry of epoch {epoch} is not known yet; try again in a moment")
        return keys

    def _sort(self, taken: Taken, stored: list[Entry], place: int, entry: Entry, refusal: Reason | None) -> None:
        if refusal is None:
            stored.append(entry)
            return
        taken.refusals.append((place, refusal))
        if refusal is not Reason.WRONG_EPOCH:
            self._inbox.count_refusal(entry.epoch, refusal)

    async def _acknowledge(self, taken: Taken, stored: Sequence[Entry]) -> Taken:
        """The receipt, once every stored entry is on the device; entries stored before are covered again."""
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
        return await self._desk.look_up(report_ids)

    async def relay(self, registration: Registration, signature: bytes, host: str) -> Relayed:
        """Puts a registration on chain, within the daily limits of its owner and of the caller's address."""
        return await asyncio.to_thread(self._relay.register, registration, signature, host)

    async def epoch_facts(self, epoch: int) -> EpochFacts | None:
        """Seed and start of an epoch, or None while B_e is not final."""
        return self._chain.facts(epoch)
