"""Claims for everybody: anyone may submit a claim, and only the payee is paid, so the devnet does it for all owners.

A hotspot's claim goes to the holders of its shares; a second transaction for each holder pays it out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from chain.calls import claim_many, collect_for
from chain.claims import claims_of
from chain.events import RootSubmitted
from chain.reader import ChainReader
from chain.sender import Sender
from protocol.ids import Address, HotspotId
from protocol.state import State

CLAIMS_PER_TRANSACTION = 40
CLAIM_TIMEOUT_S = 60
Holders = Mapping[HotspotId, Mapping[Address, int]]


def claim_all(reader: ChainReader, sender: Sender, root: RootSubmitted, state: State, holders: Holders) -> int:
    """Claims every leaf of the live root that is not paid yet and pays it out; how many claims were sent."""
    claims = claims_of(state, root.root)
    assert claims is not None, "the state is the one under the root"
    still_open = [one for one in claims if reader.claimed(one.leaf_id) < one.cumulative]
    sent = [
        sender.send(claim_many(reader.network, still_open[at : at + CLAIMS_PER_TRANSACTION]))
        for at in range(0, len(still_open), CLAIMS_PER_TRANSACTION)
    ]
    for transaction in sent:
        sender.wait(transaction, CLAIM_TIMEOUT_S)
    _pay_out(reader, sender, {one.leaf_id for one in still_open}, holders)
    return len(still_open)


def _pay_out(reader: ChainReader, sender: Sender, paid: set[bytes], holders: Holders) -> None:
    """One transaction for each holder of a share in what was claimed."""
    by_holder: defaultdict[Address, list[HotspotId]] = defaultdict(list)
    for hotspot_id in sorted(paid & holders.keys()):
        for holder in holders[hotspot_id]:
            by_holder[holder].append(hotspot_id)
    sent = [sender.send(collect_for(reader.network, holder, ids)) for holder, ids in sorted(by_holder.items())]
    for transaction in sent:
        sender.wait(transaction, CLAIM_TIMEOUT_S)
