"""What became of reports, as validators judge them: asked for in batches, and only while somebody looks.

A verdict is provisional until the epoch's root is on chain; a final one is not asked for again. Any one validator is
asked, another the next time: what counts is the root, and `farfield validator audit` checks that.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from hotspot.clock import Clock
from hotspot.wire import CallFailed, ReportVerdict
from protocol.ids import ReportId
from protocol.limits import MAX_BATCH_ENTRIES

MAX_KEPT = 5_000
PAUSE_MS = 10_000
FINAL, PROVISIONAL, UNKNOWN = "final", "provisional", "unknown"


class Judge(Protocol):
    """A validator, as far as verdicts need one."""

    async def verdicts(self, report_ids: Sequence[ReportId]) -> list[ReportVerdict] | CallFailed: ...


class Verdicts:
    """The newest verdicts on one process's reports."""

    def __init__(self, judges: Sequence[Judge], wanted: Callable[[], Iterable[ReportId]], clock: Clock) -> None:
        """`wanted`: the reports somebody may look at."""
        self._judges, self._wanted, self._clock = list(judges), wanted, clock
        self._looked = asyncio.Event()
        self.last_problem = ""
        """Why the last question was not answered."""
        self._known: OrderedDict[ReportId, ReportVerdict] = OrderedDict()
        self._next = 0

    def of(self, report_id: ReportId) -> ReportVerdict | None:
        """The newest verdict on a report, or None before there is one."""
        return self._known.get(report_id)

    def look(self) -> None:
        """Somebody looks: verdicts are asked for soon."""
        self._looked.set()

    async def run(self) -> None:
        """Asks whenever somebody looked, with a pause between, until cancelled."""
        while True:
            await self._looked.wait()
            self._looked.clear()
            await self.ask()
            await self._clock.sleep_ms(PAUSE_MS)

    async def ask(self) -> None:
        """Asks one validator about every report without a final verdict."""
        missing = [one for one in dict.fromkeys(self._wanted()) if not self._is_final(one)]
        if not missing or not self._judges:
            return
        judge = self._judges[self._next % len(self._judges)]
        self._next += 1
        for at in range(0, len(missing), MAX_BATCH_ENTRIES):
            told = await judge.verdicts(missing[at : at + MAX_BATCH_ENTRIES])
            if isinstance(told, CallFailed):
                self.last_problem = told.sentence
                self._looked.set()  # the next validator is asked after the pause
                return
            for verdict in told:
                self._keep(verdict)
        self.last_problem = ""

    def _is_final(self, report_id: ReportId) -> bool:
        known = self._known.get(report_id)
        return known is not None and known.final

    def _keep(self, verdict: ReportVerdict) -> None:
        report_id = ReportId(verdict.report_id)
        self._known[report_id] = verdict
        self._known.move_to_end(report_id)
        if len(self._known) > MAX_KEPT:
            self._known.popitem(last=False)


def sentence(verdict: ReportVerdict | None, problem: str = "") -> str:
    """A verdict as its owner reads it; `problem`: why there may be none."""
    if verdict is None:
        return f"not known: {problem}" if problem else "not judged yet"
    text = verdict.sentence.rstrip(".") or verdict.reason
    if verdict.measured or verdict.allowed:
        text += f" (measured {verdict.measured}, allowed {verdict.allowed})"
    return text if verdict.final else f"{text} (provisional)"
