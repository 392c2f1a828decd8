"""The signer: one digest a subject, on disk before it is given away, the same after any restart."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.encoding import sha256
from protocol.ids import Address
from protocol.keys import Available, Domain, EpochRoot, ManifestSigned, Receipt, recover_quorum
from tests.factories import address, validator_key
from tests.validator.disks import BlockedDisk, DiaryDisk, FullDisk
from validator.disk import Disk
from validator.signer import EquivocationError, JournalDamagedError, Signed, Signer

DOMAIN = Domain(31_337, Address(b"\x22" * 20))
PEER = address("peer")
ONE, OTHER = sha256(b"one"), sha256(b"other")


def root(data_hash: bytes, epoch: int = 5, set_id: int = 1) -> EpochRoot:
    return EpochRoot(epoch, set_id, sha256(b"root"), data_hash, 10**24)


SUBJECTS: dict[str, Callable[[Signer, bytes], bytes]] = {
    "manifest": lambda signer, digest: signer.manifest(5, digest),
    "available": lambda signer, digest: signer.available(5, PEER, digest),
    "root": lambda signer, digest: signer.root(root(digest)),
}
DIGESTS = {
    "manifest": DOMAIN.digest(ManifestSigned(5, ONE)),
    "available": DOMAIN.digest(Available(5, PEER, ONE)),
    "root": DOMAIN.digest(root(ONE)),
}
every_subject = pytest.mark.parametrize("subject", list(SUBJECTS))


def make(path: Path, disk: Disk | None = None) -> Signer:
    return Signer(validator_key("v1"), DOMAIN, path / "signed.log", disk or Disk())


@every_subject
def test_a_signature_is_of_the_validators_key_over_the_eip712_digest(tmp_path: Path, subject: str) -> None:
    signer = make(tmp_path)
    assert recover_quorum(DIGESTS[subject], SUBJECTS[subject](signer, ONE)) == signer.address


@every_subject
def test_the_journal_is_synced_before_the_signature_comes_out(tmp_path: Path, subject: str) -> None:
    disk = DiaryDisk()
    signer = make(tmp_path, disk)
    disk.events.clear()
    SUBJECTS[subject](signer, ONE)
    assert disk.events == [("append", "signed.log"), ("sync", "signed.log")]


@every_subject
@pytest.mark.parametrize("what", ["append", "sync"])
def test_nothing_is_signed_that_the_disk_refuses(tmp_path: Path, subject: str, what: str) -> None:
    disk = FullDisk()
    signer = make(tmp_path, disk)
    disk.fail(what)
    with pytest.raises(OSError, match=r"No space|Input/output"):
        SUBJECTS[subject](signer, ONE)
    assert recover_quorum(DIGESTS[subject], SUBJECTS[subject](signer, ONE)) == signer.address


@every_subject
def test_a_subject_is_signed_once_and_written_once(tmp_path: Path, subject: str) -> None:
    disk = DiaryDisk()
    signer = make(tmp_path, disk)
    assert SUBJECTS[subject](signer, ONE) == SUBJECTS[subject](signer, ONE)
    assert disk.count("append", "signed.log") == 1


@every_subject
def test_refuses_another_digest_of_a_signed_subject(tmp_path: Path, subject: str) -> None:
    signer = make(tmp_path)
    SUBJECTS[subject](signer, ONE)
    with pytest.raises(EquivocationError, match="epoch 5"):
        SUBJECTS[subject](signer, OTHER)


@every_subject
def test_a_restart_refuses_another_digest_and_gives_the_same_signature(tmp_path: Path, subject: str) -> None:
    before = SUBJECTS[subject](make(tmp_path), ONE)
    again = make(tmp_path)
    with pytest.raises(EquivocationError):
        SUBJECTS[subject](again, OTHER)
    assert SUBJECTS[subject](again, ONE) == before


def test_subjects_do_not_stand_in_each_others_way(tmp_path: Path) -> None:
    signer = make(tmp_path)
    signatures = {
        signer.manifest(5, ONE),
        signer.manifest(6, OTHER),
        signer.available(5, PEER, ONE),
        signer.available(5, address("another peer"), OTHER),
        signer.root(root(ONE)),
        signer.root(root(OTHER, set_id=2)),
        signer.root(root(OTHER, epoch=6)),
    }
    assert len(signatures) == 7


def test_a_receipt_needs_no_journal(tmp_path: Path) -> None:
    disk = DiaryDisk()
    signer = make(tmp_path, disk)
    disk.events.clear()
    receipt = Receipt(ONE, 3, 1_000)
    assert recover_quorum(DOMAIN.digest(receipt), signer.receipt(receipt)) == signer.address
    assert disk.events == []


def test_two_threads_that_ask_for_different_digests_get_one_signature(tmp_path: Path) -> None:
    """The second asks while the first one's row is on its way to the disk."""
    disk = BlockedDisk()
    signer = make(tmp_path, disk)
    signed: list[bytes] = []
    refused: list[EquivocationError] = []

    def ask(digest: bytes) -> None:
        try:
            signed.append(signer.available(5, PEER, digest))
        except EquivocationError as error:
            refused.append(error)

    threads = [threading.Thread(target=ask, args=(digest,)) for digest in (ONE, OTHER)]
    threads[0].start()
    assert disk.waiting.wait(10)
    disk.waiting.clear()
    threads[1].start()
    threads[1].join(0.05)
    disk.open.set()
    for thread in threads:
        thread.join()
    assert (len(signed), len(refused)) == (1, 1)


def journal_of_three(path: Path) -> bytes:
    signer = make(path)
    signer.manifest(5, ONE)
    signer.available(5, PEER, ONE)
    signer.root(root(ONE))
    return (path / "signed.log").read_bytes()


def test_a_torn_last_row_was_never_signed_away(tmp_path: Path) -> None:
    data = journal_of_three(tmp_path)
    (tmp_path / "signed.log").write_bytes(data[:-1])
    signer = make(tmp_path)
    assert signer.root(root(OTHER)) != b""


def test_refuses_to_start_with_a_journal_that_has_lost_a_signature(tmp_path: Path) -> None:
    """A row in the middle was signed away; forgetting it could make the validator contradict itself."""
    data = bytearray(journal_of_three(tmp_path))
    data[Signed.width() + 10] ^= 1
    (tmp_path / "signed.log").write_bytes(data)
    with pytest.raises(JournalDamagedError, match=r"signed\.log has lost 1"):
        make(tmp_path)
