"""Claims for everybody: anyone may submit a claim, and only the payee is paid, so the devnet does it for all owners."""

from __future__ import annotations

from chain.calls import Claim, claim_many
from chain.events import RootSubmitted
from chain.reader import ChainReader
from chain.sender import Sender
from protocol import merkle
from protocol.state import State

CLAIMS_PER_TRANSACTION = 40
CLAIM_TIMEOUT_S = 60


def claim_all(reader: ChainReader, sender: Sender, root: RootSubmitted, state: State) -> int:
    """Claims every leaf of the live root that is not paid yet; how many claims were sent."""
    tree = merkle.build(state.leaves())
    open_leaves = [(leaf, amount) for leaf, amount in state.leaves() if reader.claimed(leaf) < amount]
    claims = []
    for leaf, amount in open_leaves:
        proof = tree.proof(leaf, amount)
        assert proof is not None, "a leaf of this very tree"
        claims.append(Claim(leaf, amount, tuple(proof)))
    assert tree.root == root.root, "the state is the one under the root"
    sent = [
        sender.send(claim_many(reader.network, claims[at : at + CLAIMS_PER_TRANSACTION]))
        for at in range(0, len(claims), CLAIMS_PER_TRANSACTION)
    ]
    for transaction in sent:
        sender.wait(transaction, CLAIM_TIMEOUT_S)
    return len(claims)
