"""From readings to the file others get: one line a day, cell and operator, at the centre of the cell.

The need map wants, per device, day and res-9 cell, the median of the best operator; medians of each operator say all of
that and less of where and when somebody was.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from hotspot.positions.centre import centre_deg
from hotspot.quiet import Zone
from hotspot.survey.readings import CLASSES, Reading, Refusal, SurveyError
from protocol.geo import cell_at
from protocol.need import DAY_MS, INDEXED_LEVEL

HEADER = ("cell", "lat", "lon", "time", "radio", "operator", "dbm", "readings", "contributor")
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Made:
    """A survey's file and what became of every reading."""

    data: bytes
    rows: int
    readings: int
    refused: dict[str, int]
    cells: int
    first_day: int
    last_day: int


def make(readings: Iterable[Reading | Refusal], radio_class: str, zones: Sequence[Zone], contributor: str) -> Made:
    """The file for one radio class, sorted; readings in a quiet zone are left out and counted. SurveyError if empty."""
    refused: Counter[str] = Counter()
    kept: dict[tuple[int, int, str, str], list[Decimal]] = defaultdict(list)
    for one in readings:
        problem = one if isinstance(one, Refusal) else _problem(one, radio_class, zones)
        if isinstance(one, Refusal) or problem is not None:
            refused[str(problem)] += 1
            continue
        cell = cell_at(one.latitude_deg, one.longitude_deg, INDEXED_LEVEL)
        kept[cell, one.at_ms // DAY_MS, one.radio, one.operator].append(one.dbm)
    if not kept:
        why = ", ".join(f"{reason} {count}" for reason, count in refused.items())
        raise SurveyError(f"There is nothing to sign: {why or 'the sources hold no reading'}.")
    days = [day for _, day, _, _ in kept]
    return Made(
        data=_csv(kept, contributor),
        rows=len(kept),
        readings=sum(map(len, kept.values())),
        refused=dict(sorted(refused.items())),
        cells=len({cell for cell, _, _, _ in kept}),
        first_day=min(days),
        last_day=max(days),
    )


def _problem(one: Reading, radio_class: str, zones: Sequence[Zone]) -> Refusal | None:
    if CLASSES[one.radio] != radio_class:
        return Refusal.OTHER_CLASS
    quiet = any(zone.covers(one.latitude_deg, one.longitude_deg) for zone in zones)
    return Refusal.QUIET if quiet else None


def _csv(kept: dict[tuple[int, int, str, str], list[Decimal]], contributor: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for (cell, day, radio, operator), levels in sorted(kept.items()):
        latitude, longitude = centre_deg(cell)
        middle = sorted(levels)[(len(levels) - 1) // 2]
        when = (EPOCH + timedelta(days=day)).isoformat()
        place = (f"{cell:x}", f"{latitude:.7f}", f"{longitude:.7f}")
        writer.writerow((*place, when, radio, operator, str(middle), len(levels), contributor))
    return text.getvalue().encode()
