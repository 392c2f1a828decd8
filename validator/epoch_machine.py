"""What a validator has to do next for an epoch: pure, asked at every tick, so a restart goes on where it stopped.

open -> SEAL -> COLLECT -> POST -> (the chain closes the evidence) -> SETTLE -> SIGN -> GATHER -> SUBMIT -> done
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Act(Enum):
    """One step; each may be asked for again until the view shows its effect."""

    SEAL = "seal the inbox into segments and a manifest"
    COLLECT = "collect peers' signatures that the manifest is available"
    POST = "post the certified manifest on chain"
    SETTLE = "judge the closed evidence and compute the root"
    SIGN = "sign the root"
    GATHER = "gather peers' signatures under the root"
    SUBMIT = "submit the root"


@dataclass(frozen=True, slots=True)
class EpochView:
    """Where one epoch stands for this validator."""

    seal_at_ms: int
    member: bool
    """This validator was one at B_e."""
    sealed: bool
    available: bool
    """> 2/3 of stake has signed the own manifest available."""
    posted: bool
    closed: bool
    settled_before: bool
    """The epoch before it is settled here."""
    settled: bool
    empty: bool
    signed: bool
    root_quorum: bool
    root_on_chain: bool
    """The chain has a root of this epoch or a later one."""


def next_acts(view: EpochView, now_ms: int) -> tuple[Act, ...]:
    """What to do now; both halves, evidence and settlement, can be due at once."""
    if now_ms < view.seal_at_ms:
        return ()
    return tuple(act for act in (_evidence_act(view), _settlement_act(view)) if act is not None)


def _evidence_act(view: EpochView) -> Act | None:
    if view.closed or not view.member:
        return None
    if not view.sealed:
        return Act.SEAL
    if view.posted:
        return None
    return Act.POST if view.available else Act.COLLECT


def _settlement_act(view: EpochView) -> Act | None:
    if not view.settled:
        return Act.SETTLE if view.closed and view.settled_before else None
    if view.empty or view.root_on_chain:
        return None
    if not view.signed:
        return Act.SIGN
    return Act.SUBMIT if view.root_quorum else Act.GATHER
