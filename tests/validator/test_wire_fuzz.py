"""No bytes on the wire end in an answer that is not one of the documented ones."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from protocol.records import Beacon, Registration, Session, Witness
from tests.validator.batches import flipped
from tests.validator.nodes import run, start_ms
from tests.validator.requests import client_of_one, honest
from tests.validator.server import METHODS, Client

CASES_PER_METHOD = 2_000
AT_ONCE = 50
SEED = 20_261_124


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Valid bytes with a few flips, cuts, doubles, insertions or numbers made extreme."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at, length = dice.randint(0, len(out)), dice.choice((1, 2, 8, 32, 64))
        change: Callable[[], Any] = dice.choice(
            [
                lambda at=at, length=length: out.__delitem__(slice(at, at + length)),
                lambda at=at, length=length: out.__setitem__(slice(at, at), out[at : at + length]),
                lambda at=at, length=length: out.__setitem__(slice(at, at), dice.randbytes(length)),
                lambda at=at, length=length: out.__setitem__(slice(at, at + length), b"\xff" * length),
                lambda at=at: out.__setitem__(slice(at, at + 1), dice.randbytes(1)),
            ]
        )
        change()
    return bytes(out)


INTERESTING_WIDTHS = (
    0,
    1,
    20,
    31,
    32,
    33,
    64,
    65,
    Session.width(),
    Beacon.width(),
    Witness.width(),
    Registration.width(),
)
INTERESTING_NUMBERS = (0, 1, 2, 3, 2**31, 2**32, 2**48, 2**63 - 1, 2**63, 2**64 - 1)


def invented(kind: Any, dice: random.Random, depth: int = 0) -> Any:
    """A message with random values of the right types."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if dice.random() < 0.05:
            continue
        if field.message_type is not None:
            made = [
                invented(field.message_type._concrete_class, dice, depth + 1) for _ in range(dice.choice((1, 2, 5)))
            ]
            getattr(message, field.name).extend(made)
        elif field.type == field.TYPE_BYTES:
            values = [dice.randbytes(dice.choice(INTERESTING_WIDTHS)) for _ in range(dice.choice((1, 3)))]
            if isinstance(getattr(message, field.name), bytes):
                setattr(message, field.name, values[0])
            else:
                getattr(message, field.name).extend(values)
        else:
            setattr(message, field.name, dice.choice(INTERESTING_NUMBERS))
    return message


def twisted(message: Any, dice: random.Random) -> Any:
    """A message with bits flipped in fields that keep their widths, and numbers replaced."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value:
                twisted(one, dice)
        elif field.type != field.TYPE_BYTES:
            setattr(message, field.name, dice.choice((value, value, dice.choice(INTERESTING_NUMBERS))))
        elif isinstance(value, bytes):
            setattr(message, field.name, flipped(value, dice.randrange(len(value))) if dice.random() < 0.3 else value)
        else:
            value[:] = [flipped(one, dice.randrange(len(one))) for one in value]
    return message


def fuzzed(method: str, honest_bytes: bytes, dice: random.Random) -> bytes:
    kind = METHODS[method][1]
    way = dice.randrange(3)
    if way == 0:
        return mutated(honest_bytes, dice)
    message = invented(kind, dice) if way == 1 else twisted(kind.FromString(honest_bytes), dice)
    return bytes(message.SerializeToString())


@pytest.mark.parametrize("method", METHODS)
def test_no_bytes_end_in_unknown_or_internal(tmp_path: Path, method: str) -> None:
    async def test() -> None:
        dice = random.Random(f"{SEED} {method}")
        async with client_of_one(tmp_path, start_ms(2) + 1_000) as client:
            honest_bytes = (await honest(client, method)).SerializeToString()
            cases = [fuzzed(method, honest_bytes, dice) for _ in range(CASES_PER_METHOD)]
            statuses: Counter[str] = Counter()
            for first in range(0, len(cases), AT_ONCE):
                some = cases[first : first + AT_ONCE]
                statuses.update(await asyncio.gather(*(status_of(client, method, one) for one in some)))
            print(method, dict(statuses))  # noqa: T201 - how deep it reached, for `pytest -rP`
            assert set(statuses) <= EXPECTED
            assert statuses["INVALID_ARGUMENT"] < 0.9 * CASES_PER_METHOD, "the fuzz never got behind the field checks"

    run(test)


EXPECTED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"}


async def status_of(client: Client, method: str, data: bytes) -> str:
    try:
        await client.raw(method, data)
    except grpc.aio.AioRpcError as error:
        if error.code() in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL):
            pytest.fail(f"{method} with {data.hex()}: {error.code()}, {error.details()}")
        return str(error.code().name)
    return "OK"
