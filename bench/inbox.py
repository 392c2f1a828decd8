"""Storing commits durably, against one append and fsync of the same bytes."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from bench.timing import best_s, line
from protocol.encoding import sha256
from protocol.ids import HotspotId
from validator.admission import commit_entry
from validator.disk import Disk
from validator.inbox import Inbox

BATCH = 256
BATCHES = 20


def lines() -> Iterator[str]:
    """Commits a second with an fsync for every batch, ours and a bare file's."""
    with tempfile.TemporaryDirectory() as folder:
        epochs = count(1)
        total = BATCH * BATCHES
        ours_s = best_s(lambda: asyncio.run(_store(Path(folder), next(epochs))))
        bare_s = best_s(lambda: _append(Path(folder) / "bare"))
        yield line("store commits, fsynced per batch of 256", total / ours_s, "write and fsync", total / bare_s)


async def _store(folder: Path, epoch: int) -> None:
    inbox = Inbox(folder / "inbox", Disk())
    for batch in range(BATCHES):
        hotspots = (HotspotId(b"\x80" + sha256(bytes([batch, place % 256]))[1:]) for place in range(BATCH))
        entries = [
            commit_entry(epoch, one, sha256(one, bytes([epoch % 256, place % 256])), 1)
            for place, one in enumerate(hotspots)
        ]
        await inbox.store(entries)


def _append(path: Path) -> None:
    data = bytes(74 * BATCH)
    with path.open("ab", buffering=0) as file:
        for _ in range(BATCHES):
            file.write(data)
            os.fsync(file.fileno())
