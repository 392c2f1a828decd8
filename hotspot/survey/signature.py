"""The device's signature under a survey's file: a small JSON file beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hotspot.files import write_whole
from hotspot.keys import DeviceKey
from hotspot.survey.readings import SurveyError
from hotspot.survey.rows import Made
from protocol.encoding import Network, sha256, signed_bytes
from protocol.ids import Address
from protocol.keys import hotspot_id, parse_public_key, verify_device
from protocol.records import SURVEY, Survey

FORMAT, VERSION = "farfield survey signature", 1
SUFFIX = ".sig.json"
MAX_SIGNATURE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was checked, and what it says."""

    survey: Survey
    network: Network


def beside(path: Path) -> Path:
    """Where a file's signature lies."""
    return path.with_name(path.name + SUFFIX)


def write(path: Path, made: Made, device: DeviceKey, network: Network) -> None:
    """Writes the file and its signature, the signature last; SurveyError, KeyProblemError."""
    survey = Survey(device.hotspot_id, sha256(made.data), made.rows, made.first_day, made.last_day)
    canonical = survey.encode()
    tree = {
        "format": FORMAT,
        "version": VERSION,
        "hotspot_id": device.hotspot_id.hex(),
        "public_key": device.public_hex,
        "chain_id": network.chain_id,
        "contract": f"0x{network.hotspots.hex()}",
        "survey": canonical.hex(),
        "signature": device.sign(SURVEY, network, canonical).hex(),
    }
    try:
        write_whole(path, made.data)
        write_whole(beside(path), json.dumps(tree, indent=2).encode() + b"\n")
    except OSError as error:
        raise SurveyError(f"Cannot write {path}: {error.strerror}.") from error


def check(path: Path) -> Signed:
    """What a survey's signature says; SurveyError if it is not the file's, or not a hotspot's."""
    try:
        data = path.read_bytes()
        with beside(path).open("rb") as file:
            tree = json.loads(file.read(MAX_SIGNATURE_BYTES))
        if (tree["format"], tree["version"]) != (FORMAT, VERSION):
            raise SurveyError(f"{beside(path)} was written by another release. Update Farfield.")
        network = Network(int(tree["chain_id"]), Address(bytes.fromhex(str(tree["contract"]).removeprefix("0x"))))
        key = parse_public_key(bytes.fromhex(tree["public_key"]))
        canonical, signature = bytes.fromhex(tree["survey"]), bytes.fromhex(tree["signature"])
    except OSError as error:
        raise SurveyError(f"Cannot read {error.filename}: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SurveyError(f"{beside(path)} is not a survey's signature.") from error
    survey = Survey.decode(canonical)
    if survey is None or key is None or hotspot_id(key) != survey.hotspot_id:
        raise SurveyError(f"{beside(path)} is not signed by the hotspot it names.")
    if not verify_device(key, signed_bytes(SURVEY, network, canonical), signature):
        raise SurveyError(f"{beside(path)}: the signature does not verify.")
    if survey.digest != sha256(data):
        raise SurveyError(f"{path} is not the file that was signed.")
    return Signed(survey, network)
