"""The rules are believed for their hash, from whichever validator they come."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hotspot.playing.rules import OtherVersionError, Rules, RulesError, RulesLoader, UnfitError
from hotspot.wire import CallFailed, ValidatorStatus
from protocol.encoding import concatenate, sha256
from protocol.parameters import params_hash
from protocol.regions import RegionCell
from protocol.version import PROTOCOL_VERSION

DEVNET = (Path(__file__).parents[2] / "params" / "devnet.toml").read_bytes()
TEXT = "the rulebook"
REGION_ROWS = concatenate([RegionCell(0, 0x831F83FFFFFFFFF), RegionCell(0, 0x831F88FFFFFFFFF)])


def devnet_with(rows: bytes) -> bytes:
    head, _, rest = DEVNET.decode().partition("[radio.cells]")
    _, _, tail = rest.partition("sha256 = ")
    return f'{head}[radio.cells]\nfile = "x"\nsha256 = "{sha256(rows).hex()}"\n{tail.partition(chr(10))[2]}'.encode()


PARAMS = devnet_with(REGION_ROWS)


class Validator:
    """A source that has some blobs; None: it does not answer."""

    def __init__(self, *blobs: bytes, version: int = PROTOCOL_VERSION, answers: bool = True) -> None:
        self.endpoint = "validator.example:1"
        self.blobs = {sha256(blob): blob for blob in blobs}
        self.params_file = sha256(blobs[0]) if blobs else b""
        self.version, self.answers = version, answers
        self.asked = 0

    async def status(self) -> ValidatorStatus | CallFailed:
        self.asked += 1
        if not self.answers:
            return CallFailed("UNAVAILABLE", "connection refused")
        return ValidatorStatus(b"v" * 20, self.version, self.params_file, "")

    async def blob(self, digest: bytes) -> bytes | CallFailed:
        self.asked += 1
        return self.blobs.get(digest) or CallFailed("NOT_FOUND", "no such blob")


def load(home: Path, *validators: Validator, params: bytes = PARAMS) -> Rules:
    return asyncio.run(RulesLoader(params_hash(params, TEXT), TEXT, home, validators).load())


def test_takes_the_rules_from_the_first_validator_that_has_them(tmp_path: Path) -> None:
    silent, other, good = Validator(answers=False), Validator(b"name = 1"), Validator(PARAMS, REGION_ROWS)
    rules = load(tmp_path, silent, other, good)
    assert rules.params.name == "devnet"
    assert rules.regions.of(0x831F83FFFFFFFFF) == 0


def test_a_second_start_needs_no_validator(tmp_path: Path) -> None:
    load(tmp_path, Validator(PARAMS, REGION_ROWS))
    silent = Validator(answers=False)
    assert load(tmp_path, silent).params.name == "devnet"
    assert silent.asked == 0


def test_a_kept_file_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    load(tmp_path, Validator(PARAMS, REGION_ROWS))
    for path in (tmp_path / "rules").iterdir():
        path.write_bytes(path.read_bytes() + b"\n")
    good = Validator(PARAMS, REGION_ROWS)
    load(tmp_path, good)
    assert good.asked == 3


def test_params_other_than_those_on_chain_are_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="its params are not those on chain"):
        load(tmp_path, Validator(DEVNET, REGION_ROWS))


def test_a_missing_region_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="region file"):
        load(tmp_path, Validator(PARAMS))


def test_windows_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    wrong = PARAMS.replace(b"reveal_after_ms = 4_000", b"reveal_after_ms = 2_000")
    with pytest.raises(UnfitError, match="do not fit together"):
        load(tmp_path, Validator(wrong, REGION_ROWS), params=wrong)


def test_a_network_of_another_version_is_named(tmp_path: Path) -> None:
    with pytest.raises(OtherVersionError, match="Update Farfield"):
        load(tmp_path, Validator(b"other", version=PROTOCOL_VERSION + 1))


def test_a_file_without_validators_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="names no validator"):
        load(tmp_path)
