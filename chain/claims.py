"""What the live root grants, as claims: anyone who has the state under it can prove every amount, for everybody."""

from __future__ import annotations

from collections.abc import Collection

from chain.calls import Claim
from chain.events import RootSubmitted
from chain.log_scan import scan
from chain.reader import ChainReader
from protocol import merkle
from protocol.state import State


def live_submission(reader: ChainReader) -> RootSubmitted | None:
    """How the root that claims use now came onto the chain; None before the first is live.

    Of the newest block, because that is what a claim meets: a root becomes live by the clock alone.
    """
    root, _, epoch, _ = reader.call("Epochs", "live")
    if epoch == 0:
        return None
    found = scan(reader, RootSubmitted, reader.head(), [epoch.to_bytes(32, "big")])
    return next((one for one in found if one.root == bytes(root)), None)


def claims_of(state: State, root: bytes, wanted: Collection[bytes] | None = None) -> list[Claim] | None:
    """A claim for each leaf of the state, or for the wanted ids that have one; None if it is not the root's state."""
    leaves = state.leaves()
    tree = merkle.build(leaves)
    if tree.root != root:
        return None
    claims = []
    for leaf_id, cumulative in leaves:
        if wanted is None or leaf_id in wanted:
            proof = tree.proof(leaf_id, cumulative)
            assert proof is not None, "a leaf of this very tree"
            claims.append(Claim(leaf_id, cumulative, tuple(proof)))
    return claims
