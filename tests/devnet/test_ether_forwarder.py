"""The decisions of one virtual forwarder, against what was measured on real ones."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devnet.ether.emissions import Reception
from devnet.ether.forwarder import (
    ChannelPlan,
    Forwarder,
    Identity,
    Ignored,
    Programmed,
    Refused,
    is_hearable,
)
from devnet.ether.jit import MAX_QUEUED, TxError
from hotspot.radio.gwmp.fields import DataRate, Modulation, Txpk
from tests.devnet.ether_world import emission, order

NOW_US = 1_000_000_000
IDENTITY = Identity(eui=bytes(8), counter_start_us=2**32 - 5_000_000, drift_ppm=7)


def forwarder(identity: Identity = IDENTITY) -> Forwarder:
    return Forwarder(identity, ChannelPlan(), NOW_US)


def in_time(one: Forwarder, delay_us: int) -> Txpk:
    return order(immediate=None, tmst_us=(one.tmst_us(NOW_US) + delay_us) % 2**32)


def test_puts_an_immediate_frame_on_air_after_80_ms_for_its_exact_airtime() -> None:
    decision = forwarder().order(order(), NOW_US)
    assert isinstance(decision, Programmed)
    assert decision.on_air.start_us - NOW_US == 80_000
    assert decision.on_air.end_us - decision.on_air.start_us == 61_696


@pytest.mark.parametrize("delay_us", [10_000, 30_000, 41_000])
def test_answers_too_late_without_lead(delay_us: int) -> None:
    one = forwarder()
    assert one.order(in_time(one, delay_us), NOW_US) == Refused(TxError.TOO_LATE)


@pytest.mark.parametrize("delay_us", [-1_000, 3_600_000_000])
def test_answers_too_early_for_a_counter_value_just_past_or_an_hour_ahead(delay_us: int) -> None:
    one = forwarder()
    assert one.order(in_time(one, delay_us), NOW_US) == Refused(TxError.TOO_EARLY)


def test_accepts_a_counter_value_beyond_the_wrap() -> None:
    one = forwarder()
    decision = one.order(in_time(one, 6_000_000), NOW_US)
    assert isinstance(decision, Programmed)
    assert abs(decision.on_air.start_us - NOW_US - 6_000_000) < 100


def test_answers_collision_for_an_overlap_with_a_queued_frame() -> None:
    one = forwarder()
    assert isinstance(one.order(in_time(one, 1_000_000), NOW_US), Programmed)
    assert one.order(in_time(one, 1_050_000), NOW_US) == Refused(TxError.COLLISION)


def test_queues_32_of_40_immediate_frames_one_after_the_other() -> None:
    one = forwarder()
    decisions = [one.order(order(), NOW_US) for _ in range(40)]
    times = [decision.on_air for decision in decisions if isinstance(decision, Programmed)]
    assert len(times) == MAX_QUEUED
    assert decisions[MAX_QUEUED:] == [Refused(TxError.COLLISION)] * 8
    assert all(before.end_us < after.start_us for before, after in itertools.pairwise(times))


def test_takes_new_orders_when_the_queue_has_drained() -> None:
    one = forwarder()
    for _ in range(40):
        one.order(order(), NOW_US)
    assert isinstance(one.order(order(), NOW_US + 60_000_000), Programmed)


@pytest.mark.parametrize(("asked_dbm", "used_dbm"), [(99, 27), (5, 12), (None, 12), (-3, 12)])
def test_warns_of_a_power_outside_its_table_and_sends_at_the_nearest(asked_dbm: int | None, used_dbm: int) -> None:
    decision = forwarder().order(order(power_dbm=asked_dbm), NOW_US)
    assert isinstance(decision, Programmed)
    assert (decision.power_dbm, decision.warning_dbm) == (used_dbm, used_dbm)


@pytest.mark.parametrize("power_dbm", [12, 14, 27])
def test_sends_a_power_of_its_table_without_a_warning(power_dbm: int) -> None:
    decision = forwarder().order(order(power_dbm=power_dbm), NOW_US)
    assert isinstance(decision, Programmed)
    assert (decision.power_dbm, decision.warning_dbm) == (power_dbm, None)


@pytest.mark.parametrize("frequency_hz", [915_000_000, 862_999_999, 870_000_001])
def test_refuses_a_frequency_outside_its_span(frequency_hz: int) -> None:
    assert forwarder().order(order(frequency_hz=frequency_hz), NOW_US) == Refused(TxError.FREQUENCY)


def test_refuses_gps_time_without_gps() -> None:
    assert forwarder().order(order(immediate=None, gps_ms=1_400_000_000_000), NOW_US) == Refused(TxError.NO_GPS)


@pytest.mark.parametrize(
    "changed",
    [
        {"cr_denominator": None},
        {"rf_chain": 1},
        {"rf_chain": None},
        {"immediate": None},
        {"rate": DataRate(Modulation.FSK, bitrate_bps=50_000)},
        {"rate": DataRate(Modulation.LORA, spreading_factor=7, bandwidth_hz=62_000)},
        {"payload": bytes(256)},
    ],
)
def test_drops_without_a_word_what_the_real_program_drops(changed: dict[str, object]) -> None:
    assert isinstance(forwarder().order(order(**changed), NOW_US), Ignored)


@pytest.mark.parametrize("changed", [{"inverted": True}, {"no_crc": True}, {"no_header": True}])
def test_sends_what_nobody_can_hear(changed: dict[str, object]) -> None:
    assert isinstance(forwarder().order(order(**changed), NOW_US), Programmed)
    assert not is_hearable(order(**changed), ChannelPlan())


@pytest.mark.parametrize(
    ("frequency_hz", "hearable"), [(868_100_000, True), (868_131_250, True), (868_131_251, False), (869_525_000, False)]
)
def test_hears_only_its_channels(frequency_hz: int, hearable: bool) -> None:
    assert is_hearable(order(frequency_hz=frequency_hz), ChannelPlan()) is hearable


@given(st.integers(0, 2**40))
def test_counter_wraps_at_32_bits_and_drifts_as_said(elapsed_us: int) -> None:
    counted = forwarder().tmst_us(NOW_US + elapsed_us)
    assert counted == (IDENTITY.counter_start_us + elapsed_us + 7 * elapsed_us // 1_000_000) % 2**32


def test_identities_are_reproducible_and_differ_by_name_and_seed() -> None:
    euis = {Identity.derive(seed, name).eui for seed in (1, 2) for name in ("a", "b")}
    assert len(euis) == 4
    assert Identity.derive(1, "a") == Identity.derive(1, "a")


def test_reports_a_frame_as_a_gateway_does() -> None:
    one = forwarder()
    heard = emission(start_us=NOW_US, end_us=NOW_US + 61_696)
    packet = one.report(heard, Reception("b", rssi_cdb=-9_700, snr_cdb=725))
    assert packet.tmst_us == one.tmst_us(NOW_US + 61_696)
    assert (packet.frequency_hz, packet.channel, packet.rf_chain) == (868_100_000, 5, 1)
    assert (packet.rssi_cdb, packet.snr_cdb) == (-9_700, 720)
    assert packet.payload == heard.payload


def test_reports_copies_of_a_frame_with_counter_values_of_their_own() -> None:
    one, reception = forwarder(), Reception("b", rssi_cdb=-9_700, snr_cdb=700)
    packets = [one.report(emission(), dataclasses.replace(reception, copy=copy)) for copy in (0, 1)]
    assert packets[0].tmst_us != packets[1].tmst_us
