"""What our contracts tell: one frozen value for each event, in the chain's order, and how a raw log becomes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chain.artifacts import artifact
from protocol.ids import Address, HotspotId
from protocol.keys import keccak256


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Where an event stands: its block, its index in that block, and the block's time."""

    block: int
    log_index: int
    block_time_ms: int

    @property
    def place(self) -> tuple[int, int]:
        """(block, log index): smaller is older."""
        return self.block, self.log_index

    @property
    def timestamp_ms(self) -> int:
        """`block_time_ms` by the name blocks use."""
        return self.block_time_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Event):
    """A hotspot exists from now on."""

    hotspot_id: HotspotId
    owner: Address
    cell: int
    gain_cdb: int
    elevation_m: int
    kind: int
    x: bytes
    y: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorJoined(Event):
    """A validator is a member of set `set_id`, from `effective_epoch` on."""

    owner: Address
    key: Address
    stake: int
    effective_epoch: int
    set_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestPosted(Event):
    """A manifest as the chain ordered it; the first signature is the poster's, the others say it is available."""

    epoch: int
    validator: Address
    manifest_hash: bytes
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSubmitted(Event):
    """A root was accepted; `signers` are owner accounts."""

    epoch: int
    set_id: int
    root: bytes
    data_hash: bytes
    cumulative_total: int
    active_at_ms: int
    signers: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Event):
    """`amount` base units were minted to `payee` for `leaf_id`, by the root of `epoch`."""

    leaf_id: bytes
    payee: Address
    amount: int
    epoch: int


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _registered(a: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "hotspot_id": HotspotId(_word(a["id"])),
        "owner": _address(a["owner"]),
        "cell": a["cell"],
        "gain_cdb": a["gain"],
        "elevation_m": a["elevation"],
        "kind": a["kind"],
        "x": _word(a["x"]),
        "y": _word(a["y"]),
    }


def _joined(a: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "owner": _address(a["owner"]),
        "key": _address(a["key"]),
        "stake": a["stake"],
        "effective_epoch": a["effectiveEpoch"],
        "set_id": a["setId"],
    }


def _posted(a: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "epoch": a["epoch"],
        "validator": _address(a["validator"]),
        "manifest_hash": bytes(a["manifestHash"]),
        "signatures": tuple(bytes(one) for one in a["signatures"]),
    }


def _submitted(a: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "epoch": a["epoch"],
        "set_id": a["setId"],
        "root": bytes(a["root"]),
        "data_hash": bytes(a["dataHash"]),
        "cumulative_total": a["cumTotal"],
        "active_at_ms": a["activeAt"] * 1000,
        "signers": tuple(_address(one) for one in a["signers"]),
    }


def _claimed(a: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "leaf_id": _word(a["id"]),
        "payee": _address(a["payee"]),
        "amount": a["amount"],
        "epoch": a["epoch"],
    }


KNOWN: dict[tuple[str, str], tuple[type[Event], Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    ("Hotspots", "Registered"): (Registered, _registered),
    ("Epochs", "ValidatorJoined"): (ValidatorJoined, _joined),
    ("Epochs", "ManifestPosted"): (ManifestPosted, _posted),
    ("Epochs", "RootSubmitted"): (RootSubmitted, _submitted),
    ("Epochs", "Claimed"): (Claimed, _claimed),
}


def _topic(abi: Mapping[str, Any]) -> bytes:
    signature = f"{abi['name']}({','.join(one['type'] for one in abi['inputs'])})"
    return keccak256(signature.encode("ascii"))


class Decoder:
    """Turns raw logs of our contracts into events. web3's codec does the decoding."""

    def __init__(self) -> None:
        from chain.libraries import Web3

        self._codec = Web3().codec
        self._by_topic = {
            (contract, _topic(abi)): (abi, *KNOWN[contract, abi["name"]])
            for contract in ("Hotspots", "Epochs")
            for abi in artifact(contract).abi
            if abi["type"] == "event" and (contract, abi["name"]) in KNOWN
        }

    def decode(self, contract: str, log: Mapping[str, Any], block_time_ms: int) -> Event | None:
        """The event of a log of "Hotspots" or "Epochs", or None for one this release has no use for."""
        known = self._by_topic.get((contract, bytes(log["topics"][0])))
        if known is None:
            return None
        abi, kind, fields = known
        return kind(
            block=log["blockNumber"],
            log_index=log["logIndex"],
            block_time_ms=block_time_ms,
            **fields(self._arguments(abi, log)),
        )

    def _arguments(self, abi: Mapping[str, Any], log: Mapping[str, Any]) -> dict[str, Any]:
        indexed = [one for one in abi["inputs"] if one["indexed"]]
        plain = [one for one in abi["inputs"] if not one["indexed"]]
        topics = b"".join(bytes(one) for one in log["topics"][1:])
        first = self._codec.decode([one["type"] for one in indexed], topics)
        rest = self._codec.decode([one["type"] for one in plain], bytes(log["data"]))
        return dict(zip([one["name"] for one in indexed + plain], [*first, *rest], strict=True))
