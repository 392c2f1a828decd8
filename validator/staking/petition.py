"""Signatures that validators collect to drop a root or to stop the network: a file that can be signed, joined and sent.

A petition's signatures count for one set of validators only; whoever holds more than a third of its stake decides.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chain.network import NetworkFile
from protocol.keys import QUORUM_SIGNATURE_BYTES, Pause, Veto, recover_quorum
from protocol.limits import MAX_VALIDATORS

VETO, PAUSE = "veto", "pause"
MAX_FILE_BYTES = 64 * 1024
MAX_NUMBER = 2**64 - 1
ASK = "Let the validator that made it sign again."


class PetitionError(ValueError):
    """The file is no petition, or not one of this network; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Petition:
    """What is asked for, and who signed so far."""

    message: Veto | Pause
    signatures: tuple[bytes, ...] = ()

    @property
    def what(self) -> str:
        return VETO if isinstance(self.message, Veto) else PAUSE

    @property
    def words(self) -> str:
        """What happens if it is sent."""
        if isinstance(self.message, Veto):
            one = self.message
            return (
                f"The root 0x{one.root.hex()} of epoch {one.epoch} is dropped, and nobody is paid for that epoch yet."
            )
        return f"Roots and claims stop for seven days (pause number {self.message.number})."

    def digest(self, network: NetworkFile) -> bytes:
        """What validators sign."""
        return network.domain.digest(self.message)

    def signers(self, network: NetworkFile) -> dict[bytes, bytes]:
        """Signature by signing key; those that are of no key are left out."""
        digest = self.digest(network)
        found = {recover_quorum(digest, one): one for one in self.signatures}
        return {key: one for key, one in found.items() if key is not None}

    def signed(self, signature: bytes) -> Petition:
        """The same with one signature more."""
        return replace(self, signatures=tuple(sorted({*self.signatures, signature})))


def joined(petitions: Sequence[Petition]) -> Petition:
    """All signatures under one message; PetitionError if they are not under the same."""
    first = petitions[0]
    if any(one.message != first.message for one in petitions):
        raise PetitionError("These files do not ask for the same: another root, set or number. Join those that do.")
    signatures = tuple(sorted({signature for one in petitions for signature in one.signatures}))
    return replace(first, signatures=signatures)


# --- files --------------------------------------------------------------------------------------------------------


def dump(petition: Petition, network: NetworkFile) -> str:
    """The file's text."""
    one = petition.message
    subject: dict[str, Any] = {"number": one.number} if isinstance(one, Pause) else {}
    if isinstance(one, Veto):
        subject = {"epoch": one.epoch, "root": "0x" + one.root.hex()}
    tree = {
        "what": petition.what,
        "chain_id": network.chain_id,
        "epochs": "0x" + network.contracts.epochs.hex(),
        "set_id": one.set_id,
        **subject,
        "signatures": ["0x" + signature.hex() for signature in petition.signatures],
    }
    return json.dumps(tree, indent=2) + "\n"


def read(path: Path, network: NetworkFile) -> Petition:
    """The petition in a file; PetitionError names the file."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        return parse(data, network)
    except OSError as error:
        raise PetitionError(f"{path} cannot be read: {error.strerror}. Check its name and permissions.") from error
    except PetitionError as error:
        raise PetitionError(f"{path}: {error}") from error


def parse(data: bytes, network: NetworkFile) -> Petition:
    """The petition in a file's bytes."""
    if len(data) > MAX_FILE_BYTES:
        raise PetitionError(f"this is larger than 64 KiB, so it is no file of signatures. {ASK}")
    try:
        tree = json.loads(data)
        signed_for = (tree["chain_id"], tree["epochs"])
        petition = Petition(_message(tree), _signatures(tree["signatures"]))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise PetitionError(f"this is no file of signatures ({type(error).__name__}). {ASK}") from error
    if signed_for != (network.chain_id, "0x" + network.contracts.epochs.hex()):
        raise PetitionError("this was signed for another network. Check --network.")
    return petition


def _message(tree: Any) -> Veto | Pause:
    if tree["what"] == VETO:
        return Veto(_number(tree["epoch"]), _number(tree["set_id"]), _bytes(tree["root"], 32))
    if tree["what"] == PAUSE:
        return Pause(_number(tree["set_id"]), _number(tree["number"]))
    raise ValueError("what is neither veto nor pause")


def _signatures(rows: Any) -> tuple[bytes, ...]:
    if not isinstance(rows, list) or len(rows) > MAX_VALIDATORS:
        raise ValueError("signatures are no list of at most 64")
    return tuple(sorted({_bytes(one, QUORUM_SIGNATURE_BYTES) for one in rows}))


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
        raise ValueError("no number of 64 bits")
    return value


def _bytes(value: Any, width: int) -> bytes:
    data = bytes.fromhex(value.removeprefix("0x"))
    if len(data) != width:
        raise ValueError("a wrong length")
    return data
