"""Beacons: the slot's frame, within its tolerance, within the duty cycle, reported as it was sent."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hotspot.counters import Counters
from hotspot.keys.device import DeviceKey, KeyProblemError, software_key
from hotspot.playing.beaconing import Beaconer, least_power_dbm, most_power_dbm, plan_epoch, slot_airtime_us
from hotspot.playing.duty_cycle import GAP_MS
from hotspot.playing.epochs import Epoch
from hotspot.radio.frames import TxRequest, TxResult, TxState
from hotspot.reporting import history
from hotspot.reporting.outbox import KeepTransmission, Outbox, StorageError, Store
from hotspot.reporting.reports import Report, Transmission
from protocol import beacon
from protocol.encoding import report_id, signed_bytes
from protocol.ids import Kind
from protocol.keys import verify_device
from protocol.records import REPORT, Beacon
from protocol.schedule import Slot
from tests.hotspot import world
from tests.hotspot.clocks import ManualClock, until
from tests.hotspot.fake_validator import NETWORK
from tests.hotspot.world import AWAY, ELSEWHERE, EPOCH, PARAMS, RULES, START_MS, Place, Radio

PRIVATE = ec.derive_private_key(77, ec.SECP256R1())
DEVICE = software_key(PRIVATE)
DELAY_MS = 80


def slots(epoch: Epoch) -> tuple[Slot, ...]:
    plan = plan_epoch(RULES, epoch, DEVICE.hotspot_id)
    assert not isinstance(plan, str)
    return plan.slots


class Stage:
    def __init__(self, outbox: Outbox, epoch: Epoch, sent: list[Transmission], place: Place | None) -> None:
        self.clock = ManualClock(START_MS - 1_000)
        self.counters, self.radio, self.outbox = Counters(), Radio(self.clock), outbox
        self.stored: list[Report] = []
        self.epoch = epoch
        self.beaconer = Beaconer(
            DEVICE,
            NETWORK,
            RULES,
            self.radio,
            outbox,
            sent,
            place,
            self.clock,
            self.counters,
            self.stored.append,
            DELAY_MS,
        )

    async def play_all(self) -> None:
        playing = asyncio.ensure_future(self.beaconer.play(self.epoch))
        await self.clock.advance(self.epoch.end_ms - self.clock.now_ms())
        assert playing.done()
        await playing

    @property
    def outcomes(self) -> dict[str, int]:
        return self.counters.snapshot().get("beacons", {})


@asynccontextmanager
async def stage(
    path: Path, *, sent: list[Transmission] | None = None, place: Place | None = None, **registered: Any
) -> AsyncIterator[Stage]:
    with world.outbox_at(path) as outbox:
        yield Stage(outbox, world.epoch(DEVICE, **registered), sent or [], place)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def records(stored: list[Report]) -> list[Beacon]:
    decoded = [Beacon.decode(one.report) for one in stored]
    assert None not in decoded
    return decoded  # type: ignore[return-value]


def test_every_slot_is_sent_as_drawn_and_reported_as_sent(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            await s.play_all()
            assert s.outcomes == {"sent": 4}
            drawn = slots(s.epoch)
            for slot, (at_ms, request), report in zip(drawn, s.radio.requests, records(s.stored), strict=True):
                assert at_ms == slot.start_ms - DELAY_MS
                assert request.payload == beacon.frame(
                    beacon.tag(s.epoch.seed, DEVICE.hotspot_id, slot.index, report.nonce)
                )
                assert (request.frequency_hz, request.spreading_factor) == (slot.frequency_hz, slot.spreading_factor)
                assert (report.frequency_hz, report.spreading_factor) == (slot.frequency_hz, slot.spreading_factor)
                assert report.power_cdb == slot.eirp_cdb - 200
                assert (report.slot, report.epoch, report.cell) == (slot.index, EPOCH, 0)

    asyncio.run(act())


def test_reports_are_signed_stored_and_carry_their_windows(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            await s.play_all()
            assert s.outbox.store.open_reports() == s.stored
            for slot, one, body in zip(slots(s.epoch), s.stored, records(s.stored), strict=True):
                assert one.id == report_id(one.report)
                assert verify_device(PRIVATE.public_key(), signed_bytes(REPORT, NETWORK, one.report), one.signature)
                assert one.commit_until_ms == slot.start_ms + PARAMS.epoch.commit_window_ms
                assert one.reveal_after_ms == body.sent_at_ms + PARAMS.epoch.reveal_after_ms
                assert one.reveal_until_ms == s.epoch.end_ms + PARAMS.epoch.close_after_ms // 4

    asyncio.run(act())


def test_the_draft_is_on_disk_before_the_radio_is_told(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            drafts: list[int] = []

            def look(request: TxRequest, now_ms: int) -> TxResult:
                drafts.append(s.outbox.store._db.execute("SELECT count(*) FROM report WHERE draft = 1").fetchone()[0])
                return world.sent(request, now_ms)

            s.radio.answer = look
            await s.play_all()
            assert drafts == [1, 1, 1, 1]

    asyncio.run(act())


def test_the_report_carries_the_power_really_used(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            s.radio.answer = lambda request, now_ms: TxResult(TxState.SENT, power_cdb=1_200, started_at_ms=now_ms + 80)
            await s.play_all()
            assert [one.power_cdb for one in records(s.stored)] == [1_200] * 4
            assert [one.sent_at_ms for one in records(s.stored)] == [at_ms + 80 for at_ms, _ in s.radio.requests]
            assert s.outbox.store.open_reports() == s.stored

    asyncio.run(act())


@pytest.mark.parametrize(
    ("state", "reason", "outcome"),
    [(TxState.REFUSED, "TX_FREQ", "TX_FREQ"), (TxState.NO_FORWARDER, "", "no_forwarder"), (TxState.LATE, "", "late")],
)
def test_a_refused_frame_leaves_no_report_and_no_charge(path: Path, state: TxState, reason: str, outcome: str) -> None:
    async def act() -> None:
        async with stage(path) as s:
            s.radio.answer = lambda request, now_ms: TxResult(state, reason)
            await s.play_all()
            assert s.outcomes == {outcome: 4}
            assert s.stored == []
            await s.outbox.write()
            assert s.outbox.store.transmissions(DEVICE.hotspot_id) == []
            assert s.outbox.store.drop_drafts(0) == 0
            assert s.beaconer.ledger.sent() == []

    asyncio.run(act())


def test_a_frame_nobody_answered_for_is_not_reported_but_charged(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            s.radio.answer = lambda request, now_ms: TxResult(TxState.TIMEOUT)
            await s.play_all()
            assert s.outcomes == {"timeout": 4}
            assert s.stored == []
            assert len(s.beaconer.ledger.sent()) == 4

    asyncio.run(act())


@pytest.mark.parametrize(("late_ms", "outcome"), [(PARAMS.epoch.slot_tolerance_ms, "sent"), (1_001, "late")])
def test_a_frame_starts_within_the_tolerance_or_not_at_all(path: Path, late_ms: int, outcome: str) -> None:
    async def act() -> None:
        async with stage(path) as s:
            first = slots(s.epoch)[0]
            await s.clock.advance(first.start_ms + late_ms - DELAY_MS - s.clock.now_ms())
            playing = asyncio.ensure_future(s.beaconer.play(s.epoch))
            await until(lambda: s.beaconer.last)
            assert s.beaconer.last[0].outcome == outcome
            playing.cancel()

    asyncio.run(act())


def test_a_frame_waits_for_a_downlink_that_is_on_air(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            first = slots(s.epoch)[0]
            downlink = Transmission(DEVICE.hotspot_id, 0, 5, first.start_ms - 100, 869_525_000, 300_000)
            s.beaconer.ledger.charge(downlink)
            await s.play_all()
            assert s.radio.requests[0][0] == first.start_ms + 200 + GAP_MS - DELAY_MS

    asyncio.run(act())


def test_the_radio_is_told_the_latest_start(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            await s.play_all()
            latest = [request.latest_start_ms for _, request in s.radio.requests]
            assert latest == [slot.start_ms + PARAMS.epoch.slot_tolerance_ms for slot in slots(s.epoch)]

    asyncio.run(act())


def test_a_slot_used_before_a_restart_is_not_used_again(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            await s.play_all()
            sent = s.outbox.store.transmissions(DEVICE.hotspot_id)
        async with stage(path, sent=sent) as again:
            await again.play_all()
            assert again.outcomes == {"slot_used_already": 4}
            assert again.radio.requests == []

    asyncio.run(act())


def full_hour(epoch: Epoch) -> list[Transmission]:
    """Both sub-bands used up just before the epoch."""
    frequencies = (867_100_000, 868_100_000)
    return [
        Transmission(DEVICE.hotspot_id, EPOCH - 1, at, epoch.start_ms - 10_000, frequency_hz, 36_000_000)
        for at, frequency_hz in enumerate(frequencies)
    ]


def test_the_duty_cycle_is_kept_after_a_restart(path: Path) -> None:
    async def act() -> None:
        before = full_hour(world.epoch(DEVICE))
        async with stage(path, sent=before) as s:
            await s.outbox.write(*(KeepTransmission(one) for one in before))
            await s.play_all()
            assert s.outcomes == {"duty_cycle": 4}
            assert s.radio.requests == []

    asyncio.run(act())


def lose_fix(place: Place, result: TxResult, from_ms: int) -> TxResult:
    if result.started_at_ms >= from_ms - DELAY_MS:
        place.here = None
    return result


def test_a_mapper_reports_its_cell_and_skips_a_slot_without_a_fix(path: Path) -> None:
    async def act() -> None:
        place = Place(AWAY)
        async with stage(path, kind=Kind.MAPPER, place=place) as s:
            fourth = slots(s.epoch)[3]
            s.radio.answer = lambda request, now_ms: lose_fix(place, world.sent(request, now_ms), fourth.start_ms)
            await s.play_all()
            assert s.outcomes == {"sent": 4, "no_fix": PARAMS.slots.mapper - 4}
            assert [one.cell for one in records(s.stored)] == [AWAY] * 4

    asyncio.run(act())


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"cell": ELSEWHERE}, "region_unknown"),
        ({"kind": Kind.FIXED_WIFI}, "wifi_radio_missing"),
        ({"frozen": 1}, "frozen"),
    ],
)
def test_says_why_an_epoch_has_no_slots(path: Path, changed: dict[str, Any], outcome: str) -> None:
    async def act() -> None:
        async with stage(path, **changed) as s:
            await s.beaconer.play(s.epoch)
            assert s.outcomes == {outcome: 1}

    asyncio.run(act())


def test_a_hotspot_the_chain_does_not_know_has_no_slots(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            stranger = dataclasses.replace(s.epoch, anchor=world.anchor())
            await s.beaconer.play(stranger)
            assert s.outcomes == {"not_registered": 1}

    asyncio.run(act())


def test_a_disk_that_refuses_keeps_the_radio_silent(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with stage(path) as s:
            monkeypatch.setattr(s.outbox.store, "apply", lambda groups: [StorageError("full")] * len(groups))
            await s.play_all()
            assert s.outcomes == {"not_stored": 4}
            assert s.radio.requests == []

    asyncio.run(act())


@pytest.mark.parametrize(
    ("eirp_cdb", "gain_cdb", "most", "least"),
    [(1_600, 200, 14, -1), (1_600, 215, 13, -1), (1_400, 0, 14, -1), (1_600, -50, 16, 2), (1_600, 1_650, -1, -15)],
)
def test_conducted_power_is_whole_and_within_the_rule(eirp_cdb: int, gain_cdb: int, most: int, least: int) -> None:
    slot = Slot(0, START_MS, 868_100_000, 125_000, 7, eirp_cdb)
    assert (most_power_dbm(slot, gain_cdb), least_power_dbm(PARAMS, slot, gain_cdb)) == (most, least)
    assert most * 100 + gain_cdb <= eirp_cdb < most * 100 + 100 + gain_cdb
    assert least * 100 + gain_cdb >= eirp_cdb - PARAMS.rules.power_below_cdb


def test_a_beacon_has_the_air_time_of_24_bytes() -> None:
    assert slot_airtime_us(Slot(0, START_MS, 868_100_000, 125_000, 7, 1_600)) == 61_696


def test_an_hour_of_devnet_epochs_fits_the_duty_cycle() -> None:
    worst_us = 61 * PARAMS.slots.mapper * slot_airtime_us(Slot(0, 0, 868_100_000, 125_000, 8, 1_600))
    assert worst_us * 5 // 8 < 36_000_000


class PulledOut:
    """A token that was there when the process started."""

    public = DEVICE.public

    def sign(self, message: bytes) -> bytes:
        raise KeyProblemError("The token is away.")


def test_a_key_that_cannot_sign_costs_the_slot_and_nothing_else(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            s.beaconer._device = DeviceKey(PulledOut())
            playing = asyncio.ensure_future(s.beaconer.play(s.epoch))
            await s.clock.advance(slots(s.epoch)[0].start_ms - s.clock.now_ms())
            s.beaconer._device = DEVICE
            await s.clock.advance(s.epoch.end_ms - s.clock.now_ms())
            await playing
            assert s.outcomes == {"key_unavailable": 1, "sent": 3}
            assert len(s.radio.requests) == 3

    asyncio.run(act())


def test_a_frame_that_was_not_sent_leaves_its_reason_behind(path: Path) -> None:
    async def act() -> None:
        async with stage(path) as s:
            s.radio.answer = lambda request, now_ms: TxResult(TxState.REFUSED, reason="TX_FREQ")
            await s.play_all()
        with history.opened(path) as found:
            assert [fate.outcome for fate in found.fates(DEVICE.hotspot_id)] == ["not_sent:TX_FREQ"] * 4

    asyncio.run(act())


def test_a_disk_that_is_full_after_the_frame_costs_no_report_if_it_has_room_again_in_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act() -> None:
        async with stage(path) as s:
            store, full = s.outbox.store, []

            def apply(groups: Any) -> Any:
                return [StorageError("full")] * len(groups) if full else Store.apply(store, groups)

            def answer(request: TxRequest, now_ms: int) -> TxResult:
                full.append(True)
                return world.sent(request, now_ms)

            monkeypatch.setattr(store, "apply", apply)
            s.radio.answer = answer
            playing = asyncio.ensure_future(s.beaconer.play(s.epoch))
            await s.clock.advance(slots(s.epoch)[0].start_ms - s.clock.now_ms() + 1_000)
            assert (len(s.radio.requests), s.stored) == (1, [])
            full.clear()
            await s.clock.advance(500)
            assert len(s.stored) == 1
            assert store.open_reports() == s.stored
            playing.cancel()
            await asyncio.wait({playing})

    asyncio.run(act())
