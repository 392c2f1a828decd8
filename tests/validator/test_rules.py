"""The network's rules as files, and where blobs come from: by their hash, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from protocol.encoding import concatenate, sha256
from protocol.parameters import params_hash
from protocol.records import BaselineRow
from protocol.rulebook import TEXT
from tests.factories import DEVNET_FILE, north_of_ulm
from tests.validator.disks import FullDisk, QuickDisk
from tests.validator.nodes import CELLS_FILE, run
from validator.blobs import BlobStore
from validator.rules import RulesError, find_params_file, load_rules, toml_files
from validator.sources import BlobSource


class Kept:
    """Blobs by hash."""

    def __init__(self, *blobs: bytes) -> None:
        self._blobs: Mapping[bytes, bytes] = {sha256(blob): blob for blob in blobs}
        self.asked = 0

    async def get(self, digest: bytes, *, most_bytes: int = 2**30) -> bytes | None:
        return self._blobs.get(digest)

    async def fetch(self, digest: bytes, most_bytes: int = 2**30) -> bytes | None:
        self.asked += 1
        return self._blobs.get(digest)


ROW = BaselineRow(north_of_ulm(0, 9), 3, 7, 0, -9_000, 1_000_000, 0)


def with_baseline(data: bytes, source: int = 7, radio_class: str = "lora") -> bytes:
    listed = (
        f'[[baselines]]\nname = "survey"\nsha256 = "{sha256(data).hex()}"\nradio_class = "{radio_class}"\n'
        f"source = {source}\nvotes_u = 8_000_000\nhalf_life_days = 365\n"
    )
    return DEVNET_FILE + b"\n" + listed.encode()


def test_the_devnets_rules_can_be_loaded() -> None:
    rules = asyncio.run(load_rules(DEVNET_FILE, Kept(CELLS_FILE)))
    assert rules.params_hash == params_hash(DEVNET_FILE, TEXT)
    assert rules.params.name == "devnet"


def test_a_listed_baseline_is_part_of_the_need() -> None:
    data = concatenate([ROW])
    rules = asyncio.run(load_rules(with_baseline(data), Kept(CELLS_FILE, data)))
    [(listed, rows)] = rules.need.files
    assert (listed.name, rows) == ("survey", (ROW,))


WRONG: dict[str, tuple[bytes, tuple[bytes, ...], str]] = {
    "no toml": (b"\xff", (), "cannot be read by this release"),
    "a missing key": (DEVNET_FILE.replace(b"guard_ms", b"gard_ms"), (), "cannot be read by this release"),
    "windows that do not fit": (
        DEVNET_FILE.replace(b"close_after_ms = 12_000", b"close_after_ms = 60_000"),
        (CELLS_FILE,),
        "The params do not fit together: close_after",
    ),
    "no region file": (DEVNET_FILE, (), "The region file 3d2883fa7c24bcdb... is not to be had"),
    "no baseline": (with_baseline(b"x"), (CELLS_FILE,), "The baseline survey"),
    "torn rows": (
        with_baseline(concatenate([ROW])[:-1]),
        (CELLS_FILE, concatenate([ROW])[:-1]),
        "does not hold canonical rows of source 7",
    ),
    "rows of another source": (
        with_baseline(concatenate([ROW]), source=8),
        (CELLS_FILE, concatenate([ROW])),
        "does not hold canonical rows of source 8",
    ),
    "an unknown class": (
        with_baseline(concatenate([ROW]), radio_class="smoke"),
        (CELLS_FILE, concatenate([ROW])),
        "does not hold canonical rows",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_rules_that_cannot_be_used_are_a_sentence(name: str) -> None:
    params_file, blobs, sentence = WRONG[name]
    with pytest.raises(RulesError) as wrong:
        asyncio.run(load_rules(params_file, Kept(*blobs)))
    assert sentence in str(wrong.value)


def test_a_params_file_is_found_by_its_hash_with_this_rulebook(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_bytes(DEVNET_FILE + b"\n")
    (tmp_path / "devnet.toml").write_bytes(DEVNET_FILE)
    (tmp_path / "devnet.cells").write_bytes(CELLS_FILE)
    candidates = toml_files(tmp_path)
    assert find_params_file(candidates, params_hash(DEVNET_FILE, TEXT)) == DEVNET_FILE
    assert find_params_file(candidates, params_hash(DEVNET_FILE, TEXT + "x")) is None
    assert toml_files(None) == []


# --- where blobs come from ------------------------------------------------------------------------------------------


def test_a_blob_of_this_machine_is_asked_of_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        peer = Kept(b"data")
        source = BlobSource(BlobStore(tmp_path, QuickDisk()), [peer])
        source.store.put(b"data")
        assert await source.get(sha256(b"data")) == b"data"
        assert peer.asked == 0

    run(test)


def test_a_fetched_blob_is_kept_and_served_on(tmp_path: Path) -> None:
    async def test() -> None:
        peer = Kept(b"data")
        source = BlobSource(BlobStore(tmp_path, QuickDisk()), [Kept(), peer])
        assert await source.get(sha256(b"data")) == b"data"
        assert await source.get(sha256(b"data")) == b"data"
        assert peer.asked == 1
        assert source.store.has(sha256(b"data"))

    run(test)


def test_whoever_announced_a_blob_is_asked_first(tmp_path: Path) -> None:
    async def test() -> None:
        other, first = Kept(b"data"), Kept(b"data")
        source = BlobSource(BlobStore(tmp_path, QuickDisk()), [other])
        await source.get(sha256(b"data"), first)
        assert (first.asked, other.asked) == (1, 0)

    run(test)


def test_a_peer_that_did_not_give_a_blob_is_asked_last_for_the_next_ones(tmp_path: Path) -> None:
    """It may have been slow: that costs its time once in an audit, not with every blob."""

    async def test() -> None:
        slow, other = Kept(), Kept(b"first", b"second")
        source = BlobSource(BlobStore(tmp_path, QuickDisk()), [slow, other])
        for data in (b"first", b"second"):
            assert await source.get(sha256(data)) == data
        assert (slow.asked, other.asked) == (1, 2)

    run(test)


def test_nobody_is_asked_twice_for_one_blob(tmp_path: Path) -> None:
    async def test() -> None:
        announcer, other = Kept(), Kept()
        source = BlobSource(BlobStore(tmp_path, QuickDisk()), [other, announcer])
        assert await source.get(sha256(b"data"), announcer) is None
        assert (announcer.asked, other.asked) == (1, 1)

    run(test)


def test_a_blob_nobody_has_is_none(tmp_path: Path) -> None:
    async def test() -> None:
        source = BlobSource(BlobStore(tmp_path, QuickDisk()), [Kept(), Kept()])
        assert await source.get(sha256(b"data")) is None

    run(test)


def test_a_blob_that_cannot_be_kept_is_not_given(tmp_path: Path) -> None:
    """It could not be served on, and what is signed available must be."""

    async def test() -> None:
        disk = FullDisk()
        source = BlobSource(BlobStore(tmp_path, disk), [Kept(b"data")])
        disk.fail("append")
        with pytest.raises(OSError, match="No space left"):
            await source.get(sha256(b"data"))

    run(test)
