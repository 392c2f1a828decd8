"""Random canonical records and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

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

MEANINGFUL: dict[type[Record], dict[str, Callable[[Random], Any]]] = {
    SegmentRef: {"kind": lambda random: random.choice(sorted(SEGMENT_ROWS))},
    Position: dict.fromkeys(("x_m", "y_m", "z_m"), lambda random: random.randint(-MAX_COORDINATE_M, MAX_COORDINATE_M)),
    RegistryRow: {"kind": lambda random: random.choice(list(Kind)), "frozen": lambda random: random.randrange(2)},
    Outcome: {
        "role": lambda random: random.choice(list(Role)),
        "reason": lambda random: random.choice(list(Reason)),
    },
    SignedBeacon: {"report": lambda random: random_record(Beacon, random).encode()},
    SignedWitness: {"report": lambda random: random_record(Witness, random).encode()},
}
"""Fields that hold less than their width allows."""


def random_value(kind: FieldType, random: Random) -> Any:
    """Anything a field can hold, its ends often."""
    if kind.raw:
        return random.choice([bytes(kind.width), b"\xff" * kind.width, random.randbytes(kind.width)])
    bits = 8 * kind.width
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind.signed else (0, 2**bits - 1)
    return random.choice([least, most, 0, random.randint(least, most)])


def random_record(record: type[Record], random: Random) -> Any:
    """A canonical record of a type."""
    narrowed = MEANINGFUL.get(record, {})
    made = {
        name: narrowed[name](random) if name in narrowed else random_value(kind, random)
        for name, kind, _ in layout(record)
    }
    return record(**made)


def records(record: type[Record]) -> st.SearchStrategy[Any]:
    """Canonical records of a type, one draw each."""
    return st.integers(0, 2**64 - 1).map(lambda seed: random_record(record, Random(seed)))


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


T = TypeVar("T")


def shuffled(values: Sequence[T], seed: int) -> list[T]:
    """The same values in another order."""
    return Random(seed).sample(list(values), len(values))
