"""Who holds which part of a hotspot: read from the transfers of shares, counted by the contract."""

from __future__ import annotations

from dataclasses import dataclass

from chain.events import SharesMoved
from chain.log_scan import scan
from chain.network import checksum
from chain.reader import ChainReader
from protocol.ids import Address

NOBODY = bytes(20)


@dataclass(frozen=True, slots=True)
class Holding:
    """One holder's part of one hotspot, at a block; amounts in base units."""

    hotspot_id: bytes
    holder: Address
    shares: int
    collectable: int
    """What `collect` would pay."""


@dataclass(frozen=True, slots=True)
class HotspotFacts:
    """What the registry says of a hotspot, at a block."""

    hotspot_id: bytes
    operator: Address
    cell: int
    gain_cdb: int
    elevation_m: int
    kind: int
    frozen: bool
    debt: int
    """What is left of its registration fee, base units."""


def facts_of(reader: ChainReader, hotspot_id: bytes, block: int | str = "latest") -> HotspotFacts | None:
    """The hotspot, or None if it is not registered."""
    number = int.from_bytes(hotspot_id, "big")
    operator, kind, gain, elevation, frozen, cell, debt = reader.call("Hotspots", "infoOf", number, block=block)
    account = Address(bytes.fromhex(operator[2:]))
    if account == NOBODY:
        return None
    return HotspotFacts(hotspot_id, account, cell, gain, elevation, kind, frozen, debt)


def holding(reader: ChainReader, hotspot_id: bytes, holder: Address, block: int | str = "latest") -> Holding:
    """What a holder has of a hotspot; zero of both if it has nothing."""
    number, account = int.from_bytes(hotspot_id, "big"), checksum(holder)
    shares = reader.call("Hotspots", "balanceOf", account, number, block=block)
    collectable = reader.call("Hotspots", "collectable", number, account, block=block)
    return Holding(hotspot_id, holder, shares, collectable)


def hotspots_of(reader: ChainReader, holder: Address, block: int) -> list[Holding]:
    """Every hotspot an account has shares of, or has income left from, by id."""
    moved = scan(reader, SharesMoved, block, [None, None, holder])
    received = {hotspot_id for one in moved for hotspot_id, _ in one.moves}
    holdings = (holding(reader, hotspot_id, holder, block) for hotspot_id in sorted(received))
    return [one for one in holdings if one.shares or one.collectable]


def holders_of(reader: ChainReader, hotspot_id: bytes, block: int) -> list[Holding]:
    """Everybody who has shares of a hotspot, or income left from it; the largest first."""
    moved = scan(reader, SharesMoved, block)
    accounts = {one.receiver for one in moved if any(moved_id == hotspot_id for moved_id, _ in one.moves)}
    holdings = (holding(reader, hotspot_id, account, block) for account in accounts - {NOBODY})
    kept = [one for one in holdings if one.shares or one.collectable]
    return sorted(kept, key=lambda one: (-one.shares, one.holder))
