"""Refusals: every custom error of our contracts has its sentence with what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chain.artifacts import NAMES, artifact
from chain.libraries import Web3
from chain.refusals import far, refused
from chain.sentences import SENTENCES
from protocol.keys import keccak256
from tests.factories import ROOT

SOURCES = sorted((ROOT / "contracts" / "src").glob("*.sol"))
ERRORS = {one["name"]: one for name in NAMES for one in artifact(name).abi if one["type"] == "error"}
SAMPLES = {"address": "0x" + "11" * 20, "bytes32": b"\x22" * 32, "string": "text", "bytes": b"\x33"}


def encoded(name: str) -> bytes:
    """Revert data of an error with sample arguments."""
    types = [one["type"] for one in ERRORS[name]["inputs"]]
    values = [SAMPLES.get(kind, 7) for kind in types]
    return keccak256(f"{name}({','.join(types)})".encode())[:4] + Web3().codec.encode(types, values)


def declared(source: Path) -> set[str]:
    return set(re.findall(r"^\s*error (\w+)\(", source.read_text(), re.MULTILINE))


def test_every_custom_error_of_the_abi_has_a_sentence() -> None:
    assert len(ERRORS) > 100
    assert set(ERRORS) - set(SENTENCES) == set()


def test_every_error_of_our_own_sources_is_in_the_abi() -> None:
    ours = set().union(*(declared(source) for source in SOURCES))
    assert len(ours) > 50
    assert ours - set(ERRORS) == set()


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_a_sentence_says_what_to_do(name: str) -> None:
    """It is a sentence on what is wrong, and one with the next step."""
    template = SENTENCES[name]
    assert template.endswith(".")
    assert len(re.findall(r"\. [A-Z]", template)) >= 1
    assert template.isascii()


def test_no_sentence_is_left_over() -> None:
    assert set(SENTENCES) - set(ERRORS) == set()


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_error_becomes_a_sentence(name: str) -> None:
    refusal = refused(encoded(name))
    assert refusal.name == name
    assert refusal.sentence.endswith(".")
    assert "{" not in refusal.sentence


@pytest.mark.parametrize("data", [b"", b"\1", b"\1\2\3\4", encoded("EpochNotOver")[:20]])
def test_revert_data_without_a_known_error_is_told_all_the_same(data: bytes) -> None:
    assert refused(data).sentence.endswith("Report it.")


def test_words_of_others_are_passed_on() -> None:
    data = keccak256(b"Error(string)")[:4] + Web3().codec.encode(["string"], ["not today"])
    assert refused(data).sentence == "The contract refuses: not today. Report it."
    assert refused(data[:10]).name == "Error"


def test_addresses_are_written_with_their_capitals() -> None:
    address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    data = keccak256(b"NotAdmitted(address)")[:4] + Web3().codec.encode(["address"], [address])
    assert address in refused(data).sentence


@pytest.mark.parametrize("number", range(9))
def test_every_state_of_a_proposal_has_words(number: int) -> None:
    data = keccak256(b"GovernorUnexpectedProposalState(uint256,uint8,bytes32)")[:4]
    sentence = refused(data + Web3().codec.encode(["uint256", "uint8", "bytes32"], [1, number, bytes(32)])).sentence
    assert ("state 8" in sentence) == (number == 8)


def test_a_panic_is_named() -> None:
    data = keccak256(b"Panic(uint256)")[:4] + (0x11).to_bytes(32, "big")
    assert refused(data).name == "Panic"


def test_times_that_no_calendar_has_are_seconds() -> None:
    data = keccak256(b"EpochNotOver(uint64,uint256)")[:4] + (1).to_bytes(32, "big") + b"\xff" * 32
    assert f"it ends at second {2**256 - 1}" in refused(data).sentence


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0 FAR"), (1, "0.000000000000000001 FAR"), (10**18, "1 FAR"), (15 * 10**17, "1.5 FAR"), (10**19, "10 FAR")],
)
def test_amounts_are_written_exactly(amount: int, shown: str) -> None:
    assert far(amount) == shown
