"""One way to time: the best of several runs, because other work only ever makes a run slower."""

from __future__ import annotations

import time
from collections.abc import Callable

RUNS = 3


def best_s(work: Callable[[], object]) -> float:
    """Seconds of the fastest of RUNS runs, after one that is not counted."""
    work()
    return min(_once_s(work) for _ in range(RUNS))


def _once_s(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def line(what: str, ours_per_s: float, ceiling: str, ceiling_per_s: float) -> str:
    """One line: ours, the ceiling, the ratio."""
    share = 100 * ours_per_s / ceiling_per_s
    return f"{what}: {ours_per_s:,.0f}/s; ceiling ({ceiling}): {ceiling_per_s:,.0f}/s; {share:.0f} % of it"
