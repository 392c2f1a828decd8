"""The ledger: never more on air in any hour than the sub-band allows."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotspot.playing import duty_cycle
from hotspot.playing.duty_cycle import EU868, WINDOW_MS, Allowed, Ledger, Never, Wait
from hotspot.reporting.reports import Transmission
from tests.hotspot.factories import NOW_MS, transmission

ONE_PERCENT_US = 36_000_000


def ledger(*sent: Transmission) -> Ledger:
    return Ledger("EU868", sent)


@pytest.mark.parametrize(
    ("frequency_hz", "budget_us"),
    [
        (864_900_000, 3_600_000),
        (867_900_000, ONE_PERCENT_US),
        (868_100_000, ONE_PERCENT_US),
        (868_900_000, 3_600_000),
        (869_525_000, 360_000_000),
        (869_800_000, ONE_PERCENT_US),
    ],
)
def test_each_sub_band_has_its_own_hour(frequency_hz: int, budget_us: int) -> None:
    assert ledger().may_send(frequency_hz, budget_us, NOW_MS) == Allowed()
    assert ledger().may_send(frequency_hz, budget_us + 1, NOW_MS) == Never()


@pytest.mark.parametrize("frequency_hz", [862_999_999, 868_650_000, 869_300_000, 870_000_000, 915_000_000])
def test_never_sends_outside_the_sub_bands(frequency_hz: int) -> None:
    assert ledger().may_send(frequency_hz, 1, NOW_MS) == Never()


def test_one_sub_band_does_not_use_another_ones_time() -> None:
    full = transmission(frequency_hz=868_100_000, airtime_us=ONE_PERCENT_US)
    assert ledger(full).may_send(867_100_000, 61_696, NOW_MS) == Allowed()


def test_two_channels_of_one_sub_band_share_its_time() -> None:
    full = transmission(frequency_hz=868_100_000, airtime_us=ONE_PERCENT_US)
    assert isinstance(ledger(full).may_send(868_500_000, 61_696, NOW_MS), Wait)


def test_says_when_it_is_possible_again() -> None:
    first = transmission(slot=0, at_ms=NOW_MS, airtime_us=ONE_PERCENT_US - 1_000)
    second = transmission(slot=1, at_ms=NOW_MS + 50_000, airtime_us=1_000)
    one = ledger(first, second)
    answer = one.may_send(868_100_000, 1_001, NOW_MS + 60_000)
    assert answer == Wait(NOW_MS + 35_999 + WINDOW_MS)
    assert one.may_send(868_100_000, 1_001, answer.until_ms - 1) == answer
    assert one.may_send(868_100_000, 1_001, answer.until_ms) == Allowed()


def test_a_refused_transmission_is_given_back() -> None:
    full = transmission(airtime_us=ONE_PERCENT_US)
    one = ledger(full)
    one.refund(full)
    assert one.may_send(full.frequency_hz, ONE_PERCENT_US, NOW_MS) == Allowed()


def test_a_region_without_a_duty_cycle_always_may() -> None:
    one = Ledger("IN865", [transmission(frequency_hz=865_062_500, airtime_us=10**12)])
    assert one.may_send(865_062_500, 10**12, NOW_MS) == Allowed()


@pytest.mark.parametrize("region", ["", "XX999"])
def test_a_region_nobody_knows_never_may(region: str) -> None:
    assert Ledger(region).may_send(868_100_000, 1, NOW_MS) == Never()


def test_what_was_sent_before_the_region_was_known_counts() -> None:
    one = Ledger("", [transmission(frequency_hz=868_100_000, airtime_us=ONE_PERCENT_US)])
    one.region = "EU868"
    assert isinstance(one.may_send(868_100_000, 1, NOW_MS), Wait)


@pytest.mark.parametrize("region", ["US915", "AU915", "AS923-1", "AS923-4"])
def test_no_frame_is_longer_than_the_dwell_limit(region: str) -> None:
    assert Ledger(region).may_send(916_800_000, 400_000, NOW_MS) == Allowed()
    assert Ledger(region).may_send(916_800_000, 400_001, NOW_MS) == Never()


def test_a_channel_is_used_400_ms_in_20_s_and_no_longer() -> None:
    one = Ledger("US915", [transmission(frequency_hz=904_300_000, airtime_us=300_000)])
    assert one.may_send(904_300_000, 100_000, NOW_MS) == Allowed()
    answer = one.may_send(904_300_000, 100_001, NOW_MS)
    assert answer == Wait(NOW_MS + 300 + 20_000)
    assert one.may_send(904_300_000, 400_000, answer.until_ms) == Allowed()
    assert one.may_send(904_500_000, 400_000, NOW_MS) == Allowed()


def test_frames_of_as923_do_not_wait_for_each_other() -> None:
    one = Ledger("AS923-1", [transmission(frequency_hz=923_200_000, airtime_us=400_000)])
    assert one.may_send(923_200_000, 400_000, NOW_MS) == Allowed()


def test_a_full_ledger_allows_nothing_until_its_oldest_hour_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty_cycle, "MAX_HELD", 3)
    one = ledger(*(transmission(slot=slot, at_ms=NOW_MS + slot, airtime_us=1_000) for slot in range(4)))
    assert len(one.sent()) == 3
    assert one.may_send(868_100_000, 1, NOW_MS + 10) == Wait(NOW_MS + 1 + 1 + WINDOW_MS)


def test_shows_what_is_used() -> None:
    assert ledger(transmission(airtime_us=61_696)).used_us(NOW_MS)["868-868.6"] == (61_696, ONE_PERCENT_US)


@given(st.lists(st.tuples(st.integers(0, 900_000), st.integers(1, 2_500_000)), min_size=1, max_size=120))
@settings(max_examples=60, deadline=None)
def test_no_hour_ever_holds_more_than_its_time(wishes: list[tuple[int, int]]) -> None:
    one, sent, now_ms = ledger(), [], NOW_MS
    for slot, (pause_ms, airtime_us) in enumerate(wishes):
        now_ms += pause_ms
        if isinstance(one.may_send(868_100_000, airtime_us, now_ms), Allowed):
            sent.append(transmission(slot=slot, at_ms=now_ms, airtime_us=airtime_us))
            one.charge(sent[-1])
    for last in sent:
        start_ms = last.at_ms + last.airtime_us // 1_000 - WINDOW_MS
        within = [s.airtime_us for s in sent if s.at_ms >= start_ms and s.at_ms <= last.at_ms]
        assert sum(within) <= ONE_PERCENT_US


def test_is_restored_in_any_order() -> None:
    sent = [transmission(slot=slot, at_ms=NOW_MS + slot, airtime_us=ONE_PERCENT_US // 2) for slot in range(2)]
    forwards, backwards = ledger(*sent), ledger(*reversed(sent))
    assert forwards.may_send(868_100_000, 1, NOW_MS) == backwards.may_send(868_100_000, 1, NOW_MS)


def test_the_budgets_are_what_the_sub_bands_say() -> None:
    assert all(band.budget_us == band.permille * 3_600_000 for band in EU868)
    assert [dataclasses.astuple(band)[2] for band in EU868] == [1, 10, 10, 1, 100, 10]


def test_what_an_earlier_run_stored_counts_once() -> None:
    stored = [transmission(slot=slot, airtime_us=1_000) for slot in (1, 2)]
    one = ledger(stored[0])
    one.restore(stored)
    assert one.used_us(NOW_MS)["868-868.6"][0] == 2_000


def test_a_frame_waits_until_the_radio_is_quiet() -> None:
    mine = transmission(slot=9, at_ms=NOW_MS + 1_000, airtime_us=60_000)
    before = transmission(slot=1, at_ms=NOW_MS + 900, airtime_us=150_500)
    behind = transmission(slot=2, at_ms=NOW_MS + 1_100, airtime_us=40_000)
    later = transmission(slot=3, at_ms=NOW_MS + 1_300, airtime_us=40_000)
    assert ledger(mine, later).quiet_from_ms(mine) == NOW_MS + 1_000
    assert ledger(mine, before).quiet_from_ms(mine) == NOW_MS + 1_071
    assert ledger(mine, before, behind, later).quiet_from_ms(mine) == NOW_MS + 1_160
