"""A report on its way: its bytes, its signature, and when it may and must leave. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from protocol.ids import HotspotId, ReportId, Role


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


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one step of one report ended with one validator: ACKNOWLEDGED, WINDOW_PASSED or a refusal's name."""

    report_id: ReportId
    validator: bytes
    step: Step
    at_ms: int
    outcome: str
