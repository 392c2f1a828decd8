"""Public evidence by its sha256: from the disk if ever fetched, else from any validator. It proves itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from coverage_maps.importers.files import write_durably
from coverage_maps.record import Problem
from protocol.encoding import sha256

MAX_KEPT_BYTES = 4 * 1024**3
"""Blobs kept on disk; beyond, those not used for longest go. Anything can be fetched again."""
EMPTY = sha256(b"")


class BlobSource(Protocol):
    """Somebody who may have a blob."""

    def blob(self, digest: bytes) -> bytes | Problem: ...


class EvidenceStore:
    """A directory of blobs named by their hash, filled from validators as needed. Thread-safe."""

    def __init__(self, directory: Path, sources: Sequence[BlobSource], max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._directory, self._max_bytes = directory, max_bytes
        self._sources = list(sources)
        self._lock = threading.Lock()
        self._kept_bytes = sum(path.stat().st_size for path in self._blobs())

    def fetch(self, digest: bytes) -> bytes | Problem:
        """The blob, checked against its hash; else a Problem with what each validator said."""
        if digest == EMPTY:
            return b""
        with self._lock:
            kept = self._kept(digest)
            return kept if kept is not None else self._asked(digest)

    def _asked(self, digest: bytes) -> bytes | Problem:
        said = []
        for source in list(self._sources):
            found = source.blob(digest)
            if not isinstance(found, Problem) and sha256(found) == digest:
                self._prefer(source)
                self._keep(digest, found)
                return found
            said.append(found.sentence if isinstance(found, Problem) else "a validator sent other bytes")
            self._put_last(source)
        return Problem("; ".join(said) or "the network file names no validator", missing=True)

    def _prefer(self, source: BlobSource) -> None:
        """Whoever had the last blob is asked first for the next one."""
        self._sources.remove(source)
        self._sources.insert(0, source)

    def _put_last(self, source: BlobSource) -> None:
        """Whoever did not give a blob is asked last for the next ones: one that is slow costs its time only once."""
        self._sources.remove(source)
        self._sources.append(source)

    # --- the disk ---------------------------------------------------------------------------------------------------

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._directory / name[:2] / name

    def _blobs(self) -> list[Path]:
        return [path for path in self._directory.glob("??/*") if not path.name.startswith(".")]

    def _kept(self, digest: bytes) -> bytes | None:
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        if sha256(data) != digest:
            # The disk changed it; the true bytes are a call away.
            path.unlink(missing_ok=True)
            return None
        os.utime(path)
        return data

    def _keep(self, digest: bytes, data: bytes) -> None:
        write_durably(self._path(digest), data)
        self._kept_bytes += len(data)
        if self._kept_bytes > self._max_bytes:
            self._make_room()

    def _make_room(self) -> None:
        """Drops the blobs unused for longest until a tenth is free."""
        for path in sorted(self._blobs(), key=lambda one: one.stat().st_mtime_ns):
            if self._kept_bytes <= self._max_bytes * 9 // 10:
                return
            self._kept_bytes -= path.stat().st_size
            path.unlink()
