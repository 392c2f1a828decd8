"""Claims for everybody: anyone may submit a claim, and only the payee is paid, so the devnet does it for all owners.

A hotspot's claim goes to the holders of its shares; a second transaction for each holder pays it out.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence

from chain.calls import claim_many, collect_for
from chain.claims import claims_of
from chain.errors import TransactionFailed
from chain.events import RootSubmitted
from chain.reader import ChainReader
from chain.sender import Sender
from protocol.ids import Address, HotspotId
from protocol.state import State

CLAIMS_PER_TRANSACTION = 40
CLAIM_TIMEOUT_S = 60
PATIENCE_S = 1
"""How long a wait does not look whether the devnet ends."""
Holders = Mapping[HotspotId, Mapping[Address, int]]


def claim_all(
    reader: ChainReader, sender: Sender, root: RootSubmitted, state: State, holders: Holders, ending: threading.Event
) -> int:
    """Claims every leaf of the live root that is not paid yet and pays it out; how many claims were sent.

    Returns soon after `ending` is set: what was sent is in the sender's journal, and goes on at the next start.
    """
    claims = claims_of(state, root.root)
    assert claims is not None, "the state is the one under the root"
    still_open = [one for one in claims if reader.claimed(one.leaf_id) < one.cumulative]
    sent = [
        sender.send(claim_many(reader.network, still_open[at : at + CLAIMS_PER_TRANSACTION]))
        for at in range(0, len(still_open), CLAIMS_PER_TRANSACTION)
    ]
    _wait(sender, sent, ending)
    if not ending.is_set():
        _pay_out(reader, sender, {one.leaf_id for one in still_open}, holders, ending)
    return len(still_open)


def _pay_out(reader: ChainReader, sender: Sender, paid: set[bytes], holders: Holders, ending: threading.Event) -> None:
    """One transaction for each holder of a share in what was claimed."""
    by_holder: defaultdict[Address, list[HotspotId]] = defaultdict(list)
    for hotspot_id in sorted(paid & holders.keys()):
        for holder in holders[hotspot_id]:
            by_holder[holder].append(hotspot_id)
    sent = [sender.send(collect_for(reader.network, holder, ids)) for holder, ids in sorted(by_holder.items())]
    _wait(sender, sent, ending)


def _wait(sender: Sender, sent: Sequence[bytes], ending: threading.Event) -> None:
    """Until all of them are final or the devnet ends; TransactionFailed if one takes too long."""
    for transaction in sent:
        for left_s in range(CLAIM_TIMEOUT_S, 0, -PATIENCE_S):
            if ending.is_set():
                return
            try:
                sender.wait(transaction, PATIENCE_S)
                break
            except TransactionFailed:
                if left_s <= PATIENCE_S:
                    raise
