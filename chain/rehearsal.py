"""Runs several contract creations one after the other inside a single eth_call: what do they cost, which one refuses?

A little program is put, for that call only, at an address where nothing is. It takes the creations as call data,
creates one after the other as a deployer would, and returns the gas of each; when one refuses, it ends with its number
and what it said. Nothing is signed or sent, and nothing of it stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chain.network import checksum
from chain.refusals import refused
from protocol.ids import Address
from protocol.keys import keccak256

STAGE = Address(keccak256(b"farfield/rehearsal")[12:])
"""Where the program is put; the contracts it creates have addresses of their own."""
FIRST_NONCE = 1
WORD = 32
TRANSACTION_GAS, ZERO_BYTE_GAS, BYTE_GAS = 21_000, 4, 16
GAS, SUB, POP, DUP1, SWAP1, JUMPI, JUMPDEST = 0x5A, 0x03, 0x50, 0x80, 0x90, 0x57, 0x5B
CALLDATACOPY, CREATE, RETURNDATASIZE, RETURNDATACOPY = 0x37, 0xF0, 0x3D, 0x3E
MSTORE, ADD, RETURN, REVERT = 0x52, 0x01, 0xF3, 0xFD


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """`gas` of each creation's transaction by name, or which one refuses and why."""

    gas: Mapping[str, int]
    refusal: str = ""


def rehearse(provider: Any, creations: Mapping[str, bytes]) -> Rehearsed | None:
    """Tries creations that expect to be made by STAGE from FIRST_NONCE on; None if the node cannot do this."""
    codes = list(creations.values())
    stage = {checksum(STAGE): {"code": "0x" + program([len(code) for code in codes]).hex(), "nonce": hex(FIRST_NONCE)}}
    call = {"to": checksum(STAGE), "data": "0x" + b"".join(codes).hex()}
    response = provider.make_request("eth_call", [call, "latest", stage])
    if "error" not in response:
        words = bytes.fromhex(response["result"][2:])
        return None if len(words) != WORD * len(codes) else Rehearsed(_costs(creations, words))
    data = response["error"].get("data")
    if not isinstance(data, str) or len(data) < 2 + 2 * WORD:
        return None
    said = bytes.fromhex(data[2:])
    name = list(creations)[int.from_bytes(said[:WORD], "big")]
    return Rehearsed({}, f"The constructor of {name} would refuse. {refused(said[WORD:]).sentence}")


def _costs(creations: Mapping[str, bytes], words: bytes) -> dict[str, int]:
    return {
        name: int.from_bytes(words[at * WORD : (at + 1) * WORD], "big") + _transaction_gas(code)
        for at, (name, code) in enumerate(creations.items())
    }


def _transaction_gas(code: bytes) -> int:
    zeros = code.count(0)
    return TRANSACTION_GAS + ZERO_BYTE_GAS * zeros + BYTE_GAS * (len(code) - zeros)


def program(sizes: Sequence[int]) -> bytes:
    """The program for creations of these sizes, one after the other in the call data."""
    code, offset = b"", 0
    for number, size in enumerate(sizes):
        code += bytes([GAS])
        code += _push(size) + _push(offset) + _push(0) + bytes([CALLDATACOPY])
        code += _push(size) + _push(0) + _push(0) + bytes([CREATE])
        failed = _fail(number)
        code += bytes([DUP1]) + _push(len(code) + 1 + 5 + 1 + len(failed), 4) + bytes([JUMPI]) + failed
        code += bytes([JUMPDEST, POP, GAS, SWAP1, SUB])
        offset += size
    for number in reversed(range(len(sizes))):
        code += _push(number * WORD) + bytes([MSTORE])
    return code + _push(len(sizes) * WORD) + _push(0) + bytes([RETURN])


def _fail(number: int) -> bytes:
    """Ends the call with the creation's number and what its constructor said."""
    copied = bytes([RETURNDATASIZE]) + _push(0) + _push(WORD) + bytes([RETURNDATACOPY])
    marked = _push(number) + _push(0) + bytes([MSTORE])
    return copied + marked + bytes([RETURNDATASIZE]) + _push(WORD) + bytes([ADD]) + _push(0) + bytes([REVERT])


def _push(value: int, width: int = 3) -> bytes:
    """PUSHn of a number."""
    return bytes([0x5F + width]) + value.to_bytes(width, "big")
