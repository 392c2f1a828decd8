"""The calls a party of the network sends: typed values in, one Call out. Nothing here touches the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from chain.artifacts import artifact
from chain.network import NetworkFile, checksum
from protocol.ids import Address
from protocol.keys import QUORUM_SIGNATURE_BYTES, EpochRoot, recover_quorum
from protocol.records import Registration

if TYPE_CHECKING:
    from web3.contract import Contract


@dataclass(frozen=True, slots=True)
class Call:
    """One transaction to be sent to a contract of ours."""

    contract: str
    """"FarfieldToken", "Hotspots" or "Epochs": whose errors it may end in."""
    to: Address
    data: bytes
    what: str
    """What it does, for logs and the journal."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One leaf of the live root with its proof."""

    leaf_id: bytes
    cumulative: int
    proof: tuple[bytes, ...]


@cache
def _encoder(contract: str) -> Contract:
    from chain.libraries import Web3

    return Web3().eth.contract(abi=artifact(contract).abi)


def _data(contract: str, function: str, arguments: Sequence[Any]) -> bytes:
    return bytes.fromhex(_encoder(contract).encode_abi(function, args=arguments)[2:])


def register(network: NetworkFile, registration: Registration, signature: bytes) -> Call:
    """Registers a hotspot; `signature` is its device's 64 bytes over the registration. Anyone may send it."""
    r = registration
    arguments = [
        int.from_bytes(r.x, "big"),
        int.from_bytes(r.y, "big"),
        checksum(r.owner),
        r.cell,
        r.gain_cdb,
        r.elevation_m,
        r.kind,
        signature[:32],
        signature[32:],
    ]
    what = f"register a hotspot in cell {r.cell:x}"
    return Call("Hotspots", network.contracts.hotspots, _data("Hotspots", "register", arguments), what)


def post_manifest(network: NetworkFile, epoch: int, manifest_hash: bytes, signatures: Sequence[bytes]) -> Call:
    """Posts the sender's manifest; the first signature is its own, the others say the manifest is available."""
    data = _data("Epochs", "postManifest", [epoch, manifest_hash, list(signatures)])
    return Call("Epochs", network.contracts.epochs, data, f"post the manifest of epoch {epoch}")


def submit_root(network: NetworkFile, root: EpochRoot, signatures: Sequence[bytes]) -> Call:
    """Submits a root with validators' signatures in any order; invalid ones and doubles are left out."""
    value = (root.epoch, root.set_id, root.root, root.data_hash, root.cumulative_total)
    packed = pack_signatures(network.domain.digest(root), signatures)
    data = _data("Epochs", "submitRoot", [value, packed])
    return Call("Epochs", network.contracts.epochs, data, f"submit the root of epoch {root.epoch}")


def pack_signatures(digest: bytes, signatures: Sequence[bytes]) -> bytes:
    """65 bytes each, ascending by signer, one of each signer: what the contract takes."""
    signers = {recover_quorum(digest, one): one for one in signatures if len(one) == QUORUM_SIGNATURE_BYTES}
    return b"".join(signers[signer] for signer in sorted(signer for signer in signers if signer is not None))


def claim(network: NetworkFile, one: Claim) -> Call:
    """Pays one leaf of the live root to whom it belongs. Anyone may send it."""
    arguments = [int.from_bytes(one.leaf_id, "big"), one.cumulative, list(one.proof)]
    data = _data("Epochs", "claim", arguments)
    return Call("Epochs", network.contracts.epochs, data, f"claim for {one.leaf_id.hex()}")


def claim_many(network: NetworkFile, claims: Sequence[Claim]) -> Call:
    """Pays many leaves of the live root; those paid already are passed over."""
    rows = [(int.from_bytes(one.leaf_id, "big"), one.cumulative, list(one.proof)) for one in claims]
    data = _data("Epochs", "claimMany", [rows])
    return Call("Epochs", network.contracts.epochs, data, f"claim for {len(claims)} ids")
