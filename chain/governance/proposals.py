"""Proposals as the chain has them, where each stands, and what is possible next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from chain.calls import Call, Motion
from chain.events import Proposed as ProposedEvent
from chain.governance.decisions import read
from chain.log_scan import scan
from chain.network import NetworkFile
from chain.reader import ChainReader
from chain.refusals import far, moment
from protocol.ids import Address

MS = 1_000
SHORT_DIGITS = 10
COIN_WARNING = " AND SEND {:,} WEI OF THE TIMELOCK'S COIN WITH IT: look closely"
DECIMAL_ID = re.compile(r"[0-9]{1,78}")
"""As many digits as a number of 256 bits has; int() refuses thousands of them, and isdecimal() takes other scripts'."""


class State(IntEnum):
    """Where a proposal stands, as the Governor numbers it."""

    PENDING = 0
    ACTIVE = 1
    CANCELED = 2
    DEFEATED = 3
    SUCCEEDED = 4
    QUEUED = 5
    EXPIRED = 6
    EXECUTED = 7


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal on chain; times in seconds."""

    id: int
    proposer: Address
    decisions: tuple[Call, ...]
    """What the Timelock is to send."""
    values_wei: tuple[int, ...]
    """The coin each of them takes along. No decision this release knows needs any."""
    description: str
    description_hash: bytes
    vote_start_s: int
    vote_end_s: int

    @property
    def words(self) -> str:
        """What the network is asked to do."""
        return "; ".join(self.sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """One for each decision, with the coin it takes along."""
        both = zip(self.decisions, self.values_wei, strict=True)
        return tuple(one.what + (COIN_WARNING.format(value) if value else "") for one, value in both)

    @property
    def motion(self) -> Motion:
        """What queues it, and carries it out."""
        return Motion(self.decisions, self.values_wei, self.description_hash)

    @property
    def short(self) -> str:
        """Enough of its id to name it."""
        return short(self.id)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a proposal stands at the newest block; votes in base units, times in seconds."""

    proposed: Proposed
    state: State
    in_favour: int
    against: int
    abstained: int
    quorum: int | None
    """What in favour and abstained have to come to; None before the vote."""
    eta_s: int
    """From when on it can be carried out; 0 if it is not queued."""
    now_s: int

    @property
    def next(self) -> str:
        """What is possible next, in a sentence."""
        name, one = self.proposed.short, self.proposed
        return {
            State.PENDING: f"The vote begins at {moment(one.vote_start_s)}; to have votes then, delegate before.",
            State.ACTIVE: f"Vote until {moment(one.vote_end_s)}: farfield gov vote {name} for|against|abstain",
            State.CANCELED: "It was withdrawn.",
            State.DEFEATED: f"It did not pass: {self._why_defeated}.",
            State.SUCCEEDED: f"It passed. Anyone may queue it: farfield gov queue {name}",
            State.QUEUED: self._when,
            State.EXPIRED: "It was not carried out in time.",
            State.EXECUTED: "It was carried out.",
        }[self.state]

    @property
    def _why_defeated(self) -> str:
        quorum = self.quorum or 0
        if self.in_favour + self.abstained < quorum:
            return f"{far(self.in_favour + self.abstained)} voted for or abstained, and it takes {far(quorum)}"
        return f"{far(self.in_favour)} for, {far(self.against)} against"

    @property
    def _when(self) -> str:
        if self.now_s < self.eta_s:
            return f"It waits in the Timelock until {moment(self.eta_s)}; then anyone may execute it."
        return f"Anyone may carry it out: farfield gov execute {self.proposed.short}"


def short(number: int) -> str:
    """Enough of a proposal's id to name it."""
    return f"0x{number:064x}"[: 2 + SHORT_DIGITS]


def proposals(reader: ChainReader) -> list[Proposed]:
    """All proposals up to the newest block, oldest first. ChainUnavailable."""
    return [_proposed(reader.network, one) for one in scan(reader, ProposedEvent, reader.head())]


def _proposed(network: NetworkFile, event: ProposedEvent) -> Proposed:
    return Proposed(
        id=event.proposal_id,
        proposer=event.proposer,
        decisions=tuple(read(network, *one) for one in zip(event.targets, event.calls, strict=True)),
        values_wei=event.values,
        description=event.description,
        description_hash=event.description_hash,
        vote_start_s=event.vote_starts_ms // MS,
        vote_end_s=event.vote_ends_ms // MS,
    )


def standing(reader: ChainReader, proposed: Proposed) -> Standing:
    """Where a proposal stands now."""
    against, in_favour, abstained = reader.call("FarfieldGovernor", "proposalVotes", proposed.id)
    now_s = reader.fresh_block(reader.head()).timestamp_ms // MS
    known = now_s > proposed.vote_start_s
    return Standing(
        proposed=proposed,
        state=State(reader.call("FarfieldGovernor", "state", proposed.id)),
        in_favour=in_favour,
        against=against,
        abstained=abstained,
        quorum=reader.call("FarfieldGovernor", "quorum", proposed.vote_start_s) if known else None,
        eta_s=reader.call("FarfieldGovernor", "proposalEta", proposed.id),
        now_s=now_s,
    )


def find(known: Sequence[Proposed], name: str) -> list[Proposed]:
    """The proposals a name stands for: a whole id in decimal, or the beginning of one in hexadecimal."""
    if DECIMAL_ID.fullmatch(name) and any(one.id == int(name) for one in known):
        return [one for one in known if one.id == int(name)]
    digits = name.lower().removeprefix("0x")
    return [one for one in known if digits and f"{one.id:064x}".startswith(digits)]
