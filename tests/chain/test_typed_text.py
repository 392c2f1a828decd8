"""What people type that no decoder takes: each becomes a sentence, none a traceback."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import farfield
from chain.governance.proposals import Proposed, find
from protocol.ids import Address

NOT_UTF8 = "\udcff"
"""How Python hands over the byte 0xff of a command line."""
HOTSPOT = "f" * 64


def a_proposal(number: int) -> Proposed:
    return Proposed(number, Address(bytes(20)), (), (), "", bytes(32), 0, 0)


@pytest.mark.parametrize("name", ["9" * 5_000, "²", "٣"])
def test_a_number_no_id_can_be_finds_no_proposal(name: str) -> None:
    assert find([a_proposal(3)], name) == []


def test_a_whole_id_in_decimal_finds_its_proposal() -> None:
    number = 2**256 - 1
    assert [one.id for one in find([a_proposal(3), a_proposal(number)], str(number))] == [number]


@pytest.mark.parametrize(
    "words",
    [
        ("propose", "quorum", "9", "--why", NOT_UTF8),
        ("propose", "freeze", HOTSPOT, "--reason", NOT_UTF8),
        ("vote", "0x12", "for", "--reason", NOT_UTF8),
    ],
)
def test_a_text_that_is_not_utf8_is_refused_before_the_chain_is_asked(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(farfield.main, ["gov", *words, "--key", "none", "--network", "none.json"])
    assert result.exit_code == 2
    assert "not UTF-8" in result.stderr
