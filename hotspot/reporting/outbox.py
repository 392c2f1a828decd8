"""What this machine has promised not to forget: reports, how far they were delivered, and what was transmitted.

One SQLite file serves every hotspot of a process. A write counts as done when SQLite has synced it (WAL,
synchronous=FULL); writes that arrive together share one sync. A beacon is a draft until its forwarder has said with
which power it was sent; a draft found at start is closed and counted, because nobody knows what became of its frame.
A stored report's bytes and signature never change, and nothing is reported twice: the database itself refuses it. What
became of each report is kept with its reasons; see history.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hotspot.clock import Clock
from hotspot.files import sync_directory
from hotspot.reporting.reports import Delivery, Report, Step, Transmission, subject
from protocol.ids import HotspotId, ReportId, Role

OUTBOX_FILE = "outbox.sqlite"
SCHEMA_VERSION = 2
MAX_CLOSED_REPORTS = 100_000
MAX_WAITING_WRITES = 10_000
UNHURRIED_MS = 1_000
"""Notes about deliveries may be lost in a crash (the delivery is repeated), so they wait for company."""
LOG_PAGES = 100
"""Of 4 KB; SQLite's own 1,000 would let the log alone fill a small disk."""
INSIST_MS = 250
"""Pause before a refused write that may still count is tried again."""
TRANSMISSION_KEPT_MS = 2 * 3_600_000
UNCONFIRMED = "unconfirmed_draft"
NOT_SENT = "not_sent"
FINAL = """
CREATE UNIQUE INDEX report_once ON report (hotspot, epoch, role, subject) WHERE draft = 0;
CREATE TRIGGER report_is_final BEFORE UPDATE OF id, hotspot, epoch, role, subject, draft, report, signature ON report
    BEGIN SELECT RAISE(ABORT, 'a stored report never changes'); END;
"""
SCHEMA = f"""
CREATE TABLE report (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    hotspot BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    role INTEGER NOT NULL,
    subject BLOB,
    draft INTEGER NOT NULL,
    report BLOB NOT NULL,
    signature BLOB NOT NULL,
    commit_until_ms INTEGER NOT NULL,
    reveal_after_ms INTEGER NOT NULL,
    reveal_until_ms INTEGER NOT NULL,
    outcome TEXT,
    closed_at_ms INTEGER
);
CREATE INDEX report_open ON report (number) WHERE outcome IS NULL;
{FINAL}CREATE TABLE delivery (
    report BLOB NOT NULL,
    validator BLOB NOT NULL,
    step INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    why TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (report, validator, step)
) WITHOUT ROWID;
CREATE TABLE transmission (
    hotspot BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    frequency_hz INTEGER NOT NULL,
    airtime_us INTEGER NOT NULL,
    PRIMARY KEY (hotspot, epoch, slot)
) WITHOUT ROWID;
CREATE TABLE tally (
    hotspot BLOB NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hotspot, name)
) WITHOUT ROWID;
"""
REPORT_COLUMNS = "id, hotspot, epoch, role, report, signature, commit_until_ms, reveal_after_ms, reveal_until_ms"


class StorageError(Exception):
    """The outbox cannot store (disk full, unreadable, another program's file); nothing of the write happened."""

    passes = False
    """True if it may be over by itself: the disk is full, or fails for a moment."""


class ContradictionError(StorageError):
    """What is stored already forbids the write, now and later: a slot used, or a frame reported, before a restart."""


class Change(Protocol):
    """One thing to write; all changes of one write happen, or none."""

    def apply(self, db: sqlite3.Connection) -> None: ...


@dataclass(frozen=True, slots=True)
class KeepReport:
    """Stores a report."""

    report: Report
    draft: bool = False

    def apply(self, db: sqlite3.Connection) -> None:
        one = self.report
        db.execute(
            f"INSERT INTO report ({REPORT_COLUMNS}, draft, subject) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                one.id, one.hotspot_id, one.epoch, one.role, one.report, one.signature,
                one.commit_until_ms, one.reveal_after_ms, one.reveal_until_ms, self.draft, subject(one),
            ),
        )  # fmt: skip
        if not self.draft:
            Tally(one.hotspot_id, f"stored_{one.role.name.lower()}").apply(db)


@dataclass(frozen=True, slots=True)
class DropDraft:
    """Removes a draft: its final report replaces it."""

    report_id: ReportId

    def apply(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM report WHERE id = ? AND draft = 1", (self.report_id,))


@dataclass(frozen=True, slots=True)
class CloseDraft:
    """A draft that becomes no report: its frame was not sent, or nobody knows; `outcome` says which."""

    report_id: ReportId
    outcome: str
    at_ms: int

    def apply(self, db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE report SET outcome = ?, closed_at_ms = ? WHERE id = ? AND draft = 1 AND outcome IS NULL",
            (self.outcome, self.at_ms, self.report_id),
        )


@dataclass(frozen=True, slots=True)
class KeepTransmission:
    """Charges a use of the air."""

    transmission: Transmission

    def apply(self, db: sqlite3.Connection) -> None:
        one = self.transmission
        db.execute(
            "INSERT INTO transmission VALUES (?, ?, ?, ?, ?, ?)",
            (one.hotspot_id, one.epoch, one.slot, one.at_ms, one.frequency_hz, one.airtime_us),
        )


@dataclass(frozen=True, slots=True)
class DropTransmission:
    """Gives back a charge: the forwarder refused, nothing was sent."""

    transmission: Transmission

    def apply(self, db: sqlite3.Connection) -> None:
        one = self.transmission
        db.execute(
            "DELETE FROM transmission WHERE hotspot = ? AND epoch = ? AND slot = ?",
            (one.hotspot_id, one.epoch, one.slot),
        )


@dataclass(frozen=True, slots=True)
class KeepDelivery:
    """Notes how one step ended with one validator."""

    delivery: Delivery

    def apply(self, db: sqlite3.Connection) -> None:
        one = self.delivery
        db.execute(
            "INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, ?)",
            (one.report_id, one.validator, one.step, one.at_ms, one.outcome, one.why),
        )


@dataclass(frozen=True, slots=True)
class CloseReport:
    """Nothing more is done about a report; `outcome` says how it ended."""

    hotspot_id: HotspotId
    report_id: ReportId
    outcome: str
    at_ms: int

    def apply(self, db: sqlite3.Connection) -> None:
        closed = db.execute(
            "UPDATE report SET outcome = ?, closed_at_ms = ? WHERE id = ? AND outcome IS NULL",
            (self.outcome, self.at_ms, self.report_id),
        )
        if closed.rowcount:
            Tally(self.hotspot_id, self.outcome).apply(db)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts something for as long as the database lives."""

    hotspot_id: HotspotId
    name: str

    def apply(self, db: sqlite3.Connection) -> None:
        db.execute(
            "INSERT INTO tally VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
            (self.hotspot_id, self.name),
        )


@dataclass(frozen=True, slots=True)
class Prune:
    """Forgets old transmissions and the oldest closed reports."""

    now_ms: int

    def apply(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM transmission WHERE at_ms < ?", (self.now_ms - TRANSMISSION_KEPT_MS,))
        newest = db.execute("SELECT max(number) FROM report").fetchone()[0] or 0
        old = "SELECT id FROM report WHERE number <= ? AND outcome IS NOT NULL"
        db.execute(f"DELETE FROM delivery WHERE report IN ({old})", (newest - MAX_CLOSED_REPORTS,))  # noqa: S608
        db.execute("DELETE FROM report WHERE number <= ? AND outcome IS NOT NULL", (newest - MAX_CLOSED_REPORTS,))


class Store:
    """The database, used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file; StorageError if it cannot be used."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._open(path)
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            problem = StorageError(f"{path} cannot be used: {error}. Check the disk and the file's permissions.")
            problem.passes = _passes(error)
            raise problem from error

    def _open(self, path: Path) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA fullfsync = ON")  # where fsync alone does not reach the device
        self._db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        self._prepare(path)
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # a killed process leaves its log behind

    def _prepare(self, path: Path) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, 1, SCHEMA_VERSION):
            raise StorageError(f"{path} was written by another release (layout {version}). Update Farfield.")
        if version == 0:
            self._db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
            sync_directory(path.parent)
        if version == 1:
            self._from_layout_1()

    def _from_layout_1(self) -> None:
        """Adds what layout 2 keeps. Reports that layout 1 stored twice stay, without a subject."""
        self._db.executescript(
            "BEGIN IMMEDIATE; DROP TRIGGER IF EXISTS report_is_final; ALTER TABLE report ADD COLUMN subject BLOB;"
            "ALTER TABLE report ADD COLUMN closed_at_ms INTEGER;"
            "ALTER TABLE delivery ADD COLUMN why TEXT NOT NULL DEFAULT '';"
        )
        seen: set[tuple[bytes, int, int, bytes]] = set()
        for one in self._reports("WHERE draft = 0"):
            key = (one.hotspot_id, one.epoch, one.role, subject(one))
            if key not in seen:
                self._db.execute("UPDATE report SET subject = ? WHERE id = ?", (key[3], one.id))
            seen.add(key)
        for statement in filter(str.strip, (FINAL + f"PRAGMA user_version = {SCHEMA_VERSION};").split(";\n")):
            self._db.execute(statement)
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()

    def apply(self, groups: Sequence[Sequence[Change]]) -> list[StorageError | None]:
        """Writes groups of changes with one sync; each happens whole or not at all. What became of each, in order."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            results = [self._apply_group(group) for group in groups]
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            problem = StorageError(f"the outbox cannot store: {error}")
            problem.passes = _passes(error)
            return [problem] * len(groups)
        return results

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself, or will when next opened
                self._db.execute("ROLLBACK")

    def _apply_group(self, group: Sequence[Change]) -> StorageError | None:
        """A group that contradicts what is stored is undone alone; a failing disk is the caller's."""
        self._db.execute("SAVEPOINT one")
        problem = None
        try:
            for change in group:
                change.apply(self._db)
        except sqlite3.IntegrityError as error:
            self._db.execute("ROLLBACK TO one")
            problem = ContradictionError(f"the outbox holds something else already: {error}")
        self._db.execute("RELEASE one")
        return problem

    def drop_drafts(self, now_ms: int) -> int:
        """Closes what was drafted when the process died; returns how many. StorageError if that cannot be stored."""
        drafts = self._db.execute("SELECT id, hotspot FROM report WHERE draft = 1 AND outcome IS NULL").fetchall()
        changes: list[Change] = []
        for id_, hotspot in drafts:
            changes += [CloseDraft(ReportId(id_), UNCONFIRMED, now_ms), Tally(hotspot, UNCONFIRMED)]
        problem = self.apply([changes])[0]
        if problem is not None:
            raise problem
        return len(drafts)

    def open_reports(self) -> list[Report]:
        """Stored reports that are not closed, oldest first."""
        return self._reports("WHERE outcome IS NULL AND draft = 0 ORDER BY number")

    def _reports(self, which: str) -> list[Report]:
        rows = self._db.execute(f"SELECT {REPORT_COLUMNS} FROM report {which}")  # noqa: S608
        return [Report(ReportId(row[0]), HotspotId(row[1]), row[2], Role(row[3]), *row[4:]) for row in rows]

    def deliveries(self, reports: Sequence[Report]) -> list[Delivery]:
        """Every note about these reports."""
        found = []
        for report in reports:
            rows = self._db.execute(
                "SELECT validator, step, at_ms, outcome, why FROM delivery WHERE report = ?", (report.id,)
            )
            found += [Delivery(report.id, row[0], Step(row[1]), *row[2:]) for row in rows]
        return found

    def transmissions(self, hotspot_id: HotspotId) -> list[Transmission]:
        """What one hotspot transmitted lately, oldest first."""
        rows = self._db.execute("SELECT * FROM transmission WHERE hotspot = ? ORDER BY at_ms", (hotspot_id,))
        return [Transmission(HotspotId(row[0]), *row[1:]) for row in rows]

    def tallies(self, hotspot_id: HotspotId) -> dict[str, int]:
        """Everything ever counted for one hotspot."""
        return dict(self._db.execute("SELECT name, count FROM tally WHERE hotspot = ? ORDER BY name", (hotspot_id,)))


def _passes(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY)


class Outbox:
    """Group commit: writes that arrive while one is being synced share the next sync."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._thread = ThreadPoolExecutor(1, "outbox")
        self._urgent: list[tuple[Sequence[Change], asyncio.Future[StorageError | None]]] = []
        self._notes: list[Change] = []
        self._wake = asyncio.Event()
        self.lost_notes = 0
        """Notes given up because they could not be stored; the deliveries they were about may be repeated."""

    async def write(self, *changes: Change) -> None:
        """Returns when all changes are on disk; StorageError, and none of them is, when that fails."""
        if len(self._urgent) >= MAX_WAITING_WRITES:
            raise StorageError("too many writes wait for the disk")
        done: asyncio.Future[StorageError | None] = asyncio.get_running_loop().create_future()
        self._urgent.append((changes, done))
        self._wake.set()
        problem = await asyncio.shield(done)
        if problem is not None:
            raise problem

    async def insist(self, clock: Clock, until_ms: int, *changes: Change) -> StorageError | None:
        """Writes what would be lost otherwise, again and again until `until_ms`; what hindered it to the end, if so."""
        while True:
            try:
                await self.write(*changes)
            except ContradictionError as error:
                return error
            except StorageError as error:
                if clock.now_ms() >= until_ms:
                    return error
            else:
                return None
            await clock.sleep_ms(INSIST_MS)

    def note(self, *changes: Change) -> None:
        """Writes with the next write, or within a second; what is lost in a crash is only done again."""
        room = max(MAX_WAITING_WRITES - len(self._notes), 0)
        self.lost_notes += max(len(changes) - room, 0)
        self._notes.extend(changes[:room])

    async def run(self) -> None:
        """Writes until cancelled, then flushes what waits and closes the file."""
        flush = None
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(UNHURRIED_MS / 1_000):
                        await self._wake.wait()
                flush = asyncio.ensure_future(self._flush())
                await asyncio.shield(flush)
        finally:
            if flush is not None:
                await flush
            await self._flush()
            self._thread.shutdown()
            self.store.close()

    async def _flush(self) -> None:
        self._wake.clear()
        urgent, self._urgent = self._urgent, []
        notes, self._notes = self._notes, []
        if not urgent and not notes:
            return
        groups = [notes, *(changes for changes, _ in urgent)]
        problems = await asyncio.get_running_loop().run_in_executor(self._thread, self.store.apply, groups)
        if problems[0] is not None:
            self.note(*notes)
        for (_, done), problem in zip(urgent, problems[1:], strict=True):
            done.set_result(problem)
