"""Every canonical record goes there and back, and nothing else decodes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.encoding import U8, Network, Record, concatenate, layout, signed_bytes, split
from protocol.ids import Address
from protocol.records import Beacon, Position, SignedBeacon, Witness
from tests.property.strategies import RECORDS, mutated, records
from tests.reference import bytes_to_sign, inputs

EXAMPLES = settings(max_examples=300, deadline=None)
FEWER = settings(max_examples=100, deadline=None)
RECORD = st.sampled_from(RECORDS)


@given(made=RECORD.flatmap(records))
@EXAMPLES
def test_a_record_decodes_to_itself(made: Record) -> None:
    assert type(made).decode(made.encode()) == made


@given(made=RECORD.flatmap(records))
@EXAMPLES
def test_refuses_any_other_length(made: Record) -> None:
    data = made.encode()
    others = [data[:-1], data + b"\0", data * 2, b""]
    assert len(data) == made.width()
    assert [type(made).decode(other) for other in others] == [None] * len(others)


@given(made=RECORD.flatmap(records), data=st.data())
@EXAMPLES
def test_what_decodes_encodes_back_to_the_same_bytes(made: Record, data: st.DataObject) -> None:
    bent = data.draw(mutated(made.encode()))
    decoded = type(made).decode(bent)
    assert decoded is None or decoded.encode() == bent


@given(pair=RECORD.flatmap(lambda record: st.tuples(records(record), records(record))))
@EXAMPLES
def test_two_records_differ_in_their_bytes(pair: tuple[Record, Record]) -> None:
    one, other = pair
    assert (one == other) == (one.encode() == other.encode())


@given(record=RECORD, data=st.data())
@FEWER
def test_a_concatenation_splits_into_its_records(record: type[Record], data: st.DataObject) -> None:
    some = data.draw(st.lists(records(record), max_size=4))
    assert split(record, concatenate(some)) == some


@given(record=RECORD, data=st.data())
@FEWER
def test_a_piece_of_a_record_does_not_split(record: type[Record], data: st.DataObject) -> None:
    some = concatenate(data.draw(st.lists(records(record), min_size=1, max_size=3)))
    assert split(record, some[:-1]) is None


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_value_that_does_not_fit_raises_instead_of_being_cut(record: type[Record]) -> None:
    for _, kind, _ in layout(record):
        made: Any = bytes(kind.width + 1) if kind.raw else 2 ** (8 * kind.width)
        with pytest.raises((ValueError, OverflowError)):
            kind.encode(made)


@given(
    excess=st.integers(1, 2**31 - 1 - 7_000_000),
    axis=st.sampled_from(["x_m", "y_m", "z_m"]),
    sign=st.sampled_from([1, -1]),
)
@EXAMPLES
def test_a_place_off_the_earth_does_not_decode(excess: int, axis: str, sign: int) -> None:
    place = {"cell": 1, "x_m": 0, "y_m": 0, "z_m": 0, axis: sign * (7_000_000 + excess)}
    assert Position.decode(Position(**place).encode()) is None


def test_a_signed_report_holds_a_canonical_report() -> None:
    assert SignedBeacon.decode(bytes(SignedBeacon.width())) is not None
    assert not SignedBeacon(b"short", bytes(64)).is_canonical()


# --- the reference writes the same bytes


@given(report=records(Beacon))
@EXAMPLES
def test_the_reference_writes_the_same_beacon(report: Beacon) -> None:
    plain = inputs.Beacon(**{name: getattr(report, name) for name in bytes_to_sign.BEACON})
    assert bytes_to_sign.canonical(plain) == report.encode()


@given(report=records(Witness))
@EXAMPLES
def test_the_reference_writes_the_same_witness_report(report: Witness) -> None:
    plain = inputs.Witness(**{name: getattr(report, name) for name in bytes_to_sign.WITNESS})
    assert bytes_to_sign.canonical(plain) == report.encode()


# --- what is signed


@given(
    one=st.tuples(st.text("abc/", max_size=32), st.binary(max_size=40)),
    other=st.tuples(st.text("abc/", max_size=32), st.binary(max_size=40)),
)
@settings(max_examples=100, deadline=None)
def test_no_two_signed_strings_are_equal(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    network = Network(1, Address(bytes(20)))
    assert (signed_bytes(one[0], network, one[1]) == signed_bytes(other[0], network, other[1])) == (one == other)


def test_refuses_a_type_name_longer_than_its_place() -> None:
    with pytest.raises(ValueError, match="longer than 32"):
        signed_bytes("x" * 33, Network(1, Address(bytes(20))), b"")


@pytest.mark.parametrize(
    "other", [Network(2, Address(bytes(20))), Network(1, Address(bytes(19) + b"\1"))], ids=["chain", "contract"]
)
def test_another_network_signs_other_bytes(other: Network) -> None:
    assert signed_bytes("a", other, b"") != signed_bytes("a", Network(1, Address(bytes(20))), b"")


def test_u8_takes_bytes_only() -> None:
    with pytest.raises(OverflowError):
        U8.encode(-1)
