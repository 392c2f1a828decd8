"""The chain of numbers behind a hotspot's, a cell's or a report's outcome, as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.epoch import EpochResult, decode_outcomes
from protocol.reasons import SENTENCES, Reason
from protocol.records import Outcome, Site
from protocol.rewards import POINT

MICRO = 1_000_000


def explain(result: EpochResult, what: str, wanted: bytes) -> list[str]:
    """Lines on a "hotspot" or "report" by its id, or a "cell" by its 8 bytes; empty if the epoch has nothing of it."""
    table = decode_outcomes(result.outcome_table)
    assert table is not None, "it was just made"
    if what == "report":
        return [line for one in table.outcomes if one.report_id == wanted for line in _report(one)]
    if what == "cell":
        cell = int.from_bytes(wanted, "big")
        return [line for one in table.sites if one.cell == cell for line in _site(one)]
    lines = [line for one in table.sites if one.hotspot_id == wanted for line in _site(one)]
    earned = result.earned.get(wanted)
    return [*lines, f"earned in epoch {result.epoch}: {earned} base units"] if earned is not None else lines


def _report(one: Outcome) -> Iterator[str]:
    reason = Reason(one.reason)
    yield f"report {one.report_id.hex()}: {reason.name}. {SENTENCES[reason]}"
    if reason is not Reason.ACCEPTED:
        yield f"  measured {one.measured}, allowed {one.allowed}"


def _site(one: Site) -> Iterator[str]:
    reason = Reason(one.reason)
    yield f"cell {one.cell:x}, hotspot {one.hotspot_id.hex()[:16]}...: {reason.name}. {SENTENCES[reason]}"
    yield (
        f"  weight {_u(one.weight_u)} x rank {one.rank} x quality {_u(one.quality_u)} = "
        f"{one.points} / {POINT} points (tier {one.tier})"
    )


def _u(millionths: int) -> str:
    return f"{millionths // MICRO}.{millionths % MICRO:06d}"
