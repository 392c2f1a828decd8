"""Evidence older than validators promise is deleted; what the next audits start from stays."""

from __future__ import annotations

from pathlib import Path

from protocol.epoch import settle
from protocol.limits import SERVED_EPOCHS
from tests.factories import World, make_device, north_of_ulm
from validator.blobs import BlobStore
from validator.disk import Disk
from validator.engine.duckdb_engine import DuckDbEngine
from validator.epoch_files import EpochFiles
from validator.pruning import prune


def _settled(tmp_path: Path) -> tuple[EpochFiles, BlobStore, dict[str, bytes], list[bytes]]:
    """(records, store, the epoch's tables by name, its manifests and segments) of one small epoch."""
    world = World()
    near, far = make_device("near", north_of_ulm(0)), make_device("far", north_of_ulm(4))
    world.add(near, far)
    world.beacon(near)
    world.hears(far, near)
    result, store = settle(world.inputs(), DuckDbEngine()), BlobStore(tmp_path / "blobs", Disk())
    evidence = []
    for counted in world.manifests():
        evidence += [store.put(data) for data in (*counted.segments, counted.manifest.encode())]
    tables = {
        "summary": store.put(result.summary),
        "state": store.put(result.state.encode()),
        "outcomes": store.put(result.outcome_table),
        "need_map": store.put(result.need_map.encode()),
    }
    files = EpochFiles(tmp_path / "epochs", Disk())
    files.update(1, root=result.tree.root.hex(), **{name: digest.hex() for name, digest in tables.items()})
    return files, store, tables, evidence


def _later_root(files: EpochFiles) -> None:
    files.update(2, state="00" * 32, root="11" * 32)


def test_evidence_goes_when_no_promised_epoch_starts_from_it(tmp_path: Path) -> None:
    files, store, tables, evidence = _settled(tmp_path)
    _later_root(files)
    prune(files, store, 2 + SERVED_EPOCHS, roots=[1, 2])
    assert [one for one in (*evidence, tables["state"], tables["outcomes"]) if store.has(one)] == []


def test_evidence_of_an_epoch_without_a_root_goes_when_it_is_promised_no_more(tmp_path: Path) -> None:
    files, store, tables, evidence = _settled(tmp_path)
    _later_root(files)
    prune(files, store, 1 + SERVED_EPOCHS, roots=[2])
    assert [one for one in (*evidence, tables["state"], tables["outcomes"]) if store.has(one)] == []


def test_summary_and_need_map_stay(tmp_path: Path) -> None:
    files, store, tables, _ = _settled(tmp_path)
    _later_root(files)
    prune(files, store, 2 + SERVED_EPOCHS, roots=[1, 2])
    assert store.has(tables["summary"])
    assert store.has(tables["need_map"])


def test_evidence_stays_while_it_is_promised(tmp_path: Path) -> None:
    files, store, tables, evidence = _settled(tmp_path)
    _later_root(files)
    prune(files, store, SERVED_EPOCHS, roots=[2])
    assert all(store.has(one) for one in (*evidence, *tables.values()))


def test_the_state_the_oldest_promised_epoch_starts_from_stays(tmp_path: Path) -> None:
    files, store, tables, evidence = _settled(tmp_path)
    _later_root(files)
    prune(files, store, 1 + SERVED_EPOCHS, roots=[1, 2])
    assert all(store.has(one) for one in (*evidence, *tables.values()))


def test_the_newest_root_keeps_its_evidence_however_old_it_is(tmp_path: Path) -> None:
    """Also when a later epoch was not empty: its root never came, so everything starts from the older one."""
    files, store, tables, evidence = _settled(tmp_path)
    _later_root(files)
    for settled_epoch in range(1 + SERVED_EPOCHS, 10 + SERVED_EPOCHS):
        prune(files, store, settled_epoch, roots=[1])
    assert all(store.has(one) for one in (*evidence, *tables.values()))


def test_the_newest_epoch_that_was_not_empty_keeps_its_evidence_until_its_root_comes(tmp_path: Path) -> None:
    files, store, tables, evidence = _settled(tmp_path)
    prune(files, store, 1 + SERVED_EPOCHS, roots=[])
    assert all(store.has(one) for one in (*evidence, *tables.values()))
