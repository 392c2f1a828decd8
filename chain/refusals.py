"""What each custom error of our contracts means, in a sentence with what to do, and how revert data becomes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from chain.artifacts import NAMES, artifact
from chain.errors import ContractRefused
from protocol.keys import keccak256

SENTENCES = {
    "NotAValidator": "{caller} signs for no validator. Use the key that was registered for this validator.",
    "EpochNotOver": "Epoch {epoch} has not ended on chain yet; it ends at {endsAt:time}. Wait for it.",
    "EpochClosed": "Epoch {epoch} took manifests until {closedAt:time}. Nothing can be added to it any more.",
    "NoManifestForSetUp": "Epoch 0 is set-up and has no manifests. Begin with epoch 1.",
    "AlreadyPosted": "The manifest of epoch {epoch} is on chain already. There is nothing left to do.",
    "WrongNumberOfSignatures": "{count} signatures were given; the contract takes 1 to 64. Leave the others out.",
    "BadSignatureLength": "Signature {index} has {length} bytes instead of 65. Collect it again.",
    "EpochNotNew": "A root of epoch {lastEpoch} is on chain already. That of epoch {epoch} is not needed any more.",
    "WrongSet": "Validator set {setId} signed, but set {current} is in force. Sign again with its number.",
    "RootPending": "The root of epoch {epoch} is in its challenge window until {activeAt:time}. Submit after that.",
    "TotalFell": "The root grants {cumTotal:far}, less than the {before:far} granted before. Compute it again.",
    "AboveEmission": "The root grants {cumTotal:far}, above the {emitted:far} emitted so far. Compute it again.",
    "BadSignature": "Signature {index} is not a valid one. Collect it again.",
    "SignersNotAscending": "Signature {index} is out of order or doubled. Sort the signatures by signer.",
    "UnknownSigner": "Signature {index} is not one of a validator. Leave it out.",
    "NoQuorum": "The signers hold {signed:far} of {total:far} staked, not more than two thirds. Collect more.",
    "NotAnId": "{id} is neither an account nor a hotspot. Check the id.",
    "NotRegistered": "Hotspot {id:id} is not registered, so nobody can be paid for it. Register it first.",
    "BadProof": "The live root has no such amount for {id:id}. Ask for the proof of the newest live epoch.",
    "NothingToClaim": "{id:id} has been paid {cumulative:far} already. Wait until the next root is live.",
    "AboveTotal": "The claims come to {claimed:far}, above the root's {cumTotal:far}. Report it: the root is wrong.",
    "AlreadyRegistered": "Hotspot {id:id} is registered already. There is nothing left to do.",
    "NoOwner": "The owner must be an account other than 0. Give the owner's address.",
    "UnknownKind": "Kind {kind} is not known; it is 0 fixed, 1 mapper, 2 fixed Wi-Fi or 3 mapper Wi-Fi. Choose one.",
    "NotACell": "{cell:cell} is not an H3 cell of resolution 9 to 12. Choose the place again.",
    "GainOutOfRange": "A gain of {gain} hundredths of a dBi is outside -1000 to 1500. Correct the antenna's gain.",
    "BadDeviceSignature": "Hotspot {id:id} did not sign these values for this network. Let the device sign again.",
    "ChainIdTooLarge": "Chain id {chainId} does not fit into 64 bits. Choose another chain.",
    "WindowsDoNotFit": "The windows take {windows} s of an epoch of {epochLength} s. Make them shorter.",
    "NoEmission": "First emission and halving epochs must be positive. Correct the parameters.",
    "WrongContract": "{contractAddress} is not the contract of this network. Deploy all three together.",
    "WrongNumberOfValidators": "{count} validators were given; a network starts with 1 to 64. Correct the first set.",
    "BadValidator": "Validator {owner} needs an owner, a key and a locked stake of its own. Correct the first set.",
    "StakesDoNotMatch": "{stakers} stakers and {stakes} stakes were given. Give one stake for each.",
    "OnlyEpochs": "Only the Epochs contract creates tokens. Claim through it.",
    "BalanceLocked": "{account} would keep {balance:far}, but {locked:far} are locked as stake. Send less.",
    "ERC20InsufficientBalance": "{sender} holds {balance:far} and would need {needed:far}. Send less.",
    "ERC20InsufficientAllowance": "{spender} may spend {allowance:far} and would need {needed:far}. Approve more.",
    "ERC2612ExpiredSignature": "The permit expired at {deadline:time}. Sign a new one.",
    "ERC2612InvalidSigner": "The permit was signed by {signer}, not by {owner}. Let the owner sign.",
}
"""By the error's name, with its arguments by the contract's own names; FORMATS has the ways to print them."""

PANIC = "Panic"
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


FORMATS: Mapping[str, Callable[[Any], str]] = {
    "": str,
    "time": moment,
    "id": _identity,
    "far": far,
    "cell": "{:x}".format,
}


def refused(data: bytes) -> ContractRefused:
    """The refusal that revert data stands for, whichever of our contracts it came from."""
    known = _errors().get(data[:4])
    if known is None:
        name = PANIC if data[:4] == keccak256(b"Panic(uint256)")[:4] else ""
        return ContractRefused(name, f"The contract refuses without naming a reason (0x{data.hex()[:72]}). Report it.")
    try:
        values = _decode([one["type"] for one in known["inputs"]], data[4:])
    except ValueError:
        return ContractRefused(known["name"], f"The contract refuses with {known['name']}. Report it.")
    arguments = {one["name"]: value for one, value in zip(known["inputs"], values, strict=True)}
    return ContractRefused(known["name"], sentence(known["name"], arguments))


def sentence(name: str, arguments: Mapping[str, Any]) -> str:
    """The sentence of a custom error; an error without one is named with its arguments."""
    template = SENTENCES.get(name)
    if template is None:
        shown = ", ".join(f"{key} {value}" for key, value in arguments.items())
        return f"The contract refuses with {name}({shown}). Report it."
    return template.format(**{key: _Shown(value) for key, value in arguments.items()})


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
