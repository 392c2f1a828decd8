"""Mappers too fast, against the plain reading: every pair looked at, nothing left out."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import geo
from protocol.columns import Moves, Place
from protocol.ids import HotspotId
from protocol.limits import MAX_COORDINATE_M, MAX_TIME_MS
from protocol.records import Position
from protocol.travel import MOST_MOVES, Stop, too_fast

INT64_MAX = 2**63 - 1
NEAR = st.integers(-300, 300)
FAR = st.integers(-MAX_COORDINATE_M, MAX_COORDINATE_M)
SOON, EVER = st.integers(0, 5_000), st.integers(0, MAX_TIME_MS)


def places(metres: st.SearchStrategy[int]) -> st.SearchStrategy[Place]:
    position = st.builds(Position, st.integers(0, 9), metres, metres, metres)
    return st.builds(Place, st.just(0), position, st.sampled_from([0, 15, 600]))


@st.composite
def journeys(draw: st.DrawFn) -> dict[HotspotId, list[Stop]]:
    """Stops of one to three mappers, most of them near each other in place and time."""
    of_one = st.lists(st.tuples(places(NEAR) | places(FAR), SOON | EVER), max_size=14)
    found, number = {}, 0
    for mapper, seen in enumerate(draw(st.lists(of_one, min_size=1, max_size=3))):
        found[HotspotId(bytes([mapper]) * 32)] = [
            Stop(number + place, *one) for place, one in enumerate(seen)
        ]  # fmt: skip
        number += len(seen)
    return found


def plainly(stops: dict[HotspotId, list[Stop]], speed_m_s: int) -> set[Moves]:
    """The rule as the design says it, over every ordered pair."""
    found = set()
    for of_one in stops.values():
        for one in of_one:
            for other in of_one:
                elapsed_s = -(-abs(one.start_ms - other.start_ms) // 1_000)
                allowed_m = speed_m_s * elapsed_s + one.place.radius_m + other.place.radius_m
                chord = geo.chord_squared(one.place.position, other.place.position)
                if one.id != other.id and chord > allowed_m**2:
                    found.add(Moves(one.id, other.id, chord, allowed_m**2))
    return found


@given(stops=journeys(), speed_m_s=st.sampled_from([0, 1, 50, 1_000, 2**31]))
@settings(max_examples=300, deadline=None)
def test_finds_what_the_plain_reading_finds(stops: dict[HotspotId, list[Stop]], speed_m_s: int) -> None:
    found, plain = too_fast(stops, speed_m_s), plainly(stops, speed_m_s)
    assert len(found) == len(set(found)) and set(found) <= plain
    counted = {name: min(count, MOST_MOVES) for name, count in Counter(move.id for move in plain).items()}
    assert Counter(move.id for move in found) == counted


@given(stops=journeys(), speed_m_s=st.sampled_from([0, 50, 2**31]))
@settings(max_examples=100, deadline=None)
def test_every_number_it_hands_to_sql_fits_64_bits(stops: dict[HotspotId, list[Stop]], speed_m_s: int) -> None:
    assert all(move.allowed_squared < move.chord_squared <= INT64_MAX for move in too_fast(stops, speed_m_s))
