"""The state an epoch ends with: one canonical table, from which alone the next epoch starts (protocol.md §5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from protocol.encoding import Record, sha256
from protocol.need import NeedMap, NeedSource, genesis_cells, need_map
from protocol.parameters import Emission
from protocol.records import Account, CellState, Position, StateHead
from protocol.tables import encode_table, split_table


@dataclass(frozen=True, slots=True)
class State:
    """Cumulative amounts, what each hotspot has shown, published needs, positions, reserve."""

    epoch: int
    reserve: int
    non_empty: int
    need_map_next: bytes
    need_map_after: bytes
    accounts: Mapping[bytes, Account]
    cells: tuple[CellState, ...]
    positions: Mapping[int, Position]

    @property
    def cumulative_total(self) -> int:
        return sum(account.cumulative for account in self.accounts.values())

    def leaves(self) -> list[tuple[bytes, int]]:
        """(id, cumulative) of everybody who has ever earned: the epoch's Merkle leaves."""
        return [(one.id, one.cumulative) for _, one in sorted(self.accounts.items()) if one.cumulative]

    def encode(self) -> bytes:
        accounts = [account for _, account in sorted(self.accounts.items())]
        positions = [position for _, position in sorted(self.positions.items())]
        head = StateHead(
            self.epoch,
            self.cumulative_total,
            self.reserve,
            self.non_empty,
            self.need_map_next,
            self.need_map_after,
            len(accounts),
            len(self.cells),
            len(positions),
        )
        cells = sorted(self.cells, key=lambda row: (row.radio_class, row.cell))
        return encode_table(head, accounts, cells, positions)

    def digest(self) -> bytes:
        """stateHash."""
        return sha256(self.encode())


def decode_state(data: bytes) -> State | None:
    """The state, or None if the bytes are not canonical."""
    head = StateHead.decode(data[: StateHead.width()])
    if head is None:
        return None
    runs: list[tuple[type[Record], int]] = [
        (Account, head.accounts), (CellState, head.cells), (Position, head.positions),
    ]  # fmt: skip
    rows = split_table(data, StateHead.width(), runs)
    if rows is None:
        return None
    accounts = cast("list[Account]", rows[0])
    cells = cast("list[CellState]", rows[1])
    positions = cast("list[Position]", rows[2])
    if sum(one.cumulative for one in accounts) != head.cumulative_total:
        return None
    state = State(
        head.epoch,
        head.reserve,
        head.non_empty,
        head.need_map_next,
        head.need_map_after,
        {one.id: one for one in accounts},
        tuple(cells),
        {one.cell: one for one in positions},
    )
    return state if state.encode() == data else None


def genesis_state(source: NeedSource, genesis_ms: int, emission: Emission) -> tuple[State, NeedMap]:
    """State 0, which every party computes from the params alone, and the need map of epochs 1 and 2."""
    shrunk_now = source.shrunk_at(genesis_ms)
    cells = genesis_cells(shrunk_now)
    first_map = need_map(cells, shrunk_now, source.rules)
    digest = first_map.digest()
    return State(0, emission.of(0), 0, digest, digest, {}, tuple(cells), {}), first_map


def fresh_account(account_id: bytes, since_epoch: int = 0) -> Account:
    """An id nobody has heard of."""
    return Account(account_id, 0, since_epoch, 0, 0, 0, 0, 0, 0, 0)


def with_earned(accounts: Mapping[bytes, Account], earned: Mapping[bytes, int]) -> dict[bytes, Account]:
    """Accounts after adding what each id earned; base units."""
    result = dict(accounts)
    for account_id, amount in sorted(earned.items()):
        account = result.get(account_id) or fresh_account(account_id)
        result[account_id] = replace(account, cumulative=account.cumulative + amount)
    return result
