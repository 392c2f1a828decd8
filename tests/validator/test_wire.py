"""The wire: malformed fields by their path, limits, receipts, health, reflection; nothing ends in UNKNOWN."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from protocol.encoding import U32, sha256
from protocol.keys import Available, Receipt, recover_quorum
from protocol.limits import MAX_BATCH_ENTRIES, MAX_BLOB_CHUNK_BYTES, MAX_MESSAGE_BYTES
from protocol.manifest import COMMITS, Manifest
from protocol.reasons import SENTENCES, Reason
from protocol.records import Beacon, Registration, Session, Witness
from protos.farfield.v1 import gateway_pb2 as gateway
from protos.farfield.v1 import peer_pb2 as peer
from tests.factories import NETWORK
from tests.validator.batches import DEVICES, open_session, report
from tests.validator.disks import BlockedDisk, DiaryDisk, FullDisk
from tests.validator.fakes import DOMAIN
from tests.validator.nodes import LocalNetwork, all_hear_all, owner_of, run, start_ms, until
from tests.validator.requests import client_of_one, honest
from tests.validator.server import METHODS, Client, fingerprint, served


@pytest.mark.parametrize("method", METHODS)
def test_an_honest_request_is_answered(tmp_path: Path, method: str) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            assert await client.call(method, await honest(client, method)) is not None

    run(test)


# --- malformed fields ---------------------------------------------------------------------------------------------


def widths(method: str, path: str, width: int) -> list[tuple[str, str, bytes]]:
    return [(method, path, bytes(wrong)) for wrong in (0, 1, width - 1, width + 1)]


TOO_LARGE = 2**63
MALFORMED: list[tuple[str, str, Any]] = [
    *widths("OpenSessions", "sessions[3].session", Session.width()),
    *widths("OpenSessions", "sessions[0].signature", 64),
    *widths("SubmitCommits", "commits[3].session_token", 32),
    *widths("SubmitCommits", "commits[0].report_id", 32),
    ("SubmitCommits", "commits[2].epoch", TOO_LARGE),
    ("SubmitCommits", "commits[2].epoch", 2**64 - 1),
    *widths("SubmitReports", "reports[3].report", Beacon.width()),
    *widths("SubmitReports", "reports[1].report", Witness.width()),
    *widths("SubmitReports", "reports[0].signature", 64),
    *widths("GetVerdicts", "report_ids[3]", 32),
    *widths("RelayRegistration", "registration", Registration.width()),
    *widths("RelayRegistration", "signature", 64),
    ("GetEpoch", "epoch", TOO_LARGE),
    ("AnnounceManifest", "epoch", TOO_LARGE),
    *widths("AnnounceManifest", "validator", 20),
    *widths("AnnounceManifest", "manifest_hash", 32),
    *widths("AnnounceManifest", "signature", 65),
    ("GetRootSignature", "epoch", TOO_LARGE),
    ("GetRootSignature", "set_id", TOO_LARGE),
    *widths("GetBlob", "sha256", 32),
    ("GetBlob", "offset", TOO_LARGE),
]


def bend(request: Any, path: str, value: Any) -> None:
    """Sets the field at a path like `commits[3].report_id`."""
    *inner, last = re.findall(r"\w+", path)
    for step in inner:
        request = request[int(step)] if step.isdigit() else getattr(request, step)
    if last.isdigit():
        request[int(last)] = value
    else:
        setattr(request, last, value)


def named(case: object) -> str:
    return f"{len(case)} bytes" if isinstance(case, bytes) else str(case)


async def refused_without_a_trace(client: Client, method: str, request: Any) -> tuple[grpc.StatusCode, str]:
    """What the call is refused with; fails if it left anything in the inbox, the sessions or on disk."""
    node = client.node
    files, sessions = fingerprint(node.directory), dict(node.sessions._open)
    rows = [dict(kept) for kept in node.inbox.epoch(1).rows.values()]
    result = await client.refusal(method, request)
    assert fingerprint(node.directory) == files
    assert dict(node.sessions._open) == sessions
    assert [dict(kept) for kept in node.inbox.epoch(1).rows.values()] == rows
    assert node.sender.calls == []
    return result


@pytest.mark.parametrize(("method", "path", "value"), MALFORMED, ids=named)
def test_a_malformed_field_is_refused_by_its_path_and_changes_nothing(
    tmp_path: Path, method: str, path: str, value: Any
) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            request = await honest(client, method)
            bend(request, path, value)
            status, sentence = await refused_without_a_trace(client, method, request)
            assert status is grpc.StatusCode.INVALID_ARGUMENT
            assert sentence.startswith(f"{path}: expected ")

    run(test)


def test_a_report_of_an_epoch_no_number_can_be_is_refused_by_its_path(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            bent = report(sent_at_ms=0, epoch=1).report
            data = bytearray(bent.encode())
            data[60:68] = b"\xff" * 8
            request = gateway.SubmitReportsRequest(reports=[gateway.Report(report=bytes(data), signature=bytes(64))])
            status, sentence = await refused_without_a_trace(client, "SubmitReports", request)
            assert (status, sentence) == (
                grpc.StatusCode.INVALID_ARGUMENT,
                "reports[0].report.epoch: expected a number below 2^63",
            )

    run(test)


BATCHES = {
    "OpenSessions": "sessions",
    "SubmitCommits": "commits",
    "SubmitReports": "reports",
    "GetVerdicts": "report_ids",
}


@pytest.mark.parametrize("entries", [0, MAX_BATCH_ENTRIES + 1])
@pytest.mark.parametrize(("method", "path"), BATCHES.items())
def test_refuses_an_empty_batch_and_one_entry_too_many(tmp_path: Path, method: str, path: str, entries: int) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            request = await honest(client, method, entries)
            status, sentence = await refused_without_a_trace(client, method, request)
            assert status is grpc.StatusCode.INVALID_ARGUMENT
            assert sentence == f"{path}: expected 1 to 256 entries, found {entries}"

    run(test)


@pytest.mark.parametrize("method", BATCHES)
def test_takes_a_full_batch(tmp_path: Path, method: str) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            assert await client.call(method, await honest(client, method, MAX_BATCH_ENTRIES)) is not None

    run(test)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip], ids=["plain", "gzip"])
def test_refuses_a_message_that_is_too_large_also_once_it_is_unpacked(
    tmp_path: Path, method: str, compression: grpc.Compression
) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            field = b"\x7a" + bytes([0x80 | 1, 0x80, 0x80, 0x01])
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await client.raw(method, field + bytes(16 * MAX_MESSAGE_BYTES), compression=compression)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    run(test)


@pytest.mark.parametrize("method", METHODS)
def test_bytes_that_are_no_message_are_an_invalid_argument(tmp_path: Path, method: str) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            with pytest.raises(grpc.aio.AioRpcError, match="not the message this method takes") as refused:
                await client.raw(method, b"\xff\xff\xff")
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    run(test)


# --- what becomes of well-formed requests -------------------------------------------------------------------------


def test_a_receipt_verifies_and_covers_exactly_the_stored_entries(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            request = await honest(client, "SubmitCommits")
            request.commits[1].session_token = bytes(32)
            reply = await client.call("SubmitCommits", request)
            [refusal] = reply.refusals
            assert (refusal.index, refusal.reason, refusal.sentence) == (
                1,
                Reason.NO_SESSION,
                SENTENCES[Reason.NO_SESSION],
            )
            kept = [request.commits[place].report_id for place in (0, 2, 3)]
            receipt = Receipt(sha256(*kept), 3, client.node.network.clock.now_ms())
            assert (reply.receipt.batch_hash, reply.receipt.entries) == (receipt.batch_hash, 3)
            assert reply.receipt.validator == client.node.owner
            assert recover_quorum(DOMAIN.digest(receipt), reply.receipt.signature) == client.node.signer.address
            stored = client.node.inbox.epoch(1).rows[COMMITS]
            assert {key[32:] for key in stored} == set(kept)

    run(test)


def test_no_receipt_field_when_nothing_is_stored(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            request = await honest(client, "SubmitReports", 1)
            request.reports[0].signature = bytes(64)
            reply = await client.call("SubmitReports", request)
            assert not reply.HasField("receipt")
            assert [one.reason for one in reply.refusals] == [Reason.SIGNATURE_REFUSED]

    run(test)


@pytest.mark.parametrize(("method", "name"), [("SubmitCommits", "commits.log"), ("SubmitReports", "beacons.log")])
def test_an_fsync_of_the_right_file_precedes_every_receipt_that_leaves(tmp_path: Path, method: str, name: str) -> None:
    async def test() -> None:
        disk = DiaryDisk()
        async with client_of_one(tmp_path, disk=disk) as client:
            requests = [await honest(client, method, entries) for entries in (1, 2, 4)]
            disk.events.clear()
            for request in requests:
                await client.call(method, request)
                disk.note("receipt")
            assert disk.events == [("append", name), ("sync", name), ("receipt", "")] * 3

    run(test)


def test_calls_that_arrive_while_the_disk_is_busy_share_one_fsync(tmp_path: Path) -> None:
    async def test() -> None:
        disk = BlockedDisk()
        disk.open.set()
        async with client_of_one(tmp_path, disk=disk) as client:
            token = await open_session(client.node)
            first, *others = [
                gateway.SubmitCommitsRequest(
                    commits=[gateway.Commit(session_token=token, epoch=1, report_id=sha256(U32.encode(number)))]
                )
                for number in range(90)
            ]
            disk.open.clear()
            disk.waiting.clear()
            disk.events.clear()
            calls = [asyncio.create_task(client.call("SubmitCommits", first))]
            await until(disk.waiting.is_set)
            calls += [asyncio.create_task(client.call("SubmitCommits", one)) for one in others]
            await until(lambda: len(client.node.inbox._waiting) == len(others))
            disk.open.set()
            replies = await asyncio.gather(*calls)
            assert all(reply.HasField("receipt") for reply in replies)
            assert disk.count("sync", "commits.log") == 2

    run(test)


def test_a_full_disk_is_unavailable_and_the_batch_is_taken_later(tmp_path: Path) -> None:
    async def test() -> None:
        disk = FullDisk()
        async with client_of_one(tmp_path, disk=disk) as client:
            request = await honest(client, "SubmitCommits")
            disk.fail("append")
            status, sentence = await client.refusal("SubmitCommits", request)
            assert status is grpc.StatusCode.UNAVAILABLE
            assert "No space left on device; nothing of this batch was stored, send it again" in sentence
            assert (await client.call("SubmitCommits", request)).HasField("receipt")

    run(test)


def test_a_full_disk_is_unavailable_to_peers_too(tmp_path: Path) -> None:
    async def test() -> None:
        disk = FullDisk()
        async with client_of_one(tmp_path, start_ms(2) + 4_000, disk=disk) as client:
            network, manifest = client.node.network, Manifest(NETWORK, 1, owner_of(2), (), (), ())
            await network.start(2)
            network.nodes[2].store.put(manifest.encode())
            request = await honest(client, "AnnounceManifest")
            disk.fail("append")
            status, sentence = await client.refusal("AnnounceManifest", request)
            assert status is grpc.StatusCode.UNAVAILABLE
            assert "No space left on device" in sentence
            reply = await client.call("AnnounceManifest", request)
            digest = DOMAIN.digest(Available(1, owner_of(2), manifest.digest()))
            assert recover_quorum(digest, reply.signature) == client.node.signer.address

    run(test)


@pytest.mark.parametrize("method", ["OpenSessions", "RelayRegistration", "GetEpoch", "AnnounceManifest"])
def test_a_silent_chain_is_unavailable(tmp_path: Path, method: str) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path, start_ms(2) + 4_000) as client:
            request = await honest(client, method)
            client.node.view._kept.clear()
            client.node.network.chain.down = True
            status, sentence = await client.refusal(method, request)
            assert (status, sentence[:25]) == (grpc.StatusCode.UNAVAILABLE, "No RPC address answers. I")

    run(test)


def test_a_session_is_opened_or_refused_entry_by_entry(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            request = await honest(client, "OpenSessions", 2)
            request.sessions[0].signature = bytes(64)
            reply = await client.call("OpenSessions", request)
            assert [one.refusal.reason for one in reply.results] == [Reason.SIGNATURE_REFUSED, 0]
            assert [len(one.token) for one in reply.results] == [0, 32]

    run(test)


def test_a_blob_comes_in_pieces_with_its_length(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            data = random.Random(20_261_124).randbytes(2 * MAX_BLOB_CHUNK_BYTES + 5)
            digest, found = client.node.store.put(data), b""
            for offset in (0, MAX_BLOB_CHUNK_BYTES, 2 * MAX_BLOB_CHUNK_BYTES):
                reply = await client.call("GetBlob", peer.GetBlobRequest(sha256=digest, offset=offset))
                assert reply.total_bytes == len(data)
                found += reply.data
            assert found == data

    run(test)


@pytest.mark.parametrize("offset", [1_000, 2**62, 2**63 - 1])
def test_a_piece_past_the_end_of_a_blob_is_empty(tmp_path: Path, offset: int) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            digest = client.node.store.put(bytes(1_000))
            reply = await client.call("GetBlob", peer.GetBlobRequest(sha256=digest, offset=offset))
            assert (reply.data, reply.total_bytes) == (b"", 1_000)

    run(test)


def test_a_blob_nobody_has_is_not_found(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            status, _ = await client.refusal("GetBlob", peer.GetBlobRequest(sha256=bytes(32)))
            assert status is grpc.StatusCode.NOT_FOUND

    run(test)


def test_an_epoch_that_is_not_known_is_not_found(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            for epoch in (0, 2, 2**63 - 1):
                status, _ = await client.refusal("GetEpoch", gateway.GetEpochRequest(epoch=epoch))
                assert status is grpc.StatusCode.NOT_FOUND

    run(test)


def test_a_registration_over_the_daily_limit_is_resource_exhausted(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            request = await honest(client, "RelayRegistration")
            for _ in range(client.node.rules.params.relay.per_owner):
                await client.call("RelayRegistration", request)
            status, sentence = await client.refusal("RelayRegistration", request)
            assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "come back tomorrow" in sentence

    run(test)


def test_a_root_signature_and_verdicts_are_those_of_the_runtime(tmp_path: Path) -> None:
    async def test() -> None:
        network = LocalNetwork(tmp_path)
        network.chain.register(*DEVICES)
        network.clock.time_ms = start_ms(1) - 2_000
        await network.start()
        await network.feed(all_hear_all(network.world(1, *DEVICES)))
        network.clock.time_ms = start_ms(2)
        await network.run_until(lambda: bool(network.chain.submitted), 30_000)
        async with served(network.nodes[1]) as client:
            reply = await client.call("GetRootSignature", peer.GetRootSignatureRequest(epoch=1, set_id=1))
            own = network.nodes[1].runtime.root_signature(1, 1)
            assert own is not None
            assert (reply.known, reply.root, reply.signature) == (True, own.root.root, own.signature)
            other = await client.call("GetRootSignature", peer.GetRootSignatureRequest(epoch=1, set_id=2))
            assert not other.known
            status = await client.call("GetStatus", peer.GetStatusRequest())
            assert (status.validator, status.settled_epoch, status.waiting) == (owner_of(1), 1, "")
            one = next(iter(network.nodes[1].inbox.epoch(1).rows[COMMITS]))[32:]
            [verdict] = (await client.call("GetVerdicts", gateway.GetVerdictsRequest(report_ids=[one]))).verdicts
            assert (verdict.report_id, verdict.final, verdict.sentence) == (one, True, "Accepted.")
        await network.stop()

    run(test)


# --- the server ---------------------------------------------------------------------------------------------------


def test_health_says_serving(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            reply = await health_pb2_grpc.HealthStub(client.channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING

    run(test)


def test_reflection_lists_every_service(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
            asked = reflection_pb2.ServerReflectionRequest(list_services="")
            [reply] = [one async for one in stub.ServerReflectionInfo(iter([asked]), timeout=5)]
            names = {one.name for one in reply.list_services_response.service}
            assert {"farfield.v1.Gateway", "farfield.v1.Peer", "grpc.health.v1.Health"} <= names

    run(test)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            with pytest.raises(RuntimeError, match=r"port|bind"):
                async with served(client.node, client.port):
                    raise AssertionError("two servers listen on one port")

    run(test)


def test_a_fault_of_ours_is_internal_and_logged_and_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:

            def broken() -> None:
                raise ZeroDivisionError("a secret")

            monkeypatch.setattr(client.node.gateway, "challenge", broken)
            with capture_logs() as logs:
                status, sentence = await client.refusal("GetChallenge", gateway.GetChallengeRequest())
            assert status is grpc.StatusCode.INTERNAL
            assert "secret" not in sentence
            assert [one["event"] for one in logs] == ["call_crashed"]

    run(test)
