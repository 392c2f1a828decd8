"""What a vote can decide, read back from a proposal's bytes: only what this release knows is put in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chain import calls
from chain.artifacts import artifact
from chain.calls import Call
from chain.network import NetworkFile, checksum
from protocol.ids import Address
from protocol.keys import keccak256


@dataclass(frozen=True, slots=True)
class _Kind:
    """One function that only the Timelock may call."""

    contract: str
    function: str
    call: Callable[[NetworkFile, Sequence[Any]], Call]


KINDS = (
    _Kind("Epochs", "setParamsHash", lambda network, a: calls.set_params_hash(network, a[0])),
    _Kind("Epochs", "admit", lambda network, a: calls.admit(network, Address(bytes.fromhex(a[0][2:])), a[1])),
    _Kind("Epochs", "cancelRoot", lambda network, a: calls.cancel_root(network, a[0])),
    _Kind("Hotspots", "setFrozen", lambda network, a: calls.set_frozen(network, a[0].to_bytes(32, "big"), a[1], a[2])),
    _Kind("FarfieldGovernor", "updateQuorumNumerator", lambda network, a: calls.set_quorum(network, a[0])),
)
"""Everything the vote is for. Whatever else a proposal asks for is shown as bytes, with a warning."""


def read(network: NetworkFile, target: Address, data: bytes) -> Call:
    """What a proposal's call would do."""
    for kind in KINDS:
        abi = _abi(kind)
        if target == network.contracts.of(kind.contract) and data[:4] == _selector(abi):
            found = _decoded(network, kind, abi, data)
            if found is not None:
                return found
    what = f"call 0x{data[:4].hex()} of {checksum(target)}, WHICH THIS RELEASE DOES NOT KNOW: look closely"
    return Call("", target, data, what)


def _decoded(network: NetworkFile, kind: _Kind, abi: Mapping[str, Any], data: bytes) -> Call | None:
    """None if the bytes are not exactly those of the call they look like."""
    from chain.libraries import DecodingError, Web3

    try:
        arguments = Web3().codec.decode([one["type"] for one in abi["inputs"]], data[4:])
    except DecodingError:
        return None
    found = kind.call(network, arguments)
    return found if found.data == data else None


def _abi(kind: _Kind) -> Mapping[str, Any]:
    functions = [one for one in artifact(kind.contract).abi if one["type"] == "function"]
    return next(one for one in functions if one["name"] == kind.function)


def _selector(abi: Mapping[str, Any]) -> bytes:
    signature = f"{abi['name']}({','.join(one['type'] for one in abi['inputs'])})"
    return keccak256(signature.encode("ascii"))[:4]
