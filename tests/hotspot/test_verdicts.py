"""Verdicts are asked for until they are final, in batches, of one validator after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hotspot.reporting.verdicts import PAUSE_MS, Verdicts, sentence
from hotspot.wire import CallFailed, ReportVerdict
from protocol.ids import ReportId
from protocol.limits import MAX_BATCH_ENTRIES
from tests.hotspot.clocks import ManualClock

IDS = [ReportId(bytes([number]) * 32) for number in range(3)]


def verdict(report_id: bytes, *, final: bool = True, measured: int = 0) -> ReportVerdict:
    return ReportVerdict(report_id, final, "TOO_FAR", "Too far apart.", measured, 100 if measured else 0)


class Judge:
    """Knows some reports."""

    def __init__(self, **known: bool) -> None:
        self.final: dict[bytes, bool] = {}
        self.asked: list[list[bytes]] = []
        self.answers = True

    async def verdicts(self, report_ids: Sequence[ReportId]) -> list[ReportVerdict] | CallFailed:
        self.asked.append(list(report_ids))
        if not self.answers:
            return CallFailed("UNAVAILABLE", "down")
        return [verdict(one, final=self.final[one]) for one in report_ids if one in self.final]


def test_asks_again_only_for_what_is_not_final() -> None:
    judge = Judge()
    judge.final = {IDS[0]: True, IDS[1]: False}
    verdicts = Verdicts([judge], lambda: IDS, ManualClock())
    asyncio.run(verdicts.ask())
    asyncio.run(verdicts.ask())
    assert judge.asked == [IDS, IDS[1:]]
    assert verdicts.of(IDS[0]) == verdict(IDS[0])
    assert verdicts.of(IDS[2]) is None


def test_a_validator_that_is_down_is_followed_by_the_next() -> None:
    down, up = Judge(), Judge()
    down.answers, up.final = False, {IDS[0]: True}
    verdicts = Verdicts([down, up], lambda: IDS[:1], ManualClock())
    asyncio.run(verdicts.ask())
    assert verdicts.of(IDS[0]) is None
    asyncio.run(verdicts.ask())
    assert verdicts.of(IDS[0]) is not None


def test_asks_in_batches() -> None:
    judge = Judge()
    wanted = [ReportId(number.to_bytes(32, "big")) for number in range(MAX_BATCH_ENTRIES + 1)]
    asyncio.run(Verdicts([judge], lambda: wanted, ManualClock()).ask())
    assert [len(one) for one in judge.asked] == [MAX_BATCH_ENTRIES, 1]


def test_asks_only_while_somebody_looks_and_not_too_often() -> None:
    async def act() -> list[int]:
        clock, judge = ManualClock(), Judge()
        verdicts = Verdicts([judge], lambda: IDS, clock)
        task = asyncio.ensure_future(verdicts.run())
        counts = []
        for looks in (False, True, True):
            if looks:
                verdicts.look()
            await clock.advance(PAUSE_MS - 1)
            counts.append(len(judge.asked))
        await clock.advance(1)
        task.cancel()
        return [*counts, len(judge.asked)]

    assert asyncio.run(act()) == [0, 1, 2, 2]


def test_a_verdict_reads_like_a_sentence_with_its_numbers() -> None:
    assert sentence(None) == "not judged yet"
    assert (
        sentence(verdict(IDS[0], final=False, measured=140))
        == "Too far apart (measured 140, allowed 100) (provisional)"
    )
