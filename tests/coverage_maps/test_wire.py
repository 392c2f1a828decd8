"""Blobs from validators: whole, checked, and never believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from coverage_maps.record import Problem
from coverage_maps.wire import Peer
from protocol.encoding import sha256
from protocol.limits import MAX_BLOB_CHUNK_BYTES
from protos.farfield.v1 import peer_pb2
from tests.coverage_maps.peer_server import Answer, honest, peer

BLOB = bytes(range(256)) * 2_000
DIGEST = sha256(BLOB)


@contextmanager
def asking(answer: Answer, **status) -> Iterator[Peer]:
    with peer(answer, **status) as (endpoint, _):
        one = Peer(endpoint)
        try:
            yield one
        finally:
            one.close()


@pytest.mark.parametrize("chunk", [1_000_003, MAX_BLOB_CHUNK_BYTES, 60_000])
def test_fetches_a_blob_in_pieces(chunk):
    with asking(honest({DIGEST: BLOB}, chunk)) as one:
        assert one.blob(DIGEST) == BLOB


def of_localhost() -> tuple[bytes, bytes]:
    """(key, certificate) of a validator at 127.0.0.1, in PEM, signed by itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = Encoding.PEM, NoEncryption()
    return key.private_bytes(pem, PrivateFormat.PKCS8, plain), certificate.public_bytes(pem)


def test_a_validator_behind_tls_is_reached_by_https(monkeypatch):
    key, certificate = of_localhost()
    trusting = grpc.ssl_channel_credentials(certificate)
    monkeypatch.setattr(grpc, "ssl_channel_credentials", lambda: trusting)  # as if it were among the system's
    with peer(honest({DIGEST: BLOB}), tls=grpc.ssl_server_credentials([(key, certificate)])) as (endpoint, _):
        one = Peer(f"https://{endpoint}")
        assert one.blob(DIGEST) == BLOB
        one.close()


def test_an_endpoint_may_say_http():
    with peer(honest({DIGEST: BLOB})) as (endpoint, _):
        one = Peer(f"http://{endpoint}")
        assert one.blob(DIGEST) == BLOB
        one.close()


def fault(answer: Answer) -> str:
    with asking(answer) as one:
        found = one.blob(DIGEST)
    assert isinstance(found, Problem)
    assert found.missing
    return found.sentence


def reply(data: bytes, total: int) -> Answer:
    return lambda digest, offset: peer_pb2.GetBlobReply(data=data, total_bytes=total)


def test_a_blob_nobody_has_is_a_problem():
    assert "does not have it" in fault(honest({}))


def test_other_bytes_than_asked_for_are_refused():
    assert "do not have the hash" in fault(honest({DIGEST: BLOB[:-1] + b"x"}))


def test_a_blob_larger_than_any_blob_is_refused():
    assert "larger than a blob may be" in fault(reply(b"x", 2**40))


def test_more_bytes_than_announced_are_refused():
    assert "larger than a blob may be" in fault(reply(b"xx", 1))


def test_a_blob_that_stops_in_the_middle_is_refused():
    assert "stopped in the middle" in fault(reply(b"", 10))


def test_pieces_without_end_are_refused(monkeypatch):
    monkeypatch.setattr("coverage_maps.wire.MAX_BLOB_BYTES", 2 * MAX_BLOB_CHUNK_BYTES)
    assert "too many pieces" in fault(reply(b"x", 100))


def test_a_silent_endpoint_is_a_problem():
    one = Peer("127.0.0.1:1", timeout_s=2)
    found = one.blob(DIGEST)
    one.close()
    assert isinstance(found, Problem)
    assert "127.0.0.1:1 does not answer" in found.sentence


def test_status_names_the_params_and_what_is_waited_for():
    with asking(honest({}), params_file=DIGEST, waiting="Epoch 3 waits for 0xabc.") as one:
        status = one.status()
    assert not isinstance(status, Problem)
    assert (status.params_file, status.waiting) == (DIGEST, "Epoch 3 waits for 0xabc.")


def test_a_long_sentence_is_cut():
    with asking(honest({}), waiting="x" * 10_000) as one:
        status = one.status()
    assert not isinstance(status, Problem)
    assert len(status.waiting) == 500
