"""How much stake is enough. Both tests are strict: exactly two thirds, or one third, is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protocol.ids import Address


def is_quorum(signed_stake: int, total_stake: int) -> bool:
    """More than two thirds: two such sets always share an honest member while at most a third of stake is faulty."""
    return 3 * signed_stake > 2 * total_stake


def is_blocking(stake: int, total_stake: int) -> bool:
    """More than one third: at least one honest member is among them."""
    return 3 * stake > total_stake


def stake_of(members: Iterable[Address], stakes: Mapping[Address, int]) -> int:
    """Stake of the distinct members; strangers count nothing."""
    return sum(stakes.get(member, 0) for member in set(members))
