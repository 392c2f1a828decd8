"""A client of one validator, and honest requests of every method."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from protocol.encoding import U32, sha256
from protocol.manifest import Manifest
from protos.farfield.v1 import gateway_pb2 as gateway
from protos.farfield.v1 import peer_pb2 as peer
from tests.factories import NETWORK, validator_key
from tests.validator.batches import DEVICES, one_validator, open_session, registration, report, session_record
from tests.validator.fakes import DOMAIN
from tests.validator.nodes import owner_of, start_ms
from tests.validator.server import Client, served
from validator.signer import Signer


@asynccontextmanager
async def client_of_one(directory: Path, now_ms: int = start_ms(1) + 10_000, **bent: Any) -> AsyncIterator[Client]:
    async with one_validator(directory, now_ms, **bent) as node:
        await asyncio.to_thread(node.gateway._open, 1)
        async with served(node) as client:
            yield client


async def honest(client: Client, method: str, entries: int = 4) -> Any:
    """A request that is answered."""
    node = client.node
    if method == "OpenSessions":
        signed = [session_record(node, DEVICES[number % 3]) for number in range(entries)]
        return gateway.OpenSessionsRequest(
            sessions=[gateway.SignedSession(session=one.encode(), signature=signature) for one, signature in signed]
        )
    if method == "SubmitCommits":
        token = await open_session(node, DEVICES[0])
        ids = [sha256(U32.encode(number)) for number in range(entries)]
        return gateway.SubmitCommitsRequest(
            commits=[gateway.Commit(session_token=token, epoch=1, report_id=one) for one in ids]
        )
    if method == "SubmitReports":
        made = [report(number) for number in range(entries)]
        return gateway.SubmitReportsRequest(
            reports=[gateway.Report(report=one.canonical, signature=one.signature) for one in made]
        )
    if method == "RelayRegistration":
        record, signature = registration("new")
        return gateway.RelayRegistrationRequest(registration=record.encode(), signature=signature)
    if method == "AnnounceManifest":
        poster = Signer(validator_key("v2"), DOMAIN, client.node.directory.parent / "v2.log", node.disk)
        digest = Manifest(NETWORK, 1, owner_of(2), (), (), ()).digest()
        signature = poster.manifest(1, digest)
        poster.close()
        return peer.AnnounceManifestRequest(epoch=1, validator=owner_of(2), manifest_hash=digest, signature=signature)
    return {
        "GetChallenge": gateway.GetChallengeRequest(),
        "GetVerdicts": gateway.GetVerdictsRequest(report_ids=[bytes(32)] * entries),
        "GetEpoch": gateway.GetEpochRequest(epoch=1),
        "GetRootSignature": peer.GetRootSignatureRequest(epoch=1, set_id=1),
        "GetBlob": peer.GetBlobRequest(sha256=node.store.put(bytes(1_000)), offset=10),
        "GetStatus": peer.GetStatusRequest(),
    }[method]
