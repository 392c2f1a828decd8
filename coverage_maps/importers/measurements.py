"""Measurements to canonical baseline rows (rewards.md 0): the pure core every importer shares."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from protocol.arithmetic import MICRO
from protocol.encoding import sha256
from protocol.records import BaselineRow


class Refusal(StrEnum):
    """Why a row of a file is not a measurement; the value is what a report prints."""

    MALFORMED_ROW = "malformed row"
    NO_POSITION = "no position"
    POSITION_NOT_A_NUMBER = "position is not a number"
    POSITION_OUT_OF_RANGE = "position out of range"
    POSITION_ZERO = "position is exactly 0, 0"
    POSITION_INACCURATE = "position less exact than 100 m"
    NO_SIGNAL = "no signal"
    SIGNAL_NOT_A_NUMBER = "signal is not a number"
    SIGNAL_OUT_OF_RANGE = "signal outside -200..0 dBm"
    TIME_UNREADABLE = "time cannot be read"
    TIME_BEFORE_2000 = "time is a number before the year 2000"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of a file. `frame` joins receptions of one transmission; empty: the row stands alone."""

    cell: int
    signal_cdb: int
    day: int
    device: str = ""
    contributor: int = 0
    operator: str = ""
    frame: str = ""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of every row of a file."""

    rows_read: int
    refused: dict[str, int] = field(default_factory=dict)
    repeated_receptions: int = 0
    """Further receptions of a frame already counted with its strongest one."""
    measurements: int = 0
    rows_written: int = 0
    merged_duplicates: int = 0
    """Canonical rows of two devices that came out equal, and therefore are one."""
    cells: int = 0
    undated_rows: int = 0
    weakest_cdb: int | None = None
    strongest_cdb: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """Canonical rows, sorted and unique, their bytes, and the report."""

    rows: tuple[BaselineRow, ...]
    data: bytes
    report: ImportReport


def canonical(read: Iterable[Measurement | Refusal], radio_class: int, source: int) -> Imported:
    """The baseline rows of a file's rows, whatever their order."""
    refused: Counter[str] = Counter()
    strongest: dict[tuple[str, str], Measurement] = {}
    alone: list[Measurement] = []
    repeated = 0
    for one in read:
        if isinstance(one, Refusal):
            refused[one.value] += 1
        elif one.frame:
            key = one.device, one.frame
            repeated += key in strongest
            strongest[key] = _stronger(strongest.get(key), one)
        else:
            alone.append(one)
    used = [*alone, *strongest.values()]
    rows = baseline_rows(used, radio_class, source)
    unique = sorted({row.encode() for row in rows})
    rows_read = len(used) + repeated + sum(refused.values())
    report = ImportReport(rows_read, dict(sorted(refused.items())), repeated, len(used))
    return _imported(rows, unique, report)


def _stronger(a: Measurement | None, b: Measurement) -> Measurement:
    """The stronger of two receptions of one frame; ties by place and day, so that the file's order says nothing."""
    if a is None:
        return b
    return max(a, b, key=lambda one: (one.signal_cdb, -one.cell, -one.day, one.operator, one.contributor))


def baseline_rows(used: Iterable[Measurement], radio_class: int, source: int) -> list[BaselineRow]:
    """One row per (contributor, device, day, cell): the best operator's lower median."""
    groups: dict[tuple[int, str, int, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for one in used:
        groups[one.contributor, one.device, one.day, one.cell][one.operator].append(one.signal_cdb)
    return [
        BaselineRow(cell, radio_class, source, contributor, max(map(lower_median, operators.values())), MICRO, day)
        for (contributor, _, day, cell), operators in groups.items()
    ]


def lower_median(values: list[int]) -> int:
    """The middle value, the lower one of two; never an average. `values` must not be empty."""
    return sorted(values)[(len(values) - 1) // 2]


def _imported(rows: list[BaselineRow], unique: list[bytes], report: ImportReport) -> Imported:
    data = b"".join(unique)
    decoded = tuple(row for row in map(BaselineRow.decode, unique) if row is not None)
    signals = [row.signal_cdb for row in decoded]
    counted = replace(
        report,
        rows_written=len(unique),
        merged_duplicates=len(rows) - len(unique),
        cells=len({row.cell for row in decoded}),
        undated_rows=sum(not row.day for row in decoded),
        weakest_cdb=min(signals, default=None),
        strongest_cdb=max(signals, default=None),
        sha256=sha256(data).hex(),
    )
    return Imported(decoded, data, counted)
