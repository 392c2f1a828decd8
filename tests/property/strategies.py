"""Random canonical records and tables."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from protocol.encoding import FieldType, Record, layout
from protocol.ids import Kind, Role
from protocol.limits import MAX_COORDINATE_M
from protocol.reasons import Reason
from protocol.records import (
    ALL_RECORDS,
    SEGMENT_ROWS,
    Beacon,
    Outcome,
    Position,
    RegistryRow,
    SegmentRef,
    SignedBeacon,
    SignedWitness,
    Witness,
)
from protocol.regions import RegionCell

RECORDS: tuple[type[Record], ...] = (*ALL_RECORDS, RegionCell)

COORDINATES = st.integers(-MAX_COORDINATE_M, MAX_COORDINATE_M)
MEANINGFUL: dict[type[Record], dict[str, st.SearchStrategy[Any]]] = {
    SegmentRef: {"kind": st.sampled_from(sorted(SEGMENT_ROWS))},
    Position: {"x_m": COORDINATES, "y_m": COORDINATES, "z_m": COORDINATES},
    RegistryRow: {"kind": st.sampled_from(list(Kind)), "frozen": st.integers(0, 1)},
    Outcome: {"role": st.sampled_from(list(Role)), "reason": st.sampled_from(list(Reason))},
}
"""Fields that hold less than their width allows."""


def values(kind: FieldType) -> st.SearchStrategy[Any]:
    """Everything a field can hold, its ends often."""
    if kind.raw:
        return st.binary(min_size=kind.width, max_size=kind.width)
    bits = 8 * kind.width
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind.signed else (0, 2**bits - 1)
    return st.one_of(st.integers(least, most), st.sampled_from([least, most, 0]))


def records(record: type[Record]) -> st.SearchStrategy[Any]:
    """Canonical records of a type."""
    narrowed = dict(MEANINGFUL.get(record, {}))
    if record is SignedBeacon:
        narrowed["report"] = records(Beacon).map(Record.encode)
    if record is SignedWitness:
        narrowed["report"] = records(Witness).map(Record.encode)
    return st.builds(record, **{name: narrowed.get(name, values(kind)) for name, kind, _ in layout(record)})


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with a few of them changed, cut off, put in or repeated."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.binary(max_size=9))
        way = draw(st.sampled_from(["change", "cut", "insert", "repeat", "drop"]))
        data = {
            "change": data[:at] + piece + data[at + len(piece) :],
            "cut": data[:at],
            "insert": data[:at] + piece + data[at:],
            "repeat": data[:at] + data[at:] * 2,
            "drop": data[: max(0, at - len(piece))] + data[at:],
        }[way]
    return data
