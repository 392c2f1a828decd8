"""Fields of a request that are not what the contract says: named by their path, before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import grpc

from protocol.encoding import Record
from protocol.limits import MAX_BATCH_ENTRIES


class FieldError(ValueError):
    """A malformed field; the message is its path and what was expected there."""


def exact(value: bytes, width: int, path: str) -> bytes:
    """`value` if it has `width` bytes."""
    if len(value) != width:
        raise FieldError(f"{path}: expected {width} bytes, found {len(value)}")
    return value


MAX_NUMBER = 2**63 - 1


def number(value: int, path: str) -> int:
    """`value` if it is below 2^63, so that it fits everywhere."""
    if value > MAX_NUMBER:
        raise FieldError(f"{path}: expected a number below 2^63")
    return value


def batch(entries: Sequence[Any], path: str, most: int = MAX_BATCH_ENTRIES) -> Sequence[Any]:
    """`entries` if there are between one and `most`."""
    if not 1 <= len(entries) <= most:
        raise FieldError(f"{path}: expected 1 to {most} entries, found {len(entries)}")
    return entries


def canonical(record: type[Record], value: bytes, path: str) -> Any:
    """The record in canonical bytes."""
    decoded = record.decode(value)
    if decoded is None:
        raise FieldError(f"{path}: expected a canonical {record.__name__} record of {record.width()} bytes")
    return decoded


async def refuse(context: grpc.aio.ServicerContext, error: FieldError) -> NoReturn:
    """Ends the call with INVALID_ARGUMENT and the field's path."""
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    raise AssertionError("abort raises")
