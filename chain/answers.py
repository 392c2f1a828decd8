"""What a node answered, read with suspicion: what is no answer becomes RequestRefused, not a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chain.errors import RequestRefused

UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""What reading null, a word instead of a number or half a block raises, in our code and in web3's."""
SHOWN_CHARACTERS = 200


@contextmanager
def reading(asked: str) -> Iterator[None]:
    """Around one request and the reading of its answer, and nothing else: a mistake of ours must not hide in here."""
    try:
        yield
    except UNREADABLE as error:
        shown = f"{type(error).__name__}: {error}"[:SHOWN_CHARACTERS]
        raise RequestRefused(
            f"The node answered {asked} with something that is no answer ({shown}). It is tried again later; if it "
            "stays so, use another RPC address."
        ) from error


def quantity(asked: str, answer: Any) -> int:
    """A quantity, which nodes write in hexadecimal."""
    with reading(asked):
        return int(answer, 16)


def octets(asked: str, answer: Any) -> bytes:
    """Bytes, which nodes write as 0x and hexadecimal digits."""
    with reading(asked):
        if not answer.startswith("0x"):
            raise ValueError("no 0x before it")
        return bytes.fromhex(answer[2:])


def words_of(error: Any) -> str:
    """The message of a JSON-RPC error, whatever shape the node gives it."""
    return str(error.get("message", error) if isinstance(error, dict) else error)


def revert_data(asked: str, error: Any) -> bytes | None:
    """The revert data an RPC error carries; b"" for a revert without any; None if it is no revert."""
    data = error.get("data") if isinstance(error, dict) else None
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x"):
        return octets(asked, data)
    return b"" if "revert" in words_of(error).lower() else None
