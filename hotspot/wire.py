"""The only module that speaks protobuf: calls to one validator, in and out as plain values.

A call that fails is a `CallFailed`, never an exception: a validator that is down or wrong is an everyday event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from grpc import aio

from hotspot.reporting.receipts import SignedReceipt
from protocol.encoding import sha256
from protocol.ids import HASH_BYTES, ReportId
from protocol.limits import MAX_BLOB_CHUNK_BYTES, MAX_MESSAGE_BYTES
from protocol.reasons import Reason
from protos.farfield.v1 import gateway_pb2 as gateway
from protos.farfield.v1 import gateway_pb2_grpc, peer_pb2_grpc
from protos.farfield.v1 import peer_pb2 as peer

CALL_TIMEOUT_S = 5.0
RELAY_TIMEOUT_S = 60.0
VERDICT_TIMEOUT_S = 30.0
"""A validator may judge an open epoch before it answers."""
RECONNECT_MS = 2_000
TOKEN_BYTES = 32
MAX_BLOB_BYTES = 64 * 1024 * 1024
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", RECONNECT_MS),
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call that brought nothing: gRPC's code and the other side's sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Refused:
    """One entry the validator did not take; `reason` as protocol.reasons names it."""

    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An open session."""

    token: bytes
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch: refusals by place in it, and the receipt for the rest."""

    refusals: dict[int, Refused]
    receipt: SignedReceipt | None


@dataclass(frozen=True, slots=True)
class Relayed:
    """A registration on its way into the chain."""

    hotspot_id: bytes
    transaction_hash: bytes


@dataclass(frozen=True, slots=True)
class ValidatorStatus:
    """Where a validator stands."""

    validator: bytes
    protocol_version: int
    params_file: bytes
    waiting: str


@dataclass(frozen=True, slots=True)
class ReportVerdict:
    """What a validator thinks of one report."""

    report_id: bytes
    final: bool
    reason: str
    sentence: str
    measured: int
    allowed: int


class ValidatorClient:
    """One channel to one validator. `endpoint` is host:port, with https:// before it for TLS."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        if endpoint.startswith("https://"):
            target = endpoint.removeprefix("https://")
            self._channel = aio.secure_channel(target, grpc.ssl_channel_credentials(), options=CHANNEL_OPTIONS)
        else:
            self._channel = aio.insecure_channel(endpoint.removeprefix("http://"), options=CHANNEL_OPTIONS)
        self._gateway = gateway_pb2_grpc.GatewayStub(self._channel)
        self._peer = peer_pb2_grpc.PeerStub(self._channel)

    async def close(self) -> None:
        await self._channel.close()

    # --- what a hotspot sends -------------------------------------------------------------------------------

    async def challenge(self) -> bytes | CallFailed:
        """A nonce to sign into session records."""
        reply = await _call(self._gateway.GetChallenge(gateway.GetChallengeRequest(), timeout=CALL_TIMEOUT_S))
        return reply if isinstance(reply, CallFailed) else reply.server_nonce

    async def open_sessions(self, signed: Sequence[tuple[bytes, bytes]]) -> list[Opened | Refused] | CallFailed:
        """A session, or why there is none, for each (canonical Session, signature)."""
        sessions = [gateway.SignedSession(session=session, signature=signature) for session, signature in signed]
        request = gateway.OpenSessionsRequest(sessions=sessions)
        reply = await _call(self._gateway.OpenSessions(request, timeout=CALL_TIMEOUT_S))
        if isinstance(reply, CallFailed):
            return reply
        if len(reply.results) != len(signed):
            return _wrong(f"{len(reply.results)} results for {len(signed)} sessions")
        if any(len(result.token) not in (0, TOKEN_BYTES) for result in reply.results):
            return _wrong(f"a session's token does not have {TOKEN_BYTES} bytes")
        return [
            Opened(result.token, result.expires_at_ms) if result.token else _refused(result.refusal)
            for result in reply.results
        ]

    async def submit_commits(self, commits: Sequence[tuple[bytes, int, ReportId]]) -> Taken | CallFailed:
        """Commits as (session token, epoch, report id)."""
        request = gateway.SubmitCommitsRequest(
            commits=[gateway.Commit(session_token=token, epoch=epoch, report_id=id_) for token, epoch, id_ in commits]
        )
        return _taken(await _call(self._gateway.SubmitCommits(request, timeout=CALL_TIMEOUT_S)))

    async def submit_reports(self, reports: Sequence[tuple[bytes, bytes]]) -> Taken | CallFailed:
        """Reveals as (canonical report, signature)."""
        request = gateway.SubmitReportsRequest(
            reports=[gateway.Report(report=report, signature=signature) for report, signature in reports]
        )
        return _taken(await _call(self._gateway.SubmitReports(request, timeout=CALL_TIMEOUT_S)))

    async def relay_registration(self, registration: bytes, signature: bytes) -> Relayed | CallFailed:
        """Asks the validator to put a signed registration on chain."""
        request = gateway.RelayRegistrationRequest(registration=registration, signature=signature)
        reply = await _call(self._gateway.RelayRegistration(request, timeout=RELAY_TIMEOUT_S))
        if isinstance(reply, CallFailed):
            return reply
        if len(reply.hotspot_id) != HASH_BYTES or len(reply.transaction_hash) != HASH_BYTES:
            return _wrong("its answer names no hotspot and transaction")
        return Relayed(reply.hotspot_id, reply.transaction_hash)

    # --- what it asks ---------------------------------------------------------------------------------------

    async def verdicts(self, report_ids: Sequence[ReportId]) -> list[ReportVerdict] | CallFailed:
        """Verdicts on the reports this validator knows."""
        request, asked = gateway.GetVerdictsRequest(report_ids=report_ids), set(report_ids)
        reply = await _call(self._gateway.GetVerdicts(request, timeout=VERDICT_TIMEOUT_S))
        if isinstance(reply, CallFailed):
            return reply
        return [
            ReportVerdict(one.report_id, one.final, reason_name(one.reason), one.sentence, one.measured, one.allowed)
            for one in reply.verdicts
            if one.report_id in asked
        ]

    async def status(self) -> ValidatorStatus | CallFailed:
        """Where this validator stands."""
        reply = await _call(self._peer.GetStatus(peer.GetStatusRequest(), timeout=CALL_TIMEOUT_S))
        if isinstance(reply, CallFailed):
            return reply
        return ValidatorStatus(reply.validator, reply.protocol_version, reply.params_file, reply.waiting)

    async def blob(self, digest: bytes) -> bytes | CallFailed:
        """The public bytes with this sha256, checked."""
        data = b""
        while True:
            request = peer.GetBlobRequest(sha256=digest, offset=len(data))
            reply = await _call(self._peer.GetBlob(request, timeout=CALL_TIMEOUT_S))
            if isinstance(reply, CallFailed):
                return reply
            if not len(data) <= reply.total_bytes <= MAX_BLOB_BYTES or len(reply.data) > MAX_BLOB_CHUNK_BYTES:
                return _wrong(f"a blob of {reply.total_bytes} bytes is more than expected")
            data += reply.data
            if len(data) == reply.total_bytes:
                break
            if not reply.data:
                return _wrong("the blob ended early")
        return data if sha256(data) == digest else _wrong("the bytes do not have the hash asked for")


async def _call(call: Awaitable[T]) -> T | CallFailed:
    try:
        reply = await call
    except aio.AioRpcError as error:
        return CallFailed(error.code().name, error.details() or error.code().name)
    return _wrong("its answer cannot be read") if reply is None else reply  # gRPC's way to say so


def _wrong(sentence: str) -> CallFailed:
    return CallFailed("WRONG_ANSWER", sentence)


def _taken(reply: Any) -> Taken | CallFailed:
    if isinstance(reply, CallFailed):
        return reply
    refusals = {refusal.index: _refused(refusal) for refusal in reply.refusals}
    receipt = None
    if reply.HasField("receipt"):
        one = reply.receipt
        receipt = SignedReceipt(one.validator, one.batch_hash, one.entries, one.stored_at_ms, one.signature)
    return Taken(refusals, receipt)


def _refused(refusal: Any) -> Refused:
    name = reason_name(refusal.reason)
    return Refused(name, refusal.sentence or name)


def reason_name(code: int) -> str:
    """A reason's name; a code of a later release keeps its number."""
    return Reason(code).name if code in Reason._value2member_map_ else f"REASON_{code}"
