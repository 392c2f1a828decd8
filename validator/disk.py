"""Everything a validator writes goes through here: nothing counts before it is synced.

A test hands in a Disk that counts, so that "an fsync precedes every receipt" can be seen.
"""

from __future__ import annotations

import itertools
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKSUM_BYTES = 4
_aside_numbers = itertools.count()


class Disk:
    """Plain files on this machine. Every write is complete or raises OSError."""

    def append(self, descriptor: int, data: bytes) -> None:
        """Writes all of `data` at the end; it counts only after `sync`."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Returns once the file's bytes are on the device."""
        os.fsync(descriptor)

    def write_whole(self, path: Path, data: bytes) -> None:
        """Makes `path` hold `data`, whole or not at all: written aside, synced, renamed, the directory synced."""
        aside = path.with_name(f".{path.name}.{os.getpid()}.{next(_aside_numbers)}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            self.append(descriptor, data)
            self.sync(descriptor)
        except OSError:
            aside.unlink()
            raise
        finally:
            os.close(descriptor)
        aside.replace(path)
        self.sync_directory(path.parent)

    def make_directory(self, path: Path) -> None:
        """Makes a directory and those above it that are missing; all of them survive a power cut."""
        missing = [one for one in (path, *path.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir(exist_ok=True)
            self.sync_directory(one.parent)

    def sync_directory(self, directory: Path) -> None:
        """Makes a directory's entries survive a power cut."""
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a log held when it was opened: its whole rows, and how many bytes did not belong to one.

    A damaged row before a whole one was synced once: it is lost. Damage at the end may be an append nobody was told of.
    """

    rows: tuple[bytes, ...] = ()
    damaged_bytes: int = 0
    lost_rows: int = 0


class RowLog:
    """An append-only file of fixed-width rows, each with its CRC-32. A damaged tail is cut off when it is opened."""

    def __init__(self, path: Path, row_bytes: int, disk: Disk) -> None:
        self._path, self._row_bytes, self._disk = path, row_bytes, disk
        disk.make_directory(path.parent)
        self.recovered = self._recover() if path.exists() else Recovered()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        disk.sync_directory(path.parent)

    def _recover(self) -> Recovered:
        data, step = self._path.read_bytes(), self._row_bytes + CHECKSUM_BYTES
        read = list(_checked_rows(data, self._row_bytes))
        rows = tuple(row for row in read if row is not None)
        last = max((place for place, row in enumerate(read) if row is not None), default=-1)
        os.truncate(self._path, (last + 1) * step)
        return Recovered(rows, len(data) - len(rows) * step, last + 1 - len(rows))

    def append(self, rows: Sequence[bytes]) -> None:
        """Appends rows and syncs; after OSError none of them counts (a partial write is cut off again)."""
        length = os.fstat(self._descriptor).st_size
        framed = b"".join(row + zlib.crc32(row).to_bytes(CHECKSUM_BYTES, "big") for row in rows)
        try:
            self._disk.append(self._descriptor, framed)
            self._disk.sync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, length)
            raise

    def close(self) -> None:
        os.close(self._descriptor)


def _checked_rows(data: bytes, row_bytes: int) -> Iterator[bytes | None]:
    """Each row, or None in place of a damaged one."""
    step = row_bytes + CHECKSUM_BYTES
    for at in range(0, len(data), step):
        row, checksum = data[at : at + row_bytes], data[at + row_bytes : at + step]
        yield row if zlib.crc32(row).to_bytes(CHECKSUM_BYTES, "big") == checksum else None
