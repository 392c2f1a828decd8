"""A validator that sends slowly: given up in time, and asked last for the next blobs."""

from __future__ import annotations

import pytest

from coverage_maps.evidence import EvidenceStore
from coverage_maps.record import Problem
from coverage_maps.wire import BLOB_TIMEOUT_S, LEAST_BYTES_PER_S, MAX_BLOB_BYTES, Peer
from protocol.encoding import sha256
from protocol.limits import MAX_BLOB_CHUNK_BYTES
from protos.farfield.v1 import peer_pb2
from tests.coverage_maps.peer_server import Answer, honest, peer
from tests.coverage_maps.test_evidence import Source

BLOB = bytes(range(256)) * 2_000
DIGEST = sha256(BLOB)


def slowly(answer: Answer, chunk_s: float) -> tuple[Problem | bytes, float]:
    """What comes of a blob each piece of which takes so many seconds, and how many they are."""
    times_s = [0.0]

    def late(digest: bytes, offset: int) -> peer_pb2.GetBlobReply | None:
        times_s.append(times_s[-1] + chunk_s)
        return answer(digest, offset)

    with peer(late) as (endpoint, _):
        one = Peer(endpoint, now_s=lambda: times_s[-1])
        try:
            return one.blob(DIGEST), times_s[-1]
        finally:
            one.close()


@pytest.mark.parametrize("data", [b"x", bytes(MAX_BLOB_CHUNK_BYTES)], ids=["byte by byte", "in full pieces"])
def test_a_validator_that_sends_just_in_time_for_every_call_does_not_hold_up_the_map(data):
    def endless(digest: bytes, offset: int) -> peer_pb2.GetBlobReply:
        return peer_pb2.GetBlobReply(data=data, total_bytes=MAX_BLOB_BYTES)

    found, took_s = slowly(endless, 4.9)
    assert isinstance(found, Problem)
    assert "sends the blob too slowly" in found.sentence
    assert took_s < BLOB_TIMEOUT_S + 10


def test_a_blob_at_the_least_speed_arrives():
    found, took_s = slowly(honest({DIGEST: BLOB}, 1_000), 1_000 / LEAST_BYTES_PER_S + BLOB_TIMEOUT_S / 600)
    assert found == BLOB
    assert took_s > 25


def test_a_validator_that_did_not_give_a_blob_is_asked_last_for_the_next_ones(tmp_path):
    """It may have been slow: that costs its time once, not with every blob."""
    a, b, slow = Source(b"two", name="a"), Source(b"three", name="b"), Source(b"one", name="slow")
    store = EvidenceStore(tmp_path, [a, b, slow])
    for blob in (b"one", b"two", b"three"):
        assert store.fetch(sha256(blob)) == blob
    assert (a.asked, b.asked, slow.asked) == (3, 2, 2)
