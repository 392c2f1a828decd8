"""The gRPC server of a validator: Gateway, Peer, health and reflection on one port."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from protocol.encoding import sha256
from protocol.limits import MAX_MESSAGE_BYTES
from protos.farfield.v1 import gateway_pb2, peer_pb2
from protos.farfield.v1.gateway_pb2_grpc import add_GatewayServicer_to_server
from protos.farfield.v1.peer_pb2_grpc import add_PeerServicer_to_server
from validator.gateway import Gateway
from validator.peers import Availability, RootSignature
from validator.runtime import Parts, Runtime
from validator.wire.boundary import Boundary
from validator.wire.gateway import GatewayService
from validator.wire.peer import PeerService

MAX_CONCURRENT_STREAMS = 100
MAX_CONNECTION_IDLE_MS = 300_000
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", MAX_CONCURRENT_STREAMS),
    ("grpc.max_connection_idle_ms", MAX_CONNECTION_IDLE_MS),
    ("grpc.so_reuseport", 0),
)


class Served:
    """What the Peer service tells of the running validator."""

    def __init__(self, parts: Parts, runtime: Runtime) -> None:
        self.owner, self._runtime = parts.owner, runtime
        self.params_file = sha256(parts.rules.params_file)

    def settled_epoch(self) -> int:
        return self._runtime.settled_epoch()

    def waiting(self) -> str:
        return self._runtime.waiting()

    def root_signature(self, epoch: int, set_id: int) -> RootSignature | None:
        return self._runtime.root_signature(epoch, set_id)


@dataclass(frozen=True, slots=True)
class Serving:
    """A server and the port it got; `listen` may have asked for port 0."""

    server: grpc.aio.Server
    port: int


async def start_server(listen: str, gateway: Gateway, availability: Availability, standing: Served) -> Serving:
    """A serving server; RuntimeError if the address cannot be bound."""
    server = grpc.aio.server(interceptors=(Boundary(),), options=OPTIONS)
    add_GatewayServicer_to_server(GatewayService(gateway), server)
    add_PeerServicer_to_server(PeerService(availability, standing), server)
    checker = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    await checker.set("", health_pb2.HealthCheckResponse.SERVING)
    names = [
        gateway_pb2.DESCRIPTOR.services_by_name["Gateway"].full_name,
        peer_pb2.DESCRIPTOR.services_by_name["Peer"].full_name,
        health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
        reflection.SERVICE_NAME,
    ]
    reflection.enable_server_reflection(names, server)
    port = server.add_insecure_port(listen)
    if port == 0:
        raise RuntimeError("the port is taken")
    await server.start()
    return Serving(server, port)
