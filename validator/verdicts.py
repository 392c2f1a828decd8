"""What became of reports, for the hotspots that ask: final once an epoch is settled, provisional before.

A provisional verdict judges this validator's own inbox by every rule that needs no one else's evidence; it is ready
within a minute of the reveal.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from protocol.columns import Setting
from protocol.epoch import decode_outcomes
from protocol.evidence import CountedManifest, unite
from protocol.ids import Address, ReportId
from protocol.records import Outcome
from protocol.verdicts import Engine, judge
from validator.chain_view import ChainView
from validator.clock import Clock
from validator.inbox import Inbox
from validator.rules import NetworkRules
from validator.seal import seal

KEPT_EPOCHS = 8
PROVISIONAL_FOR_MS = 5_000
PROVISIONAL_WITHIN_MS = 50_000
PAUSE_PER_WORK = 10
"""However many ask, judging drafts takes at most a tenth of the time."""


class VerdictDesk:
    """Outcomes by report id of the last epochs."""

    def __init__(
        self, owner: Address, chain: ChainView, rules: NetworkRules, inbox: Inbox, engine: Engine, clock: Clock
    ) -> None:
        self._owner, self._chain, self._rules = owner, chain, rules
        self._inbox, self._engine, self._clock = inbox, engine, clock
        self._final: OrderedDict[int, Mapping[bytes, Outcome]] = OrderedDict()
        self._provisional: dict[int, tuple[int, Mapping[bytes, Outcome]]] = {}
        self._lock = asyncio.Lock()

    async def settled(self, epoch: int, outcome_table: bytes) -> None:
        """Takes an epoch's outcome table; its verdicts are final now."""
        self._final[epoch] = await asyncio.to_thread(_by_report, outcome_table)
        self._provisional.pop(epoch, None)
        while len(self._final) > KEPT_EPOCHS:
            self._final.popitem(last=False)

    async def look_up(self, report_ids: Sequence[ReportId]) -> list[tuple[Outcome, bool]]:
        """(outcome, final) of each id this validator knows."""
        now = self._chain.epoch_at(self._clock.now_ms())
        open_epochs = [epoch for epoch in (now - 1, now) if epoch >= 1 and epoch not in self._final]
        async with self._lock:
            self._provisional = {epoch: draft for epoch, draft in self._provisional.items() if epoch in open_epochs}
            drafts = [await self._draft(epoch) for epoch in open_epochs]
        found = []
        for one in report_ids:
            final = next((table[one] for table in self._final.values() if one in table), None)
            draft = next((table[one] for table in drafts if one in table), None)
            if final is not None:
                found.append((final, True))
            elif draft is not None:
                found.append((draft, False))
        return found

    async def _draft(self, epoch: int) -> Mapping[bytes, Outcome]:
        """Provisional outcomes of an open epoch, at most a few seconds old, and the older the longer they take."""
        fresh_until_ms, kept = self._provisional.get(epoch, (0, {}))
        started_ms = self._clock.now_ms()
        if started_ms > fresh_until_ms and self._inbox.has(epoch):
            kept = await asyncio.to_thread(self._judge, epoch)
            now_ms = self._clock.now_ms()
            pause_ms = min(max(PROVISIONAL_FOR_MS, PAUSE_PER_WORK * (now_ms - started_ms)), PROVISIONAL_WITHIN_MS)
            self._provisional[epoch] = (now_ms + pause_ms, kept)
        return kept

    def _judge(self, epoch: int) -> Mapping[bytes, Outcome]:
        registry, seed = self._chain.registry(epoch), self._chain.seed(epoch)
        if registry is None or seed is None:
            return {}
        inbox = self._inbox.epoch(epoch)
        manifest, segments = seal(inbox, self._chain.network, epoch, self._owner, registry)
        evidence = unite([CountedManifest(manifest, tuple(segments))])
        setting = Setting(
            network=self._chain.network,
            params=self._rules.params,
            regions=self._rules.regions,
            epoch=epoch,
            start_ms=self._chain.start_ms(epoch),
            seed=seed,
            draw=b"",
            registry=registry,
            stakes={self._owner: 1},
            accounts={},
            positions=evidence.positions,
        )
        judged = judge(setting, evidence, self._engine, provisional=True)
        return {one.report_id: one for one in judged.outcomes}


def _by_report(outcome_table: bytes) -> Mapping[bytes, Outcome]:
    table = decode_outcomes(outcome_table)
    assert table is not None, "the table was just made"
    return {one.report_id: one for one in table.outcomes}
