"""One validator behind a real gRPC server on an ephemeral port, and what is needed to talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from protos.farfield.v1 import gateway_pb2 as gateway
from protos.farfield.v1 import peer_pb2 as peer
from protos.farfield.v1.gateway_pb2_grpc import GatewayStub
from protos.farfield.v1.peer_pb2_grpc import PeerStub
from tests.validator.nodes import Node
from validator.wire.server import Served, start_server

TIMEOUT_S = 10
METHODS: dict[str, tuple[str, Any]] = {
    "GetChallenge": ("farfield.v1.Gateway", gateway.GetChallengeRequest),
    "OpenSessions": ("farfield.v1.Gateway", gateway.OpenSessionsRequest),
    "SubmitCommits": ("farfield.v1.Gateway", gateway.SubmitCommitsRequest),
    "SubmitReports": ("farfield.v1.Gateway", gateway.SubmitReportsRequest),
    "GetVerdicts": ("farfield.v1.Gateway", gateway.GetVerdictsRequest),
    "RelayRegistration": ("farfield.v1.Gateway", gateway.RelayRegistrationRequest),
    "GetEpoch": ("farfield.v1.Gateway", gateway.GetEpochRequest),
    "AnnounceManifest": ("farfield.v1.Peer", peer.AnnounceManifestRequest),
    "GetRootSignature": ("farfield.v1.Peer", peer.GetRootSignatureRequest),
    "GetBlob": ("farfield.v1.Peer", peer.GetBlobRequest),
    "GetStatus": ("farfield.v1.Peer", peer.GetStatusRequest),
}
"""Every method we serve: (service, request)."""


@dataclass
class Client:
    """A channel to the validator."""

    node: Node
    channel: grpc.aio.Channel
    port: int

    def __post_init__(self) -> None:
        self.gateway, self.peer = GatewayStub(self.channel), PeerStub(self.channel)

    async def call(self, method: str, request: Any, **options: Any) -> Any:
        stub = self.gateway if METHODS[method][0].endswith("Gateway") else self.peer
        return await getattr(stub, method)(request, timeout=TIMEOUT_S, **options)

    async def raw(self, method: str, data: bytes, **options: Any) -> bytes:
        """The reply's bytes to a request's bytes, whatever they are."""
        return await self.channel.unary_unary(f"/{METHODS[method][0]}/{method}")(data, timeout=TIMEOUT_S, **options)

    async def refusal(self, method: str, request: Any) -> tuple[grpc.StatusCode, str]:
        """(status, sentence) of a call that must not succeed."""
        try:
            reply = await self.call(method, request)
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""
        raise AssertionError(f"{method} answered {reply}")


@asynccontextmanager
async def served(node: Node, port: int = 0) -> AsyncIterator[Client]:
    """The node's own server, as the daemon starts it, and a client of it."""
    standing = Served(node.parts, node.runtime)
    serving = await start_server(f"127.0.0.1:{port}", node.gateway, node.availability, standing)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{serving.port}")
    try:
        yield Client(node, channel, serving.port)
    finally:
        await channel.close()
        await serving.server.stop(None)


def fingerprint(directory: Path) -> dict[str, bytes]:
    """Every file of a validator."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
