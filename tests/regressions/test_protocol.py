"""Faults once found in protocol/, each with the input that showed it."""

from __future__ import annotations

from protocol.records import Account, StateHead
from protocol.state import decode_state
from protocol.tables import encode_table


def test_a_state_whose_amounts_exceed_its_total_field_does_not_decode() -> None:
    """Two amounts, each as large as its field: their sum does not fit the head, and decoding raised."""
    rich = [Account(bytes([n]) * 32, 2**128 - 1, 0, 0, 0, 0, 0, 0, 0, 0) for n in (1, 2)]
    head = StateHead(1, 5, 0, 0, bytes(32), bytes(32), len(rich), 0, 0)
    assert decode_state(encode_table(head, rich, [], [])) is None
