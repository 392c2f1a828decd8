"""A validator's gRPC side, in process: keeps what it is sent, checks every signature, gives real receipts."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, Self

import coincurve
import grpc
from grpc import aio

from protocol.encoding import U48, Network, report_id, sha256, signed_bytes
from protocol.ids import Address
from protocol.keys import Domain, PublicKey, Receipt, hotspot_id, public_key, quorum_address, sign_quorum, verify_device
from protocol.limits import MAX_BLOB_CHUNK_BYTES
from protocol.reasons import SENTENCES, Reason
from protocol.records import REGISTRATION, REPORT, SESSION, Registration, Session
from protocol.version import PROTOCOL_VERSION
from protos.farfield.v1 import gateway_pb2 as gateway
from protos.farfield.v1 import gateway_pb2_grpc, peer_pb2_grpc
from protos.farfield.v1 import peer_pb2 as peer

NETWORK = Network(31_337, Address(b"\x11" * 20))
DOMAIN = Domain(31_337, Address(b"\x22" * 20))


@dataclasses.dataclass(frozen=True)
class Committed:
    hotspot_id: bytes
    epoch: int
    report_id: bytes
    at_ms: int


class FakeValidator(gateway_pb2_grpc.GatewayServicer, peer_pb2_grpc.PeerServicer):
    """Switches: `down` fails every call, `refuse` names a reason per entry, `bend` changes receipts."""

    def __init__(self, name: str, keys: Iterable[PublicKey] = (), blobs: Iterable[bytes] = ()) -> None:
        self.owner = Address(sha256(name.encode())[:20])
        self.key = coincurve.PrivateKey(sha256(b"key", name.encode()))
        self.keys = {bytes(hotspot_id(key)): key for key in keys}
        self.blobs = {sha256(blob): blob for blob in blobs}
        self.network = NETWORK
        self.relay: Callable[[Registration, bytes], bytes] = lambda registration, signature: sha256(signature)
        self.params_file = next(iter(self.blobs), b"")
        self.protocol_version = PROTOCOL_VERSION
        self.down = False
        self.refuse: Callable[[str, int], Reason | None] = lambda step, index: None
        self.bend: Callable[[gateway.Receipt], object] = lambda receipt: None
        self.nonces: set[bytes] = set()
        self.tokens: dict[bytes, bytes] = {}
        self.sessions_opened = 0
        self.commits: list[Committed] = []
        self.commit_calls: list[int] = []
        self.reports: dict[bytes, tuple[bytes, bytes]] = {}
        self.report_calls: list[list[bytes]] = []
        self.registrations: list[Registration] = []
        self.endpoint = ""
        self._server: aio.Server

    @property
    def address(self) -> Address:
        return quorum_address(self.key)

    async def __aenter__(self) -> Self:
        self._server = aio.server()
        gateway_pb2_grpc.add_GatewayServicer_to_server(self, self._server)
        peer_pb2_grpc.add_PeerServicer_to_server(self, self._server)
        port = self._server.add_insecure_port(self.endpoint or "127.0.0.1:0")
        self.endpoint = f"127.0.0.1:{port}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    def forget_sessions(self) -> None:
        self.tokens.clear()

    async def _alive(self, context: aio.ServicerContext) -> None:
        if self.down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the validator is down")

    # --- Gateway --------------------------------------------------------------------------------------------

    async def GetChallenge(self, request: Any, context: Any) -> Any:
        await self._alive(context)
        nonce = U48.encode(time.time_ns() // 1_000_000) + secrets.token_bytes(26)
        self.nonces.add(nonce)
        return gateway.GetChallengeReply(server_nonce=nonce, valid_until_ms=2**47)

    async def OpenSessions(self, request: Any, context: Any) -> Any:
        await self._alive(context)
        results = [self._open(index, signed) for index, signed in enumerate(request.sessions)]
        return gateway.OpenSessionsReply(results=results)

    def _open(self, index: int, signed: Any) -> Any:
        session = Session.decode(signed.session)
        assert session is not None
        assert session.validator == self.owner
        assert session.server_nonce in self.nonces
        key = self.keys.get(session.hotspot_id)
        if key is None:
            return gateway.SessionResult(refusal=refusal(index, Reason.NOT_REGISTERED))
        assert verify_device(key, signed_bytes(SESSION, self.network, signed.session), signed.signature)
        token = secrets.token_bytes(32)
        self.tokens[token] = session.hotspot_id
        self.sessions_opened += 1
        return gateway.SessionResult(token=token, expires_at_ms=session.expires_at_ms)

    async def SubmitCommits(self, request: Any, context: Any) -> Any:
        await self._alive(context)
        self.commit_calls.append(len(request.commits))
        refusals, stored = [], []
        for index, commit in enumerate(request.commits):
            reason = self.refuse("commit", index)
            if commit.session_token not in self.tokens:
                reason = Reason.NO_SESSION
            if reason is not None:
                refusals.append(refusal(index, reason))
                continue
            hotspot = self.tokens[commit.session_token]
            self.commits.append(Committed(hotspot, commit.epoch, commit.report_id, time.time_ns() // 1_000_000))
            stored.append(commit.report_id)
        return self._reply(refusals, stored)

    async def SubmitReports(self, request: Any, context: Any) -> Any:
        await self._alive(context)
        self.report_calls.append([report_id(one.report) for one in request.reports])
        refusals, stored = [], []
        for index, one in enumerate(request.reports):
            reason, hotspot = self.refuse("report", index), one.report[28:60]
            if hotspot not in self.keys:
                reason = Reason.NOT_REGISTERED
            if reason is not None:
                refusals.append(refusal(index, reason))
                continue
            assert verify_device(self.keys[hotspot], signed_bytes(REPORT, self.network, one.report), one.signature)
            id_ = report_id(one.report)
            known = self.reports.setdefault(id_, (one.report, one.signature))
            assert known == (one.report, one.signature), "two different bytes for one report id"
            stored.append(id_)
        return self._reply(refusals, stored)

    def _reply(self, refusals: list[Any], stored: list[bytes]) -> Any:
        reply = gateway.SubmitReply(refusals=refusals)
        if stored:
            receipt = Receipt(sha256(*stored), len(stored), time.time_ns() // 1_000_000)
            signature = sign_quorum(self.key, DOMAIN.digest(receipt))
            reply.receipt.CopyFrom(
                gateway.Receipt(
                    validator=self.owner,
                    batch_hash=receipt.batch_hash,
                    entries=receipt.entries,
                    stored_at_ms=receipt.stored_at_ms,
                    signature=signature,
                )
            )
            self.bend(reply.receipt)
        return reply

    async def RelayRegistration(self, request: Any, context: Any) -> Any:
        await self._alive(context)
        registration = Registration.decode(request.registration)
        assert registration is not None
        key = public_key(registration.x, registration.y)
        assert key is not None
        assert verify_device(key, signed_bytes(REGISTRATION, self.network, request.registration), request.signature)
        self.registrations.append(registration)
        transaction = await asyncio.to_thread(self.relay, registration, request.signature)
        return gateway.RelayRegistrationReply(hotspot_id=hotspot_id(key), transaction_hash=transaction)

    # --- Peer -----------------------------------------------------------------------------------------------

    async def GetStatus(self, request: Any, context: Any) -> Any:
        await self._alive(context)
        return peer.GetStatusReply(
            validator=self.owner, protocol_version=self.protocol_version, params_file=self.params_file
        )

    async def GetBlob(self, request: Any, context: Any) -> Any:
        await self._alive(context)
        blob = self.blobs.get(request.sha256)
        if blob is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such blob")
        piece = blob[request.offset : request.offset + MAX_BLOB_CHUNK_BYTES]
        return peer.GetBlobReply(data=piece, total_bytes=len(blob))


def refusal(index: int, reason: Reason) -> Any:
    return gateway.Refusal(index=index, reason=reason, sentence=SENTENCES[reason])
