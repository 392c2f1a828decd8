"""What the map asks validators, over gRPC: blobs by sha256, and where they stand. Only this module imports stubs.

Answers are checked before they are believed; a validator's fault is a `Problem`, never an exception.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from coverage_maps.record import Problem
from protocol.encoding import sha256
from protocol.limits import MAX_BLOB_CHUNK_BYTES, MAX_MESSAGE_BYTES, MAX_SEGMENT_BYTES
from protos.farfield.v1 import peer_pb2, peer_pb2_grpc

CALL_TIMEOUT_S = 5.0
BLOB_TIMEOUT_S = 30.0
LEAST_BYTES_PER_S = 1024 * 1024
"""A blob may take so many seconds, and another one for each such part that has arrived; a validator that sends more
slowly is given up as soon as it falls behind, and must not hold up the map."""
MAX_BLOB_BYTES = MAX_SEGMENT_BYTES
MAX_SENTENCE = 500
OPTIONS = (
    ("grpc.max_receive_message_length", 2 * MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """Where a validator says it stands. Nothing shown is taken from it but the sentence, marked as its own."""

    protocol_version: int
    params_file: bytes
    settled_epoch: int
    waiting: str


def _channel(endpoint: str) -> grpc.Channel:
    if endpoint.startswith("https://"):
        target = endpoint.removeprefix("https://")
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(), options=OPTIONS)
    return grpc.insecure_channel(endpoint.removeprefix("http://"), options=OPTIONS)


class Peer:
    """One validator's public service. `endpoint` is HOST:PORT, with https:// before it for TLS."""

    def __init__(
        self, endpoint: str, timeout_s: float = CALL_TIMEOUT_S, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.endpoint, self._timeout_s, self._now_s = endpoint, timeout_s, now_s
        self._channel = _channel(endpoint)
        self._stub = peer_pb2_grpc.PeerStub(self._channel)

    def close(self) -> None:
        """Ends the connection; calls under way fail."""
        self._channel.close()

    def status(self) -> PeerStatus | Problem:
        """Where the validator stands."""
        reply = self._call(self._stub.GetStatus, peer_pb2.GetStatusRequest())
        if isinstance(reply, Problem):
            return reply
        return PeerStatus(reply.protocol_version, reply.params_file, reply.settled_epoch, reply.waiting[:MAX_SENTENCE])

    def blob(self, digest: bytes) -> bytes | Problem:
        """The blob with this sha256, piece by piece, checked as a whole."""
        data, started_s = bytearray(), self._now_s()
        for _ in range(MAX_BLOB_BYTES // MAX_BLOB_CHUNK_BYTES + 1):
            left_s = started_s + BLOB_TIMEOUT_S + len(data) / LEAST_BYTES_PER_S - self._now_s()
            if left_s <= 0:
                return self._problem("sends the blob too slowly")
            reply = self._call(self._stub.GetBlob, peer_pb2.GetBlobRequest(sha256=digest, offset=len(data)), left_s)
            if isinstance(reply, Problem):
                return reply
            if reply.total_bytes > MAX_BLOB_BYTES or len(data) + len(reply.data) > reply.total_bytes:
                return self._problem("says the blob is larger than a blob may be")
            data += reply.data
            if len(data) == reply.total_bytes:
                good = sha256(bytes(data)) == digest
                return bytes(data) if good else self._problem("sent bytes that do not have the hash asked for")
            if not reply.data:
                return self._problem("stopped in the middle of the blob")
        return self._problem("sent the blob in too many pieces")

    def _call(self, method: Any, request: Any, most_s: float = float("inf")) -> Any:
        try:
            return method(request, timeout=min(self._timeout_s, most_s))
        except grpc.RpcError as error:
            code = error.code()
            if code is grpc.StatusCode.NOT_FOUND:
                return self._problem("does not have it")
            return self._problem(f"does not answer ({code.name})")

    def _problem(self, what: str) -> Problem:
        return Problem(f"{self.endpoint} {what}", missing=True)
