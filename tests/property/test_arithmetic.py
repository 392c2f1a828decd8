"""Rounding, roots, airtime and slots over random numbers."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import schedule
from protocol.airtime import Modulation, airtime_us, symbol_count
from protocol.arithmetic import floor_root, half_even
from protocol.free_space import reach_metre_hertz
from protocol.ids import HotspotId, Kind
from protocol.limits import MIN_SLOT_SPREAD_MS
from tests.factories import DEVNET, GENESIS_MS
from tests.property.worlds import PARAMS
from tests.reference import places
from tests.reference import schedule as reference
from tests.reference.inputs import Hotspot

EXAMPLES = settings(max_examples=200, deadline=None)
BIG = st.integers(-(2**200), 2**200)
HASHES = st.binary(min_size=32, max_size=32)


@given(numerator=BIG, denominator=st.integers(1, 2**100))
@EXAMPLES
def test_half_even_is_the_nearest_integer_ties_to_even(numerator: int, denominator: int) -> None:
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(whole=BIG, denominator=st.integers(1, 2**100))
@EXAMPLES
def test_half_even_of_an_exact_half_is_even(whole: int, denominator: int) -> None:
    found = half_even(2 * whole * denominator + denominator, 2 * denominator)
    assert found % 2 == 0 and abs(2 * found - (2 * whole + 1)) == 1


@given(value=st.integers(0, 2**400), degree=st.integers(1, 40))
@EXAMPLES
def test_a_floor_root_is_the_largest_whose_power_fits(value: int, degree: int) -> None:
    root = floor_root(value, degree)
    assert root**degree <= value < (root + 1) ** degree


@given(root=st.integers(1, 2**40), degree=st.integers(2, 12))
@EXAMPLES
def test_the_root_of_a_power_is_exact_and_one_less_is_below(root: int, degree: int) -> None:
    assert (floor_root(root**degree, degree), floor_root(root**degree - 1, degree)) == (root, root - 1)


@given(excess_cdb=st.integers(-40_000, 40_000))
@EXAMPLES
def test_a_stronger_signal_never_comes_from_farther(excess_cdb: int) -> None:
    assert reach_metre_hertz(excess_cdb) <= reach_metre_hertz(excess_cdb + 1)


# --- airtime


@st.composite
def modulations(draw: st.DrawFn) -> Modulation:
    return Modulation(
        draw(st.integers(5, 12)),
        draw(st.sampled_from([125_000, 250_000, 500_000, 203_000])),
        draw(st.integers(5, 8)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.integers(0, 30)),
        draw(st.sampled_from([None, True, False])),
    )


def exact_us(modulation: Modulation, payload_bytes: int) -> Fraction:
    """The data sheet's formula in fractions."""
    factor, low = modulation.spreading_factor, 2 * modulation.uses_low_data_rate
    bits = 8 * payload_bytes - 4 * factor + 8 + 16 * modulation.crc + 20 * modulation.explicit_header
    if factor < 7:
        bits, low = bits - 8, 0
    symbols = 8 + max(0, ceil(Fraction(bits, 4 * (factor - low)))) * modulation.cr_denominator
    preamble = modulation.preamble_symbols + (Fraction(17, 4) if factor >= 7 else Fraction(25, 4))
    return (preamble + symbols) * 2**factor * 1_000_000 / modulation.bandwidth_hz


@given(modulation=modulations(), payload_bytes=st.integers(0, 255))
@EXAMPLES
def test_airtime_is_the_formula_rounded_down(modulation: Modulation, payload_bytes: int) -> None:
    assert airtime_us(modulation, payload_bytes) == exact_us(modulation, payload_bytes) // 1


@given(modulation=modulations(), payload_bytes=st.integers(0, 254))
@EXAMPLES
def test_a_longer_payload_is_never_shorter_on_air(modulation: Modulation, payload_bytes: int) -> None:
    assert symbol_count(modulation, payload_bytes) <= symbol_count(modulation, payload_bytes + 1)


# --- slots


@given(seed=HASHES, hotspot=HASHES, kind=st.sampled_from(list(Kind)), data=st.data())
@EXAMPLES
def test_a_slot_lies_in_its_part_of_the_epoch(seed: bytes, hotspot: bytes, kind: Kind, data: st.DataObject) -> None:
    count = schedule.slots_of(DEVNET.slots, kind)
    index = data.draw(st.integers(0, count - 1))
    plan = DEVNET.radio.wifi if kind.is_wifi else DEVNET.radio.regions[0]
    slot = schedule.slot(DEVNET, plan, seed, HotspotId(hotspot), kind, GENESIS_MS, index)
    part_ms = (DEVNET.epoch.length_ms - DEVNET.epoch.guard_ms) // count
    after_ms = slot.start_ms - GENESIS_MS - index * part_ms
    assert 0 <= after_ms < part_ms - MIN_SLOT_SPREAD_MS
    assert slot.start_ms < GENESIS_MS + DEVNET.epoch.length_ms - DEVNET.epoch.guard_ms - MIN_SLOT_SPREAD_MS


@given(seed=HASHES, hotspot=HASHES, kind=st.sampled_from(list(Kind)), index=st.integers(0, 3), region=st.integers(0, 1))
@EXAMPLES
def test_both_readings_draw_the_same_slot(seed: bytes, hotspot: bytes, kind: Kind, index: int, region: int) -> None:
    plan = PARAMS.radio.wifi if kind.is_wifi else PARAMS.radio.regions[region]
    slot = schedule.slot(PARAMS, plan, seed, HotspotId(hotspot), kind, GENESIS_MS, index)
    other = reference.slot(
        {
            "epoch": {"length_ms": PARAMS.epoch.length_ms, "guard_ms": PARAMS.epoch.guard_ms},
            "slots": {"fixed": PARAMS.slots.fixed, "mapper": PARAMS.slots.mapper},
        },
        {
            "channels_hz": plan.channels_hz,
            "spreading_factors": plan.spreading_factors,
            "eirps_cdb": plan.eirps_cdb,
        },
        seed,
        Hotspot(hotspot, b"", b"", b"", 0, 0, int(kind), 0, 0, 0, frozen=False),
        GENESIS_MS,
        index,
    )
    found = slot.start_ms, slot.frequency_hz, slot.spreading_factor, slot.eirp_cdb
    assert found == (other.start_ms, other.frequency_hz, other.spreading_factor, other.eirp_cdb)


@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180), level=st.integers(8, 12))
@settings(max_examples=150, deadline=None)
def test_a_position_is_within_a_metre_of_exact_decimals(latitude: float, longitude: float, level: int) -> None:
    from protocol import geo

    cell = geo.cell_at(latitude, longitude, level)
    place, exact = geo.position(cell), places.position(cell)
    assert max(abs(a - b) for a, b in zip((place.x_m, place.y_m, place.z_m), exact, strict=True)) <= 1
