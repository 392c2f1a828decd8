"""network.json: the one file that distinguishes one network from another (protocol.md §9).

It is read from a file or an http(s) address; whatever is wrong with it becomes one sentence with the next step.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from protocol.encoding import Network
from protocol.ids import Address
from protocol.keys import Domain, keccak256
from protocol.limits import MAX_VALIDATORS

MAX_FILE_BYTES = 1024 * 1024
FETCH_TIMEOUT_S = 10
MAX_RPC_URLS = 16
MAX_CHAIN_ID = 2**64 - 1
ADDRESS_STARTS = ("http://", "https://")
FINALIZED = "finalized"
MAX_CONFIRMATIONS = 100_000


class NetworkFileError(ValueError):
    """The network file cannot be used; the message is a sentence with what to do."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """Addresses of the contracts."""

    token: Address
    hotspots: Address
    epochs: Address
    timelock: Address
    governor: Address

    def of(self, contract: str) -> Address:
        """The address of a contract by the name of its artifact."""
        return {
            "FarfieldToken": self.token,
            "Hotspots": self.hotspots,
            "Epochs": self.epochs,
            "TimelockController": self.timelock,
            "FarfieldGovernor": self.governor,
        }[contract]


@dataclass(frozen=True, slots=True)
class ValidatorEntry:
    """Where one validator is reached; who counts as a validator is what the chain says."""

    owner: Address
    key: Address
    endpoint: str


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A network as its file names it."""

    name: str
    chain_id: int
    genesis_hash: bytes
    rpc_urls: tuple[str, ...]
    contracts: Contracts
    deployed_block: int
    params_hash: bytes
    validators: tuple[ValidatorEntry, ...]
    map_url: str
    confirmations: int | None
    """None: the chain's own finalized tag; else a block is final when this many blocks stand on it."""
    simulated: Mapping[str, Any] | None
    """None on a real network; else what is simulated, for every screen to say."""

    @property
    def network(self) -> Network:
        """What every device-signed byte is bound to."""
        return Network(self.chain_id, self.contracts.hotspots)

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain of everything validators sign."""
        return Domain(self.chain_id, self.contracts.epochs)


def load(source: str) -> NetworkFile:
    """The network file at a path or an http(s) address; NetworkFileError says what is wrong and what to do."""
    text = _fetch(source) if source.lower().startswith(ADDRESS_STARTS) else _read(Path(source))
    try:
        return parse(text)
    except NetworkFileError as error:
        raise NetworkFileError(f"{source}: {error}") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise NetworkFileError(
            f"{path} does not exist. Give the network's file or address with --network; "
            "`farfield devnet run` writes one for a network on this machine."
        ) from error
    except OSError as error:
        raise NetworkFileError(f"{path} cannot be read: {error.strerror}. Check its path and permissions.") from error
    return _bounded(data, str(path))


def _fetch(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=FETCH_TIMEOUT_S) as response:  # noqa: S310 - load() checked the scheme
            data = response.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise NetworkFileError(
            f"{address} cannot be fetched: {reason}. Check the address, or save the file and name it instead."
        ) from error
    return _bounded(data, address)


def _bounded(data: bytes, source: str) -> bytes:
    if len(data) > MAX_FILE_BYTES:
        raise NetworkFileError(f"{source} is larger than 1 MiB, so it is no network file. Check what it names.")
    return data


# --- text to value ----------------------------------------------------------------------------------------------

T = TypeVar("T")
KEYS = (
    "chain_id",
    "contracts",
    "deployed_block",
    "finality",
    "genesis_hash",
    "map_url",
    "name",
    "params_hash",
    "rpc_urls",
    "simulated",
    "validators",
)
CONTRACTS = tuple(one.name for one in fields(Contracts))
ASK = "Ask the network's operators for a correct file."


def parse(text: bytes) -> NetworkFile:
    """The network in the bytes of a network file."""
    tree = _json(text, "this is not JSON", "Check that it is a network.json.")
    _check_keys(tree, KEYS, "the file")
    _check_keys(tree["contracts"], CONTRACTS, "contracts")
    return NetworkFile(
        name=_text(tree["name"], "name"),
        chain_id=_integer(tree["chain_id"], "chain_id", 1, MAX_CHAIN_ID),
        genesis_hash=_hash(tree["genesis_hash"], "genesis_hash"),
        rpc_urls=_list(tree["rpc_urls"], "rpc_urls", _url, 1, MAX_RPC_URLS),
        contracts=Contracts(*(_address(tree["contracts"][key], key) for key in CONTRACTS)),
        deployed_block=_integer(tree["deployed_block"], "deployed_block", 0, 2**63 - 1),
        params_hash=_hash(tree["params_hash"], "params_hash"),
        validators=_list(tree["validators"], "validators", _validator, 0, MAX_VALIDATORS),
        map_url=_text(tree["map_url"], "map_url"),
        confirmations=_confirmations(tree["finality"]),
        simulated=_simulated(tree["simulated"]),
    )


def parse_validators(text: bytes) -> tuple[ValidatorEntry, ...]:
    """Validators in the bytes of a JSON list, each as a network file has it."""
    tree = _json(text, "The validators are not JSON", "Give a list as in a network.json.")
    return _list(tree, "validators", _validator, 1, MAX_VALIDATORS)


def _json(text: bytes, what: str, next_step: str) -> Any:
    try:
        return json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise NetworkFileError(f"{what} ({error}). {next_step}") from error
    except ValueError as error:
        raise NetworkFileError(f"{what} (a number has thousands of digits). {next_step}") from error


def _check_keys(tree: Any, names: tuple[str, ...], where: str) -> None:
    if not isinstance(tree, dict):
        raise NetworkFileError(f"{where} should be an object with keys. {ASK}")
    for missing in sorted(set(names) - set(tree)):
        raise NetworkFileError(f"{where} has no {missing}. {ASK}")
    for unknown in sorted(set(tree) - set(names)):
        raise NetworkFileError(f"{where} has the key {unknown!r}, which this release does not know. Update Farfield.")


def _wrong(name: str, expected: str, value: Any) -> NetworkFileError:
    return NetworkFileError(f"{name} should be {expected}, not {str(value)[:80]!r}. {ASK}")


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a text", value)
    return value


def _integer(value: Any, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(name, f"a whole number from {least} to {most}", value)
    return value


def _bytes(value: Any, name: str, width: int, expected: str) -> bytes:
    if not isinstance(value, str) or re.fullmatch(f"0x[0-9a-fA-F]{{{2 * width}}}", value) is None:
        raise _wrong(name, expected, value)
    return bytes.fromhex(value[2:])


def _hash(value: Any, name: str) -> bytes:
    return _bytes(value, name, 32, "0x and 64 hexadecimal digits")


def _address(value: Any, name: str) -> Address:
    address = Address(_bytes(value, name, 20, "an address: 0x and 40 hexadecimal digits"))
    digits = value[2:]
    if digits not in (digits.lower(), digits.upper()) and value != checksum(address):
        raise _wrong(name, "an address whose capital letters fit its digits (EIP-55)", value)
    return address


def checksum(address: bytes) -> str:
    """An address as people write it: 0x and 40 digits, capital where its keccak-256 says so (EIP-55)."""
    digits = address.hex()
    marks = keccak256(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if int(mark, 16) > 7 else digit for digit, mark in zip(digits, marks, strict=False)
    )


def _url(value: Any, name: str) -> str:
    if not isinstance(value, str) or not _is_address(value):
        raise _wrong(name, "an http or https address", value)
    return value


def _is_address(text: str) -> bool:
    """True for http or https with a host; a port, if there is one, must be a number."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return known and bool(parts.hostname) and min(text) > " "


def _list(value: Any, name: str, item: Callable[[Any, str], T], least: int, most: int) -> tuple[T, ...]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise _wrong(name, f"a list of {least} to {most} entries", value)
    return tuple(item(one, f"{name}[{index}]") for index, one in enumerate(value))


def _validator(value: Any, name: str) -> ValidatorEntry:
    _check_keys(value, ("owner", "key", "endpoint"), name)
    return ValidatorEntry(
        owner=_address(value["owner"], f"{name}.owner"),
        key=_address(value["key"], f"{name}.key"),
        endpoint=_text(value["endpoint"], f"{name}.endpoint"),
    )


def _confirmations(value: Any) -> int | None:
    if value == FINALIZED:
        return None
    if isinstance(value, dict) and set(value) == {"confirmations"}:
        return _integer(value["confirmations"], "finality.confirmations", 0, MAX_CONFIRMATIONS)
    raise _wrong("finality", '"finalized" or {"confirmations": N}', value)


def _simulated(value: Any) -> Mapping[str, Any] | None:
    if value is not None and not (isinstance(value, dict) and isinstance(value.get("what"), str)):
        raise _wrong("simulated", 'null or an object with the text "what"', value)
    return value


# --- value to text ----------------------------------------------------------------------------------------------


def dump(network: NetworkFile) -> str:
    """The file's text: always the same bytes for the same network."""
    tree = {
        "name": network.name,
        "chain_id": network.chain_id,
        "genesis_hash": "0x" + network.genesis_hash.hex(),
        "rpc_urls": list(network.rpc_urls),
        "contracts": {name: checksum(getattr(network.contracts, name)) for name in CONTRACTS},
        "deployed_block": network.deployed_block,
        "params_hash": "0x" + network.params_hash.hex(),
        "validators": [
            {"owner": checksum(one.owner), "key": checksum(one.key), "endpoint": one.endpoint}
            for one in network.validators
        ],
        "map_url": network.map_url,
        "finality": FINALIZED if network.confirmations is None else {"confirmations": network.confirmations},
        "simulated": network.simulated,
    }
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
