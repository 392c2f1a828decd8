"""Faults once found in validator/, each with the input that showed it; what they were part of is in tests/validator."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from protocol.encoding import sha256
from protocol.ids import Address, HotspotId, ReportId
from protocol.limits import MAX_COMMITS_PER_HOTSPOT
from protocol.reasons import Reason
from tests.validator.disks import FullDisk
from validator.admission import commit_entry, refuse_commit
from validator.blobs import BlobStore
from validator.disk import Disk, RowLog
from validator.gateway import Batch, Taken
from validator.inbox import Inbox

SOMEBODY = HotspotId(b"\x80" + bytes(31))


def test_one_batch_could_exceed_a_hotspots_quota(tmp_path: Path) -> None:
    """Every entry was compared with what was stored before the batch; no peer signs a manifest over the quota."""
    inbox = Inbox(tmp_path, Disk()).epoch(1)
    inbox.commits[SOMEBODY] = MAX_COMMITS_PER_HOTSPOT - 1
    batch = Batch(Taken(Address(bytes(20))), 0, {1: {SOMEBODY: None}})
    refusals = []
    for number in (1, 2):
        offer = batch.offer(commit_entry(1, SOMEBODY, sha256(bytes([number])), 0), inbox)
        refusals.append(refuse_commit(offer))
        if refusals[-1] is None:
            batch.accept(offer)
    assert refusals == [None, Reason.QUOTA]
    assert batch.ahead == Counter({(1, 1, SOMEBODY): 1})


def test_a_record_twice_in_a_batch_the_disk_refused_left_its_caller_waiting_for_ever(tmp_path: Path) -> None:
    """It was taken back twice, the second time not there: the writer died and answered nobody any more."""
    disk = FullDisk()
    inbox = Inbox(tmp_path, disk)
    entry = commit_entry(1, SOMEBODY, ReportId(bytes(32)), 0)

    async def store() -> None:
        inbox.epoch(1)
        disk.fail("append")
        await asyncio.wait_for(inbox.store([entry, entry]), 5)

    with pytest.raises(OSError, match="the disk refuses to store"):
        asyncio.run(store())


def test_a_piece_at_the_largest_offset_was_an_error_of_the_system(tmp_path: Path) -> None:
    """pread takes no offset whose end does not fit; the caller got UNKNOWN."""
    store = BlobStore(tmp_path, Disk())
    assert store.read(store.put(b"data"), 2**63 - 1, 131_072) == (b"", 4)


def test_a_row_left_half_written_and_then_written_over_counted_as_a_lost_one(tmp_path: Path) -> None:
    """A whole row of rubbish at the end was kept, and rows went after it: a signer would have refused to start."""
    path = tmp_path / "log"
    path.write_bytes(b"rubbish12345")
    log = RowLog(path, 8, Disk())
    log.append([b"whole123"])
    log.close()
    again = RowLog(path, 8, Disk())
    again.close()
    assert (again.recovered.rows, again.recovered.lost_rows) == ((b"whole123",), 0)
