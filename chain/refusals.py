"""How revert data of our contracts becomes a sentence with what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from chain.artifacts import NAMES, artifact
from chain.errors import ContractRefused
from chain.network import checksum
from chain.sentences import SENTENCES
from protocol.keys import keccak256

PANIC = "Panic"
TEXT_ERROR = keccak256(b"Error(string)")[:4]
PROPOSAL_STATES = (
    "not open for votes yet",
    "open for votes",
    "withdrawn",
    "defeated",
    "passed and not queued yet",
    "queued and not due yet",
    "expired",
    "executed",
)
BASE_UNITS = 10**18


class _Shown:
    """An argument that can be printed in the ways a sentence may ask for."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        return FORMATS[spec](self._value)


def moment(seconds: int) -> str:
    """A second of unix time as people read it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"


def _identity(number: int) -> str:
    return f"0x{number:064x}" if number >> 160 else f"0x{number:040x}"


def far(base_units: int) -> str:
    """An amount as people read it: whole tokens, with as many decimals as it needs."""
    whole, rest = divmod(base_units, BASE_UNITS)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".") + " FAR"


def _state(number: int) -> str:
    return PROPOSAL_STATES[number] if number < len(PROPOSAL_STATES) else f"in state {number}"


FORMATS: Mapping[str, Callable[[Any], str]] = {
    "": str,
    "time": moment,
    "id": _identity,
    "far": far,
    "cell": "{:x}".format,
    "hash": lambda value: "0x" + bytes(value).hex(),
    "proposal": "0x{:064x}".format,
    "state": _state,
}


def refused(data: bytes) -> ContractRefused:
    """The refusal that revert data stands for, whichever of our contracts it came from."""
    known = _errors().get(data[:4])
    if data[:4] == TEXT_ERROR:
        return _told(data)
    if known is None:
        name = PANIC if data[:4] == keccak256(b"Panic(uint256)")[:4] else ""
        return ContractRefused(name, f"The contract refuses without naming a reason (0x{data.hex()[:72]}). Report it.")
    try:
        values = _decode([one["type"] for one in known["inputs"]], data[4:])
    except ValueError:
        return ContractRefused(known["name"], f"The contract refuses with {known['name']}. Report it.")
    arguments = {
        one["name"]: _Shown(checksum(bytes.fromhex(value[2:])) if one["type"] == "address" else value)
        for one, value in zip(known["inputs"], values, strict=True)
    }
    return ContractRefused(known["name"], SENTENCES[known["name"]].format(**arguments))


def _told(data: bytes) -> ContractRefused:
    """A refusal in words, as contracts of others give it."""
    try:
        (words,) = _decode(["string"], data[4:])
    except ValueError:
        words = "no reason that can be read"
    return ContractRefused("Error", f"The contract refuses: {words[:200]}. Report it.")


@cache
def _errors() -> Mapping[bytes, Mapping[str, Any]]:
    """Error ABI by selector, of all our contracts and what they inherit."""
    entries = [one for name in NAMES for one in artifact(name).abi if one["type"] == "error"]
    return {keccak256(_signature(one).encode("ascii"))[:4]: one for one in entries}


def _signature(error: Mapping[str, Any]) -> str:
    return f"{error['name']}({','.join(one['type'] for one in error['inputs'])})"


def _decode(types: list[str], data: bytes) -> tuple[Any, ...]:
    from chain.libraries import DecodingError, Web3

    try:
        return tuple(Web3().codec.decode(types, data))
    except DecodingError as error:
        raise ValueError(str(error)) from error
