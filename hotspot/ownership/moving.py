"""Moving a hotspot: what changes, what it costs, and the allowance it takes, if it takes one."""

from __future__ import annotations

from chain.calls import Call, approve, locate
from chain.network import NetworkFile
from chain.refusals import far
from chain.sender import Sender
from chain.shares import HotspotFacts

LACKS_ALLOWANCE = "ERC20InsufficientAllowance"


def moving_calls(
    network: NetworkFile, sender: Sender, facts: HotspotFacts, place: tuple[int, int, int], fee: int
) -> list[Call]:
    """The move, after an allowance for its fee if the contract asks for one. `place`: cell, gain, height."""
    move = locate(network, facts.hotspot_id, *place)
    [simulated] = sender.preview([move])
    if simulated.refusal is not None and simulated.refusal.name == LACKS_ALLOWANCE:
        return [approve(network, network.contracts.hotspots, fee), move]
    return [move]


def words(facts: HotspotFacts, place: tuple[int, int, int], fee: int) -> list[str]:
    """What will be different, line by line; empty if nothing will."""
    cell, gain_cdb, elevation_m = place
    lines = []
    if cell != facts.cell:
        lines.append(f"It moves from cell {facts.cell:x} to {cell:x}: {far(fee)} are burned, and it begins anew there.")
    if gain_cdb != facts.gain_cdb:
        lines.append(f"Its antenna's gain is {gain_cdb / 100:g} dBi instead of {facts.gain_cdb / 100:g}.")
    if elevation_m != facts.elevation_m:
        lines.append(f"Its antenna stands {elevation_m} m high instead of {facts.elevation_m}.")
    return lines
