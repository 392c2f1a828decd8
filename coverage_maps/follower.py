"""Follows one network: every settled epoch becomes a checked view, newest first; what cannot be shown says why.

One thread runs `step` again and again; everybody else reads `snapshot`, which is replaced whole and never changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from chain.errors import ChainError
from chain.network import NetworkFile
from chain.reader import Block, EpochsConfig
from coverage_maps.record import (
    Fetch,
    Incumbent,
    Problem,
    Root,
    Rules,
    incumbent_at,
    open_epoch,
    open_rules,
)
from coverage_maps.view import EpochView, build_view
from protocol.evidence import Evidence
from protocol.ids import HotspotId
from protocol.need import DAY_MS
from protocol.registry import Registered

KEPT_EPOCHS = 90
OPENED_PER_STEP = 3
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0
NOTHING_LEFT = Evidence((), (), {}, {})


class Chain(Protocol):
    """What the follower needs of chain_facts.ChainFacts."""

    network: NetworkFile

    def refresh(self) -> Block: ...
    def config(self) -> EpochsConfig: ...
    def roots(self) -> Sequence[Root]: ...
    def at_seed_block(self, epoch: int, seed_lead_ms: int) -> tuple[Mapping[HotspotId, Registered], bytes] | None: ...
    def newest_registry(self) -> Mapping[HotspotId, Registered]: ...
    def claimed(self) -> Mapping[bytes, int]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What one round of asking validators gave: the params file they name, and what they wait for."""

    params_files: tuple[bytes, ...] = ()
    waiting: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the map knows at one moment."""

    network: NetworkFile
    rules: Rules | None = None
    roots: Mapping[int, Root] = field(default_factory=dict)
    views: Mapping[int, EpochView] = field(default_factory=dict)
    problems: Mapping[int, Problem] = field(default_factory=dict)
    registry: Mapping[HotspotId, Registered] = field(default_factory=dict)
    claimed: Mapping[bytes, int] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    trouble: str = ""
    """Why nothing newer can be shown; empty when all is well."""
    chain_time_ms: int = 0

    @property
    def newest(self) -> EpochView | None:
        """The view of the newest epoch that could be read."""
        return self.views[max(self.views)] if self.views else None


@dataclass(slots=True)
class _Retry:
    at_s: float
    wait_s: float


def _nobody(asked: Asked) -> str:
    """Why no validator's params can be used."""
    said = "; ".join(asked.silent)
    return f"No validator answers: {said}." if said else "The network file names no validator."


class Follower:
    """Brings the snapshot up to the chain's final block, a step at a time."""

    def __init__(
        self,
        chain: Chain,
        fetch: Fetch,
        ask: Callable[[], Asked],
        now_s: Callable[[], float] = time.monotonic,
        kept_epochs: int = KEPT_EPOCHS,
    ) -> None:
        self._chain, self._fetch, self._ask, self._now_s = chain, fetch, ask, now_s
        self._kept_epochs = kept_epochs
        self._retries: dict[int, _Retry] = {}
        self._incumbent: tuple[int, Incumbent] | None = None
        self.snapshot = Snapshot(chain.network)

    def step(self) -> bool:
        """One look at the chain and the validators; True if more epochs wait to be opened."""
        try:
            block = self._chain.refresh()
            rules = self.rules()
            self._publish(
                rules=rules if isinstance(rules, Rules) else None,
                trouble="" if isinstance(rules, Rules) else rules.sentence,
                roots={root.epoch: root for root in self._chain.roots()},
                registry=self._chain.newest_registry(),
                claimed=self._chain.claimed(),
                waiting=self._ask().waiting,
                chain_time_ms=block.timestamp_ms,
            )
            return self._open_some(rules) if isinstance(rules, Rules) else False
        except ChainError as error:
            self._publish(trouble=str(error))
            return False

    def _publish(self, **changes: object) -> None:
        self.snapshot = replace(self.snapshot, **changes)  # type: ignore[arg-type]

    # --- rules --------------------------------------------------------------------------------------------------------

    def rules(self) -> Rules | Problem:
        """The rules in force, found once by the hash on chain; a Problem while no validator gives them."""
        if self.snapshot.rules is not None:
            return self.snapshot.rules
        asked, config = self._ask(), self._chain.config()
        found: Rules | Problem = Problem(_nobody(asked), missing=True)
        for digest in asked.params_files:
            found = open_rules(digest, config.params_hash, config.genesis_ms, self._fetch)
            if isinstance(found, Rules):
                break
        return found

    # --- epochs -------------------------------------------------------------------------------------------------------

    def _open_some(self, rules: Rules) -> bool:
        wanted = sorted(self.snapshot.roots, reverse=True)[: self._kept_epochs]
        due = [epoch for epoch in wanted if self._is_due(epoch)]
        for epoch in due[:OPENED_PER_STEP]:
            self._open(epoch, rules)
        self._forget_old(set(wanted))
        return len(due) > OPENED_PER_STEP

    def _is_due(self, epoch: int) -> bool:
        known = self.snapshot.views.get(epoch)
        if known is not None:
            return known.record.root != self.snapshot.roots[epoch]
        problem, retry = self.snapshot.problems.get(epoch), self._retries.get(epoch)
        return problem is None or (problem.missing and retry is not None and self._now_s() >= retry.at_s)

    def _open(self, epoch: int, rules: Rules) -> None:
        view = self.open(self.snapshot.roots[epoch], rules)
        views, problems = dict(self.snapshot.views), dict(self.snapshot.problems)
        if isinstance(view, Problem):
            problems[epoch] = view
            views.pop(epoch, None)
            last = self._retries.get(epoch)
            wait_s = min(2 * last.wait_s, LAST_RETRY_S) if last else FIRST_RETRY_S
            self._retries[epoch] = _Retry(self._now_s() + wait_s, wait_s)
        else:
            views[epoch] = view
            problems.pop(epoch, None)
            self._retries.pop(epoch, None)
        self._publish(views=views, problems=problems)

    def open(self, root: Root, rules: Rules) -> EpochView | Problem:
        """The view of one epoch. Its evidence is not kept: everything shown of it is in the view."""
        facts = self._chain.at_seed_block(root.epoch, rules.params.epoch.seed_lead_ms)
        if facts is None:
            return Problem("The block the epoch's seed comes from is not final yet.", missing=True)
        record = open_epoch(root, rules, *facts, self._fetch)
        if isinstance(record, Problem):
            return record
        view = build_view(record, self._incumbent_of(rules, record.start_ms // DAY_MS))
        return replace(view, record=replace(record, evidence=NOTHING_LEFT))

    def _incumbent_of(self, rules: Rules, day: int) -> Incumbent:
        """What the baselines say on a day; votes age by whole days, so one day's answer serves all its epochs."""
        if self._incumbent is None or self._incumbent[0] != day:
            self._incumbent = day, incumbent_at(rules.source, day * DAY_MS)
        return self._incumbent[1]

    def _forget_old(self, wanted: set[int]) -> None:
        views = {epoch: view for epoch, view in self.snapshot.views.items() if epoch in wanted}
        if len(views) != len(self.snapshot.views):
            self._publish(views=views)
