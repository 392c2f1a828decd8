"""Recording on a phone: now and then its cells and its position become lines of our own CSV, on this device only."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hotspot.clock import Clock
from hotspot.positions.fix import Fix, NoFix, Trouble
from hotspot.positions.mapper import FIX_LIFETIME_MS
from hotspot.positions.termux import answer_of
from hotspot.quiet import Zone
from hotspot.survey.readings import COLUMNS, Reading, Refusal, SurveyError, of_cells

COMMAND = ("termux-telephony-cellinfo",)
TIMEOUT_S = 20.0


class Latest:
    """The latest fix a receiver told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fix: Fix | None = None
        self._at_ms = 0
        self.last: Fix | NoFix | Trouble | None = None

    def told(self, reading: Fix | NoFix | Trouble) -> None:
        self.last = reading if reading is not NoFix.OTHER else self.last
        if isinstance(reading, Fix):
            self._fix, self._at_ms = reading, self._clock.monotonic_ms() - reading.age_ms
        elif reading in (NoFix.LOST, NoFix.INACCURATE):
            self._fix = None

    def fix(self) -> Fix | None:
        """None without one of the last 10 s."""
        fresh = self._clock.monotonic_ms() - self._at_ms <= FIX_LIFETIME_MS
        return self._fix if fresh else None


async def take(
    path: Path, latest: Latest, zones: Sequence[Zone], clock: Clock, command: tuple[str, ...] = COMMAND
) -> Counter[str]:
    """One look at the phone's cells, appended to `path`; counts of what was kept and what was not. SurveyError."""
    fix = latest.fix()
    if fix is None:
        return Counter({Refusal.NO_POSITION: 1})
    if any(zone.covers(fix.latitude_deg, fix.longitude_deg) for zone in zones):
        return Counter({Refusal.QUIET: 1})
    data = await answer_of(command, TIMEOUT_S)
    if isinstance(data, Trouble):
        raise SurveyError("termux-telephony-cellinfo does not answer. Install Termux:API and allow it phone state.")
    found = of_cells(data, clock.now_ms(), fix.latitude_deg, fix.longitude_deg)
    append(path, [one for one in found if isinstance(one, Reading)])
    return Counter("kept" if isinstance(one, Reading) else one.value for one in found)


def append(path: Path, readings: Sequence[Reading]) -> None:
    """Adds lines to a CSV only its owner can read, and syncs it; SurveyError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if file.tell() == 0:
                writer.writerow(COLUMNS)
            writer.writerows(one.line() for one in readings)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SurveyError(f"Cannot write {path}: {error.strerror}.") from error
