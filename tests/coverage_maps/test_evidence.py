"""The evidence store: what is fetched once stays, what changed is fetched again, room is bounded."""

from __future__ import annotations

import os

from coverage_maps.evidence import EvidenceStore
from coverage_maps.record import Problem
from protocol.encoding import sha256


class Source:
    """A validator with some blobs that counts how often it is asked."""

    def __init__(self, *blobs: bytes, name: str = "somebody") -> None:
        self.blobs, self.name, self.asked = {sha256(blob): blob for blob in blobs}, name, 0

    def blob(self, digest: bytes) -> bytes | Problem:
        self.asked += 1
        return self.blobs.get(digest) or Problem(f"{self.name} does not have it", missing=True)


def test_a_blob_is_fetched_once_and_survives_a_restart(tmp_path):
    source = Source(b"evidence")
    assert EvidenceStore(tmp_path, [source]).fetch(sha256(b"evidence")) == b"evidence"
    assert EvidenceStore(tmp_path, []).fetch(sha256(b"evidence")) == b"evidence"
    assert source.asked == 1


def test_the_empty_blob_needs_nobody(tmp_path):
    assert EvidenceStore(tmp_path, []).fetch(sha256(b"")) == b""


def test_everybody_is_asked_and_whoever_had_it_comes_first_next_time(tmp_path):
    poor, rich = Source(name="poor"), Source(b"one", b"two", name="rich")
    store = EvidenceStore(tmp_path, [poor, rich])
    assert store.fetch(sha256(b"one")) == b"one"
    assert store.fetch(sha256(b"two")) == b"two"
    assert (poor.asked, rich.asked) == (1, 2)


def test_what_each_validator_said_is_in_the_problem(tmp_path):
    found = EvidenceStore(tmp_path, [Source(name="a"), Source(name="b")]).fetch(sha256(b"x"))
    assert isinstance(found, Problem)
    assert found.sentence == "a does not have it; b does not have it"
    assert found.missing


def test_no_validators_is_a_problem(tmp_path):
    found = EvidenceStore(tmp_path, []).fetch(sha256(b"x"))
    assert isinstance(found, Problem)
    assert "names no validator" in found.sentence


def test_a_source_that_gives_other_bytes_is_not_believed(tmp_path):
    liar = Source()
    liar.blobs[sha256(b"x")] = b"y"
    found = EvidenceStore(tmp_path, [liar]).fetch(sha256(b"x"))
    assert isinstance(found, Problem)
    assert "other bytes" in found.sentence


def test_a_blob_the_disk_changed_is_fetched_again(tmp_path):
    source = Source(b"evidence")
    store = EvidenceStore(tmp_path, [source])
    store.fetch(sha256(b"evidence"))
    (path,) = tmp_path.glob("??/*")
    path.write_bytes(b"evidencf")
    assert store.fetch(sha256(b"evidence")) == b"evidence"
    assert source.asked == 2


def test_old_blobs_make_room(tmp_path):
    blobs = [bytes([number]) * 100 for number in range(12)]
    store = EvidenceStore(tmp_path, [Source(*blobs)], max_bytes=1_000)
    for age, blob in enumerate(blobs[:10]):
        store.fetch(sha256(blob))
        path = tmp_path / sha256(blob).hex()[:2] / sha256(blob).hex()
        os.utime(path, (age, age))
    store.fetch(sha256(blobs[0]))
    store.fetch(sha256(blobs[10]))
    kept = {path.name for path in tmp_path.glob("??/*")}
    assert sha256(blobs[0]).hex() in kept, "it was used last"
    assert sha256(blobs[1]).hex() not in kept, "it was not used for longest"
    assert sum(path.stat().st_size for path in tmp_path.glob("??/*")) <= 900
