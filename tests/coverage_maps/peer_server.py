"""A validator's public service over loopback, for the map to ask; it can be told to misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from protocol.limits import MAX_BLOB_CHUNK_BYTES
from protos.farfield.v1 import peer_pb2, peer_pb2_grpc

Answer = Callable[[bytes, int], peer_pb2.GetBlobReply | None]


def honest(blobs: Mapping[bytes, bytes], chunk: int = MAX_BLOB_CHUNK_BYTES) -> Answer:
    """Serves blobs piece by piece."""

    def answer(digest: bytes, offset: int) -> peer_pb2.GetBlobReply | None:
        data = blobs.get(digest)
        if data is None:
            return None
        return peer_pb2.GetBlobReply(data=data[offset : offset + chunk], total_bytes=len(data))

    return answer


class _Service(peer_pb2_grpc.PeerServicer):
    def __init__(self, answer: Answer, status: peer_pb2.GetStatusReply) -> None:
        self._answer, self._status = answer, status
        self.asked = 0

    def GetBlob(self, request, context):
        self.asked += 1
        reply = self._answer(request.sha256, request.offset)
        if reply is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such blob")
        return reply

    def GetStatus(self, request, context):
        return self._status


@contextmanager
def peer(
    answer: Answer, params_file: bytes = b"", waiting: str = "", tls: grpc.ServerCredentials | None = None
) -> Iterator[tuple[str, _Service]]:
    """(endpoint, service) of a running validator; with credentials it speaks TLS."""
    status = peer_pb2.GetStatusReply(protocol_version=1, params_file=params_file, settled_epoch=1, waiting=waiting)
    service = _Service(answer, status)
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    peer_pb2_grpc.add_PeerServicer_to_server(service, server)
    where = "127.0.0.1:0"
    port = server.add_secure_port(where, tls) if tls else server.add_insecure_port(where)
    server.start()
    try:
        yield f"127.0.0.1:{port}", service
    finally:
        server.stop(grace=None).wait()
