"""Is a validator's receipt worth anything? Pure checks of one EIP-712 signature and what it covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from protocol.encoding import sha256
from protocol.ids import Address, ReportId
from protocol.keys import Domain, Receipt, recover_quorum


class ReceiptProblem(StrEnum):
    """Why a receipt is not believed; the batch counts as not stored."""

    MISSING = "receipt_missing"
    OTHER_VALIDATOR = "receipt_of_another_validator"
    OTHER_BATCH = "receipt_of_another_batch"
    BAD_SIGNATURE = "receipt_signature_wrong"


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt as it came in, nothing of it checked."""

    validator: bytes
    batch_hash: bytes
    entries: int
    stored_at_ms: int
    signature: bytes


def batch_hash(stored: Sequence[ReportId]) -> bytes:
    """sha256 of the stored entries' report ids, in the request's order."""
    return sha256(*stored)


def check_receipt(
    receipt: SignedReceipt | None, stored: Sequence[ReportId], domain: Domain, owner: Address, key: Address
) -> ReceiptProblem | None:
    """None if the validator of this owner and signing key acknowledges exactly these report ids."""
    if receipt is None:
        return ReceiptProblem.MISSING
    if receipt.validator != owner:
        return ReceiptProblem.OTHER_VALIDATOR
    if receipt.batch_hash != batch_hash(stored) or receipt.entries != len(stored):
        return ReceiptProblem.OTHER_BATCH
    digest = domain.digest(Receipt(receipt.batch_hash, receipt.entries, receipt.stored_at_ms))
    return None if recover_quorum(digest, receipt.signature) == key else ReceiptProblem.BAD_SIGNATURE
