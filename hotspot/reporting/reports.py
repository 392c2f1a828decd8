"""A report on its way: its bytes, its signature, and when it may and must leave. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from protocol.ids import HotspotId, ReportId, Role
from protocol.records import Beacon, Witness


class Step(IntEnum):
    """What a validator is asked to store of a report: first its id alone, later the report itself."""

    COMMIT = 1
    REVEAL = 2


@dataclass(frozen=True, slots=True)
class Report:
    """A signed canonical report and its windows, unix milliseconds."""

    id: ReportId
    hotspot_id: HotspotId
    epoch: int
    role: Role
    report: bytes
    signature: bytes
    commit_until_ms: int
    """A commit recorded later than this cannot be on time."""
    reveal_after_ms: int
    reveal_until_ms: int
    """Validators seal the epoch's reports here."""


def subject(report: Report) -> bytes:
    """What a report is about: a beacon's slot, a witness's tag. One hotspot reports each once an epoch."""
    if report.role is Role.BEACON:
        beacon = Beacon.decode(report.report)
        return report.id if beacon is None else beacon.slot.to_bytes(4, "big")
    witness = Witness.decode(report.report)
    return report.id if witness is None else witness.tag


@dataclass(frozen=True, slots=True)
class Transmission:
    """One use of the air, for the duty-cycle ledger. A slot is used once, whatever happens."""

    hotspot_id: HotspotId
    epoch: int
    slot: int
    at_ms: int
    frequency_hz: int
    airtime_us: int


ACKNOWLEDGED = "acknowledged"
WINDOW_PASSED = "window_passed"
"""The one reason of ours; every other is a refusal, named as protocol.reasons names it."""
NEVER_TRIED = "never_tried"
"""Why a window passed: this process did not run, or came too late, to try even once."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one step of one report ended with one validator: ACKNOWLEDGED, WINDOW_PASSED or a refusal's name."""

    report_id: ReportId
    validator: bytes
    step: Step
    at_ms: int
    outcome: str
    why: str = ""
    """Of a WINDOW_PASSED: what hindered the last attempt, or NEVER_TRIED."""
