"""Content-addressed files: everything public a validator serves, by its sha256."""

from __future__ import annotations

import os
from pathlib import Path

from protocol.encoding import sha256
from validator.disk import Disk


class BlobStore:
    """Blobs in a directory. What is in it is what its name says, or it is not served."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory, self._disk = directory, disk
        disk.make_directory(directory)

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._directory / name[:2] / name

    def put(self, data: bytes) -> bytes:
        """Stores a blob durably and returns its sha256; storing it again only heals a damaged one."""
        digest = sha256(data)
        if self.get(digest) is None:
            path = self._path(digest)
            self._disk.make_directory(path.parent)
            self._disk.write_whole(path, data)
        return digest

    def delete(self, digest: bytes) -> None:
        """Removes a blob; one that is not here changes nothing."""
        self._path(digest).unlink(missing_ok=True)

    def has(self, digest: bytes) -> bool:
        return self._path(digest).exists()

    def get(self, digest: bytes) -> bytes | None:
        """The blob, or None if it is not here or no longer what its name says."""
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            return None
        return data if sha256(data) == digest else None

    def read(self, digest: bytes, offset: int, length: int) -> tuple[bytes, int] | None:
        """(bytes at `offset`, total bytes), or None if the blob is not here. The reader checks the hash."""
        try:
            descriptor = os.open(self._path(digest), os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            total_bytes = os.fstat(descriptor).st_size
            return os.pread(descriptor, length, min(offset, total_bytes)), total_bytes
        finally:
            os.close(descriptor)
