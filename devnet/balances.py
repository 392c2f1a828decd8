"""What every account must hold at the end, from the audited state alone: what an undisturbed chain would have paid.

Holds while nobody but the devnet itself moves tokens or shares. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from protocol.ids import ADDRESS_BYTES, Address, HotspotId

SHARES = 10_000
"""Parts of a hotspot; what its income does not divide by waits in the registry (contracts/src/Hotspots.sol)."""
Holders = Mapping[HotspotId, Mapping[Address, int]]


def due(cumulative: Mapping[bytes, int], holders: Holders, stakes: Mapping[Address, int], fee: int) -> dict[bytes, int]:
    """Base units by account, once every leaf is claimed and every hotspot's income collected.

    `cumulative` is what each leaf's id has earned so far, `holders` the shares of each hotspot by holder, `stakes`
    what existed at genesis, `fee` what a registration costs.
    """
    held: Counter[bytes] = Counter(stakes)
    for leaf_id, amount in cumulative.items():
        if leaf_id not in holders:
            held[leaf_id[-ADDRESS_BYTES:]] += amount
        for holder, shares in holders.get(HotspotId(leaf_id), {}).items():
            held[holder] += max(amount - fee, 0) // SHARES * shares
    return dict(sorted(held.items()))
