"""The hotspots of an epoch: the fold of contract events up to B_e, and what the rules need to know of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.encoding import concatenate, sha256
from protocol.ids import Address, HotspotId, Kind
from protocol.keys import PublicKey, public_key
from protocol.records import RegistryRow


@dataclass(frozen=True, slots=True)
class Registered:
    """One hotspot at B_e: its row of the fold, and the key its id commits to."""

    row: RegistryRow
    x: bytes
    y: bytes

    @property
    def hotspot_id(self) -> HotspotId:
        return HotspotId(self.row.hotspot_id)

    @property
    def owner(self) -> Address:
        return Address(self.row.owner)

    @property
    def kind(self) -> Kind:
        return Kind(self.row.kind)

    @property
    def seniority(self) -> tuple[int, int]:
        """(block, log index) of the event that set its present cell: smaller is older."""
        return self.row.block, self.row.log_index

    def key(self) -> PublicKey | None:
        return public_key(self.x, self.y)


def fold_hash(hotspots: Iterable[Registered]) -> bytes:
    """sha256 of the registry rows, sorted by hotspot id: chain fields only."""
    return sha256(concatenate(one.row for one in sorted(hotspots, key=lambda one: one.row.hotspot_id)))
