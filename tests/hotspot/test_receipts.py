"""Receipts: believed for exactly what they cover, and the flaw is named."""

from __future__ import annotations

import dataclasses

import coincurve
import pytest

from hotspot.reporting.receipts import ReceiptProblem, SignedReceipt, batch_hash, check_receipt
from protocol.ids import Address, ReportId
from protocol.keys import Receipt, quorum_address, sign_quorum
from tests.hotspot.fake_validator import DOMAIN

KEY = coincurve.PrivateKey(b"\x07" * 32)
OWNER = Address(b"\x01" * 20)
IDS = [ReportId(bytes([at]) * 32) for at in range(3)]


def receipt(**changed: object) -> SignedReceipt:
    body = Receipt(batch_hash(IDS), len(IDS), 1_700_000_000_000)
    signature = sign_quorum(KEY, DOMAIN.digest(body))
    good = SignedReceipt(OWNER, body.batch_hash, body.entries, body.stored_at_ms, signature)
    return dataclasses.replace(good, **changed)  # type: ignore[arg-type]


def verdict(one: SignedReceipt | None, ids: list[ReportId] = IDS) -> ReceiptProblem | None:
    return check_receipt(one, ids, DOMAIN, OWNER, quorum_address(KEY))


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_believes_a_good_receipt() -> None:
    assert verdict(receipt()) is None


def test_a_missing_receipt_is_named() -> None:
    assert verdict(None) is ReceiptProblem.MISSING


@pytest.mark.parametrize("bit", range(0, 520, 7))
def test_one_flipped_bit_in_the_signature_is_named(bit: int) -> None:
    assert verdict(receipt(signature=flipped(receipt().signature, bit))) is ReceiptProblem.BAD_SIGNATURE


def test_another_time_than_the_signed_one_is_named() -> None:
    assert verdict(receipt(stored_at_ms=1)) is ReceiptProblem.BAD_SIGNATURE


@pytest.mark.parametrize("signature", [b"", bytes(64), bytes(65), bytes(range(66))])
def test_something_that_is_no_signature_is_named(signature: bytes) -> None:
    assert verdict(receipt(signature=signature)) is ReceiptProblem.BAD_SIGNATURE


@pytest.mark.parametrize("changed", [{"batch_hash": bytes(32)}, {"batch_hash": b""}, {"entries": 2}])
def test_a_receipt_of_another_batch_is_named(changed: dict[str, object]) -> None:
    assert verdict(receipt(**changed)) is ReceiptProblem.OTHER_BATCH


@pytest.mark.parametrize("ids", [IDS[:2], [*IDS, IDS[0]], IDS[::-1]])
def test_covers_the_ids_in_their_order_and_no_others(ids: list[ReportId]) -> None:
    assert verdict(receipt(), ids) is ReceiptProblem.OTHER_BATCH


def test_a_receipt_of_another_validator_is_named() -> None:
    assert verdict(receipt(validator=bytes(20))) is ReceiptProblem.OTHER_VALIDATOR


def test_a_receipt_signed_by_another_key_is_named() -> None:
    other = quorum_address(coincurve.PrivateKey(b"\x08" * 32))
    assert check_receipt(receipt(), IDS, DOMAIN, OWNER, other) is ReceiptProblem.BAD_SIGNATURE
