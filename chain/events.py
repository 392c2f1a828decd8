"""What our contracts tell: one frozen value for each event, in the chain's order, and how a raw log becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from chain.artifacts import artifact
from protocol.ids import Address, HotspotId
from protocol.keys import keccak256

MAX_REASON_CHARACTERS = 500
"""Of a vote's reason: anybody may vote, with as many bytes as a block holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Where an event stands: its block, its index in that block, and the block's time."""

    block: int
    block_hash: bytes = b""
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
class Located(Event):
    """The operator changed what is known of a hotspot's place; only if `moved` does it begin anew there."""

    hotspot_id: HotspotId
    cell: int
    gain_cdb: int
    elevation_m: int
    moved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorChanged(Event):
    """Somebody else holds more than half of a hotspot's shares now, and is its owner in every rule."""

    hotspot_id: HotspotId
    operator: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenSet(Event):
    """A vote froze a hotspot, or set it free again; `reason_hash` names the published reason."""

    hotspot_id: HotspotId
    frozen: bool
    reason_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesMoved(Event):
    """Shares of hotspots went from one account to another; account 0 is where new ones come from."""

    sender: Address
    receiver: Address
    moves: tuple[tuple[HotspotId, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposited(Event):
    """`amount` base units came in for a hotspot; `fee` of it was burned for its registration."""

    hotspot_id: HotspotId
    amount: int
    fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected(Event):
    """A holder was paid its part of a hotspot's income."""

    hotspot_id: HotspotId
    holder: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorJoined(Event):
    """A validator is a member of set `set_id`, from `effective_epoch` on."""

    owner: Address
    key: Address
    stake: int
    effective_epoch: int
    set_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanged(Event):
    """A validator signs with another key, from `effective_epoch` on."""

    owner: Address
    key: Address
    effective_epoch: int
    set_id: int


class Departure(IntEnum):
    """Why a validator is no member any more."""

    LEFT = 0
    SUSPENDED = 1
    SLASHED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorLeft(Event):
    """A validator is no member from `effective_epoch` on."""

    owner: Address
    effective_epoch: int
    set_id: int
    why: Departure


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeUnlocked(Event):
    """A stake became its owner's free balance again."""

    owner: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted(Event):
    """A vote lets an account join the validators, or not any more."""

    owner: Address
    admitted: bool


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


class Cancellation(IntEnum):
    """What dropped a root while it waited."""

    VETO = 0
    PROOF = 1
    GOVERNANCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCancelled(Event):
    """A root was dropped while it waited: its epoch is closed, and the root before it stays live."""

    epoch: int
    root: bytes
    why: Cancellation


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """Roots and claims stop until a moment."""

    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamsSet(Event):
    """The parameters of this hash hold, from the first epoch on whose B_e follows."""

    params_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed(Event):
    """A proposal to the holders: calls, and a text whose hash names them together."""

    proposal_id: int
    proposer: Address
    targets: tuple[Address, ...]
    values: tuple[int, ...]
    calls: tuple[bytes, ...]
    vote_starts_ms: int
    vote_ends_ms: int
    description: str
    """As people read it: what is no UTF-8 is replaced."""
    description_hash: bytes
    """Of the bytes on chain, which are what the Governor hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted(Event):
    """A vote was cast: 0 against, 1 for, 2 abstain."""

    voter: Address
    proposal_id: int
    support: int
    weight: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued(Event):
    """A proposal passed and waits in the Timelock until a moment."""

    proposal_id: int
    due_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed(Event):
    """A proposal was carried out."""

    proposal_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Event):
    """A proposal was withdrawn."""

    proposal_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGranted(Event):
    """An account may do more in the Timelock from now on."""

    role: bytes
    account: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRevoked(Event):
    """An account may do less in the Timelock from now on."""

    role: bytes
    account: Address


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


def _hotspot(number: int) -> HotspotId:
    return HotspotId(_word(number))


Arguments = Mapping[str, Any]
Field = tuple[str, Callable[[Any], Any]]
"""Where a field of an event's value comes from: the contract's own name of it, and how it is read."""


def _text(data: bytes) -> str:
    """A text is whatever bytes its sender gave: the reason of a vote need not be UTF-8, and anybody may vote."""
    return data.decode("utf-8", "replace")


def _short(data: bytes) -> str:
    return _text(data)[:MAX_REASON_CHARACTERS]


def _same(value: Any) -> Any:
    return value


def _addresses(values: Any) -> tuple[Address, ...]:
    return tuple(_address(one) for one in values)


def _all_bytes(values: Any) -> tuple[bytes, ...]:
    return tuple(bytes(one) for one in values)


def _milliseconds(seconds: int) -> int:
    return seconds * 1000


HOTSPOT: dict[str, Field] = {"hotspot_id": ("id", _hotspot)}
PLACE: dict[str, Field] = {
    "cell": ("cell", _same),
    "gain_cdb": ("gain", _same),
    "elevation_m": ("elevation", _same),
}
OWNER: dict[str, Field] = {"owner": ("owner", _address)}
CHANGE: dict[str, Field] = OWNER | {"effective_epoch": ("effectiveEpoch", _same), "set_id": ("setId", _same)}
ROLE: dict[str, Field] = {"role": ("role", bytes), "account": ("account", _address)}
PROPOSAL: dict[str, Field] = {"proposal_id": ("proposalId", _same)}

KNOWN: dict[tuple[str, str], tuple[type[Event], dict[str, Field]]] = {
    ("Hotspots", "Registered"): (
        Registered,
        HOTSPOT | OWNER | PLACE | {"kind": ("kind", _same), "x": ("x", _word), "y": ("y", _word)},
    ),
    ("Hotspots", "Located"): (Located, HOTSPOT | PLACE | {"moved": ("moved", _same)}),
    ("Hotspots", "OperatorChanged"): (OperatorChanged, HOTSPOT | {"operator": ("operator", _address)}),
    ("Hotspots", "FrozenSet"): (
        FrozenSet,
        HOTSPOT | {"frozen": ("frozen", _same), "reason_hash": ("reasonHash", bytes)},
    ),
    ("Hotspots", "TransferSingle"): (
        SharesMoved,
        {
            "sender": ("from", _address),
            "receiver": ("to", _address),
            "moves": ("", lambda a: _moves([a["id"]], [a["value"]])),
        },
    ),
    ("Hotspots", "TransferBatch"): (
        SharesMoved,
        {
            "sender": ("from", _address),
            "receiver": ("to", _address),
            "moves": ("", lambda a: _moves(a["ids"], a["values"])),
        },
    ),
    ("Hotspots", "Deposited"): (Deposited, HOTSPOT | {"amount": ("amount", _same), "fee": ("fee", _same)}),
    ("Hotspots", "Collected"): (Collected, HOTSPOT | {"holder": ("holder", _address), "amount": ("amount", _same)}),
    ("Epochs", "ValidatorJoined"): (ValidatorJoined, CHANGE | {"key": ("key", _address), "stake": ("stake", _same)}),
    ("Epochs", "KeyChanged"): (KeyChanged, CHANGE | {"key": ("newKey", _address)}),
    ("Epochs", "ValidatorLeft"): (ValidatorLeft, CHANGE | {"why": ("why", Departure)}),
    ("Epochs", "StakeUnlocked"): (StakeUnlocked, OWNER | {"amount": ("amount", _same)}),
    ("Epochs", "Admitted"): (Admitted, OWNER | {"admitted": ("admitted", _same)}),
    ("Epochs", "ManifestPosted"): (
        ManifestPosted,
        {
            "epoch": ("epoch", _same),
            "validator": ("validator", _address),
            "manifest_hash": ("manifestHash", bytes),
            "signatures": ("signatures", _all_bytes),
        },
    ),
    ("Epochs", "RootSubmitted"): (
        RootSubmitted,
        {
            "epoch": ("epoch", _same),
            "set_id": ("setId", _same),
            "root": ("root", bytes),
            "data_hash": ("dataHash", bytes),
            "cumulative_total": ("cumTotal", _same),
            "active_at_ms": ("activeAt", _milliseconds),
            "signers": ("signers", _addresses),
        },
    ),
    ("Epochs", "RootCancelled"): (
        RootCancelled,
        {"epoch": ("epoch", _same), "root": ("root", bytes), "why": ("why", Cancellation)},
    ),
    ("Epochs", "Paused"): (Paused, {"until_ms": ("until", _milliseconds)}),
    ("Epochs", "ParamsSet"): (ParamsSet, {"params_hash": ("paramsHash", bytes)}),
    ("Epochs", "Claimed"): (
        Claimed,
        {
            "leaf_id": ("id", _word),
            "payee": ("payee", _address),
            "amount": ("amount", _same),
            "epoch": ("epoch", _same),
        },
    ),
    ("FarfieldGovernor", "ProposalCreated"): (
        Proposed,
        PROPOSAL
        | {
            "proposer": ("proposer", _address),
            "targets": ("targets", _addresses),
            "values": ("values", tuple),
            "calls": ("calldatas", _all_bytes),
            "vote_starts_ms": ("voteStart", _milliseconds),
            "vote_ends_ms": ("voteEnd", _milliseconds),
            "description": ("description", _text),
            "description_hash": ("description", keccak256),
        },
    ),
    ("FarfieldGovernor", "VoteCast"): (
        Voted,
        PROPOSAL
        | {
            "voter": ("voter", _address),
            "support": ("support", _same),
            "weight": ("weight", _same),
            "reason": ("reason", _short),
        },
    ),
    ("FarfieldGovernor", "ProposalQueued"): (Queued, PROPOSAL | {"due_ms": ("etaSeconds", _milliseconds)}),
    ("FarfieldGovernor", "ProposalExecuted"): (Executed, PROPOSAL),
    ("FarfieldGovernor", "ProposalCanceled"): (Cancelled, PROPOSAL),
    ("TimelockController", "RoleGranted"): (RoleGranted, ROLE),
    ("TimelockController", "RoleRevoked"): (RoleRevoked, ROLE),
}
"""What this release has a use for, by contract and the event's name there. A source named "" is all arguments."""
EMITTERS = tuple(dict.fromkeys(contract for contract, _ in KNOWN))
"""The contracts whose logs are read."""


def _moves(ids: Iterable[int], values: Iterable[int]) -> tuple[tuple[HotspotId, int], ...]:
    return tuple((_hotspot(one), value) for one, value in zip(ids, values, strict=True))


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
            for contract in EMITTERS
            for abi in artifact(contract).abi
            if abi["type"] == "event" and (contract, abi["name"]) in KNOWN
        }

    def decode(self, contract: str, log: Mapping[str, Any], block_time_ms: int) -> Event | None:
        """The event of a log of one of EMITTERS, or None for one this release has no use for."""
        known = self._by_topic.get((contract, bytes(log["topics"][0])))
        if known is None:
            return None
        abi, kind, fields = known
        arguments = self._arguments(abi, log)
        values = {name: read(arguments[source] if source else arguments) for name, (source, read) in fields.items()}
        return kind(
            block=log["blockNumber"],
            block_hash=bytes(log["blockHash"]),
            log_index=log["logIndex"],
            block_time_ms=block_time_ms,
            **values,
        )

    def _arguments(self, abi: Mapping[str, Any], log: Mapping[str, Any]) -> Arguments:
        indexed = [one for one in abi["inputs"] if one["indexed"]]
        plain = [one for one in abi["inputs"] if not one["indexed"]]
        topics = b"".join(bytes(one) for one in log["topics"][1:])
        first = self._codec.decode([one["type"] for one in indexed], topics)
        # Texts stay bytes here: their fields say how they are read.
        rest = self._codec.decode(["bytes" if one["type"] == "string" else one["type"] for one in plain], log["data"])
        return dict(zip([one["name"] for one in indexed + plain], [*first, *rest], strict=True))
