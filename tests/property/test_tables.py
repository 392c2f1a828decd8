"""Manifests, states, outcomes, summaries, segments, maps: what is canonical decodes to itself, the rest to None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.encoding import Network, Record, concatenate
from protocol.epoch import decode_outcomes, decode_summary
from protocol.ids import Address
from protocol.manifest import BEACONS, COMMITS, WITNESSES, Manifest, decode_manifest, seal_segment, segment_problem
from protocol.need import decode_map
from protocol.records import (
    SEGMENT_ROWS,
    Account,
    CellState,
    Commit,
    ManifestCounted,
    ManifestHead,
    Outcome,
    OutcomeHead,
    Position,
    Refusals,
    SegmentRef,
    Site,
    StateHead,
    SummaryHead,
)
from protocol.state import State, decode_state
from protocol.tables import encode_table, is_strictly_sorted
from tests.factories import DEVNET, NETWORK
from tests.property.engine import KeptDuckDb
from tests.property.strategies import mutated, records
from tests.property.worlds import tell

EXAMPLES = settings(max_examples=30, deadline=None)
HASH = st.binary(min_size=32, max_size=32)


def rows(record: type[Record], most: int = 3) -> st.SearchStrategy[list[Any]]:
    """Sorted rows without duplicates."""
    return st.lists(records(record), max_size=most, unique_by=Record.encode).map(
        lambda some: sorted(some, key=Record.encode)
    )


NETWORKS = st.builds(Network, st.integers(0, 2**64 - 1), st.binary(min_size=20, max_size=20).map(Address))
MANIFESTS = st.builds(
    Manifest,
    NETWORKS,
    st.integers(0, 2**64 - 1),
    st.binary(min_size=20, max_size=20).map(Address),
    rows(SegmentRef).map(tuple),
    rows(Refusals).map(tuple),
    rows(Position).map(tuple),
)


def state_of(head: StateHead, accounts: list[Account], cells: list[CellState], places: list[Position]) -> State:
    return State(
        epoch=head.epoch,
        reserve=head.reserve,
        non_empty=head.non_empty,
        need_map_next=head.need_map_next,
        need_map_after=head.need_map_after,
        accounts={one.id: replace(one, cumulative=one.cumulative >> 3) for one in accounts},
        cells=tuple(cells),
        positions={one.cell: one for one in places},
    )


STATES = st.builds(state_of, records(StateHead), rows(Account), rows(CellState), rows(Position))
OUTCOME_TABLES = st.builds(
    lambda epoch, outcomes, sites: encode_table(OutcomeHead(epoch, len(outcomes), len(sites)), outcomes, sites),
    st.integers(0, 2**64 - 1),
    rows(Outcome),
    rows(Site),
)
SUMMARIES = st.builds(
    lambda head, counted: encode_table(replace(head, manifests=len(counted)), counted),
    records(SummaryHead),
    rows(ManifestCounted),
)
TABLES: dict[str, tuple[Callable[[bytes], Any], st.SearchStrategy[bytes]]] = {
    "manifest": (decode_manifest, MANIFESTS.map(Manifest.encode)),
    "state": (decode_state, STATES.map(State.encode)),
    "outcomes": (decode_outcomes, OUTCOME_TABLES),
    "summary": (decode_summary, SUMMARIES),
}
by_table = pytest.mark.parametrize("name", sorted(TABLES))


@by_table
@given(data=st.data())
@EXAMPLES
def test_a_table_decodes(name: str, data: st.DataObject) -> None:
    decode, made = TABLES[name]
    assert decode(data.draw(made)) is not None


@by_table
@given(data=st.data())
@settings(max_examples=70, deadline=None)
def test_decoding_a_bent_table_never_raises(name: str, data: st.DataObject) -> None:
    decode, made = TABLES[name]
    bent = data.draw(mutated(data.draw(made)))
    decoded = decode(bent)
    assert decoded is None or _encoded(name, decoded) == bent


def _encoded(name: str, decoded: Any) -> bytes:
    if name == "outcomes":
        head = OutcomeHead(decoded.epoch, len(decoded.outcomes), len(decoded.sites))
        return encode_table(head, decoded.outcomes, decoded.sites)
    if name == "summary":
        return encode_table(decoded.head, decoded.manifests)
    encoded: bytes = decoded.encode()
    return encoded


@by_table
@given(data=st.data())
@EXAMPLES
def test_refuses_a_byte_more_or_less(name: str, data: st.DataObject) -> None:
    decode, made = TABLES[name]
    whole = data.draw(made)
    assert [decode(whole[:-1]), decode(whole + b"\0"), decode(b"")] == [None] * 3


@given(made=MANIFESTS)
@EXAMPLES
def test_a_manifest_decodes_to_itself(made: Manifest) -> None:
    assert decode_manifest(made.encode()) == made


@given(made=STATES)
@EXAMPLES
def test_a_state_decodes_to_itself(made: State) -> None:
    assert decode_state(made.encode()) == made


@pytest.mark.parametrize("run", ["segments", "refusals", "positions"])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_refuses_rows_of_a_manifest_out_of_order_or_twice(run: str, data: st.DataObject) -> None:
    record = {"segments": SegmentRef, "refusals": Refusals, "positions": Position}[run]
    some = data.draw(st.lists(records(record), min_size=2, max_size=3, unique_by=Record.encode))
    ordered = sorted(some, key=Record.encode)
    made = data.draw(MANIFESTS)
    for wrong in (ordered[::-1], [ordered[0], *ordered]):
        assert decode_manifest(replace(made, **{run: tuple(wrong)}).encode()) is None


@pytest.mark.parametrize("count", ["segments", "refusals", "positions"])
def test_a_manifest_that_claims_more_rows_than_it_has_is_refused_at_once(count: str) -> None:
    claims = {"segments": 0, "refusals": 0, "positions": 0, count: 2**32 - 1}
    head = ManifestHead(1, bytes(20), 1, bytes(20), **claims)
    assert decode_manifest(head.encode() + bytes(200)) is None


# --- real epochs


@pytest.fixture(scope="module")
def real() -> Any:
    kept = KeptDuckDb()
    story = tell(5, kept)
    kept.close()
    return story.results[-1]


def test_tables_of_a_real_epoch_decode_to_themselves(real: Any) -> None:
    assert decode_state(real.state.encode()) == real.state
    assert decode_map(real.need_map.encode(), DEVNET.need) == real.need_map
    outcomes, summary = decode_outcomes(real.outcome_table), decode_summary(real.summary)
    assert outcomes is not None and _encoded("outcomes", outcomes) == real.outcome_table
    assert summary is not None and _encoded("summary", summary) == real.summary


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_decoding_bent_tables_of_a_real_epoch_never_raises(real: Any, data: st.DataObject) -> None:
    wholes = {"state": real.state.encode(), "outcomes": real.outcome_table, "summary": real.summary}
    name = data.draw(st.sampled_from(sorted(wholes)))
    bent = data.draw(mutated(wholes[name]))
    decoded = TABLES[name][0](bent)
    assert decoded is None or _encoded(name, decoded) == bent


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_decoding_a_bent_need_map_never_raises(real: Any, data: st.DataObject) -> None:
    bent = data.draw(mutated(real.need_map.encode()))
    decoded = decode_map(bent, DEVNET.need)
    assert decoded is None or decoded.encode() == bent


# --- segments


@pytest.mark.parametrize("kind", [COMMITS, BEACONS, WITNESSES])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_sealed_segment_is_sorted_unique_and_the_same_in_any_order(kind: int, data: st.DataObject) -> None:
    record = SEGMENT_ROWS[kind]
    some = [one.encode() for one in data.draw(st.lists(records(record), max_size=5))]
    sealed = seal_segment(kind, some)
    assert sealed == seal_segment(kind, some[::-1] + some)
    problem = segment_problem(kind, sealed, NETWORK, 1)
    assert problem in (None, "a report names another network or epoch")


@pytest.mark.parametrize("kind", [COMMITS, BEACONS, WITNESSES])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_judging_a_bent_segment_never_raises(kind: int, data: st.DataObject) -> None:
    some = [one.encode() for one in data.draw(st.lists(records(SEGMENT_ROWS[kind]), max_size=3))]
    problem = segment_problem(kind, data.draw(mutated(seal_segment(kind, some))), NETWORK, 1)
    assert problem is None or problem


def test_names_rows_out_of_order() -> None:
    low, high = (Commit(bytes(32), bytes(31) + bytes([n]), 1).encode() for n in (1, 2))
    assert segment_problem(COMMITS, high + low, NETWORK, 1) == "rows are not sorted or not unique"


def test_names_one_commit_at_two_times() -> None:
    both = concatenate([Commit(bytes(32), bytes(32), when) for when in (1, 2)])
    assert segment_problem(COMMITS, both, NETWORK, 1) == "rows are not sorted or not unique"


def test_sealing_keeps_one_time_of_a_commit() -> None:
    both = [Commit(bytes(32), bytes(32), when).encode() for when in (2, 1)]
    assert seal_segment(COMMITS, both) == both[1]


@given(st.lists(st.integers(0, 9), max_size=6))
@EXAMPLES
def test_strictly_sorted_means_sorted_without_duplicates(keys: list[int]) -> None:
    assert is_strictly_sorted(keys) == (keys == sorted(set(keys)))
