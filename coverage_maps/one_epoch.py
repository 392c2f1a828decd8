"""Reads one settled epoch once, for the command line: the same checks and the same numbers as the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chain.errors import ChainError
from chain.network import NetworkFile
from coverage_maps.chain_facts import ChainFacts
from coverage_maps.follower import Follower
from coverage_maps.keeping import Keeping
from coverage_maps.peers import Peers
from coverage_maps.record import Problem
from coverage_maps.view import EpochView


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Neither the chain nor a validator answers, or not in the way this network's would."""

    sentence: str


def read_epoch(network: NetworkFile, epoch: int | None, directory: Path) -> EpochView | Problem | Unreachable:
    """The view of an epoch, the newest settled one for None."""
    chain, peers = ChainFacts(network), Peers(network)
    try:
        follower = Follower(chain, Keeping(directory / "evidence", peers.all).fetch, peers.ask)
        return _read(chain, follower, epoch)
    except ChainError as error:
        return Unreachable(str(error))
    finally:
        peers.close()
        chain.close()


def _read(chain: ChainFacts, follower: Follower, epoch: int | None) -> EpochView | Problem | Unreachable:
    chain.refresh()
    roots = {root.epoch: root for root in chain.roots()}
    if not roots:
        return Problem("No epoch has settled on this network yet; try again when the first one has.", missing=True)
    root = roots.get(max(roots) if epoch is None else epoch)
    if root is None:
        return Problem(f"Epoch {epoch} has no root on chain; settled are {min(roots)} to {max(roots)}.", missing=True)
    rules = follower.rules()
    if isinstance(rules, Problem):
        return Unreachable(rules.sentence)
    return follower.open(root, rules)
