"""Logs that anybody could write into a chain, and that stopped everybody who read them."""

from __future__ import annotations

import pytest

from chain.artifacts import artifact
from chain.events import MAX_REASON_CHARACTERS, Decoder, Proposed, Voted
from chain.libraries import Web3
from protocol.keys import keccak256

NO_TEXT = b"\xff\xfe not UTF-8"


def log(event: str, values: dict[str, object]) -> dict[str, object]:
    """The raw log of a Governor's event; a text is given as bytes. What is not given is zero."""
    [abi] = [one for one in artifact("FarfieldGovernor").abi if one.get("name") == event and one["type"] == "event"]
    signature = f"{event}({','.join(one['type'] for one in abi['inputs'])})"
    plain = [one for one in abi["inputs"] if not one["indexed"]]
    kinds = ["bytes" if one["type"] == "string" else one["type"] for one in plain]
    topics = [keccak256(signature.encode()), *(bytes(32) for one in abi["inputs"] if one["indexed"])]
    data = Web3().codec.encode(kinds, [values[one["name"]] for one in plain])
    return {"topics": topics, "data": data, "blockNumber": 1, "blockHash": bytes(32), "logIndex": 0}


def test_a_vote_whose_reason_is_no_text_is_read() -> None:
    found = Decoder().decode(
        "FarfieldGovernor", log("VoteCast", {"proposalId": 5, "support": 1, "weight": 0, "reason": NO_TEXT}), 0
    )
    assert isinstance(found, Voted)
    assert found.reason == "\ufffd\ufffd not UTF-8"


def test_a_proposal_whose_description_is_no_text_is_read() -> None:
    values = {
        "proposalId": 5,
        "proposer": "0x" + "11" * 20,
        "targets": [],
        "values": [],
        "signatures": [],
        "calldatas": [],
        "voteStart": 1,
        "voteEnd": 2,
        "description": NO_TEXT,
    }
    found = Decoder().decode("FarfieldGovernor", log("ProposalCreated", values), 0)
    assert isinstance(found, Proposed)
    assert found.description == "\ufffd\ufffd not UTF-8"
    assert found.description_hash == keccak256(NO_TEXT)


@pytest.mark.parametrize("reason", [b"", "höher".encode()])
def test_a_reason_that_is_a_text_stays_what_it_is(reason: bytes) -> None:
    values = {"proposalId": 5, "support": 1, "weight": 0, "reason": reason}
    found = Decoder().decode("FarfieldGovernor", log("VoteCast", values), 0)
    assert isinstance(found, Voted)
    assert found.reason == reason.decode()


def test_a_reason_as_long_as_a_block_is_kept_short() -> None:
    values = {"proposalId": 5, "support": 1, "weight": 0, "reason": b"x" * 1_000_000}
    found = Decoder().decode("FarfieldGovernor", log("VoteCast", values), 0)
    assert isinstance(found, Voted)
    assert found.reason == "x" * MAX_REASON_CHARACTERS
