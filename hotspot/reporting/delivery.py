"""Sends every report to every validator, and decides when one is done.

A report is done when validators of more than a third of stake have acknowledged its commit and its reveal, but every
validator is offered it until it answers or the epoch's reports are sealed. What ends otherwise is written down with its
reason.

How much can wait is bounded by what a hotspot may report: 1,024 reports an epoch, until D/4 after its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from hotspot.clock import Clock
from hotspot.counters import Counters
from hotspot.reporting.courier import Courier, Pending
from hotspot.reporting.outbox import Change, CloseReport, KeepDelivery, Outbox, Prune, Tally
from hotspot.reporting.reports import ACKNOWLEDGED, NEVER_TRIED, WINDOW_PASSED, Delivery, Report, Step
from protocol.closing import Member
from protocol.ids import Address, HotspotId, ReportId
from protocol.quorum import is_blocking, stake_of

SWEEP_MS = 1_000
PRUNE_EVERY_SWEEPS = 60
COUNTER_GROUPS = {Step.COMMIT: "commits", Step.REVEAL: "reveals"}
REVEALED, REVEAL_REFUSED, REVEAL_EXPIRED = "revealed", "reveal_refused", "reveal_window_passed"
COMMIT_EXPIRED, TOO_LITTLE_STAKE = "commit_window_passed", "too_little_stake"


class Fanout:
    """All deliveries of one process."""

    def __init__(self, outbox: Outbox, clock: Clock, counters_of: Callable[[HotspotId], Counters]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._counters_of = counters_of
        self._couriers: list[Courier] = []
        self._stakes: Mapping[Address, int] = {}
        self._pending: dict[ReportId, Pending] = {}

    def use(self, couriers: Sequence[Courier]) -> None:
        """Sets who delivers; every validator counts the same until `set_members` is called."""
        self._couriers = list(couriers)
        self._stakes = {courier.owner: 1 for courier in couriers}

    def set_members(self, members: Iterable[Member]) -> None:
        """Takes over stakes and signing keys as the chain has them."""
        known = {member.owner: member for member in members}
        self._stakes = {owner: member.stake for owner, member in known.items()}
        for courier in self._couriers:
            if courier.owner in known:
                courier.key = known[courier.owner].key

    @property
    def waiting(self) -> int:
        """Reports not closed yet."""
        return len(self._pending)

    def add(self, report: Report) -> None:
        """Takes on a report that is stored."""
        self._take_on(Pending(report))

    def restore(self, reports: Iterable[Report], deliveries: Iterable[Delivery]) -> None:
        """Takes on what a former process left open."""
        restored = {report.id: Pending(report) for report in reports}
        for note in deliveries:
            restored[note.report_id].outcomes[Address(note.validator), note.step] = note.outcome
        for pending in restored.values():
            self._take_on(pending)

    def _take_on(self, pending: Pending) -> None:
        self._pending[pending.report.id] = pending
        for courier in self._couriers:
            courier.add(pending)

    def settle(self, pending: Pending, owner: Address, step: Step, outcome: str) -> None:
        """Notes how one step ended with one validator; once per step and validator."""
        if (owner, step) in pending.outcomes:
            return
        pending.outcomes[owner, step] = outcome
        report = pending.report
        why = pending.problems.get((owner, step), NEVER_TRIED) if outcome == WINDOW_PASSED else ""
        self._counters_of(report.hotspot_id).count(COUNTER_GROUPS[step], outcome)
        self._outbox.note(KeepDelivery(Delivery(report.id, owner, step, self._clock.now_ms(), outcome, why)))
        if all((courier.owner, one) in pending.outcomes for courier in self._couriers for one in Step):
            self._close(pending)

    def _close(self, pending: Pending) -> None:
        if self._pending.pop(pending.report.id, None) is None:
            return
        report, outcome = pending.report, self._outcome(pending)
        changes: list[Change] = [CloseReport(report.hotspot_id, report.id, outcome, self._clock.now_ms())]
        if outcome != COMMIT_EXPIRED and not self._is_enough(pending, Step.COMMIT):
            changes.append(Tally(report.hotspot_id, COMMIT_EXPIRED))
        self._counters_of(report.hotspot_id).count("reports", outcome)
        self._outbox.note(*changes)

    def _outcome(self, pending: Pending) -> str:
        if self._is_enough(pending, Step.REVEAL):
            return REVEALED if self._is_enough(pending, Step.COMMIT) else COMMIT_EXPIRED
        reveals = {outcome for (_, step), outcome in pending.outcomes.items() if step is Step.REVEAL}
        if reveals == {ACKNOWLEDGED}:
            return TOO_LITTLE_STAKE
        return REVEAL_EXPIRED if WINDOW_PASSED in reveals else REVEAL_REFUSED

    def _is_enough(self, pending: Pending, step: Step) -> bool:
        """True when validators of more than a third of stake have acknowledged the step."""
        acknowledged = [
            owner for (owner, done), outcome in pending.outcomes.items() if done is step and outcome == ACKNOWLEDGED
        ]
        return is_blocking(stake_of(acknowledged, self._stakes), sum(self._stakes.values()))

    async def sweep(self) -> None:
        """Closes what is too late, and tidies the outbox now and then; until cancelled."""
        sweeps = 0
        while True:
            await self._clock.sleep_ms(SWEEP_MS)
            now_ms = self._clock.now_ms()
            for pending in [one for one in self._pending.values() if one.report.reveal_until_ms < now_ms]:
                self._expire(pending)
            sweeps += 1
            if sweeps % PRUNE_EVERY_SWEEPS == 1:
                self._outbox.note(Prune(now_ms))

    def _expire(self, pending: Pending) -> None:
        for courier in self._couriers:
            for step in Step:
                self.settle(pending, courier.owner, step, WINDOW_PASSED)
        self._close(pending)
