"""Blobs: what is stored is what its name says, or it is not given."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.encoding import sha256
from tests.validator.disks import DiaryDisk, DyingDisk, FullDisk, PowerCut
from validator.blobs import BlobStore
from validator.disk import Disk

DATA = b"a segment" * 100


def file_of(store_directory: Path, digest: bytes) -> Path:
    return store_directory / digest.hex()[:2] / digest.hex()


def test_a_blob_is_found_by_its_sha256(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, Disk())
    assert store.put(DATA) == sha256(DATA)
    assert store.get(sha256(DATA)) == DATA


def test_a_stranger_is_absent(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, Disk())
    assert store.get(sha256(DATA)) is None
    assert not store.has(sha256(DATA))
    assert store.read(sha256(DATA), 0, 10) is None


def test_storing_twice_writes_once(tmp_path: Path) -> None:
    disk = DiaryDisk()
    store = BlobStore(tmp_path, disk)
    store.put(DATA)
    before = list(disk.events)
    store.put(DATA)
    assert disk.events == before


def test_a_blob_and_its_directory_are_on_the_device_when_put_returns(tmp_path: Path) -> None:
    disk = DiaryDisk()
    digest = BlobStore(tmp_path / "blobs", disk).put(DATA)
    synced = [name for what, name in disk.events if what == "sync"]
    assert synced[:2] == [tmp_path.name, "blobs"]
    assert synced[-1] == digest.hex()[:2]


@pytest.mark.parametrize("at", [1, 2])
def test_a_power_cut_while_storing_leaves_no_blob(tmp_path: Path, at: int) -> None:
    BlobStore(tmp_path, Disk()).put(b"so that there is a directory")
    file_of(tmp_path, sha256(DATA)).parent.mkdir(exist_ok=True)
    with pytest.raises(PowerCut):
        BlobStore(tmp_path, DyingDisk(at)).put(DATA)
    store = BlobStore(tmp_path, Disk())
    assert not store.has(sha256(DATA))
    store.put(DATA)
    assert store.get(sha256(DATA)) == DATA


def test_a_full_disk_is_said_and_leaves_no_blob(tmp_path: Path) -> None:
    disk = FullDisk()
    store = BlobStore(tmp_path, disk)
    disk.fail("append", torn_bytes=10)
    with pytest.raises(OSError, match="No space"):
        store.put(DATA)
    assert not store.has(sha256(DATA))


def test_a_damaged_blob_is_not_given(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, Disk())
    digest = store.put(DATA)
    file_of(tmp_path, digest).write_bytes(DATA[:-1] + b"?")
    assert store.get(digest) is None


def test_a_damaged_blob_is_healed_when_it_is_stored_again(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, Disk())
    digest = store.put(DATA)
    file_of(tmp_path, digest).write_bytes(DATA[:50])
    store.put(DATA)
    assert store.get(digest) == DATA


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(0, 5, DATA[:5]), (895, 10, DATA[895:]), (900, 10, b""), (10_000, 10, b""), (2**63 - 1, 131_072, b"")],
)
def test_a_piece_of_a_blob_comes_with_its_whole_length(
    tmp_path: Path, offset: int, length: int, expected: bytes
) -> None:
    store = BlobStore(tmp_path, Disk())
    assert store.read(store.put(DATA), offset, length) == (expected, len(DATA))
