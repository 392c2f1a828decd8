"""The calls a party of the network sends: typed values in, one Call out. Nothing here touches the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from chain.artifacts import artifact
from chain.network import NetworkFile, checksum
from chain.refusals import far
from protocol.ids import Address
from protocol.keys import QUORUM_SIGNATURE_BYTES, EpochRoot, recover_quorum
from protocol.records import Registration

if TYPE_CHECKING:
    from web3.contract import Contract


@dataclass(frozen=True, slots=True)
class Call:
    """One transaction to be sent to a contract of ours."""

    contract: str
    """The name of its artifact."""
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
    packed = pack_signatures(network.domain.digest(root), signatures)
    data = _data("Epochs", "submitRoot", [_root(root), packed])
    return Call("Epochs", network.contracts.epochs, data, f"submit the root of epoch {root.epoch}")


def _root(root: EpochRoot) -> tuple[int, int, bytes, bytes, int]:
    return root.epoch, root.set_id, root.root, root.data_hash, root.cumulative_total


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
    return Call("Epochs", network.contracts.epochs, data, f"claim for {_count(len(claims), 'id')}")


# --- owners of hotspots -------------------------------------------------------------------------------------------


def approve(network: NetworkFile, spender: Address, amount: int) -> Call:
    """Lets an account spend this much of the sender's tokens, no more and no less; base units."""
    data = _data("FarfieldToken", "approve", [checksum(spender), amount])
    return Call("FarfieldToken", network.contracts.token, data, f"allow {checksum(spender)} to spend {far(amount)}")


def locate(network: NetworkFile, hotspot_id: bytes, cell: int, gain_cdb: int, elevation_m: int) -> Call:
    """Says where a hotspot stands; its operator sends it, and burns the location fee if the cell is another."""
    data = _data("Hotspots", "locate", [_number(hotspot_id), cell, gain_cdb, elevation_m])
    return Call("Hotspots", network.contracts.hotspots, data, f"put hotspot 0x{hotspot_id.hex()} in cell {cell:x}")


def transfer_shares(network: NetworkFile, holder: Address, to: Address, hotspot_id: bytes, shares: int) -> Call:
    """Moves shares of a hotspot; the holder sends it, or whom it has approved for all of its shares."""
    arguments = [checksum(holder), checksum(to), _number(hotspot_id), shares, b""]
    what = f"transfer {shares} shares of hotspot 0x{hotspot_id.hex()} to {checksum(to)}"
    return Call("Hotspots", network.contracts.hotspots, _data("Hotspots", "safeTransferFrom", arguments), what)


def collect(network: NetworkFile, hotspot_ids: Sequence[bytes]) -> Call:
    """Pays the sender what its shares of these hotspots have earned."""
    data = _data("Hotspots", "collect", [[_number(one) for one in hotspot_ids]])
    what = f"collect the income of {_count(len(hotspot_ids), 'hotspot')}"
    return Call("Hotspots", network.contracts.hotspots, data, what)


def collect_for(network: NetworkFile, holder: Address, hotspot_ids: Sequence[bytes]) -> Call:
    """Pays a holder what its shares of these hotspots have earned. Anyone may send it."""
    data = _data("Hotspots", "collectFor", [checksum(holder), [_number(one) for one in hotspot_ids]])
    what = f"pay {checksum(holder)} the income of {_count(len(hotspot_ids), 'hotspot')}"
    return Call("Hotspots", network.contracts.hotspots, data, what)


# --- validators ---------------------------------------------------------------------------------------------------


def join(network: NetworkFile, key: Address, stake: int) -> Call:
    """Makes the sender a validator from the next epoch on and locks its stake; base units, whole tokens."""
    data = _data("Epochs", "join", [checksum(key), stake])
    return Call("Epochs", network.contracts.epochs, data, f"stake {far(stake)} and sign with {checksum(key)}")


def leave(network: NetworkFile) -> Call:
    """Takes the sender out of the validators from the next epoch on."""
    return Call("Epochs", network.contracts.epochs, _data("Epochs", "leave", []), "leave the validators")


def unlock_stake(network: NetworkFile) -> Call:
    """Frees the stake of a sender that has left for long enough."""
    return Call("Epochs", network.contracts.epochs, _data("Epochs", "unlockStake", []), "unlock the stake")


def set_key(network: NetworkFile, new_key: Address) -> Call:
    """Makes the sender sign with another key from the next epoch on."""
    data = _data("Epochs", "setKey", [checksum(new_key)])
    return Call("Epochs", network.contracts.epochs, data, f"sign with {checksum(new_key)}")


def suspend(network: NetworkFile, owner: Address) -> Call:
    """Puts a validator out that posted nothing for seven epochs. Anyone may send it."""
    data = _data("Epochs", "suspend", [checksum(owner)])
    return Call("Epochs", network.contracts.epochs, data, f"suspend validator {checksum(owner)}")


def veto(network: NetworkFile, epoch: int, root: bytes, packed: bytes) -> Call:
    """Drops the waiting root of an epoch; `packed` as `pack_signatures` gives. Anyone may send it."""
    data = _data("Epochs", "veto", [epoch, root, packed])
    return Call("Epochs", network.contracts.epochs, data, f"drop the root of epoch {epoch}")


def pause(network: NetworkFile, packed: bytes) -> Call:
    """Stops roots and claims for seven days; `packed` as `pack_signatures` gives. Anyone may send it."""
    return Call("Epochs", network.contracts.epochs, _data("Epochs", "pause", [packed]), "stop roots and claims")


# --- proofs, sent by anyone ---------------------------------------------------------------------------------------


def cancel_by_proof(network: NetworkFile, live: Claim, pending: Claim) -> Call:
    """Drops a waiting root that grants an id less than the live one does."""
    arguments = [_number(live.leaf_id), live.cumulative, list(live.proof), pending.cumulative, list(pending.proof)]
    data = _data("Epochs", "cancelByProof", arguments)
    return Call("Epochs", network.contracts.epochs, data, "drop the waiting root, which takes something back")


def slash_equivocation(network: NetworkFile, a: EpochRoot, b: EpochRoot, signatures: tuple[bytes, bytes]) -> Call:
    """Proves that a key signed two roots of one epoch for one set: the stake is burned, a tenth is the sender's."""
    data = _data("Epochs", "slashEquivocation", [_root(a), _root(b), *signatures])
    return Call("Epochs", network.contracts.epochs, data, f"prove two roots of epoch {a.epoch}")


def slash_manifests(
    network: NetworkFile, epoch: int, manifest_hashes: tuple[bytes, bytes], signatures: tuple[bytes, bytes]
) -> Call:
    """Proves that a key signed two manifests of one epoch as its own."""
    data = _data("Epochs", "slashManifests", [epoch, *manifest_hashes, *signatures])
    return Call("Epochs", network.contracts.epochs, data, f"prove two manifests of epoch {epoch}")


def slash_availability(
    network: NetworkFile,
    epoch: int,
    validator: Address,
    manifest_hashes: tuple[bytes, bytes],
    signatures: tuple[bytes, bytes],
) -> Call:
    """Proves that a key signed two manifests of one validator and epoch as available."""
    data = _data("Epochs", "slashAvailability", [epoch, checksum(validator), *manifest_hashes, *signatures])
    return Call("Epochs", network.contracts.epochs, data, f"prove two manifests of epoch {epoch} said available")


# --- holders ------------------------------------------------------------------------------------------------------


def transfer(network: NetworkFile, to: Address, amount: int) -> Call:
    """Gives tokens of the sender's to another account; base units."""
    data = _data("FarfieldToken", "transfer", [checksum(to), amount])
    return Call("FarfieldToken", network.contracts.token, data, f"send {far(amount)} to {checksum(to)}")


def delegate(network: NetworkFile, to: Address) -> Call:
    """Lets an account vote with the sender's tokens, staked ones included; its own account to vote itself."""
    data = _data("FarfieldToken", "delegate", [checksum(to)])
    return Call("FarfieldToken", network.contracts.token, data, f"let {checksum(to)} vote with all tokens held")


def propose(network: NetworkFile, decisions: Sequence[Call], description: str) -> Call:
    """Puts what the Timelock shall send to the vote."""
    targets, data = [checksum(one.to) for one in decisions], [one.data for one in decisions]
    arguments = [targets, [0] * len(decisions), data, description]
    what = "propose to " + " and to ".join(one.what for one in decisions)
    return _governor(network, "propose", arguments, what)


def cast_vote(network: NetworkFile, proposal_id: int, support: int, reason: str) -> Call:
    """Votes: `support` is 0 against, 1 for, 2 abstain."""
    what = f"vote {('against', 'for', 'to abstain on')[support]} proposal 0x{proposal_id:064x}"
    if reason:
        return _governor(network, "castVoteWithReason", [proposal_id, support, reason], what)
    return _governor(network, "castVote", [proposal_id, support], what)


@dataclass(frozen=True, slots=True)
class Motion:
    """What the Governor knows a proposal by: its calls, the coin each is to send, and the hash of its text."""

    decisions: tuple[Call, ...]
    values_wei: tuple[int, ...]
    description_hash: bytes


def queue(network: NetworkFile, motion: Motion) -> Call:
    """Lets what passed wait in the Timelock. Anyone may send it."""
    return _governor(network, "queue", _passed(motion), "queue what passed")


def execute(network: NetworkFile, motion: Motion) -> Call:
    """Carries out what has waited for long enough. Anyone may send it."""
    return _governor(network, "execute", _passed(motion), "carry out what passed")


def _passed(motion: Motion) -> list[Any]:
    targets, data = [checksum(one.to) for one in motion.decisions], [one.data for one in motion.decisions]
    return [targets, list(motion.values_wei), data, motion.description_hash]


def _governor(network: NetworkFile, function: str, arguments: Sequence[Any], what: str) -> Call:
    data = _data("FarfieldGovernor", function, arguments)
    return Call("FarfieldGovernor", network.contracts.governor, data, what)


# --- what a vote can decide; only the Timelock may send these -----------------------------------------------------


def set_params_hash(network: NetworkFile, params_hash: bytes) -> Call:
    """Validators judge by other parameters."""
    data = _data("Epochs", "setParamsHash", [params_hash])
    return Call("Epochs", network.contracts.epochs, data, f"judge by the parameters of hash 0x{params_hash.hex()}")


def admit(network: NetworkFile, owner: Address, admitted: bool) -> Call:
    """An account may become a validator, or may not."""
    what = f"{'let' if admitted else 'no longer let'} {checksum(owner)} become a validator"
    return Call("Epochs", network.contracts.epochs, _data("Epochs", "admit", [checksum(owner), admitted]), what)


def set_frozen(network: NetworkFile, hotspot_id: bytes, reason_hash: bytes, frozen: bool) -> Call:
    """A hotspot earns nothing, or earns again."""
    data = _data("Hotspots", "setFrozen", [_number(hotspot_id), reason_hash, frozen])
    what = f"{'freeze' if frozen else 'unfreeze'} hotspot 0x{hotspot_id.hex()}"
    return Call("Hotspots", network.contracts.hotspots, data, what)


def cancel_root(network: NetworkFile, epoch: int) -> Call:
    """Drops the root of an epoch, if it still waits then."""
    data = _data("Epochs", "cancelRoot", [epoch])
    return Call("Epochs", network.contracts.epochs, data, f"drop the root of epoch {epoch}, if it still waits")


def set_quorum(network: NetworkFile, percent: int) -> Call:
    """Another part of all tokens has to vote for or abstain."""
    what = f"ask for {percent} % of all tokens to vote for or abstain"
    return _governor(network, "updateQuorumNumerator", [percent], what)


def _number(hotspot_id: bytes) -> int:
    return int.from_bytes(hotspot_id, "big")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
