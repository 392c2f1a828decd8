"""The Gateway service: what hotspots call."""

from __future__ import annotations

from typing import Any

import grpc

from protocol.encoding import Record
from protocol.ids import SIGNATURE_BYTES, ReportId
from protocol.reasons import SENTENCES, Reason
from protocol.records import Beacon, Registration, Session, Witness
from protos.farfield.v1 import gateway_pb2 as messages
from protos.farfield.v1.gateway_pb2_grpc import GatewayServicer
from validator.gateway import CommitEntry, Gateway, ReportEntry, Taken, UnavailableError
from validator.relay import RelayRefusedError
from validator.sessions import TOKEN_BYTES
from validator.wire.checks import FieldError, batch, canonical, exact, number, refuse


class GatewayService(GatewayServicer):
    """Turns messages into the gateway's values; refuses malformed fields by their path."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def GetChallenge(self, request: Any, context: grpc.aio.ServicerContext) -> messages.GetChallengeReply:  # noqa: N802
        nonce, valid_until_ms = self._gateway.challenge()
        return messages.GetChallengeReply(server_nonce=nonce, valid_until_ms=valid_until_ms)

    async def OpenSessions(self, request: Any, context: grpc.aio.ServicerContext) -> messages.OpenSessionsReply:  # noqa: N802
        try:
            sessions = [_session(entry, at) for at, entry in enumerate(batch(request.sessions, "sessions"))]
        except FieldError as error:
            await refuse(context, error)
        results = await self._run(context, self._gateway.open_sessions(sessions))
        return messages.OpenSessionsReply(
            results=[_session_result(at, result, sessions[at][0]) for at, result in enumerate(results)]
        )

    async def SubmitCommits(self, request: Any, context: grpc.aio.ServicerContext) -> messages.SubmitReply:  # noqa: N802
        try:
            commits = [_commit(entry, at) for at, entry in enumerate(batch(request.commits, "commits"))]
        except FieldError as error:
            await refuse(context, error)
        return _submit_reply(await self._run(context, self._gateway.take_commits(commits)))

    async def SubmitReports(self, request: Any, context: grpc.aio.ServicerContext) -> messages.SubmitReply:  # noqa: N802
        try:
            reports = [_report(entry, at) for at, entry in enumerate(batch(request.reports, "reports"))]
        except FieldError as error:
            await refuse(context, error)
        return _submit_reply(await self._run(context, self._gateway.take_reports(reports)))

    async def GetVerdicts(self, request: Any, context: grpc.aio.ServicerContext) -> messages.GetVerdictsReply:  # noqa: N802
        try:
            ids = [
                ReportId(exact(one, 32, f"report_ids[{at}]"))
                for at, one in enumerate(batch(request.report_ids, "report_ids"))
            ]
        except FieldError as error:
            await refuse(context, error)
        verdicts = await self._run(context, self._gateway.verdicts(ids))
        return messages.GetVerdictsReply(
            verdicts=[
                messages.Verdict(
                    report_id=outcome.report_id,
                    final=final,
                    reason=outcome.reason,
                    sentence=SENTENCES[Reason(outcome.reason)],
                    measured=outcome.measured,
                    allowed=outcome.allowed,
                )
                for outcome, final in verdicts
            ]
        )

    async def RelayRegistration(  # noqa: N802
        self, request: Any, context: grpc.aio.ServicerContext
    ) -> messages.RelayRegistrationReply:
        try:
            registration = canonical(Registration, request.registration, "registration")
            signature = exact(request.signature, SIGNATURE_BYTES, "signature")
        except FieldError as error:
            await refuse(context, error)
        try:
            relayed = await self._run(context, self._gateway.relay(registration, signature, _host(context)))
        except RelayRefusedError as error:
            status = grpc.StatusCode.RESOURCE_EXHAUSTED if error.over_limit else grpc.StatusCode.FAILED_PRECONDITION
            await context.abort(status, str(error))
        return messages.RelayRegistrationReply(hotspot_id=relayed.hotspot_id, transaction_hash=relayed.transaction_hash)

    async def GetEpoch(self, request: Any, context: grpc.aio.ServicerContext) -> messages.GetEpochReply:  # noqa: N802
        try:
            epoch = number(request.epoch, "epoch")
        except FieldError as error:
            await refuse(context, error)
        facts = await self._run(context, self._gateway.epoch_facts(epoch))
        if facts is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "the epoch's seed is not final yet; ask again later")
        return messages.GetEpochReply(
            epoch=epoch,
            start_ms=facts.start_ms,
            seed=facts.seed,
            block_hash=facts.block_hash,
            params_hash=facts.params_hash,
        )

    async def _run(self, context: grpc.aio.ServicerContext, work: Any) -> Any:
        """The result, or UNAVAILABLE with a sentence when the chain or the disk does not answer."""
        try:
            return await work
        except UnavailableError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))


def _session(entry: Any, at: int) -> tuple[Session, bytes]:
    path = f"sessions[{at}]"
    return (
        canonical(Session, entry.session, f"{path}.session"),
        exact(entry.signature, SIGNATURE_BYTES, f"{path}.signature"),
    )


def _session_result(at: int, result: bytes | Reason, session: Session) -> messages.SessionResult:
    if isinstance(result, Reason):
        return messages.SessionResult(refusal=_refusal(at, result))
    return messages.SessionResult(token=result, expires_at_ms=session.expires_at_ms)


def _commit(entry: Any, at: int) -> CommitEntry:
    path = f"commits[{at}]"
    return CommitEntry(
        token=exact(entry.session_token, TOKEN_BYTES, f"{path}.session_token"),
        epoch=number(entry.epoch, f"{path}.epoch"),
        report_id=ReportId(exact(entry.report_id, 32, f"{path}.report_id")),
    )


def _report(entry: Any, at: int) -> ReportEntry:
    path = f"reports[{at}]"
    kinds: dict[int, type[Record]] = {Beacon.width(): Beacon, Witness.width(): Witness}
    kind = kinds.get(len(entry.report))
    if kind is None:
        widths = " or ".join(f"{width} ({record.__name__})" for width, record in sorted(kinds.items()))
        raise FieldError(f"{path}.report: expected {widths} bytes, found {len(entry.report)}")
    report = canonical(kind, entry.report, f"{path}.report")
    number(report.epoch, f"{path}.report.epoch")
    return ReportEntry(report, entry.report, exact(entry.signature, SIGNATURE_BYTES, f"{path}.signature"))


def _submit_reply(taken: Taken) -> messages.SubmitReply:
    reply = messages.SubmitReply(refusals=[_refusal(at, reason) for at, reason in taken.refusals])
    if taken.receipt is not None:
        reply.receipt.CopyFrom(
            messages.Receipt(
                validator=taken.validator,
                batch_hash=taken.receipt.batch_hash,
                entries=taken.receipt.entries,
                stored_at_ms=taken.receipt.stored_at_ms,
                signature=taken.signature,
            )
        )
    return reply


def _refusal(at: int, reason: Reason) -> messages.Refusal:
    return messages.Refusal(index=at, reason=int(reason), sentence=SENTENCES[reason])


def _host(context: grpc.aio.ServicerContext) -> str:
    """The caller's network address without its port: ipv4:127.0.0.1:5000 -> ipv4:127.0.0.1."""
    return str(context.peer()).rpartition(":")[0]
