"""What hotspots have told this validator: stored and synced first, acknowledged after.

One directory per epoch with one log per kind of record. Many calls share one fsync: whatever waits when the disk is
free is written together.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from protocol.encoding import report_id
from protocol.ids import HotspotId, ReportId
from protocol.limits import MAX_COMMITS_PER_HOTSPOT, MAX_REPORTS_PER_HOTSPOT
from protocol.manifest import BEACONS, COMMITS, KEY_BYTES, WITNESSES
from protocol.reasons import Reason
from protocol.records import SEGMENT_ROWS, Commit
from validator.disk import Disk, RowLog

FILES = {COMMITS: "commits.log", BEACONS: "beacons.log", WITNESSES: "witnesses.log"}
MAX_WAITING_ROWS = 100_000
KEPT_EPOCHS = 16
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to store: a canonical record of a segment, and whose it is."""

    kind: int
    epoch: int
    hotspot_id: HotspotId
    row: bytes

    @property
    def key(self) -> bytes:
        """What makes a row the same row: (hotspot, report id) of a commit, the report id of a report."""
        prefix = self.row[: KEY_BYTES[self.kind]]
        return prefix if self.kind == COMMITS else report_id(prefix)

    @property
    def report_id(self) -> ReportId:
        return ReportId(self.key[32:]) if self.kind == COMMITS else ReportId(self.key)


@dataclass(slots=True)
class EpochInbox:
    """One epoch's rows in memory, beside the logs that hold them."""

    logs: dict[int, RowLog]
    rows: dict[int, dict[bytes, bytes]] = field(default_factory=lambda: {kind: {} for kind in FILES})
    commits: dict[HotspotId, int] = field(default_factory=dict)
    reports: dict[HotspotId, int] = field(default_factory=dict)
    refused: dict[Reason, int] = field(default_factory=dict)
    sealed: bool = False

    def holds(self, entry: Entry) -> bool:
        return entry.key in self.rows[entry.kind]

    def within_quota(self, entry: Entry, ahead: int = 0) -> bool:
        """True if its hotspot may send one more; `ahead` others of it are not counted yet."""
        tally, most = self._tally(entry.kind)
        return tally.get(entry.hotspot_id, 0) + ahead < most

    def add(self, entry: Entry) -> None:
        """Takes a row; one that is here already stays as it is."""
        if self.holds(entry):
            return
        self.rows[entry.kind][entry.key] = entry.row
        tally, _ = self._tally(entry.kind)
        tally[entry.hotspot_id] = tally.get(entry.hotspot_id, 0) + 1

    def drop(self, entry: Entry) -> None:
        del self.rows[entry.kind][entry.key]
        self._tally(entry.kind)[0][entry.hotspot_id] -= 1

    def close(self) -> None:
        for one in self.logs.values():
            one.close()

    def _tally(self, kind: int) -> tuple[dict[HotspotId, int], int]:
        if kind == COMMITS:
            return self.commits, MAX_COMMITS_PER_HOTSPOT
        return self.reports, MAX_REPORTS_PER_HOTSPOT


class Inbox:
    """The inbox of every open epoch. Its disk has a thread of its own: no slow chain can keep a receipt waiting."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory, self._disk = directory, disk
        disk.make_directory(directory)
        self._stored = {int(path.name.removeprefix("epoch-")) for path in directory.glob("epoch-*")}
        self._epochs: dict[int, EpochInbox] = {}
        self._opening = threading.Lock()
        self._waiting: list[tuple[Sequence[Entry], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "inbox")

    def close(self) -> None:
        """Gives the logs back; whatever waits for the disk is written first."""
        self._thread.shutdown()
        for inbox in self._epochs.values():
            inbox.close()
        self._epochs.clear()

    def epoch(self, epoch: int) -> EpochInbox:
        """The epoch's rows; read back from its logs if there are any, which blocks while `is_open` is false."""
        with self._opening:
            if epoch not in self._epochs:
                self._epochs[epoch] = self._open(epoch)
                self._stored.add(epoch)
            return self._epochs[epoch]

    def is_open(self, epoch: int) -> bool:
        """True if the epoch's rows are in memory."""
        return epoch in self._epochs

    def has(self, epoch: int) -> bool:
        """True if this epoch has an inbox on disk or in memory."""
        return epoch in self._stored

    def _folder(self, epoch: int) -> Path:
        return self._directory / f"epoch-{epoch:010d}"

    def _open(self, epoch: int) -> EpochInbox:
        folder = self._folder(epoch)
        logs = {kind: RowLog(folder / name, SEGMENT_ROWS[kind].width(), self._disk) for kind, name in FILES.items()}
        opened = EpochInbox(logs)
        for kind, one in logs.items():
            for row in one.recovered.rows:
                opened.add(Entry(kind, epoch, hotspot_of(kind, row), row))
            if one.recovered.damaged_bytes:
                log.warning("inbox_rows_damaged", epoch=epoch, file=FILES[kind], bytes=one.recovered.damaged_bytes)
        return opened

    async def store(self, entries: Sequence[Entry]) -> None:
        """Returns once every entry is on the device, also those stored before; OSError if the disk refuses one."""
        if sum(len(batch) for batch, _ in self._waiting) + len(entries) > MAX_WAITING_ROWS:
            raise OSError("too many records are waiting for the disk")
        new = self._add(entries)
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((new, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done
        if not all(self.epoch(entry.epoch).holds(entry) for entry in entries):
            raise OSError("the disk refused a record that came twice")

    def _add(self, entries: Sequence[Entry]) -> list[Entry]:
        """Takes the entries into memory and returns those that were not there."""
        inboxes = {epoch: self.epoch(epoch) for epoch in sorted({entry.epoch for entry in entries})}
        new = []
        for entry in entries:
            if not inboxes[entry.epoch].holds(entry):
                inboxes[entry.epoch].add(entry)
                new.append(entry)
        return new

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batches, self._waiting = self._waiting, []
            entries = [entry for batch, _ in batches for entry in batch]
            try:
                await loop.run_in_executor(self._thread, self._append, entries)
            except OSError as error:
                self._give_back(batches, OSError(f"the disk refuses to store: {error.strerror or error}"))
            except Exception as error:
                log.exception("inbox_writer_crashed")
                self._give_back(batches, error)
            else:
                for _, done in batches:
                    if not done.done():
                        done.set_result(None)

    def _append(self, entries: Iterable[Entry]) -> None:
        grouped: dict[tuple[int, int], list[bytes]] = {}
        for entry in entries:
            grouped.setdefault((entry.epoch, entry.kind), []).append(entry.row)
        for (epoch, kind), rows in sorted(grouped.items()):
            self._epochs[epoch].logs[kind].append(rows)

    def _give_back(self, batches: Sequence[tuple[Sequence[Entry], asyncio.Future[None]]], error: Exception) -> None:
        for batch, done in batches:
            for entry in batch:
                self._epochs[entry.epoch].drop(entry)
            if not done.done():
                done.set_exception(error)

    def count_refusal(self, epoch: int, reason: Reason) -> None:
        """Counts what admission refused in an open epoch; its manifest says how much, by reason."""
        inbox = self._epochs.get(epoch)
        if inbox is not None:
            inbox.refused[reason] = inbox.refused.get(reason, 0) + 1

    async def seal(self, epoch: int) -> EpochInbox:
        """No record is taken for the epoch any more; returns once everything taken is on the device."""
        self.epoch(epoch).sealed = True
        await self.store([])
        return self.epoch(epoch)

    async def forget_before(self, epoch: int) -> None:
        """Deletes inboxes that can count no more; their public part lives on as segments."""
        old = [one for one in sorted(self._stored) if one < epoch - KEPT_EPOCHS]
        if old:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._delete, old)

    def _delete(self, epochs: Sequence[int]) -> None:
        for epoch in epochs:
            with self._opening:
                opened = self._epochs.pop(epoch, None)
                self._stored.discard(epoch)
            if opened is not None:
                opened.close()
            shutil.rmtree(self._folder(epoch))


def hotspot_of(kind: int, row: bytes) -> HotspotId:
    """Whose a segment's row is."""
    if kind == COMMITS:
        return HotspotId(row[:32])
    return HotspotId(row[28:60])


def commit_row(hotspot_id: HotspotId, report: ReportId, received_at_ms: int) -> bytes:
    """A commit as this validator records it."""
    return Commit(hotspot_id, report, received_at_ms).encode()
