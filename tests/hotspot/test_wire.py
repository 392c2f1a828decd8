"""Answers of a validator that is wrong, or of somebody on the way to it: a value each time, never an exception."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc import aio

from hotspot.wire import CallFailed, ValidatorClient
from protocol.ids import ReportId
from protos.farfield.v1 import gateway_pb2 as gateway

NOT_PROTOBUF = b"\xff\xff\xff\xff"
ASKED, OTHER = ReportId(b"\x01" * 32), ReportId(b"\x02" * 32)
Ask = Callable[[ValidatorClient], Awaitable[Any]]
CALLS: dict[str, Ask] = {
    "challenge": lambda one: one.challenge(),
    "open_sessions": lambda one: one.open_sessions([(b"session", b"signature")]),
    "submit_commits": lambda one: one.submit_commits([(b"token", 7, ASKED)]),
    "submit_reports": lambda one: one.submit_reports([(b"report", b"signature")]),
    "relay_registration": lambda one: one.relay_registration(b"registration", b"signature"),
    "verdicts": lambda one: one.verdicts([ASKED]),
    "status": lambda one: one.status(),
    "blob": lambda one: one.blob(bytes(32)),
}


class Answering(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Says the same bytes to every call, and OK."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    async def _say(self, request: bytes, context: Any) -> bytes:
        return self.answer

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._say)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    server = aio.server()
    server.add_generic_rpc_handlers((Answering(answer),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def asked(ask: Ask, answer: bytes) -> Any:
    async def act() -> Any:
        async with answering(answer) as endpoint:
            client = ValidatorClient(endpoint)
            try:
                return await ask(client)
            finally:
                await client.close()

    return asyncio.run(act())


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_that_is_no_protobuf_is_a_failed_call(name: str) -> None:
    assert asked(CALLS[name], NOT_PROTOBUF) == CallFailed("WRONG_ANSWER", "its answer cannot be read")


def test_a_token_of_another_length_opens_no_session() -> None:
    reply = gateway.OpenSessionsReply(results=[gateway.SessionResult(token=b"short", expires_at_ms=2**63)])
    told = asked(CALLS["open_sessions"], reply.SerializeToString())
    assert told == CallFailed("WRONG_ANSWER", "a session's token does not have 32 bytes")


def test_a_registration_relayed_without_a_transaction_is_a_failed_call() -> None:
    reply = gateway.RelayRegistrationReply(hotspot_id=b"\x80" * 32)
    told = asked(CALLS["relay_registration"], reply.SerializeToString())
    assert told == CallFailed("WRONG_ANSWER", "its answer names no hotspot and transaction")


def test_verdicts_nobody_asked_for_are_left_out() -> None:
    verdicts = [gateway.Verdict(report_id=one, final=True) for one in (OTHER, b"", ASKED)]
    told = asked(CALLS["verdicts"], gateway.GetVerdictsReply(verdicts=verdicts).SerializeToString())
    assert [one.report_id for one in told] == [ASKED]
