"""Evidence kept on disk if the disk lets us, else asked for each time: a cache that fails must not end the map."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from coverage_maps.evidence import EMPTY, BlobSource, EvidenceStore
from coverage_maps.record import Problem
from protocol.encoding import sha256


def _to_stderr(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


class Keeping:
    """An `EvidenceStore` until its directory cannot be used; that is said once."""

    def __init__(self, directory: Path, sources: Sequence[BlobSource], say: Callable[[str], None] = _to_stderr) -> None:
        self._directory, self._sources, self._say = directory, list(sources), say
        self._store: EvidenceStore | None = None
        try:
            self._store = EvidenceStore(directory, sources)
        except OSError as error:
            self._give_up(error)

    def fetch(self, digest: bytes) -> bytes | Problem:
        """The blob, checked against its hash; else a Problem with what each validator said."""
        if self._store is not None:
            try:
                return self._store.fetch(digest)
            except OSError as error:
                self._give_up(error)
        return b"" if digest == EMPTY else self._asked(digest)

    def _asked(self, digest: bytes) -> bytes | Problem:
        said = []
        for source in list(self._sources):
            found = source.blob(digest)
            if not isinstance(found, Problem) and sha256(found) == digest:
                return found
            said.append(found.sentence if isinstance(found, Problem) else "a validator sent other bytes")
            self._sources.remove(source)  # asked last for the next ones: one that is slow costs its time only once
            self._sources.append(source)
        return Problem("; ".join(said) or "the network file names no validator", missing=True)

    def _give_up(self, error: OSError) -> None:
        self._store = None
        self._say(
            f"Evidence cannot be kept in {self._directory}: {error.strerror or error}. "
            "It is fetched anew each time; name another folder with --directory."
        )
