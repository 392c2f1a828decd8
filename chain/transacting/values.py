"""What people type: accounts, hotspots, amounts, hashes. Each becomes a value, or a sentence on what is wrong."""

from __future__ import annotations

import re
from typing import Any

import click

BASE_UNITS = 10**18
MAX_AMOUNT = 2**128 - 1


class _Typed(click.ParamType):
    """A parameter whose parser raises ValueError with a sentence."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value.strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def parse(self, text: str) -> Any:
        raise NotImplementedError


class Account(_Typed):
    """20 bytes from 0x and 40 digits; capital letters, if mixed, must fit (EIP-55)."""

    name = "0x.."

    def parse(self, text: str) -> bytes:
        from chain.network import checksum

        account = _digits(text, 20, "an account: 0x and 40 hexadecimal digits")
        digits = text.removeprefix("0x")
        if digits not in (digits.lower(), digits.upper()) and f"0x{digits}" != checksum(account):
            raise ValueError(f"{text} has a typing error: its capital letters do not fit.")
        return account


class HotspotId(_Typed):
    """32 bytes with the first bit set."""

    name = "ID"

    def parse(self, text: str) -> bytes:
        value = _digits(text, 32, "a hotspot's id: 64 hexadecimal digits, the first of them 8 to f")
        if value[0] < 0x80:
            raise ValueError(f"{text} is not a hotspot's id: the first digit must be 8 to f.")
        return value


class Hash(_Typed):
    """32 bytes."""

    name = "HASH"

    def parse(self, text: str) -> bytes:
        return _digits(text, 32, "a hash: 0x and 64 hexadecimal digits")


class Amount(_Typed):
    """Base units from whole tokens with up to 18 decimals."""

    name = "FAR"

    def parse(self, text: str) -> int:
        whole, point, decimals = text.partition(".")
        if re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,18})?", text) is None:
            raise ValueError(f"{text!r} is not an amount: give tokens as 12.5, with at most 18 decimals.")
        base_units = int(whole) * BASE_UNITS + int((decimals if point else "").ljust(18, "0"))
        if not 0 < base_units <= MAX_AMOUNT:
            raise ValueError(f"{text} is no amount anybody can have: give more than 0, and less.")
        return base_units


def _digits(text: str, width: int, expected: str) -> bytes:
    digits = text.removeprefix("0x")
    if len(digits) != 2 * width or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise ValueError(f"{text!r} is not {expected}.")
    return bytes.fromhex(digits)


ACCOUNT, HOTSPOT_ID, HASH, AMOUNT = Account(), HotspotId(), Hash(), Amount()
