"""Files of signatures: what is written is read back, and whatever else is in a file becomes a sentence."""

from __future__ import annotations

import json
from typing import Any

import coincurve
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.network import Contracts, NetworkFile
from protocol.ids import Address
from protocol.keys import Pause, Veto, quorum_address, sign_quorum
from validator.staking.petition import MAX_FILE_BYTES, Petition, PetitionError, dump, joined, parse

NUMBERS = st.integers(0, 2**64 - 1)
MESSAGES = st.builds(Veto, NUMBERS, NUMBERS, st.binary(min_size=32, max_size=32)) | st.builds(Pause, NUMBERS, NUMBERS)
SIGNATURES = st.lists(st.binary(min_size=65, max_size=65), max_size=64, unique=True)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just("0x" + "11" * 32)
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner)
)


def account(number: int) -> Address:
    return Address(bytes([number]) * 20)


NETWORK = NetworkFile(
    name="test",
    chain_id=31_337,
    genesis_hash=bytes(32),
    rpc_urls=("http://127.0.0.1:1",),
    contracts=Contracts(account(1), account(2), account(3), account(4), account(5)),
    deployed_block=0,
    params_hash=bytes(32),
    validators=(),
    map_url="",
    confirmations=None,
    simulated=None,
)


def key(number: int) -> coincurve.PrivateKey:
    return coincurve.PrivateKey(number.to_bytes(32, "big"))


@given(MESSAGES, SIGNATURES)
def test_what_is_written_is_read_back(message: Veto | Pause, signatures: list[bytes]) -> None:
    petition = Petition(message, tuple(sorted(signatures)))
    assert parse(dump(petition, NETWORK).encode(), NETWORK) == petition


@given(st.binary(max_size=200) | ANY_JSON.map(lambda tree: json.dumps(tree).encode()))
@settings(max_examples=300)
def test_bytes_that_are_no_petition_are_a_sentence(data: bytes) -> None:
    with pytest.raises(PetitionError, match="this is no file of signatures"):
        parse(data, NETWORK)


@given(MESSAGES, st.data())
@settings(max_examples=300)
def test_one_wrong_entry_is_a_sentence_or_read_as_it_stands(message: Veto | Pause, data: st.DataObject) -> None:
    tree: dict[str, Any] = json.loads(dump(Petition(message), NETWORK))
    tree[data.draw(st.sampled_from(sorted(tree)))] = data.draw(ANY_JSON)
    text, sentence = json.dumps(tree), ""
    try:
        text = dump(parse(text.encode(), NETWORK), NETWORK)
    except PetitionError as error:
        sentence = str(error)
    assert json.loads(text) == tree
    assert sentence == "" or sentence.endswith(".")


@pytest.mark.parametrize("data", [b"[" * 60_000, b" " * (MAX_FILE_BYTES + 1), b'{"what": ' + b"9" * 5_000 + b"}"])
def test_a_file_that_asks_for_too_much_is_a_sentence(data: bytes) -> None:
    with pytest.raises(PetitionError):
        parse(data, NETWORK)


def test_signatures_are_known_by_their_keys_and_joined_once() -> None:
    plain = Petition(Pause(3, 1))
    one, two = (plain.signed(sign_quorum(key(number), plain.digest(NETWORK))) for number in (1, 2))
    both = joined([one, two, one])
    assert set(both.signers(NETWORK)) == {quorum_address(key(1)), quorum_address(key(2))}
    assert len(both.signatures) == 2


def test_a_signature_under_something_else_is_somebody_elses() -> None:
    signed = Petition(Pause(3, 1)).signed(sign_quorum(key(1), Petition(Pause(4, 1)).digest(NETWORK)))
    assert quorum_address(key(1)) not in signed.signers(NETWORK)
