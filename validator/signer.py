"""The signing key. Whatever can be held against the validator is stored before it is signed away, and signed once.

For each subject (own manifest, a peer's manifest, a root of an epoch and set) one digest is ever signed; asked for
another, the signer refuses. A restart changes nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import ClassVar

import coincurve

from protocol.encoding import BYTES20, BYTES32, U8, U64, FieldType, Record, field
from protocol.ids import Address
from protocol.keys import (
    QUORUM_SIGNATURE_BYTES,
    Available,
    Domain,
    EpochRoot,
    ManifestSigned,
    Receipt,
    quorum_address,
    sign_quorum,
)
from validator.disk import Disk, RowLog

NOBODY = Address(bytes(20))


class Subject(IntEnum):
    """What a signature is about."""

    MANIFEST = 1
    AVAILABLE = 2
    ROOT = 3


@dataclass(frozen=True, slots=True)
class Signed(Record):
    """One row of the signer's journal."""

    purpose: ClassVar[str] = "the signer's journal, private: what was signed once"

    subject: int = field(U8, "Subject")
    epoch: int = field(U64, "epoch")
    about: bytes = field(BYTES20, "whose manifest; zero otherwise")
    set_id: int = field(U64, "set of a root; 0 otherwise")
    digest: bytes = field(BYTES32, "EIP-712 digest")
    signature: bytes = field(FieldType("bytes65", QUORUM_SIGNATURE_BYTES, raw=True), "r || s || v")

    @property
    def key(self) -> tuple[int, int, bytes, int]:
        return self.subject, self.epoch, self.about, self.set_id


class EquivocationError(Exception):
    """The signer was asked to contradict what it has signed: something was computed twice, differently."""


class JournalDamagedError(Exception):
    """The journal has lost signatures that were given away; the message is a sentence with the next step."""


class Signer:
    """Signs for one validator. Thread-safe: of two threads that ask at once, the second sees what the first signed."""

    def __init__(self, key: coincurve.PrivateKey, domain: Domain, journal: Path, disk: Disk) -> None:
        self._key, self._domain = key, domain
        self._lock = threading.Lock()
        self.address = quorum_address(key)
        self._log = RowLog(journal, Signed.width(), disk)
        lost = self._log.recovered.lost_rows
        if lost:
            self._log.close()
            raise JournalDamagedError(
                f"{journal} has lost {lost} of the signatures this key has given. "
                "Restore the file from a backup, or go on with a new key: signing twice could cost the stake."
            )
        rows = (Signed.decode(row) for row in self._log.recovered.rows)
        self._signed = {row.key: row for row in rows if row is not None}

    def manifest(self, epoch: int, manifest_hash: bytes) -> bytes:
        digest = self._domain.digest(ManifestSigned(epoch, manifest_hash))
        return self._once(Subject.MANIFEST, epoch, NOBODY, 0, digest)

    def available(self, epoch: int, validator: Address, manifest_hash: bytes) -> bytes:
        digest = self._domain.digest(Available(epoch, validator, manifest_hash))
        return self._once(Subject.AVAILABLE, epoch, validator, 0, digest)

    def root(self, root: EpochRoot) -> bytes:
        return self._once(Subject.ROOT, root.epoch, NOBODY, root.set_id, self._domain.digest(root))

    def receipt(self, receipt: Receipt) -> bytes:
        """A receipt binds nobody later; it is not journaled."""
        return sign_quorum(self._key, self._domain.digest(receipt))

    def close(self) -> None:
        """Gives the journal back."""
        self._log.close()

    def _once(self, subject: Subject, epoch: int, about: Address, set_id: int, digest: bytes) -> bytes:
        with self._lock:
            known = self._signed.get((subject, epoch, about, set_id))
            if known is None:
                known = Signed(subject, epoch, about, set_id, digest, sign_quorum(self._key, digest))
                self._log.append([known.encode()])
                self._signed[known.key] = known
        if known.digest != digest:
            raise EquivocationError(f"another {subject.name.lower()} of epoch {epoch} is signed already")
        return known.signature
