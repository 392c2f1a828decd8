"""Properties of the simulated channel."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devnet.ether.emissions import Air, Emission, Listener
from devnet.ether.places import Place, distance_m, moved, place
from devnet.ether.simulated import FLOORS_CDB, End, SimulatedChannel, free_space_cdb
from tests.devnet.ether_world import MUNSTER, emission

FREQUENCY_HZ = 868_100_000
places = st.builds(
    lambda latitude, longitude: place(f"{latitude:.6f}", f"{longitude:.6f}"),
    st.floats(-85, 85),
    st.floats(-180, 180),
)
names = st.text("abcdefgh", min_size=1, max_size=4)


def heard_by(listener: Listener, sent: Emission, *others: Emission, seed: int = 7) -> list[tuple[int, int]]:
    """(RSSI, SNR) at one listener, with other emissions on air."""
    air = Air()
    for one in (sent, *others):
        air.add(one)
    found = SimulatedChannel(seed).receptions(sent, air, [listener])
    return [(reception.rssi_cdb, reception.snr_cdb) for reception in found]


def at(east_m: int, name: str = "b", gain_cdb: int = 0) -> Listener:
    return Listener(name, moved(MUNSTER, east_m, 0), gain_cdb)


@given(st.integers(0, 2**32), names, places, names, places)
def test_loss_is_never_below_free_space(seed: int, name_a: str, a: Place, name_b: str, b: Place) -> None:
    loss_cdb = SimulatedChannel(seed).path_loss_cdb(End(name_a, a), End(name_b, b), FREQUENCY_HZ)
    length_m = max(distance_m(a, b), 1.0)
    assert loss_cdb >= 2_000 * math.log10(4 * math.pi * length_m * FREQUENCY_HZ / 299_792_458)


@given(st.integers(0, 2**32), names, places, names, places)
def test_loss_is_the_same_both_ways(seed: int, name_a: str, a: Place, name_b: str, b: Place) -> None:
    channel = SimulatedChannel(seed)
    ends = End(name_a, a), End(name_b, b)
    assert channel.path_loss_cdb(*ends, FREQUENCY_HZ) == channel.path_loss_cdb(*ends[::-1], FREQUENCY_HZ)


def test_loss_follows_from_the_seed_alone() -> None:
    ends = End("a", MUNSTER), End("b", moved(MUNSTER, 4_000, 0))
    losses = [[SimulatedChannel(seed).path_loss_cdb(*ends, FREQUENCY_HZ) for seed in range(50)] for _ in range(2)]
    assert losses[0] == losses[1]
    assert len(set(losses[0])) > 40


def test_shadowing_of_many_pairs_has_the_spread_it_should() -> None:
    channel = SimulatedChannel(7)
    draws = [channel._shadowing_cdb(End(f"a{at}", MUNSTER), End("b", MUNSTER)) for at in range(2_000)]
    mean = sum(draws) / len(draws)
    assert abs(mean) < 60
    assert 540 < math.sqrt(sum((draw - mean) ** 2 for draw in draws) / len(draws)) < 660


def test_a_neighbour_is_heard_with_a_capped_snr_and_whole_dbm() -> None:
    ((rssi_cdb, snr_cdb),) = heard_by(at(500), emission())
    assert snr_cdb == 1_000
    assert rssi_cdb % 100 == 0


@given(st.integers(0, 2**32), st.integers(1_000, 40_000), st.sampled_from([7, 8, 9, 10, 11, 12]))
def test_only_what_reaches_the_floor_of_its_spreading_factor_is_heard(seed: int, east_m: int, factor: int) -> None:
    listener, sent = at(east_m), emission(spreading_factor=factor)
    loss_cdb = SimulatedChannel(seed).path_loss_cdb(End("a", MUNSTER), End("b", listener.place), FREQUENCY_HZ)
    snr_cdb = sent.eirp_cdb - loss_cdb + 11_700
    heard = heard_by(listener, sent, seed=seed)
    assert bool(heard) == (snr_cdb >= FLOORS_CDB[factor])


@given(st.integers(0, 2**32), st.integers(1_000, 12_000))
def test_signal_power_told_by_rssi_and_snr_is_never_above_free_space(seed: int, east_m: int) -> None:
    listener, sent = at(east_m), emission()
    strongest_cdb = sent.eirp_cdb - free_space_cdb(distance_m(MUNSTER, listener.place), FREQUENCY_HZ)
    for rssi_cdb, snr_cdb in heard_by(listener, sent, seed=seed):
        noise_share_cdb = 1_000 * math.log10(1 + 10 ** (snr_cdb / 1_000)) - snr_cdb
        assert rssi_cdb - noise_share_cdb <= strongest_cdb + 51  # RSSI is rounded to whole dBm


def test_nobody_hears_beyond_the_horizon() -> None:
    assert heard_by(at(400_000), emission()) == []


def test_a_station_hears_neither_itself_nor_anything_while_it_transmits() -> None:
    sent = emission()
    own = emission(station="b", start_us=61_000, end_us=90_000, frequency_hz=867_100_000)
    assert heard_by(at(0, name="a"), sent) == []
    assert heard_by(at(500), sent, own) == []
    assert heard_by(at(500), sent, emission(station="b", start_us=61_696, end_us=90_000)) != []


@pytest.mark.parametrize(
    ("changed", "heard"),
    [
        ({}, False),
        ({"spreading_factor": 8}, True),
        ({"frequency_hz": 868_300_000}, True),
        ({"start_us": 61_696, "end_us": 100_000}, True),
        ({"eirp_cdb": 1_600 - 601}, True),
        ({"eirp_cdb": 1_600 - 599}, False),
        ({"hearable": False}, False),
    ],
)
def test_an_overlap_on_the_same_channel_needs_6_db(changed: dict[str, object], heard: bool) -> None:
    """The rival is a second antenna of the sender: same place, same path, another power."""
    rival = emission(payload=b"rival", **changed)
    assert bool(heard_by(at(500), emission(), rival)) is heard


def test_a_frame_no_gateway_demodulates_is_heard_by_nobody() -> None:
    assert heard_by(at(500), emission(hearable=False)) == []


def test_a_wider_channel_has_more_noise() -> None:
    far = next(at(east_m) for east_m in range(1_000, 40_000, 100) if heard_by(at(east_m), emission())[0][1] < 0)
    assert heard_by(far, emission(bandwidth_hz=500_000))[0:1] < heard_by(far, emission())
