"""Disks for tests: one that keeps a diary of what it did, and ones that fail or die at a chosen step."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

from validator.disk import Disk


class QuickDisk(Disk):
    """Writes and does not wait for the device: for tests that are not about power cuts."""

    def sync(self, descriptor: int) -> None:
        return None


class LossyDisk(Disk):
    """Knows what is on the device: of everything else a power cut leaves what chance leaves."""

    def __init__(self) -> None:
        self._synced: dict[Path, int] = {}
        self.cut = False
        """The power goes at the next sync, before it happens."""

    def sync(self, descriptor: int) -> None:
        if self.cut:
            raise PowerCut
        self._synced[Path(os.readlink(f"/proc/self/fd/{descriptor}"))] = os.fstat(descriptor).st_size

    def lose_power(self, directory: Path, dice: random.Random) -> None:
        """Cuts each file somewhere after what is synced, and garbles what lies between."""
        for path in directory.rglob("*.log"):
            data, safe = path.read_bytes(), self._synced.get(path, 0)
            kept = dice.randint(safe, len(data))
            garbled = dice.choice((data[safe:kept], bytes(kept - safe), dice.randbytes(kept - safe)))
            path.write_bytes(data[:safe] + garbled)


class DiaryDisk(Disk):
    """Writes for real and remembers ("append" or "sync", file name) in order; tests may note events of their own."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def note(self, what: str, about: str = "") -> None:
        with self._lock:
            self.events.append((what, about))

    def append(self, descriptor: int, data: bytes) -> None:
        self.note("append", _name(descriptor))
        super().append(descriptor, data)

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.note("sync", _name(descriptor))

    def count(self, what: str, about: str) -> int:
        return self.events.count((what, about))


class FullDisk(DiaryDisk):
    """Raises `error` at the k-th append or sync from now on, after writing `torn_bytes` of an append; then works."""

    def __init__(self) -> None:
        super().__init__()
        self._fails_at: dict[str, int] = {}
        self._torn_bytes = 0

    def fail(self, what: str, at: int = 1, torn_bytes: int = 0) -> None:
        self._fails_at[what], self._torn_bytes = at, torn_bytes

    def _due(self, what: str) -> bool:
        left = self._fails_at.get(what, 0)
        self._fails_at[what] = left - 1
        return left == 1

    def append(self, descriptor: int, data: bytes) -> None:
        if self._due("append"):
            super().append(descriptor, data[: self._torn_bytes])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().append(descriptor, data)

    def sync(self, descriptor: int) -> None:
        if self._due("sync"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)


class BlockedDisk(DiaryDisk):
    """Waits before each append until `open` is set; `waiting` is set while it does."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.waiting = threading.Event(), threading.Event()

    def append(self, descriptor: int, data: bytes) -> None:
        self.waiting.set()
        assert self.open.wait(10), "nobody opened the disk"
        super().append(descriptor, data)


class PowerCut(BaseException):
    """The machine stops here."""


class DyingDisk(Disk):
    """Stops the machine at the k-th append or sync: before it happens, or right `after` it."""

    def __init__(self, at: int, *, after: bool = False) -> None:
        self._left, self._after = at, after

    def append(self, descriptor: int, data: bytes) -> None:
        self._stop_or(lambda: super(DyingDisk, self).append(descriptor, data))

    def sync(self, descriptor: int) -> None:
        self._stop_or(lambda: super(DyingDisk, self).sync(descriptor))

    def _stop_or(self, step: Callable[[], None]) -> None:
        self._left -= 1
        if self._left == 0 and self._after:
            step()
        if self._left == 0:
            raise PowerCut
        step()


def _name(descriptor: int) -> str:
    return Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
