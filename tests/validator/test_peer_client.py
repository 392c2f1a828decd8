"""Calling a peer: whatever it does wrong, or not at all, is a value, and never takes for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from protocol.encoding import sha256
from protocol.limits import MAX_BLOB_CHUNK_BYTES, MAX_SEGMENT_BYTES
from protos.farfield.v1 import peer_pb2 as messages
from protos.farfield.v1.peer_pb2_grpc import PeerServicer, add_PeerServicer_to_server
from tests.validator.disks import QuickDisk
from tests.validator.nodes import LocalNetwork, owner_of, run, start_ms
from tests.validator.server import served
from validator.blobs import BlobStore
from validator.sources import BlobSource
from validator.wire import client as client_module
from validator.wire.client import PeerClient

CHUNK = MAX_BLOB_CHUNK_BYTES


class BentPeer(PeerServicer):
    """A peer whose answers a test makes up."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.calls = answers, 0

    async def GetBlob(self, request: Any, context: Any) -> Any:
        self.calls += 1
        return await self.answers["blob"](request.offset)

    async def AnnounceManifest(self, request: Any, context: Any) -> Any:
        return self.answers["announce"]

    async def GetStatus(self, request: Any, context: Any) -> Any:
        return self.answers["status"]

    async def GetRootSignature(self, request: Any, context: Any) -> Any:
        return self.answers["root"]


class Seconds:
    """A clock in seconds that moves when a test says so."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def __call__(self) -> float:
        return self.time_s


@asynccontextmanager
async def client_of(servicer: PeerServicer, now_s: Callable[[], float] = time.monotonic) -> AsyncIterator[PeerClient]:
    server = grpc.aio.server()
    add_PeerServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = PeerClient(owner_of(2), f"127.0.0.1:{port}", "validator 2", now_s)
    try:
        yield client
    finally:
        await client.close()
        await server.stop(None)


def blob_server(data: bytes, chunk: int = CHUNK, total: int | None = None) -> BentPeer:
    async def piece(offset: int) -> Any:
        return messages.GetBlobReply(
            data=data[offset : offset + chunk], total_bytes=len(data) if total is None else total
        )

    return BentPeer(blob=piece)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_blob_of_any_size_arrives(tmp_path: Path, size: int) -> None:
    async def test() -> None:
        network = LocalNetwork(tmp_path)
        network.clock.time_ms = start_ms(1)
        await network.start(2)
        data = bytes(size)
        network.nodes[2].store.put(data)
        async with served(network.nodes[2]) as at:
            peer = PeerClient(owner_of(2), f"127.0.0.1:{at.port}", "validator 2")
            assert await peer.fetch(sha256(data)) == data
            assert await peer.fetch(sha256(b"another")) is None
            await peer.close()
        await network.stop()

    run(test)


@pytest.mark.parametrize(("scheme", "answers"), [("", True), ("http://", True), ("https://", False)])
def test_an_endpoint_may_name_its_scheme(scheme: str, answers: bool) -> None:
    """As hotspots read the same network file; a server without TLS is none at an https address."""

    async def test() -> None:
        async with client_of(blob_server(b"data")) as plain:
            client = PeerClient(owner_of(2), scheme + plain._endpoint, "validator 2")
            assert (await client.fetch(sha256(b"data")) == b"data") is answers
            await client.close()

    run(test)


def test_a_blob_that_is_not_what_was_asked_for_is_none() -> None:
    async def test() -> None:
        async with client_of(blob_server(b"something else")) as client:
            assert await client.fetch(sha256(b"what was asked for")) is None

    run(test)


def test_a_peer_that_sends_byte_by_byte_is_given_up() -> None:
    async def test() -> None:
        data = bytes(1_000)
        peer = blob_server(data, chunk=1)
        async with client_of(peer) as client:
            assert await client.fetch(sha256(data)) is None
            assert peer.calls == 1

    run(test)


def test_a_peer_that_sends_more_than_it_may_is_given_up() -> None:
    async def test() -> None:
        peer = blob_server(bytes(100 * CHUNK))
        async with client_of(peer) as client:
            assert await client.fetch(sha256(bytes(100 * CHUNK)), most_bytes=2 * CHUNK) is None
            assert peer.calls == 2

    run(test)


def test_a_peer_that_states_an_absurd_length_ends_with_its_data() -> None:
    async def test() -> None:
        data = bytes(CHUNK + 5)
        peer = blob_server(data, total=2**62)
        async with client_of(peer) as client:
            assert await client.fetch(sha256(data)) == data

    run(test)


def test_a_peer_that_sends_too_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        stuck = asyncio.Event()

        async def piece(offset: int) -> Any:
            if offset:
                await stuck.wait()
            return messages.GetBlobReply(data=bytes(CHUNK), total_bytes=2 * CHUNK)

        monkeypatch.setattr(client_module, "FETCH_TIMEOUT_S", 0.05)
        monkeypatch.setattr(client_module, "LEAST_BYTES_PER_S", 2**40)
        async with client_of(BentPeer(blob=piece)) as client:
            assert await client.fetch(bytes(32)) is None
            stuck.set()

    run(test)


def paced(data: bytes, clock: Seconds, chunk_s: float) -> BentPeer:
    """Serves a blob in full chunks, each after so many seconds, and says that it is the largest there may be."""

    async def piece(offset: int) -> Any:
        clock.time_s += chunk_s
        return messages.GetBlobReply(data=data[offset : offset + CHUNK], total_bytes=MAX_SEGMENT_BYTES)

    return BentPeer(blob=piece)


def test_full_chunks_that_come_just_in_time_each_do_not_hold_up_an_audit() -> None:
    async def test() -> None:
        clock = Seconds()
        peer = paced(bytes(100 * CHUNK), clock, client_module.CALL_TIMEOUT_S - 0.1)
        async with client_of(peer, clock) as client:
            assert await client.fetch(bytes(32)) is None
        assert clock.time_s < client_module.FETCH_TIMEOUT_S + 2 * client_module.CALL_TIMEOUT_S

    run(test)


def test_a_large_blob_at_the_least_speed_arrives_however_long_it_takes() -> None:
    async def test() -> None:
        clock, data = Seconds(), bytes(200 * CHUNK + 1)
        seconds_a_chunk = CHUNK / client_module.LEAST_BYTES_PER_S
        async with client_of(paced(data, clock, 2 * seconds_a_chunk), clock) as client:
            assert await client.fetch(sha256(data)) == data
        assert clock.time_s > client_module.FETCH_TIMEOUT_S

    run(test)


def test_a_peer_that_is_down_is_a_value_for_every_question() -> None:
    async def test() -> None:
        client = PeerClient(owner_of(2), "127.0.0.1:1", "validator 2")
        assert await client.fetch(bytes(32)) is None
        assert await client.status() is None
        assert await client.root_signature(1, 1) is None
        answer = await client.announce(1, owner_of(1), bytes(32), bytes(65))
        assert answer == "validator 2 does not answer (unavailable)"
        await client.close()

    run(test)


class Babbling(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Says OK to every call, and bytes that are no message."""

    async def _say(self, request: bytes, context: Any) -> bytes:
        return b"\xff\xff\xff\xff"

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._say)


def test_bytes_that_are_no_message_are_the_peers_fault_for_every_question(tmp_path: Path) -> None:
    """And whoever has the blob is asked next."""

    async def test() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Babbling(),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        babbler = PeerClient(owner_of(2), f"127.0.0.1:{port}", "validator 2")
        async with client_of(blob_server(b"data")) as honest:
            assert await babbler.fetch(sha256(b"data")) is None
            assert await BlobSource(BlobStore(tmp_path, QuickDisk()), [babbler, honest]).get(sha256(b"data")) == b"data"
        assert await babbler.status() is None
        assert await babbler.root_signature(1, 1) is None
        answer = await babbler.announce(1, owner_of(1), bytes(32), bytes(65))
        assert answer == "validator 2 answers with bytes that are no message of this service"
        await babbler.close()
        await server.stop(None)

    run(test)


def test_a_refusal_is_the_peers_sentence_cut_short() -> None:
    async def test() -> None:
        reply = messages.AnnounceManifestReply(refusal="because " + "x" * 1_000)
        async with client_of(BentPeer(announce=reply)) as client:
            answer = await client.announce(1, owner_of(1), bytes(32), bytes(65))
            assert isinstance(answer, str)
            assert answer.startswith("validator 2 refuses: because xx")
            assert len(answer) < 250

    run(test)


@pytest.mark.parametrize("width", [0, 64, 66])
def test_a_signature_of_another_width_is_no_signature(width: int) -> None:
    async def test() -> None:
        async with client_of(BentPeer(announce=messages.AnnounceManifestReply(signature=bytes(width)))) as client:
            assert isinstance(await client.announce(1, owner_of(1), bytes(32), bytes(65)), str)

    run(test)


@pytest.mark.parametrize("width", [0, 15, 17])
def test_a_root_whose_total_has_another_width_is_none(width: int) -> None:
    async def test() -> None:
        reply = messages.GetRootSignatureReply(known=True, cumulative_total=bytes(width))
        async with client_of(BentPeer(root=reply)) as client:
            assert await client.root_signature(1, 1) is None

    run(test)


def test_a_root_of_malformed_fields_is_only_another_root() -> None:
    async def test() -> None:
        reply = messages.GetRootSignatureReply(known=True, root=b"x", data_hash=b"", cumulative_total=bytes(16))
        async with client_of(BentPeer(root=reply)) as client:
            found = await client.root_signature(1, 1)
            assert found is not None
            assert (found.root.root, found.signature) == (b"x", b"")

    run(test)


@pytest.mark.parametrize("width", [0, 31, 33, 300])
def test_a_status_that_names_no_hash_is_none(width: int) -> None:
    async def test() -> None:
        async with client_of(BentPeer(status=messages.GetStatusReply(params_file=bytes(width)))) as client:
            assert await client.status() is None

    run(test)


def test_a_peers_sentence_cannot_move_the_cursor() -> None:
    async def test() -> None:
        reply = messages.GetStatusReply(params_file=bytes(32), waiting="\x1b[2JEpoch 3\nwaits\u202e" + "x" * 1_000)
        async with client_of(BentPeer(status=reply)) as client:
            status = await client.status()
            assert status is not None
            assert status.waiting.startswith("[2JEpoch 3waitsxx")
            assert len(status.waiting) <= 200

    run(test)
