"""What accounts must hold at the end of a run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devnet.balances import SHARES, due
from protocol.ids import Address, HotspotId, account_id

FEE = 30_000
HOTSPOT = HotspotId(b"\x80" + bytes(31))
SELLER, BUYER = Address(b"\x01" * 20), Address(b"\x02" * 20)


def test_a_validator_holds_its_stake_and_what_it_earned() -> None:
    assert due({account_id(SELLER): 7}, {}, {SELLER: 100}, FEE) == {SELLER: 107}


def test_the_fee_comes_off_a_hotspots_income() -> None:
    assert due({HOTSPOT: FEE + SHARES}, {HOTSPOT: {SELLER: SHARES}}, {}, FEE) == {SELLER: SHARES}


def test_a_hotspot_that_has_not_earned_its_fee_pays_nobody() -> None:
    assert due({HOTSPOT: FEE - 1}, {HOTSPOT: {SELLER: SHARES}}, {}, FEE) == {SELLER: 0}


@given(earned=st.integers(0, 10**30), sold=st.integers(0, SHARES))
def test_holders_share_all_but_what_does_not_divide(earned: int, sold: int) -> None:
    held = due({HOTSPOT: earned + FEE}, {HOTSPOT: {SELLER: SHARES - sold, BUYER: sold}}, {}, FEE)
    assert 0 <= earned - sum(held.values()) < SHARES
    assert held[BUYER] * SHARES == (earned - earned % SHARES) * sold
