"""The committed artifacts of the contracts: ABI and bytecode. Nobody who runs Farfield needs a compiler."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

NAMES = ("FarfieldToken", "Hotspots", "TimelockController", "FarfieldGovernor", "Epochs")
"""In the order of deployment."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    """What a deployment sends, before the constructor's arguments."""
    deployed_bytecode: bytes
    """What stands on chain afterwards, with zeros where immutable values are."""
    immutables: tuple[tuple[int, int], ...]
    """(start, length) of those places."""

    def masked(self, code: bytes) -> bytes:
        """Code from a chain with zeros where immutable values are; this contract's equals `deployed_bytecode`."""
        masked = bytearray(code)
        for start, length in self.immutables:
            masked[start : start + length] = bytes(length)
        return bytes(masked[: len(code)])


@cache
def artifact(name: str) -> Artifact:
    """The artifact of a contract of ours, by its name in NAMES."""
    tree = json.loads(files("contracts").joinpath("artifacts", f"{name}.json").read_text("utf-8"))
    return Artifact(
        name=name,
        abi=tree["abi"],
        bytecode=bytes.fromhex(tree["bytecode"][2:]),
        deployed_bytecode=bytes.fromhex(tree["deployedBytecode"][2:]),
        immutables=tuple((start, length) for start, length in tree["immutables"]),
    )
