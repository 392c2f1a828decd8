"""Brings reports to one validator: first their ids, later the reports, each until it is acknowledged or too late.

Two lanes, one per step, each a queue in order of when an entry is due. A lane sends what is due in batches over all
hosted hotspots and backs off with jitter while the validator does not answer or its receipts are wrong.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from hotspot.clock import Clock
from hotspot.counters import Counters
from hotspot.reporting.receipts import check_receipt
from hotspot.reporting.reports import ACKNOWLEDGED, WINDOW_PASSED, Report, Step
from hotspot.reporting.sessions import KEY_UNAVAILABLE, SessionClient, Sessions
from hotspot.wire import CallFailed, Taken
from protocol.ids import Address, HotspotId, ReportId
from protocol.keys import Domain
from protocol.limits import MAX_BATCH_ENTRIES
from protocol.reasons import Reason

LINGER_MS = {Step.COMMIT: 50, Step.REVEAL: 200}
"""How long an entry waits for company in its batch."""
FIRST_BACKOFF_MS = 200
RETRY_MS = 250
RETRIED = frozenset({Reason.NO_SESSION.name, Reason.NOT_REGISTERED.name, Reason.WRONG_EPOCH.name})
"""Refusals that may be different in a moment: the validator restarted, or is a block behind."""
WARM_INTERVAL_MS = 10_000
PROBE_AFTER_MS = 7_200_000
"""A validator that was not called for so long is asked for a challenge, to know whether it is there. More often would
cost a quiet hotspot on a metered line more than its reports do."""
UNEXPECTED = "UNEXPECTED"


@dataclass(slots=True)
class Pending:
    """A report on its way, and how each step ended with each validator so far."""

    report: Report
    outcomes: dict[tuple[Address, Step], str] = field(default_factory=dict)
    problems: dict[tuple[Address, Step], str] = field(default_factory=dict)
    """What hindered the last attempt of each step with each validator."""

    def deadline_ms(self, step: Step) -> int:
        return self.report.commit_until_ms if step is Step.COMMIT else self.report.reveal_until_ms


class Client(SessionClient, Protocol):
    """A validator, as far as a courier needs one."""

    async def submit_commits(self, commits: Sequence[tuple[bytes, int, ReportId]]) -> Taken | CallFailed: ...

    async def submit_reports(self, reports: Sequence[tuple[bytes, bytes]]) -> Taken | CallFailed: ...


@dataclass(slots=True)
class Backoff:
    """Doubling pauses with jitter, up to a bound."""

    longest_ms: int
    _next_ms: int = FIRST_BACKOFF_MS

    def pause_ms(self) -> int:
        pause_ms = random.randint(self._next_ms // 2, self._next_ms)
        self._next_ms = min(2 * self._next_ms, self.longest_ms)
        return pause_ms

    def reset(self) -> None:
        self._next_ms = min(FIRST_BACKOFF_MS, self.longest_ms)


Send = Callable[[list[Pending]], Awaitable[bool]]
Settle = Callable[[Pending, Address, Step, str], None]


class Courier:
    """One validator's deliveries. `settle` is told how each step of each report ended."""

    def __init__(
        self,
        owner: Address,
        key: Address,
        client: Client,
        sessions: Sessions,
        domain: Domain,
        clock: Clock,
        counters: Counters,
        settle: Settle,
        longest_backoff_ms: int,
    ) -> None:
        self.owner = owner
        self.key = key
        """Signing key in force; replaced when the chain names another."""
        self.reachable: bool | None = None
        """Whether the last call was answered; None before the first."""
        self.last_problem = ""
        self.key_problem = ""
        """Why our own key could not sign for a session, the last time it had to."""
        self.counters = counters
        self._client = client
        self._sessions = sessions
        self._domain = domain
        self._clock = clock
        self._settle = settle
        self._asked_at_ms = clock.monotonic_ms()
        sends = {Step.COMMIT: self._send_commits, Step.REVEAL: self._send_reports}
        self._lanes = {
            step: Lane(step, owner, clock, settle, partial(self._guarded, step, send), Backoff(longest_backoff_ms))
            for step, send in sends.items()
        }

    @property
    def clock_offset_ms(self) -> int | None:
        """How far the validator's clock is ahead of ours; None before it told its time."""
        return self._sessions.clock_offset_ms

    def add(self, pending: Pending) -> None:
        """Takes a report on; steps already settled with this validator are left alone."""
        if (self.owner, Step.COMMIT) not in pending.outcomes:
            self._lanes[Step.COMMIT].put(pending, 0)
        if (self.owner, Step.REVEAL) not in pending.outcomes:
            self._lanes[Step.REVEAL].put(pending, pending.report.reveal_after_ms)

    async def run(self, hotspots: Sequence[HotspotId]) -> None:
        """Delivers until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_warm(hotspots))
            for lane in self._lanes.values():
                tasks.create_task(lane.run())

    async def _keep_warm(self, hotspots: Sequence[HotspotId]) -> None:
        """Opens sessions ahead of need, so that a first commit does not wait for two calls."""
        while True:
            try:
                await self._ask(hotspots)
            except Exception as error:
                self._unexpected(error)
            await self._clock.sleep_ms(WARM_INTERVAL_MS)

    async def _ask(self, hotspots: Sequence[HotspotId]) -> None:
        asked = await self._open(hotspots)
        if asked is False and self._is_to_be_probed():
            told = await self._sessions.challenge()
            asked = told if isinstance(told, CallFailed) else True
        self._note(asked)

    async def _open(self, hotspots: Iterable[HotspotId]) -> CallFailed | bool:
        asked = await self._sessions.ensure(hotspots)
        if asked is True:
            self.key_problem = ""
        return asked

    def _is_to_be_probed(self) -> bool:
        """Nothing was asked for a while, or the last call failed: is the validator there, and what time is it?"""
        return not self.reachable or self._clock.monotonic_ms() - self._asked_at_ms >= PROBE_AFTER_MS

    async def _guarded(self, step: Step, send: Send, batch: list[Pending]) -> bool:
        """Sends a batch; after an error nobody foresaw, what it left is tried again."""
        try:
            return await send(batch)
        except Exception as error:
            self._unexpected(error)
            self._lanes[step].put_back(batch)
            return False

    async def _send_commits(self, batch: list[Pending]) -> bool:
        asked = await self._open(one.report.hotspot_id for one in batch)
        if isinstance(asked, CallFailed):
            return self._failed(Step.COMMIT, batch, asked)
        ready, tokens = [], []
        for one in batch:
            token = self._sessions.token(one.report.hotspot_id)
            if token is None:
                self._again(Step.COMMIT, one, self._sessions.problem(one.report.hotspot_id))
            else:
                ready.append(one)
                tokens.append(token)
        if not ready:
            return True
        commits = [(token, one.report.epoch, one.report.id) for token, one in zip(tokens, ready, strict=True)]
        asked_at_ms = self._clock.monotonic_ms()
        taken = await self._client.submit_commits(commits)
        if isinstance(taken, Taken):
            for place, refused in taken.refusals.items():
                if refused.reason == Reason.NO_SESSION.name and place < len(ready):
                    self._sessions.forget(ready[place].report.hotspot_id, tokens[place])
        return self._sort(Step.COMMIT, ready, taken, asked_at_ms)

    async def _send_reports(self, batch: list[Pending]) -> bool:
        taken = await self._client.submit_reports([(one.report.report, one.report.signature) for one in batch])
        return self._sort(Step.REVEAL, batch, taken)

    def _sort(
        self, step: Step, batch: list[Pending], taken: Taken | CallFailed, asked_at_ms: int | None = None
    ) -> bool:
        """Settles a batch by its answer; False if it must be sent again after a pause."""
        if isinstance(taken, CallFailed):
            return self._failed(step, batch, taken)
        self._note(True)
        stored = [one for place, one in enumerate(batch) if place not in taken.refusals]
        for place, refused in taken.refusals.items():
            if place < len(batch):
                self._refused(step, batch[place], refused.reason)
        if not stored:
            return True
        ids = [one.report.id for one in stored]
        problem = check_receipt(taken.receipt, ids, self._domain, self.owner, self.key)
        if problem is not None:
            self.counters.count("receipts", problem)
            self.last_problem = problem
            for one in stored:
                self._again(step, one, problem)
            return False
        self.counters.count("receipts", "good")
        if asked_at_ms is not None and taken.receipt is not None:
            # by the signed moment of storing, which lies between question and answer
            self._sessions.compare_clocks(taken.receipt.stored_at_ms, asked_at_ms)
        for one in stored:
            self._settle(one, self.owner, step, ACKNOWLEDGED)
        return True

    def _refused(self, step: Step, one: Pending, reason: str) -> None:
        self.counters.count("refusals", reason)
        if reason in RETRIED:
            self._again(step, one, reason)
        else:
            self._settle(one, self.owner, step, reason)

    def _failed(self, step: Step, batch: list[Pending], failed: CallFailed) -> bool:
        self._note(failed)
        for one in batch:
            one.problems[self.owner, step] = failed.code
            self._lanes[step].put(one, 0)
        return False

    def _again(self, step: Step, one: Pending, problem: str) -> None:
        one.problems[self.owner, step] = problem
        self._lanes[step].put(one, self._clock.now_ms() + RETRY_MS)

    def _note(self, asked: CallFailed | bool) -> None:
        """How a call ended; False: there was none, so nothing is known of the validator."""
        if asked is False:
            return
        self._asked_at_ms = self._clock.monotonic_ms()
        failed = asked if isinstance(asked, CallFailed) else None
        if failed is not None and failed.code == KEY_UNAVAILABLE:
            self.key_problem = failed.sentence  # the validator did answer; its challenge could not be signed
            self.counters.count("sessions", KEY_UNAVAILABLE)
        elif failed is not None:
            self.counters.count("calls_failed", failed.code)
            self.last_problem = failed.sentence
        self.reachable = failed is None or failed.code == KEY_UNAVAILABLE

    def _unexpected(self, error: Exception) -> None:
        """A fault of ours with this validator: the others, and the ports, go on."""
        self.counters.count("calls_failed", UNEXPECTED)
        self.last_problem = f"an unexpected {type(error).__name__}; the log has more"
        structlog.get_logger().error("courier", owner=self.owner.hex(), problem=repr(error), exc_info=error)


class Lane:
    """One step's queue to one validator."""

    def __init__(
        self,
        step: Step,
        owner: Address,
        clock: Clock,
        settle: Settle,
        send: Send,
        backoff: Backoff,
    ) -> None:
        self._step = step
        self._owner = owner
        self._clock = clock
        self._settle = settle
        self._send = send
        self._backoff = backoff
        self._order = itertools.count()
        self._heap: list[tuple[int, int, Pending]] = []
        self._filled = asyncio.Event()

    def put(self, pending: Pending, due_ms: int) -> None:
        """Queues an entry; it is sent once it is due."""
        heapq.heappush(self._heap, (due_ms, next(self._order), pending))
        self._filled.set()

    def put_back(self, batch: list[Pending]) -> None:
        """Queues those of a batch again that are not queued already."""
        queued = {id(entry[2]) for entry in self._heap}
        for one in batch:
            if id(one) not in queued:
                self.put(one, 0)

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            await self._until_due()
            await self._clock.sleep_ms(LINGER_MS[self._step])
            batch = self._take()
            if not batch or await self._send(batch):
                self._backoff.reset()
            else:
                await self._clock.sleep_ms(self._backoff.pause_ms())

    async def _until_due(self) -> None:
        while True:
            self._filled.clear()
            wait_ms = self._heap[0][0] - self._clock.now_ms() if self._heap else None
            if wait_ms is not None and wait_ms <= 0:
                return
            await self._filled_within(wait_ms)

    async def _filled_within(self, wait_ms: int | None) -> None:
        if wait_ms is None:
            await self._filled.wait()
            return
        waits = [asyncio.ensure_future(self._filled.wait()), asyncio.ensure_future(self._clock.sleep_ms(wait_ms))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    def _take(self) -> list[Pending]:
        """At most one batch of what is due; what is too late or settled meanwhile falls out here."""
        now_ms = self._clock.now_ms()
        batch: list[Pending] = []
        while self._heap and self._heap[0][0] <= now_ms and len(batch) < MAX_BATCH_ENTRIES:
            pending = heapq.heappop(self._heap)[2]
            if (self._owner, self._step) in pending.outcomes:
                continue
            if pending.deadline_ms(self._step) < now_ms:
                self._settle(pending, self._owner, self._step, WINDOW_PASSED)
            else:
                batch.append(pending)
        return batch
