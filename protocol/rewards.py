"""NeedWeight v1, steps 6-10: from selected links to tokens (rewards.md). Exact products, one rounding, nothing lost.

A link is an accepted, selected witness report of a beacon. Between fixed hotspots it proves each end's signal in the
other's pay cell and each end alive; a mapper's beacon proves the signal of the fixed hotspots that heard it in the cell
it was sent from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from protocol import geo
from protocol.arithmetic import MICRO, half_even
from protocol.columns import SNR_FLOORS_CDB
from protocol.ids import Address, HotspotId
from protocol.need import PAY_LEVEL_LORA, PAY_LEVEL_WIFI
from protocol.parameters import RewardRules
from protocol.reasons import Reason
from protocol.records import Account
from protocol.registry import Registered

POINT = MICRO**3
"""One point: weight 1, rank 1, quality 1."""
MAX_UPTIME_EPOCHS = 7


@dataclass(frozen=True, slots=True)
class Link:
    """One selected link: who sent, who heard, where each was, and how well it was heard."""

    sender: Registered
    receiver: Registered
    sender_cell: int
    receiver_cell: int
    spreading_factor: int
    rssi_cdb: int
    snr_cdb: int
    beacon: bytes
    """Report id of the beacon."""


def pay_level(hotspot: Registered) -> int:
    """Resolution of the cells a hotspot is paid for."""
    return PAY_LEVEL_WIFI if hotspot.kind.is_wifi else PAY_LEVEL_LORA


def pay_cell(hotspot: Registered, cell: int) -> int | None:
    """The pay cell over a place, for the radio of `hotspot`; None if the place is known more coarsely than that."""
    level = pay_level(hotspot)
    return geo.parent(cell, level) if geo.resolution(cell) >= level else None


# --- step 6: what links prove, and how well ----------------------------------------------------------------------


def margin_u(link: Link, rules: RewardRules) -> Fraction:
    """How comfortably a link was heard, from the least margin at the floor to 1, linear in dB; millionths, exact."""
    if link.sender.kind.is_wifi:
        above, full = link.rssi_cdb - rules.wifi_weak_cdb, rules.wifi_strong_cdb - rules.wifi_weak_cdb
    else:
        above, full = link.snr_cdb - SNR_FLOORS_CDB[link.spreading_factor], rules.full_margin_cdb
    clamped = min(max(above, 0), full)
    return rules.least_margin_u + Fraction((MICRO - rules.least_margin_u) * clamped, full)


@dataclass(slots=True)
class Proof:
    """What an epoch shows of one fixed hotspot in one pay cell (or, over all cells, of the hotspot itself)."""

    margin_u: Fraction = Fraction(0)
    owners: set[Address] = field(default_factory=set)
    by_fixed: bool = False
    mapper_owners: set[Address] = field(default_factory=set)
    """Owners of mappers whose beacons, heard from the cell, prove it."""

    def add(self, link: Link, other: Address, rules: RewardRules) -> None:
        self.margin_u = max(self.margin_u, margin_u(link, rules))
        self.owners.add(other)


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything an epoch shows of one fixed hotspot."""

    hotspot: Registered
    cells: Mapping[int, Proof]
    """Proofs by pay cell, cells without a proof included."""
    anywhere: Proof

    @property
    def fixed_alive(self) -> bool:
        return self.anywhere.by_fixed

    @property
    def alive(self) -> bool:
        """A fixed link proves it alive, or mappers of two other owners prove cells for it."""
        return self.fixed_alive or len(self.anywhere.mapper_owners) >= 2

    @property
    def was_up(self) -> bool:
        """This epoch counts as uptime: any selected link does, a mapper's like another (a proof is made of links)."""
        return bool(self.anywhere.owners)


def gather(links: Sequence[Link], rules: RewardRules) -> dict[HotspotId, Shown]:
    """What the selected links show of every fixed hotspot at an end of one."""
    hotspots: dict[HotspotId, Registered] = {}
    cells: dict[HotspotId, dict[int, Proof]] = defaultdict(lambda: defaultdict(Proof))
    anywhere: dict[HotspotId, Proof] = defaultdict(Proof)
    for link in links:
        for near, far, far_cell in _ends(link):
            hotspots[near.hotspot_id] = near
            anywhere[near.hotspot_id].add(link, far.owner, rules)
            proven = pay_cell(near, far_cell)
            if proven is not None:
                cells[near.hotspot_id][proven].add(link, far.owner, rules)
                if not far.kind.is_mapper:
                    cells[near.hotspot_id][proven].by_fixed = anywhere[near.hotspot_id].by_fixed = True
    for hotspot_id, cell, owner in _mapper_proofs(links):
        cells[hotspot_id][cell].mapper_owners.add(owner)
        anywhere[hotspot_id].mapper_owners.add(owner)
    return {one: Shown(hotspots[one], dict(cells[one]), anywhere[one]) for one in sorted(hotspots)}


def _ends(link: Link) -> Iterable[tuple[Registered, Registered, int]]:
    """(fixed end, other end, where the other end was): a link speaks for each of its fixed ends."""
    if not link.sender.kind.is_mapper:
        yield link.sender, link.receiver, link.receiver_cell
    if not link.receiver.kind.is_mapper:
        yield link.receiver, link.sender, link.sender_cell


def _mapper_proofs(links: Sequence[Link]) -> set[tuple[HotspotId, int, Address]]:
    """(fixed hotspot, pay cell, mapper's owner) of every proof by mappers' beacons.

    A cell is proved for a hotspot when fixed hotspots of two owners heard the same beacon from it, or when the hotspot
    heard mappers of two owners from it.
    """
    heard = [link for link in links if link.sender.kind.is_mapper and not link.receiver.kind.is_mapper]
    hearers: dict[bytes, set[Address]] = defaultdict(set)
    mappers: dict[tuple[HotspotId, int | None], set[Address]] = defaultdict(set)
    for link in heard:
        hearers[link.beacon].add(link.receiver.owner)
        mappers[link.receiver.hotspot_id, pay_cell(link.receiver, link.sender_cell)].add(link.sender.owner)
    proofs = set()
    for link in heard:
        cell = pay_cell(link.receiver, link.sender_cell)
        if cell is not None and (len(hearers[link.beacon]) >= 2 or len(mappers[link.receiver.hotspot_id, cell]) >= 2):
            proofs.add((link.receiver.hotspot_id, cell, link.sender.owner))
    return proofs


@dataclass(frozen=True, slots=True)
class Standing:
    """A hotspot's record over epochs, this one included."""

    up_epochs: int
    counted_epochs: int
    established: Fraction

    @property
    def uptime(self) -> Fraction:
        return Fraction(self.up_epochs, self.counted_epochs)


def standing(account: Account, epoch: int, rules: RewardRules) -> Standing:
    """Standing from an account row that already holds this epoch's uptime bit."""
    age = epoch - account.since_epoch + 1
    counted = min(account.uptime_epochs, rules.uptime_epochs)
    bits = account.uptime_bits & ((1 << counted) - 1)
    return Standing(bits.bit_count(), max(counted, 1), min(Fraction(1), Fraction(age, rules.established_epochs)))


def quality_u(proof: Proof, factor: Fraction, now: Standing, rules: RewardRules) -> int:
    """q = margin * owners * uptime * established * proof, one exact product rounded once; millionths."""
    owners = min(Fraction(1), Fraction(len(proof.owners), rules.full_owners))
    product = proof.margin_u * owners * now.uptime * now.established * factor
    return half_even(product.numerator, product.denominator)


def alive_factor(shown: Shown) -> Fraction:
    """1 for a hotspot a fixed link proves alive, 1/2 while only mappers do, 0 for one nothing proves alive."""
    if shown.fixed_alive:
        return Fraction(1)
    return Fraction(1, 2) if shown.alive else Fraction(0)


def cell_factor(proof: Proof) -> Fraction:
    """1 for a cell a fixed link proves or mappers of two owners agree on, 1/2 with one mapper's owner, 0 unproved."""
    if proof.by_fixed or len(proof.mapper_owners) >= 2:
        return Fraction(1)
    return Fraction(1, 2) if proof.mapper_owners else Fraction(0)


def qualities(shown: Shown, now: Standing, rules: RewardRules) -> dict[int, int]:
    """q of a hotspot in every cell it has links into, its own cell included; millionths."""
    alive = alive_factor(shown)
    result = {cell: quality_u(proof, cell_factor(proof) * alive, now, rules) for cell, proof in shown.cells.items()}
    own = pay_cell(shown.hotspot, shown.hotspot.row.cell)
    if own is not None and shown.alive:
        result[own] = quality_u(shown.anywhere, alive, now, rules)
    return dict(sorted(result.items()))


def own_tier(shown: Shown, now: Standing, rules: RewardRules) -> int:
    """3, 2, 1 for an own-cell q without proof of at least 2/3, at least 1/3, more than 0; 0 if not alive."""
    if not shown.alive:
        return 0
    own_u = quality_u(shown.anywhere, Fraction(1), now, rules)
    return 0 if own_u == 0 else 1 + (3 * own_u >= MICRO) + (3 * own_u >= 2 * MICRO)


# --- steps 7-9: cells, sites, ranks --------------------------------------------------------------------------------


def choose_cells(quality_by_cell: Mapping[int, int], weight_u: Callable[[int], int], rules: RewardRules) -> list[int]:
    """The cells a hotspot plays in: those with the largest W * q, ties to the smaller cell id."""
    worth = {cell: weight_u(cell) * quality for cell, quality in quality_by_cell.items()}
    return sorted(worth, key=lambda cell: (-worth[cell], cell))[: rules.cells_per_hotspot]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One hotspot that wants to be a site of a cell. Position and radius in one unit, seniority smaller = older."""

    id: bytes | str
    owner: bytes | str
    position: tuple[int, ...]
    radius: int
    tier: int
    quality_u: int
    seniority: Any


@dataclass(frozen=True, slots=True)
class Placed:
    """What a candidate came to: ACCEPTED with its rank, RANK for a site no rank pays, or why it is no site."""

    candidate: Candidate
    reason: Reason
    rank: int
    points: int
    """W * rank * q in units of 10^-18."""


def place_sites(
    candidates: Iterable[Candidate], weight_u: int, least_distance: int, rules: RewardRules
) -> list[Placed]:
    """Sites of one cell, best tier first, then seniority, then id; each accepted site shuts out clones of itself."""
    accepted: list[Candidate] = []
    placed = []
    for one in sorted(candidates, key=lambda c: (-c.tier, c.seniority, c.id)):
        reason = _refusal(one, accepted, least_distance)
        if reason is not Reason.ACCEPTED:
            placed.append(Placed(one, reason, 0, 0))
            continue
        accepted.append(one)
        rank = len(accepted)
        rank_u = rules.ranks_u[rank - 1] if rank <= len(rules.ranks_u) else 0
        placed.append(Placed(one, Reason.ACCEPTED if rank_u else Reason.RANK, rank, weight_u * rank_u * one.quality_u))
    return placed


def _refusal(one: Candidate, accepted: Sequence[Candidate], least_distance: int) -> Reason:
    if one.quality_u <= 0:
        return Reason.NO_QUALITY
    if any(other.owner == one.owner for other in accepted):
        return Reason.OWNER_SLOT
    if any(_squared(one, other) < (least_distance + one.radius + other.radius) ** 2 for other in accepted):
        return Reason.CO_LOCATED
    return Reason.ACCEPTED


def _squared(one: Candidate, other: Candidate) -> int:
    return sum((a - b) ** 2 for a, b in zip(one.position, other.position, strict=True))


# --- step 10: allocation --------------------------------------------------------------------------------------------


def allocate(pool: int, shares: Mapping[Any, int]) -> dict[Any, int]:
    """`pool` in exact integers by share: floors first, then one unit each to the largest remainders, ties to the
    smaller id. Ids without a share get nothing; with no shares at all nothing is paid."""
    total = sum(shares.values())
    if total == 0:
        return {}
    paid = {one: pool * share // total for one, share in sorted(shares.items()) if share > 0}
    left = pool - sum(paid.values())
    for one in sorted(paid, key=lambda key: (-(pool * shares[key] % total), key))[:left]:
        paid[one] += 1
    return paid


@dataclass(frozen=True, slots=True)
class Pools:
    """How an epoch's emission is split, base units; floors in this order, coverage takes the remainder."""

    validators: int
    reserve: int
    coverage: int


def split_emission(emission: int, rules: RewardRules) -> Pools:
    validators = emission * rules.validators_u // MICRO
    reserve = emission * rules.reserve_u // MICRO
    return Pools(validators, reserve, emission - validators - reserve)


def coverage_budget(pool: int, total_points: int, rules: RewardRules) -> int:
    """min(pool, points * pool / divisor): a young or captured network cannot hand a whole epoch to a few."""
    return min(pool, total_points * pool // (rules.point_cap_divisor * POINT))


# --- what a hotspot's account remembers -----------------------------------------------------------------------------


def with_uptime(account: Account, *, up: bool) -> tuple[int, int]:
    """(uptime bits, epochs counted) after one more non-empty epoch."""
    bits = ((account.uptime_bits << 1) | up) & ((1 << MAX_UPTIME_EPOCHS) - 1)
    return bits, min(account.uptime_epochs + 1, MAX_UPTIME_EPOCHS)


def with_tier(account: Account, seen: int, rules: RewardRules) -> tuple[int, int, int]:
    """(tier, next tier, epochs it was seen): the first tier counts at once, a change after enough epochs in a row."""
    if account.tier == 0:
        return seen, 0, 0
    if seen in (0, account.tier):
        return account.tier, 0, 0
    epochs = account.next_tier_epochs + 1 if seen == account.next_tier else 1
    return (seen, 0, 0) if epochs >= rules.tier_epochs else (account.tier, seen, epochs)
