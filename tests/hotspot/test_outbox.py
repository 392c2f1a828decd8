"""The outbox: synced before it counts, unchanged ever after, whole after SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hotspot.reporting.outbox import (
    INSIST_MS,
    LOG_PAGES,
    MAX_CLOSED_REPORTS,
    UNCONFIRMED,
    Change,
    CloseReport,
    ContradictionError,
    DropDraft,
    DropTransmission,
    KeepDelivery,
    KeepReport,
    KeepTransmission,
    Outbox,
    Prune,
    StorageError,
    Store,
    Tally,
)
from hotspot.reporting.reports import ACKNOWLEDGED, Delivery, Report, Step
from protocol.ids import Role
from protocol.records import Beacon
from tests.hotspot.clocks import ManualClock, settle, until
from tests.hotspot.factories import HOTSPOT, NOW_MS, report, transmission


def stored(path: Path, *changes: Change) -> Store:
    store = Store(path)
    assert store.apply([changes]) == [None]
    return store


def reopened(store: Store, path: Path) -> Store:
    store.close()
    return Store(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def test_a_report_comes_back_byte_for_byte(path: Path) -> None:
    one = report()
    store = reopened(stored(path, KeepReport(one)), path)
    assert store.open_reports() == [one]
    store.close()


def test_the_database_itself_refuses_to_change_a_report(path: Path) -> None:
    store = stored(path, KeepReport(report()))
    for column in ("report", "signature", "id", "draft", "subject"):
        with pytest.raises(sqlite3.IntegrityError, match="never changes"):
            store._db.execute(f"UPDATE report SET {column} = x'00'")
    store.close()


def test_one_report_id_is_stored_once(path: Path) -> None:
    one = report()
    store = stored(path, KeepReport(one))
    problems = store.apply([[KeepReport(report(id=one.id, report=b"other"))]])
    assert isinstance(problems[0], StorageError)
    assert store.open_reports() == [one]
    store.close()


def about_slot(slot: int, **changed: Any) -> Report:
    """A beacon's report; two of one slot differ in their salt."""
    body = Beacon(
        chain_id=1, contract=bytes(20), hotspot_id=HOTSPOT, epoch=7, salt=os.urandom(16), slot=slot, nonce=bytes(32),
        frequency_hz=868_100_000, spreading_factor=7, bandwidth_hz=125_000, power_cdb=1_400, sent_at_ms=NOW_MS, cell=0,
    ).encode()  # fmt: skip
    return report(**({"role": Role.BEACON, "report": body} | changed))


def test_nothing_is_reported_twice_with_different_bytes(path: Path) -> None:
    first = about_slot(3)
    store = stored(path, KeepReport(first))
    again, other_slot, other_epoch = about_slot(3), about_slot(4), about_slot(3, epoch=8)
    problems = store.apply([[KeepReport(again)], [KeepReport(other_slot)], [KeepReport(other_epoch)]])
    assert isinstance(problems[0], ContradictionError)
    assert problems[1:] == [None, None]
    assert store.open_reports() == [first, other_slot, other_epoch]
    store.close()


def test_a_draft_may_be_drawn_up_again(path: Path) -> None:
    store = stored(path, KeepReport(about_slot(3), draft=True), KeepReport(about_slot(3), draft=True))
    assert store.drop_drafts(NOW_MS) == 2
    store.close()


def test_takes_over_the_file_of_the_release_before(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executescript((Path(__file__).parent / "outbox_layout_1.sql").read_text())
    db.close()
    store = Store(path)
    assert [(one.role, one.epoch) for one in store.open_reports()] == [(Role.BEACON, 7), (Role.BEACON, 7)]
    kept = store.open_reports()[0]
    assert store.deliveries([kept]) == [Delivery(kept.id, b"v" * 20, Step.COMMIT, 5, ACKNOWLEDGED)]
    assert isinstance(store.apply([[KeepReport(about_slot(3))]])[0], ContradictionError)
    with pytest.raises(sqlite3.IntegrityError, match="never changes"):
        store._db.execute("UPDATE report SET report = x'00'")
    assert store.tallies(HOTSPOT) == {"stored_beacon": 2}
    store = reopened(store, path)
    assert len(store.open_reports()) == 2
    store.close()


def test_a_contradicting_group_does_not_take_its_neighbours_with_it(path: Path) -> None:
    one, other = report(), report()
    store = stored(path, KeepReport(one))
    problems = store.apply([[Tally(HOTSPOT, "x"), KeepReport(one)], [KeepReport(other)]])
    assert [problem is None for problem in problems] == [False, True]
    assert store.open_reports() == [one, other]
    assert "x" not in store.tallies(HOTSPOT)
    store.close()


def test_a_draft_is_no_report_and_is_closed_and_counted_at_start(path: Path) -> None:
    store = reopened(stored(path, KeepReport(report(), draft=True)), path)
    assert store.open_reports() == []
    assert store.drop_drafts(NOW_MS) == 1
    assert store.tallies(HOTSPOT) == {UNCONFIRMED: 1}
    assert store.drop_drafts(NOW_MS) == 0
    store.close()


def test_a_final_report_takes_the_place_of_its_draft(path: Path) -> None:
    draft, final = report(), report()
    store = stored(path, KeepReport(draft, draft=True))
    assert store.apply([[DropDraft(draft.id), KeepReport(final)]]) == [None]
    assert store.open_reports() == [final]
    assert store.drop_drafts(NOW_MS) == 0
    store.close()


def test_dropping_a_draft_never_removes_a_report(path: Path) -> None:
    one = report()
    store = stored(path, KeepReport(one), DropDraft(one.id))
    assert store.open_reports() == [one]
    store.close()


def test_a_closed_report_is_not_open_and_is_counted_once(path: Path) -> None:
    one = report()
    close = CloseReport(HOTSPOT, one.id, "revealed", NOW_MS)
    store = reopened(stored(path, KeepReport(one), close, close), path)
    assert store.open_reports() == []
    assert store.tallies(HOTSPOT) == {"stored_witness": 1, "revealed": 1}
    store.close()


def test_deliveries_come_back(path: Path) -> None:
    one = report()
    notes = [Delivery(one.id, b"v" * 20, step, NOW_MS, ACKNOWLEDGED) for step in Step]
    store = reopened(stored(path, KeepReport(one), *(KeepDelivery(note) for note in notes)), path)
    assert store.deliveries([one]) == notes
    store.close()


def test_transmissions_come_back_and_a_refused_one_is_given_back(path: Path) -> None:
    kept, refused = transmission(slot=1), transmission(slot=2)
    changes = [KeepTransmission(kept), KeepTransmission(refused), DropTransmission(refused)]
    store = reopened(stored(path, *changes), path)
    assert store.transmissions(HOTSPOT) == [kept]
    store.close()


def test_a_slot_is_used_once(path: Path) -> None:
    store = stored(path, KeepTransmission(transmission()))
    assert isinstance(store.apply([[KeepTransmission(transmission(at_ms=NOW_MS + 1))]])[0], StorageError)
    store.close()


def test_forgets_only_closed_reports_and_old_transmissions(path: Path) -> None:
    closed, still_open, newest = report(), report(), report()
    old = transmission(at_ms=NOW_MS - 3 * 3_600_000)
    store = stored(
        path, KeepReport(closed), KeepReport(still_open), CloseReport(HOTSPOT, closed.id, "revealed", NOW_MS)
    )
    store.apply(
        [[KeepReport(newest), KeepTransmission(old), KeepDelivery(Delivery(closed.id, b"v", Step.COMMIT, 0, "x"))]]
    )
    store._db.execute("UPDATE report SET number = ? WHERE id = ?", (MAX_CLOSED_REPORTS + 3, newest.id))
    assert store.apply([[Prune(NOW_MS)]]) == [None]
    assert store.open_reports() == [still_open, newest]
    assert store._db.execute("SELECT count(*) FROM report").fetchone() == (2,)
    assert store.deliveries([closed]) == []
    assert store.transmissions(HOTSPOT) == []
    store.close()


def test_refuses_a_file_of_another_release(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match="Update Farfield"):
        Store(path)


def test_refuses_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match="cannot be used"):
        Store(path)


# --- group commit ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Outbox]:
    outbox = Outbox(Store(path))
    task = asyncio.ensure_future(outbox.run())
    try:
        yield outbox
    finally:
        task.cancel()
        await asyncio.wait({task})


def test_writes_that_wait_together_share_one_sync(path: Path) -> None:
    async def scene() -> None:
        async with running(path) as outbox:
            syncs = []
            outbox.store._db.set_trace_callback(lambda sql: syncs.append(sql) if sql == "COMMIT" else None)
            await asyncio.gather(*(outbox.write(KeepReport(report())) for _ in range(50)))
            assert len(outbox.store.open_reports()) == 50
            assert len(syncs) <= 2

    asyncio.run(scene())


def test_a_disk_that_is_full_refuses_and_resumes_alone(path: Path) -> None:
    async def scene() -> None:
        async with running(path) as outbox:
            pages = outbox.store._db.execute("PRAGMA page_count").fetchone()[0]
            outbox.store._db.execute(f"PRAGMA max_page_count = {pages}")
            outbox.note(Tally(HOTSPOT, "note"))
            with pytest.raises(StorageError, match="full"):
                await outbox.write(*(KeepReport(report()) for _ in range(100)))
            assert outbox.store.open_reports() == []
            outbox.store._db.execute("PRAGMA max_page_count = 100000")
            await outbox.write(KeepReport(report()))
            assert len(outbox.store.open_reports()) == 1
            assert outbox.store.tallies(HOTSPOT)["note"] == 1

    asyncio.run(scene())


def test_insists_on_a_write_until_the_disk_has_room(path: Path) -> None:
    async def scene() -> None:
        async with running(path) as outbox:
            clock = ManualClock(NOW_MS)
            with contextlib.closing(sqlite3.connect(path)) as other:
                pages = outbox.store._db.execute("PRAGMA page_count").fetchone()[0]
                outbox.store._db.execute(f"PRAGMA max_page_count = {pages}")
                changes = [KeepReport(report()) for _ in range(100)]
                insisting = asyncio.ensure_future(outbox.insist(clock, NOW_MS + 10_000, *changes))
                await until(lambda: clock._sleepers)
                assert other.execute("SELECT count(*) FROM report").fetchone() == (0,)
                outbox.store._db.execute("PRAGMA max_page_count = 100000")
                await clock.advance(INSIST_MS)
                assert await insisting is None
            other.close()
            assert len(outbox.store.open_reports()) == 100

    asyncio.run(scene())


def test_does_not_insist_on_what_can_never_be_stored(path: Path) -> None:
    async def scene() -> None:
        async with running(path) as outbox:
            await outbox.write(KeepReport(about_slot(3)))
            problem = await outbox.insist(ManualClock(NOW_MS), NOW_MS + 10_000, KeepReport(about_slot(3)))
            assert isinstance(problem, ContradictionError)

    asyncio.run(scene())


def test_a_write_in_progress_is_finished_when_it_ends(path: Path) -> None:
    async def scene() -> None:
        outbox = Outbox(Store(path))
        task = asyncio.ensure_future(outbox.run())
        write = asyncio.ensure_future(outbox.write(KeepReport(report())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert await write is None

    asyncio.run(scene())


def test_what_waits_is_written_when_it_ends(path: Path) -> None:
    async def scene() -> None:
        async with running(path) as outbox:
            outbox.note(Tally(HOTSPOT, "note"))
            await settle()

    asyncio.run(scene())
    store = Store(path)
    assert store.tallies(HOTSPOT) == {"note": 1}
    store.close()


# --- SIGKILL --------------------------------------------------------------------------------------------------

CHILD = """
import asyncio, sys
from pathlib import Path
from hotspot.reporting.outbox import KeepReport, KeepTransmission, Outbox, Store
from tests.hotspot.factories import report, transmission

async def writer(outbox, number):
    for count in range(100000):
        one = report()
        slot = transmission(epoch=number, slot=count)
        await outbox.write(KeepReport(one, draft=count % 5 == 4), KeepTransmission(slot))
        sys.stdout.write(f"{one.id.hex()} {one.report.hex()} {one.signature.hex()} {int(count % 5 == 4)}\\n")
        sys.stdout.flush()

async def main():
    outbox = Outbox(Store(Path(sys.argv[1])))
    running = asyncio.ensure_future(outbox.run())
    await asyncio.gather(*(writer(outbox, number) for number in range(4)))

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(4))
def test_whatever_was_acknowledged_survives_sigkill(path: Path, seed: int) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(random.Random(seed).randint(1, 200))]
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
    acknowledged = {tuple(line.split()) for line in lines if line.endswith("\n")}
    store = Store(path)
    rows = store._db.execute("SELECT hex(id), hex(report), hex(signature), draft FROM report").fetchall()
    found = {(row[0].lower(), row[1].lower(), row[2].lower(), str(row[3])) for row in rows}
    assert acknowledged <= found
    assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert store._db.execute("SELECT count(*) FROM transmission").fetchone()[0] == len(rows)
    store.close()


def test_the_log_stays_small_and_a_killed_ones_is_taken_in_at_start(path: Path, tmp_path: Path) -> None:
    store = Store(path)
    log = path.with_name(f"{path.name}-wal")
    for _ in range(200):
        assert store.apply([[KeepReport(report())]]) == [None]
    assert log.stat().st_size < 2 * LOG_PAGES * 4_096
    for one in (path, log):
        (tmp_path / f"left-{one.name}").write_bytes(one.read_bytes())
    store.close()
    left = tmp_path / f"left-{path.name}"
    again = Store(left)
    assert left.with_name(f"{left.name}-wal").stat().st_size == 0
    assert len(again.open_reports()) == 200
    again.close()


# --- power ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_whatever_was_acknowledged_survives_a_power_cut(path: Path, tmp_path: Path, seed: int) -> None:
    """What was synced stays; of every byte written after the last acknowledged sync a cut leaves what it likes."""
    chance = random.Random(seed)
    store = Store(path)
    store._db.execute("PRAGMA wal_autocheckpoint = 0")
    log = path.with_name(f"{path.name}-wal")
    synced: list[tuple[bytes, int]] = []
    for _ in range(30):
        one = report()
        assert store.apply([[KeepReport(one)]]) == [None]
        synced.append((one.id, log.stat().st_size))
    database, written = path.read_bytes(), log.read_bytes()
    for cut in range(10):
        count = chance.randrange(len(synced))
        durable = synced[count][1]
        tail = bytearray(written[durable : durable + chance.randrange(0, 20_000)])
        for at in chance.sample(range(len(tail)), min(len(tail), 50)):
            tail[at] = chance.randrange(256)
        place = tmp_path / f"cut{cut}"
        place.mkdir()
        (place / path.name).write_bytes(database)
        (place / log.name).write_bytes(written[:durable] + tail)
        after = Store(place / path.name)
        found = [one.id for one in after.open_reports()]
        assert found[: count + 1] == [id_ for id_, _ in synced[: count + 1]]
        assert after._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        after.close()
    store.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_power_cut_while_the_log_is_taken_in_costs_nothing(path: Path, tmp_path: Path, seed: int) -> None:
    """Some pages of the database are new, some old, one is torn; the log is whole, it was synced before."""
    chance = random.Random(seed)
    store = Store(path)
    store._db.execute("PRAGMA wal_autocheckpoint = 0")
    kept = [report() for _ in range(60)]
    assert store.apply([[KeepReport(one)] for one in kept]) == [None] * 60
    log = path.with_name(f"{path.name}-wal").read_bytes()
    before = path.read_bytes()
    store._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
    after = path.read_bytes()
    store.close()
    pages = [
        (after if chance.random() < 0.5 or at >= len(before) else before)[at : at + 4_096]
        for at in range(0, len(after), 4_096)
    ]
    torn = chance.randrange(len(pages))
    pages[torn] = pages[torn][: chance.randrange(4_096)].ljust(4_096, b"\x5a")
    place = tmp_path / "cut"
    place.mkdir()
    (place / path.name).write_bytes(b"".join(pages))
    (place / f"{path.name}-wal").write_bytes(log)
    found = Store(place / path.name)
    assert found.open_reports() == kept
    assert found._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found.close()


def test_every_write_is_synced_before_it_counts(path: Path) -> None:
    store = Store(path)
    pragmas = [store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]
    store.close()
