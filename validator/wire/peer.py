"""The Peer service: what validators call, and what anybody may read."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import grpc

from protocol.encoding import U128
from protocol.ids import Address
from protocol.keys import QUORUM_SIGNATURE_BYTES
from protocol.limits import MAX_BLOB_CHUNK_BYTES
from protocol.version import PROTOCOL_VERSION
from protos.farfield.v1 import peer_pb2 as messages
from protos.farfield.v1.peer_pb2_grpc import PeerServicer
from validator.peers import Availability, RootSignature
from validator.wire.checks import FieldError, exact, number, refuse


class Standing(Protocol):
    """What the service asks of the running validator."""

    owner: Address
    params_file: bytes
    """sha256 of the params file."""

    def settled_epoch(self) -> int: ...

    def waiting(self) -> str: ...

    def root_signature(self, epoch: int, set_id: int) -> RootSignature | None: ...


class PeerService(PeerServicer):
    """Turns messages into calls of the availability desk and the blob store."""

    def __init__(self, availability: Availability, standing: Standing) -> None:
        self._availability, self._standing = availability, standing

    async def AnnounceManifest(self, request: Any, context: grpc.aio.ServicerContext) -> messages.AnnounceManifestReply:  # noqa: N802
        try:
            epoch = number(request.epoch, "epoch")
            validator = Address(exact(request.validator, 20, "validator"))
            manifest_hash = exact(request.manifest_hash, 32, "manifest_hash")
            signature = exact(request.signature, QUORUM_SIGNATURE_BYTES, "signature")
        except FieldError as error:
            await refuse(context, error)
        result = await self._availability.consider(epoch, validator, manifest_hash, signature)
        if isinstance(result, str):
            return messages.AnnounceManifestReply(refusal=result)
        return messages.AnnounceManifestReply(signature=result)

    async def GetRootSignature(self, request: Any, context: grpc.aio.ServicerContext) -> messages.GetRootSignatureReply:  # noqa: N802
        try:
            epoch, set_id = number(request.epoch, "epoch"), number(request.set_id, "set_id")
        except FieldError as error:
            await refuse(context, error)
        found = self._standing.root_signature(epoch, set_id)
        if found is None:
            return messages.GetRootSignatureReply(known=False)
        return messages.GetRootSignatureReply(
            known=True,
            root=found.root.root,
            data_hash=found.root.data_hash,
            cumulative_total=U128.encode(found.root.cumulative_total),
            signature=found.signature,
        )

    async def GetBlob(self, request: Any, context: grpc.aio.ServicerContext) -> messages.GetBlobReply:  # noqa: N802
        try:
            digest = exact(request.sha256, 32, "sha256")
            offset = number(request.offset, "offset")
        except FieldError as error:
            await refuse(context, error)
        store = self._availability.store
        found = await asyncio.to_thread(store.read, digest, offset, MAX_BLOB_CHUNK_BYTES)
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no blob with this hash is kept here")
        data, total_bytes = found
        return messages.GetBlobReply(data=data, total_bytes=total_bytes)

    async def GetStatus(self, request: Any, context: grpc.aio.ServicerContext) -> messages.GetStatusReply:  # noqa: N802
        return messages.GetStatusReply(
            validator=self._standing.owner,
            protocol_version=PROTOCOL_VERSION,
            params_file=self._standing.params_file,
            settled_epoch=self._standing.settled_epoch(),
            waiting=await asyncio.to_thread(self._standing.waiting),
        )
