"""JSON as a packet forwarder sends it: strict, bounded, and without a single binary float.

Whole numbers become int, all others Decimal, so that a frequency or a level keeps exactly the digits it was sent with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeGuard

MAX_DEPTH = 64
"""Deeper nesting is refused before the parser sees it; forwarders need five levels."""
MAX_CONTAINERS = 4_096
"""Objects and lists of one body; 255 packets with eight antennas each need 2,600. More would wake the collector."""
MAX_INTEGER_DIGITS = 20
"""Longer whole numbers stay Decimal: none of them is a value of ours, and int() takes quadratic time on them."""
OUT_OF_RANGE = Decimal("Infinity")
POWERS = tuple(10**decimals for decimals in range(7))
QUANTA = tuple(Decimal(1).scaleb(-decimals) for decimals in range(7))
STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
SQUARE = bytes.maketrans(b"{}", b"[]")
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class BodyProblem(StrEnum):
    """Why a datagram's body is refused."""

    UTF8 = "UTF8"
    JSON = "JSON"
    SHAPE = "SHAPE"
    FIELD = "FIELD"


def read(body: bytes) -> dict[str, Any] | BodyProblem:
    """The object in a datagram's body; trailing NUL bytes are ignored."""
    text_bytes = body.rstrip(b"\0")
    try:
        text = text_bytes.decode("utf-8")
    except UnicodeDecodeError:
        return BodyProblem.UTF8
    if _too_much(text_bytes):
        return BodyProblem.JSON
    try:
        value, end = QUICK_SCAN(text, 0)
    except (ValueError, ArithmeticError, StopIteration):
        end = None
    if end != len(text):  # space around the object, numbers beyond int or Decimal, or no JSON at all
        try:
            value = DECODER.decode(text)
        except ValueError:
            return BodyProblem.JSON
    return value if isinstance(value, dict) else BodyProblem.SHAPE


def _too_much(text: bytes) -> bool:
    """True for more levels or more containers than a forwarder needs, and for some texts that are no JSON."""
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    brackets = STRINGS.sub(b"", text).translate(SQUARE, NO_BRACKETS)
    if len(brackets) > 2 * MAX_CONTAINERS:
        return True
    for _ in range(MAX_DEPTH):  # each time the innermost level goes
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= MAX_INTEGER_DIGITS else _decimal(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what Decimal can hold
        return OUT_OF_RANGE


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(parse_float=_decimal, parse_int=_integer, parse_constant=_refuse_constant)
QUICK_SCAN: Callable[[str, int], tuple[Any, int]] = vars(
    json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
)["scan_once"]
"""What nearly every datagram needs: no call of ours for each number. It refuses what only DECODER can read."""


def is_number(value: object) -> TypeGuard[int | Decimal]:
    """True for a JSON number; true and false are none."""
    return type(value) is int or type(value) is Decimal


def whole(value: object, least: int, most: int) -> int | None:
    """The value if it is a JSON whole number in [least, most], else None."""
    return value if type(value) is int and least <= value <= most else None


def scaled(value: object, decimals: int, least: int, most: int) -> int | None:
    """A JSON number in [least, most], times 10^decimals, to the nearest whole (ties to even); else None."""
    if type(value) is int:
        return value * POWERS[decimals] if least <= value <= most else None
    if type(value) is not Decimal or not least <= value <= most:
        return None
    return int(value.quantize(QUANTA[decimals], ROUND_HALF_EVEN).scaleb(decimals))


def text(value: object, most: int) -> str | None:
    """The value if it is a string of at most `most` characters that can be written again as UTF-8, else None."""
    if not isinstance(value, str) or len(value) > most:
        return None
    return value if value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value) else None


def decimal_text(value: int, decimals: int, least_decimals: int = 0) -> str:
    """value / 10^decimals written exactly, with at least `least_decimals` digits after the point."""
    sign, digits = "-" * (value < 0), str(abs(value)).rjust(decimals + 1, "0")
    whole_part, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    kept = fraction.rstrip("0").ljust(least_decimals, "0")
    return f"{sign}{whole_part}.{kept}" if kept else f"{sign}{whole_part}"


def write(members: dict[str, str | None]) -> str:
    """A JSON object of members whose values are JSON text already; None leaves a member out."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items() if value is not None) + "}"


def quoted(value: str) -> str:
    """A string as JSON text."""
    return json.dumps(value)
