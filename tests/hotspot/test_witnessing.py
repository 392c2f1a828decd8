"""Witness reports: one per beacon of others, from its best copy."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hotspot.counters import Counters
from hotspot.playing.epochs import EpochWatcher
from hotspot.playing.witnessing import MAX_WITNESSES_PER_EPOCH, Witnesser
from hotspot.radio.frames import RxFrame
from hotspot.reporting.outbox import Change, Outbox, StorageError
from hotspot.reporting.reports import Report
from protocol import beacon
from protocol.encoding import report_id, signed_bytes
from protocol.ids import Kind
from protocol.keys import verify_device
from protocol.records import NO_FINE_TIME, REPORT, Witness
from tests.hotspot import world
from tests.hotspot.clocks import ManualClock
from tests.hotspot.fake_validator import NETWORK
from tests.hotspot.test_beaconing import DEVICE, PRIVATE
from tests.hotspot.test_epochs import Chain
from tests.hotspot.world import AWAY, EPOCH, GENESIS_MS, PARAMS, START_MS, Place


class Ears:
    def __init__(self, outbox: Outbox, place: Place | None, registered: dict[str, Any]) -> None:
        self.clock, self.counters, self.outbox = ManualClock(START_MS + 10_000), Counters(), outbox
        self.own_tags: set[bytes] = set()
        self.stored: list[Report] = []
        self.epochs = EpochWatcher(NETWORK, GENESIS_MS, PARAMS.epoch, Chain(self.clock), self.clock, Counters())
        self.epochs._tell(world.epoch(DEVICE, **registered))
        self.witnesser = Witnesser(
            DEVICE, NETWORK, PARAMS.epoch, self.epochs, self.own_tags, outbox, place, self.clock, self.counters,
            self.stored.append,
        )  # fmt: skip

    def hear(self, tag: bytes | None = None, **changed: Any) -> RxFrame:
        frame = world.heard(beacon.frame(tag or secrets.token_bytes(21)), self.clock, **changed)
        self.witnesser.on_frame(frame)
        return frame

    @property
    def records(self) -> list[Witness]:
        decoded = [Witness.decode(one.report) for one in self.stored]
        assert None not in decoded
        return decoded  # type: ignore[return-value]

    @property
    def packets(self) -> dict[str, int]:
        return self.counters.snapshot()["rxpk"]


@asynccontextmanager
async def ears(path: Path, place: Place | None = None, **registered: Any) -> AsyncIterator[Ears]:
    with world.outbox_at(path) as outbox:
        one = Ears(outbox, place, registered)
        yield one
        one.witnesser.stop()
        await asyncio.sleep(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def test_a_report_says_what_was_heard(path: Path) -> None:
    async def act() -> None:
        async with ears(path) as e:
            tag = secrets.token_bytes(21)
            frame = e.hear(tag, rssi_cdb=-11_000, snr_cdb=-250, tmst_us=77, fine_time_ns=5, frequency_hz=868_099_980)
            await e.clock.advance(500)
            report = e.records[0]
            assert (report.tag, report.epoch, report.hotspot_id) == (tag, EPOCH, DEVICE.hotspot_id)
            assert (report.rssi_cdb, report.snr_cdb) == (-11_000, -250)
            assert (report.frequency_hz, report.spreading_factor, report.bandwidth_hz) == (868_099_980, 7, 125_000)
            assert (report.received_at_ms, report.tmst_us, report.fine_time_ns) == (frame.received_at_ms, 77, 5)
            assert report.cell == 0

    asyncio.run(act())


def test_a_report_is_signed_stored_and_carries_its_windows(path: Path) -> None:
    async def act() -> None:
        async with ears(path) as e:
            frame = e.hear()
            await e.clock.advance(500)
            (one,) = e.stored
            assert e.outbox.store.open_reports() == [one]
            assert one.id == report_id(one.report)
            assert verify_device(PRIVATE.public_key(), signed_bytes(REPORT, NETWORK, one.report), one.signature)
            assert one.commit_until_ms == frame.received_at_ms + PARAMS.epoch.commit_window_ms
            assert one.reveal_after_ms == frame.received_at_ms + PARAMS.epoch.reveal_after_ms
            assert one.reveal_until_ms == START_MS + PARAMS.epoch.length_ms + PARAMS.epoch.close_after_ms // 4

    asyncio.run(act())


def test_a_radio_without_fine_time_says_so(path: Path) -> None:
    async def act() -> None:
        async with ears(path) as e:
            e.hear(fine_time_ns=None)
            await e.clock.advance(500)
            assert e.records[0].fine_time_ns == NO_FINE_TIME

    asyncio.run(act())


def test_the_copy_with_the_highest_snr_speaks(path: Path) -> None:
    async def act() -> None:
        async with ears(path) as e:
            tag = secrets.token_bytes(21)
            e.hear(tag, snr_cdb=-900, frequency_hz=868_300_000)
            await e.clock.advance(499)
            e.hear(tag, snr_cdb=980, frequency_hz=868_100_000)
            e.hear(tag, snr_cdb=-1_000, frequency_hz=868_500_000)
            await e.clock.advance(1)
            assert [(one.snr_cdb, one.frequency_hz) for one in e.records] == [(980, 868_100_000)]
            assert e.packets == {"beacon": 1, "copy": 2}

    asyncio.run(act())


def test_of_two_copies_with_one_snr_the_stronger_speaks(path: Path) -> None:
    async def act() -> None:
        async with ears(path) as e:
            tag = secrets.token_bytes(21)
            for rssi_cdb in (-9_000, -4_000, -8_000):
                e.hear(tag, snr_cdb=1_000, rssi_cdb=rssi_cdb)
            await e.clock.advance(500)
            assert [one.rssi_cdb for one in e.records] == [-4_000]

    asyncio.run(act())


def test_a_copy_after_half_a_second_changes_nothing(path: Path) -> None:
    async def act() -> None:
        async with ears(path) as e:
            tag = secrets.token_bytes(21)
            e.hear(tag, snr_cdb=100)
            await e.clock.advance(500)
            e.hear(tag, snr_cdb=900)
            await e.clock.advance(60_000)
            assert [one.snr_cdb for one in e.records] == [100]
            assert e.packets == {"beacon": 1, "late_copy": 1}

    asyncio.run(act())


def test_never_reports_its_own_tag(path: Path) -> None:
    async def act() -> None:
        async with ears(path) as e:
            tag = secrets.token_bytes(21)
            e.own_tags.add(tag)
            e.hear(tag)
            await e.clock.advance(500)
            assert e.stored == []
            assert e.packets == {"own_beacon": 1}

    asyncio.run(act())


@pytest.mark.parametrize(
    "payload", [b"", b"\xe0", b"\x40" + bytes(23), b"\xe0\xfa\x01" + bytes(20), b"\xe0\xfa\x02" + bytes(21)]
)
def test_other_frames_are_foreign(path: Path, payload: bytes) -> None:
    async def act() -> None:
        async with ears(path) as e:
            e.witnesser.on_frame(world.heard(payload, e.clock))
            await e.clock.advance(500)
            assert e.stored == []
            assert e.packets == {"foreign": 1}

    asyncio.run(act())


def test_a_mapper_adds_the_cell_it_was_in(path: Path) -> None:
    async def act() -> None:
        place = Place(AWAY)
        async with ears(path, place, kind=Kind.MAPPER) as e:
            e.hear()
            place.here = None
            await e.clock.advance(500)
            e.hear()
            await e.clock.advance(500)
            assert [one.cell for one in e.records] == [AWAY]
            assert e.packets == {"beacon": 1, "no_fix": 1}

    asyncio.run(act())


def test_a_hotspot_the_chain_does_not_know_reports_nothing(path: Path) -> None:
    async def act() -> None:
        async with ears(path) as e:
            e.epochs._known.clear()
            e.hear()
            await e.clock.advance(500)
            assert e.packets == {"not_registered": 1}

    asyncio.run(act())


def test_before_genesis_nothing_is_reported(path: Path) -> None:
    async def act() -> None:
        async with ears(path) as e:
            e.hear(received_at_ms=GENESIS_MS - 1)
            assert e.packets == {"not_registered": 1}

    asyncio.run(act())


def test_an_epoch_has_a_bounded_number_of_reports(path: Path) -> None:
    async def act() -> None:
        async with ears(path) as e:
            e.witnesser._made[EPOCH] = MAX_WITNESSES_PER_EPOCH - 1
            e.hear()
            e.hear()
            assert e.packets == {"beacon": 1, "too_many_beacons": 1}

    asyncio.run(act())


def full_disk(groups: Sequence[Sequence[Change]]) -> list[StorageError]:
    return [StorageError("full")] * len(groups)


def test_a_report_that_cannot_be_stored_in_time_is_counted_and_not_sent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act() -> None:
        async with ears(path) as e:
            monkeypatch.setattr(e.outbox.store, "apply", full_disk)
            e.hear()
            await e.clock.advance(PARAMS.epoch.commit_window_ms + 500)
            assert e.stored == []
            assert e.counters.of("witnesses", "not_stored") == 1

    asyncio.run(act())


def test_a_disk_with_room_again_before_the_window_ends_costs_no_report(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act() -> None:
        async with ears(path) as e:
            with monkeypatch.context() as full:
                full.setattr(e.outbox.store, "apply", full_disk)
                e.hear()
                await e.clock.advance(PARAMS.epoch.commit_window_ms // 2)
                assert e.stored == []
            await e.clock.advance(500)
            assert len(e.stored) == 1
            assert e.outbox.store.open_reports() == e.stored

    asyncio.run(act())


def test_a_frame_reported_before_a_restart_is_not_reported_again_with_other_bytes(path: Path) -> None:
    async def act() -> None:
        tag = secrets.token_bytes(21)
        for expected in ({"stored": 1}, {"reported_before_a_restart": 1}):
            async with ears(path) as e:
                e.hear(tag)
                await e.clock.advance(500)
                assert e.counters.snapshot()["witnesses"] == expected
                assert len(e.outbox.store.open_reports()) == 1

    asyncio.run(act())
