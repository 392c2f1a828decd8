"""Epochs of moments and slots of hotspots."""

from __future__ import annotations

import pytest

from protocol import schedule
from protocol.ids import HotspotId, Kind
from tests.factories import DEVNET, GENESIS_MS
from tests.property.worlds import PARAMS, PARAMS_FILE
from tests.reference import schedule as reference
from tests.reference.plausible import devnet

LENGTH_MS = DEVNET.epoch.length_ms
SEED = bytes(range(32))


@pytest.mark.parametrize(
    ("after_ms", "epoch"), [(-1, -1), (0, 0), (LENGTH_MS - 1, 0), (LENGTH_MS, 1), (10 * LENGTH_MS + 5, 10)]
)
def test_a_moment_lies_in_the_epoch_that_began_last(after_ms: int, epoch: int) -> None:
    assert schedule.epoch_at(GENESIS_MS, DEVNET.epoch, GENESIS_MS + after_ms) == epoch


@pytest.mark.parametrize(("after_ms", "since"), [(-1, 0), (0, 1), (LENGTH_MS - 1, 1), (LENGTH_MS, 2)])
def test_a_registration_counts_from_the_epoch_after_its_block(after_ms: int, since: int) -> None:
    assert schedule.since_epoch(GENESIS_MS, DEVNET.epoch, GENESIS_MS + after_ms) == since


@pytest.mark.parametrize("kind", list(Kind))
def test_mappers_have_more_slots(kind: Kind) -> None:
    slots = schedule.slots_of(DEVNET.slots, kind)
    assert slots == (DEVNET.slots.mapper if kind.is_mapper else DEVNET.slots.fixed)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_schedule_is_every_slot_in_order_of_time(kind: Kind) -> None:
    plan = DEVNET.radio.wifi if kind.is_wifi else DEVNET.radio.regions[0]
    slots = schedule.schedule(DEVNET, plan, SEED, HotspotId(b"\x80" + bytes(31)), kind, GENESIS_MS)
    assert [one.index for one in slots] == list(range(schedule.slots_of(DEVNET.slots, kind)))
    assert [one.start_ms for one in slots] == sorted(one.start_ms for one in slots)


def test_another_seed_draws_other_slots() -> None:
    plan, hotspot = DEVNET.radio.regions[0], HotspotId(b"\x80" + bytes(31))
    drawn = {schedule.slot(DEVNET, plan, bytes([n]) * 32, hotspot, Kind.FIXED, 0, 0).start_ms for n in range(50)}
    assert len(drawn) > 40


def test_the_devnet_reads_its_own_file_as_the_reference_does() -> None:
    params = devnet().params
    assert (params["epoch"]["length_ms"], params["slots"]["mapper"]) == (LENGTH_MS, DEVNET.slots.mapper)
    assert reference.KEEP_CLEAR_MS == schedule.MIN_SLOT_SPREAD_MS


def test_the_small_params_of_the_property_tests_can_run() -> None:
    assert PARAMS.problems() == [], PARAMS_FILE
