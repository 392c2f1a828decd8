"""Calls another validator. Whatever it does wrong, or not at all, comes back as a value."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from protocol.encoding import U128, sha256
from protocol.ids import HASH_BYTES, Address
from protocol.keys import QUORUM_SIGNATURE_BYTES, EpochRoot
from protocol.limits import MAX_BLOB_CHUNK_BYTES, MAX_MESSAGE_BYTES, MAX_SEGMENT_BYTES
from protos.farfield.v1 import peer_pb2 as messages
from protos.farfield.v1.peer_pb2_grpc import PeerStub
from validator.peers import RootSignature

CALL_TIMEOUT_S = 5
ANNOUNCE_TIMEOUT_S = 60
MAX_SENTENCE = 200
FETCH_TIMEOUT_S = 30
LEAST_BYTES_PER_S = 1024 * 1024
"""A blob may take so many seconds, and another one for each such part that has arrived: a peer that sends more slowly
is given up as soon as it falls behind, and must not hold up an epoch or an audit."""
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """Where a validator stands."""

    params_file: bytes
    """sha256 of its params file."""
    settled_epoch: int
    waiting: str
    """A sentence while an epoch waits for somebody; else empty."""


class _PeerFaultError(Exception):
    """A peer does not answer, or not with a message; the text says whose fault it is and what."""


def _channel(endpoint: str) -> grpc.aio.Channel:
    target = endpoint.removeprefix("http://").removeprefix("https://")
    if endpoint.startswith("https://"):
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=CHANNEL_OPTIONS)
    return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)


class PeerClient:
    """One validator at its endpoint: HOST:PORT, with https:// before it for TLS."""

    def __init__(self, owner: Address, endpoint: str, name: str, now_s: Callable[[], float] = time.monotonic) -> None:
        self.owner, self.name, self._endpoint, self._now_s = owner, name, endpoint, now_s
        self._channel: grpc.aio.Channel | None = None

    @property
    def _stub(self) -> PeerStub:
        if self._channel is None:
            self._channel = _channel(self._endpoint)
        return PeerStub(self._channel)

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def announce(self, epoch: int, validator: Address, manifest_hash: bytes, signature: bytes) -> bytes | str:
        """The peer's Available signature, or a sentence on why there is none."""
        request = messages.AnnounceManifestRequest(
            epoch=epoch, validator=validator, manifest_hash=manifest_hash, signature=signature
        )
        try:
            reply = await self._call("AnnounceManifest", request, ANNOUNCE_TIMEOUT_S)
        except _PeerFaultError as fault:
            return str(fault)
        if len(reply.signature) == QUORUM_SIGNATURE_BYTES:
            return bytes(reply.signature)
        return f"{self.name} refuses: {_plain(reply.refusal)}"

    async def root_signature(self, epoch: int, set_id: int) -> RootSignature | None:
        """The peer's signature under the root it computed, or None while there is none."""
        request = messages.GetRootSignatureRequest(epoch=epoch, set_id=set_id)
        try:
            reply = await self._call("GetRootSignature", request)
        except _PeerFaultError:
            return None
        if not reply.known or len(reply.cumulative_total) != U128.width:
            return None
        root = EpochRoot(epoch, set_id, reply.root, reply.data_hash, U128.decode(reply.cumulative_total))
        return RootSignature(root, reply.signature)

    async def fetch(self, digest: bytes, most_bytes: int = MAX_SEGMENT_BYTES) -> bytes | None:
        """The blob with this sha256, or None if the peer does not give it, in whole chunks and in time."""
        try:
            data = await self._chunks(digest, most_bytes)
        except _PeerFaultError:
            return None
        return data if data is not None and sha256(data) == digest else None

    async def _chunks(self, digest: bytes, most_bytes: int) -> bytes | None:
        """What the peer gives for a hash; it ends with the first chunk that is not full. None if it is too slow."""
        data, started_s = bytearray(), self._now_s()
        while True:
            left_s = started_s + FETCH_TIMEOUT_S + len(data) / LEAST_BYTES_PER_S - self._now_s()
            if left_s <= 0:
                return None
            request = messages.GetBlobRequest(sha256=digest, offset=len(data))
            reply = await self._call("GetBlob", request, min(CALL_TIMEOUT_S, left_s))
            data += reply.data
            if len(reply.data) != MAX_BLOB_CHUNK_BYTES or len(data) >= min(reply.total_bytes, most_bytes):
                return bytes(data)

    async def status(self) -> PeerStatus | None:
        """Where the peer stands, or None if it does not answer, or not as agreed."""
        try:
            reply = await self._call("GetStatus", messages.GetStatusRequest())
        except _PeerFaultError:
            return None
        if len(reply.params_file) != HASH_BYTES:
            return None
        return PeerStatus(reply.params_file, reply.settled_epoch, _plain(reply.waiting))

    async def _call(self, method: str, request: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """The peer's message. Bytes that are none come out of grpc.aio as None, not as an error."""
        try:
            reply = await getattr(self._stub, method)(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise _PeerFaultError(f"{self.name} does not answer ({error.code().name.lower()})") from error
        if reply is None:
            raise _PeerFaultError(f"{self.name} answers with bytes that are no message of this service")
        return reply


def _plain(text: str) -> str:
    """A peer's sentence as it may stand in a terminal or a log: short, and nothing but characters one can see."""
    return "".join(letter for letter in text[:MAX_SENTENCE] if letter.isprintable())
