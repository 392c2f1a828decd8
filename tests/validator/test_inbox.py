"""The inbox: synced before it is acknowledged, once for many, once for each row, and all of it there after a kill."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from protocol.encoding import U32, sha256
from protocol.ids import HotspotId, ReportId
from protocol.limits import MAX_COMMITS_PER_HOTSPOT
from protocol.manifest import BEACONS, COMMITS
from protocol.reasons import Reason
from protocol.records import Beacon, SignedBeacon
from tests.factories import NETWORK, ROOT
from tests.validator.disks import BlockedDisk, DiaryDisk, FullDisk, LossyDisk, PowerCut
from validator.disk import Disk
from validator.inbox import KEPT_EPOCHS, MAX_WAITING_ROWS, Entry, Inbox, commit_row

SOMEBODY = HotspotId(b"\x80" + bytes(31))
EPOCH = 3


def commit(number: int, hotspot: HotspotId = SOMEBODY, epoch: int = EPOCH, at_ms: int = 1_000) -> Entry:
    return Entry(COMMITS, epoch, hotspot, commit_row(hotspot, ReportId(sha256(U32.encode(number))), at_ms))


def beacon(number: int, hotspot: HotspotId = SOMEBODY, epoch: int = EPOCH) -> Entry:
    report = Beacon(
        chain_id=NETWORK.chain_id,
        contract=NETWORK.hotspots,
        hotspot_id=hotspot,
        epoch=epoch,
        salt=bytes(16),
        slot=number,
        nonce=bytes(32),
        frequency_hz=868_100_000,
        spreading_factor=7,
        bandwidth_hz=125_000,
        power_cdb=1_400,
        sent_at_ms=1_000,
        cell=0,
    )
    return Entry(BEACONS, epoch, hotspot, SignedBeacon(report.encode(), bytes(64)).encode())


def rows(directory: Path, kind: int = COMMITS, epoch: int = EPOCH) -> set[bytes]:
    """What a validator started anew finds."""
    inbox = Inbox(directory, Disk())
    found = set(inbox.epoch(epoch).rows[kind].values())
    inbox.close()
    return found


def log_rows(directory: Path, entry: Entry) -> int:
    """Rows in the log on disk, doubles included."""
    path = directory / f"epoch-{entry.epoch:010d}" / ("commits.log" if entry.kind == COMMITS else "beacons.log")
    return path.stat().st_size // (len(entry.row) + 4)


# --- durable first ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("entry", "name"), [(commit(1), "commits.log"), (beacon(1), "beacons.log")])
def test_store_returns_after_the_right_log_is_synced(tmp_path: Path, entry: Entry, name: str) -> None:
    disk = DiaryDisk()
    inbox = Inbox(tmp_path, disk)

    async def store() -> None:
        inbox.epoch(EPOCH)
        disk.events.clear()
        await inbox.store([entry])
        disk.note("acknowledged")

    asyncio.run(store())
    assert disk.events == [("append", name), ("sync", name), ("acknowledged", "")]


def test_a_batch_of_both_kinds_waits_for_both_logs(tmp_path: Path) -> None:
    disk = DiaryDisk()
    inbox = Inbox(tmp_path, disk)

    async def store() -> None:
        await inbox.store([commit(1), beacon(1)])
        disk.note("acknowledged")

    asyncio.run(store())
    end = disk.events.index(("acknowledged", ""))
    assert {("sync", "commits.log"), ("sync", "beacons.log")} <= set(disk.events[:end])


def test_calls_that_wait_for_the_disk_share_one_sync(tmp_path: Path) -> None:
    disk = BlockedDisk()
    inbox = Inbox(tmp_path, disk)

    async def store_many() -> None:
        first = asyncio.create_task(inbox.store([commit(0)]))
        await asyncio.to_thread(disk.waiting.wait, 10)
        others = [asyncio.create_task(inbox.store([commit(number)])) for number in range(1, 51)]
        await asyncio.sleep(0)
        disk.open.set()
        await asyncio.gather(first, *others)

    asyncio.run(store_many())
    assert disk.count("sync", "commits.log") == 2
    assert len(rows(tmp_path)) == 51


def test_rows_come_back_after_a_restart(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, Disk())
    entries = [commit(1), commit(2), beacon(1)]
    asyncio.run(inbox.store(entries))
    inbox.close()
    assert rows(tmp_path) == {entries[0].row, entries[1].row}
    assert rows(tmp_path, BEACONS) == {entries[2].row}


def test_damaged_rows_are_said_when_a_log_is_opened(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, Disk())
    asyncio.run(inbox.store([commit(1), commit(2)]))
    inbox.close()
    path = tmp_path / f"epoch-{EPOCH:010d}" / "commits.log"
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    with capture_logs() as logs:
        assert rows(tmp_path) == {commit(2).row}
    assert [one["event"] for one in logs] == ["inbox_rows_damaged"]


# --- once ---------------------------------------------------------------------------------------------------------


def test_a_commit_that_comes_again_keeps_its_first_time(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, Disk())
    asyncio.run(inbox.store([commit(1, at_ms=1_000)]))
    asyncio.run(inbox.store([commit(1, at_ms=9_000)]))
    inbox.close()
    assert rows(tmp_path) == {commit(1, at_ms=1_000).row}
    assert log_rows(tmp_path, commit(1)) == 1


def test_a_record_twice_in_one_batch_is_one_row(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, Disk())
    asyncio.run(inbox.store([commit(1), commit(1), beacon(1), beacon(1)]))
    assert inbox.epoch(EPOCH).commits[SOMEBODY] == 1
    assert inbox.epoch(EPOCH).reports[SOMEBODY] == 1
    assert log_rows(tmp_path, commit(1)) == log_rows(tmp_path, beacon(1)) == 1


def test_a_row_twice_in_a_log_counts_once(tmp_path: Path) -> None:
    """A crash between two logs of one write leaves rows behind that are sent, and written, again."""
    inbox = Inbox(tmp_path, Disk())
    asyncio.run(inbox.store([commit(1)]))
    inbox.epoch(EPOCH).logs[COMMITS].append([commit(1).row])
    inbox.close()
    again = Inbox(tmp_path, Disk())
    assert again.epoch(EPOCH).commits[SOMEBODY] == 1


def test_one_epoch_has_one_inbox_however_many_threads_open_it(tmp_path: Path) -> None:
    """A second inbox would take rows the first one's manifest never sees."""
    started, go_on = threading.Event(), threading.Event()

    class SlowDisk(Disk):
        def sync_directory(self, directory: Path) -> None:
            started.set()
            assert go_on.wait(10)
            super().sync_directory(directory)

    inbox = Inbox(tmp_path, SlowDisk())
    opened: list[object] = []
    threads = [threading.Thread(target=lambda: opened.append(inbox.epoch(EPOCH))) for _ in range(2)]
    threads[0].start()
    assert started.wait(10)
    threads[1].start()
    threads[1].join(0.05)
    go_on.set()
    for thread in threads:
        thread.join()
    assert opened[0] is opened[1] is inbox.epoch(EPOCH)


# --- a disk that refuses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "torn_bytes"), [("append", 0), ("append", 30), ("sync", 0)])
def test_a_full_disk_refuses_before_the_receipt_and_takes_the_same_batch_later(
    tmp_path: Path, what: str, torn_bytes: int
) -> None:
    disk = FullDisk()
    inbox = Inbox(tmp_path, disk)

    async def store() -> None:
        await inbox.store([commit(0)])
        disk.fail(what, torn_bytes=torn_bytes)
        with pytest.raises(OSError, match="the disk refuses to store"):
            await inbox.store([commit(1), commit(2)])
        assert inbox.epoch(EPOCH).commits[SOMEBODY] == 1
        await inbox.store([commit(1), commit(2)])

    asyncio.run(store())
    inbox.close()
    assert rows(tmp_path) == {commit(number).row for number in range(3)}


def test_an_epoch_whose_logs_cannot_be_made_takes_nothing_of_its_batch_along(tmp_path: Path) -> None:
    """A row in memory only would be acknowledged, unwritten, when it comes again."""
    disk = FullDisk()
    inbox = Inbox(tmp_path, disk)
    inbox.epoch(EPOCH)
    disk.fail("sync")
    with pytest.raises(OSError, match="Input/output"):
        asyncio.run(inbox.store([commit(1), commit(2, epoch=EPOCH + 1)]))
    assert not inbox.epoch(EPOCH).holds(commit(1))
    asyncio.run(inbox.store([commit(1), commit(2, epoch=EPOCH + 1)]))
    assert log_rows(tmp_path, commit(1)) == log_rows(tmp_path, commit(2, epoch=EPOCH + 1)) == 1


def test_a_full_disk_refuses_a_batch_that_names_a_record_twice(tmp_path: Path) -> None:
    disk = FullDisk()
    inbox = Inbox(tmp_path, disk)

    async def store() -> None:
        inbox.epoch(EPOCH)
        disk.fail("append")
        with pytest.raises(OSError, match="the disk refuses to store"):
            await asyncio.wait_for(inbox.store([commit(1), commit(1)]), 5)
        await asyncio.wait_for(inbox.store([commit(1)]), 5)

    asyncio.run(store())


def test_whoever_sends_a_refused_record_at_the_same_time_is_refused_too(tmp_path: Path) -> None:
    """The second call's record is on its way already; it must not be acknowledged when the disk refuses the first's."""
    inner, disk = BlockedDisk(), FullDisk()

    class BlockedThenFull(Disk):
        def append(self, descriptor: int, data: bytes) -> None:
            inner.waiting.set()
            assert inner.open.wait(10)
            disk.append(descriptor, data)

    inbox = Inbox(tmp_path, BlockedThenFull())

    async def store() -> list[BaseException | None]:
        inbox.epoch(EPOCH)
        disk.fail("append")
        first = asyncio.create_task(inbox.store([commit(1)]))
        await asyncio.to_thread(inner.waiting.wait, 10)
        second = asyncio.create_task(inbox.store([commit(1)]))
        await asyncio.sleep(0)
        inner.open.set()
        return await asyncio.gather(first, second, return_exceptions=True)  # type: ignore[return-value]

    assert [type(one) for one in asyncio.run(store())] == [OSError, OSError]


def test_a_crash_of_the_writer_reaches_whoever_waits(tmp_path: Path) -> None:
    class BrokenDisk(Disk):
        def append(self, descriptor: int, data: bytes) -> None:
            raise ZeroDivisionError("a bug")

    inbox = Inbox(tmp_path, BrokenDisk())

    async def store() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(inbox.store([commit(1)]), 5)

    asyncio.run(store())
    assert not inbox.epoch(EPOCH).holds(commit(1))


def test_refuses_more_rows_than_may_wait_for_the_disk(tmp_path: Path) -> None:
    disk = BlockedDisk()
    inbox = Inbox(tmp_path, disk)
    half = MAX_WAITING_ROWS // 2

    async def store() -> None:
        first = asyncio.create_task(inbox.store([commit(-1 % 2**32)]))
        await asyncio.to_thread(disk.waiting.wait, 10)
        waiting = asyncio.create_task(inbox.store([commit(number) for number in range(half)]))
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="too many records are waiting"):
            await inbox.store([commit(number) for number in range(half, 2 * half + 1)])
        disk.open.set()
        await asyncio.gather(first, waiting)

    asyncio.run(store())
    assert len(inbox.epoch(EPOCH).rows[COMMITS]) == half + 1


# --- quota, refusals, sealing -------------------------------------------------------------------------------------


def test_a_hotspots_quota_is_exact(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, Disk())
    entries = [commit(number) for number in range(MAX_COMMITS_PER_HOTSPOT - 1)]
    asyncio.run(inbox.store(entries))
    opened = inbox.epoch(EPOCH)
    assert opened.within_quota(commit(MAX_COMMITS_PER_HOTSPOT))
    assert not opened.within_quota(commit(MAX_COMMITS_PER_HOTSPOT), ahead=1)
    asyncio.run(inbox.store([commit(MAX_COMMITS_PER_HOTSPOT)]))
    assert not opened.within_quota(commit(MAX_COMMITS_PER_HOTSPOT + 1))
    assert opened.within_quota(beacon(1))


def test_refusals_are_counted_by_reason(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, Disk())
    opened = inbox.epoch(EPOCH)
    for reason in (Reason.QUOTA, Reason.NOT_REGISTERED, Reason.QUOTA):
        inbox.count_refusal(EPOCH, reason)
    assert opened.refused == {Reason.QUOTA: 2, Reason.NOT_REGISTERED: 1}


def test_sealing_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    disk = BlockedDisk()
    inbox = Inbox(tmp_path, disk)

    async def seal() -> None:
        storing = asyncio.create_task(inbox.store([commit(1)]))
        await asyncio.to_thread(disk.waiting.wait, 10)
        sealing = asyncio.create_task(inbox.seal(EPOCH))
        await asyncio.sleep(0)
        assert inbox.epoch(EPOCH).sealed
        assert not sealing.done()
        disk.open.set()
        sealed = await sealing
        assert storing.done()
        assert sealed.holds(commit(1))

    asyncio.run(seal())


def test_old_inboxes_are_deleted_also_those_of_an_earlier_run(tmp_path: Path) -> None:
    earlier = Inbox(tmp_path, Disk())
    asyncio.run(earlier.store([commit(1, epoch=epoch) for epoch in (1, 2, 20)]))
    earlier.close()
    inbox = Inbox(tmp_path, Disk())
    asyncio.run(inbox.store([commit(1, epoch=2)]))
    asyncio.run(inbox.forget_before(2 + KEPT_EPOCHS))
    assert [inbox.has(epoch) for epoch in (1, 2, 20)] == [False, True, True]
    asyncio.run(inbox.forget_before(3 + KEPT_EPOCHS))
    assert [inbox.has(epoch) for epoch in (1, 2, 20)] == [False, False, True]
    inbox.close()


def test_closing_gives_every_log_back(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    inbox = Inbox(tmp_path, Disk())
    asyncio.run(inbox.store([commit(1, epoch=epoch) for epoch in range(1, 6)]))
    assert len(os.listdir("/proc/self/fd")) > before
    inbox.close()
    assert len(os.listdir("/proc/self/fd")) == before


# --- power cuts ---------------------------------------------------------------------------------------------------

POWER_CUTS = 200


async def acknowledged_before_power_cut(inbox: Inbox, disk: LossyDisk, dice: random.Random) -> set[bytes]:
    """Rows acknowledged before the power went, in the middle of one more batch."""
    acknowledged: set[bytes] = set()
    for number in range(dice.randint(0, 3)):
        batch = [commit(100 * number + one) for one in range(dice.randint(1, 5))]
        await inbox.store(batch)
        acknowledged |= {one.row for one in batch}
    inbox.epoch(EPOCH)
    disk.cut = True
    storing = asyncio.create_task(inbox.store([commit(9_000 + one) for one in range(dice.randint(1, 5))]))
    await asyncio.sleep(0)
    assert inbox._writer is not None
    await asyncio.wait([inbox._writer])
    assert isinstance(inbox._writer.exception(), PowerCut)
    assert not storing.done()
    storing.cancel()
    return acknowledged


def test_a_power_cut_in_the_middle_of_a_batch_loses_no_acknowledged_row_and_invents_none(tmp_path: Path) -> None:
    sent = {commit(number).row for number in [*range(400), *range(9_000, 9_006)]}
    for seed in range(POWER_CUTS):
        directory, dice, disk = tmp_path / str(seed), random.Random(seed), LossyDisk()
        inbox = Inbox(directory, disk)
        acknowledged = asyncio.run(acknowledged_before_power_cut(inbox, disk, dice))
        inbox.close()
        disk.lose_power(directory, dice)
        found = rows(directory)
        assert acknowledged <= found <= sent, f"seed {seed}"


# --- kill -9 ------------------------------------------------------------------------------------------------------

CHILD = """
import asyncio, sys
from pathlib import Path
from tests.validator.test_inbox import commit
from validator.disk import Disk
from validator.inbox import Inbox

async def main(directory):
    inbox, number = Inbox(Path(directory), Disk()), 0
    while True:
        numbers = list(range(number, number + 8))
        await asyncio.gather(*(inbox.store([commit(one)]) for one in numbers))
        print(*numbers, flush=True)
        number += 8

asyncio.run(main(sys.argv[1]))
"""


def acknowledged_before_kill(directory: Path, lines: int) -> Sequence[int]:
    """Starts a process that stores and prints what was acknowledged; kills it after so many lines."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory)], cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert child.stdout is not None
    try:
        seen = [child.stdout.readline() for _ in range(lines)]
    finally:
        child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.wait()
    child.stdout.close()
    complete = "".join(seen) + rest[: rest.rfind("\n") + 1]
    return [int(number) for number in complete.split()]


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_kill_9_loses_no_acknowledged_row(tmp_path: Path, lines: int) -> None:
    acknowledged = acknowledged_before_kill(tmp_path, lines)
    assert len(acknowledged) >= 8 * lines
    assert {commit(number).row for number in acknowledged} <= rows(tmp_path)
