"""From selected links to tokens: rewards.md 6 to 10 and protocol.md 7, one epoch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.reference import places
from tests.reference.exact import MICRO, to_micro
from tests.reference.inputs import Epoch, History, Hotspot, Network, Tier
from tests.reference.need import NeedMap, weight_u
from tests.reference.verdicts import SNR_FLOOR_CDB, Heard, Judgement, judge

ONE_POINT = 10**18


@dataclass(frozen=True)
class Link:
    """One selected link as one of its fixed ends sees it: how strong, and whose the other end is."""

    margin: Fraction
    other_owner: bytes


@dataclass
class Signal:
    """What an epoch's selected links say of one fixed hotspot."""

    links: list[Link] = field(default_factory=list)
    links_into: dict[int, list[Link]] = field(default_factory=dict)
    proved_by_fixed: set[int] = field(default_factory=set)
    proved_by_mappers: dict[int, set[bytes]] = field(default_factory=dict)
    heard_mappers: dict[int, set[bytes]] = field(default_factory=dict)

    @property
    def is_alive_by_fixed(self) -> bool:
        return bool(self.proved_by_fixed)

    @property
    def is_alive(self) -> bool:
        return self.is_alive_by_fixed or len(set().union(*self.proved_by_mappers.values())) >= 2

    @property
    def has_sign_of_life(self) -> bool:
        """What sets the uptime bit: a selected link, whoever is at its other end, or a mapper's proof."""
        return bool(self.links) or bool(self.proved_by_mappers)

    def add(self, link: Link, cell: int | None) -> None:
        self.links.append(link)
        if cell is not None:
            self.links_into.setdefault(cell, []).append(link)


@dataclass(frozen=True)
class Site:
    """One hotspot in one cell."""

    cell: int
    hotspot_id: bytes
    reason: str
    tier: int
    rank: int
    weight_u: int
    quality_u: int
    points: int


@dataclass
class Settlement:
    """What an epoch comes to. `sites` in the order of cells and of places in them."""

    outcomes: dict[bytes, str]
    sites: list[Site]
    points: dict[bytes, int]
    paid: dict[bytes, int]
    reserve: int


# --- 6: quality


def margin_of(params: Mapping[str, Any], heard: Heard) -> Fraction:
    """0.25 at the floor to 1 at 20 dB above it; Wi-Fi from -85 to -60 dBm."""
    rewards = params["rewards"]
    if heard.beacon.hotspot.is_wifi:
        weak, strong = rewards["wifi_weak_cdb"], rewards["wifi_strong_cdb"]
        part = Fraction(heard.report.rssi_cdb - weak, strong - weak)
    else:
        floor_cdb = SNR_FLOOR_CDB[heard.beacon.report.spreading_factor]
        part = Fraction(heard.report.snr_cdb - floor_cdb, rewards["full_margin_cdb"])
    least = Fraction(rewards["least_margin_u"], MICRO)
    return least + (1 - least) * min(Fraction(1), max(Fraction(0), part))


def pay_cell(hotspot: Hotspot, cell: int) -> int | None:
    """The hotspot's kind of pay cell over a cell; None if the cell is coarser."""
    at = places.pay_level(hotspot)
    return places.parent(cell, at) if places.level(cell) >= at else None


def signals_of(params: Mapping[str, Any], selected: Iterable[Heard]) -> dict[bytes, Signal]:
    """Every fixed hotspot's links, proofs and signs of life."""
    selected = list(selected)
    signals: dict[bytes, Signal] = {}
    for heard in selected:
        witness, beaconer = heard.hotspot, heard.beacon.hotspot
        for own, other, other_cell in ((witness, beaconer, heard.beacon.cell), (beaconer, witness, heard.cell)):
            if own.is_mapper:
                continue
            signal = signals.setdefault(own.id, Signal())
            cell = pay_cell(own, other_cell)
            signal.add(Link(margin_of(params, heard), other.owner), cell)
            if not other.is_mapper and cell is not None:
                signal.proved_by_fixed.add(cell)
            if other is beaconer and other.is_mapper and cell is not None:
                signal.heard_mappers.setdefault(cell, set()).add(other.owner)
                if len(_fixed_owners_hearing(selected, heard.beacon.tag)) >= 2:
                    signal.proved_by_mappers.setdefault(cell, set()).add(other.owner)
    for signal in signals.values():
        for cell, owners in signal.heard_mappers.items():
            if len(owners) >= 2:
                signal.proved_by_mappers.setdefault(cell, set()).update(owners)
    return signals


def _fixed_owners_hearing(selected: list[Heard], tag: bytes) -> set[bytes]:
    return {one.hotspot.owner for one in selected if one.beacon.tag == tag and not one.hotspot.is_mapper}


def uptime_of(history: History, epoch: Epoch, hotspot: Hotspot, window: int, signal: Signal) -> Fraction:
    """Of the last non-empty epochs since the hotspot plays from its cell, this one too, those with a sign of life."""
    non_empty = sorted(number for number in history.non_empty | {epoch.number} if hotspot.since_epoch <= number)
    last = non_empty[-window:]
    alive = set(history.signalled.get(hotspot.here, ()))
    if signal.has_sign_of_life:
        alive.add(epoch.number)
    return Fraction(len(alive.intersection(last)), max(1, len(last)))


def quality_without_proof(
    params: Mapping[str, Any], epoch: Epoch, hotspot: Hotspot, uptime: Fraction, links: list[Link]
) -> Fraction:
    """margin x owners x uptime x established, exact."""
    rewards = params["rewards"]
    margin = max(link.margin for link in links)
    owners = min(Fraction(1), Fraction(len({link.other_owner for link in links}), rewards["full_owners"]))
    age = epoch.number - hotspot.since_epoch + 1
    established = min(Fraction(1), Fraction(age, rewards["established_epochs"]))
    return margin * owners * uptime * established


def proof_of(signal: Signal, cell: int, own_cell: int) -> Fraction:
    half = Fraction(1, 2)
    alive = Fraction(1) if signal.is_alive_by_fixed else half
    if cell == own_cell:
        return alive
    if cell in signal.proved_by_fixed:
        return alive
    return alive * {0: Fraction(0), 1: half}.get(len(signal.proved_by_mappers.get(cell, ())), Fraction(1))


def qualities(
    params: Mapping[str, Any], history: History, epoch: Epoch, hotspot: Hotspot, signal: Signal
) -> tuple[dict[int, int], int]:
    """q in millionths by cell, and the own-cell q without proof (0 for a hotspot nothing proves alive)."""
    own_cell = pay_cell(hotspot, hotspot.cell)
    assert own_cell is not None
    if not signal.is_alive:
        return dict.fromkeys(signal.links_into, 0), 0
    uptime = uptime_of(history, epoch, hotspot, params["rewards"]["uptime_epochs"], signal)
    found = {}
    for cell, links in {**signal.links_into, own_cell: signal.links}.items():
        exact = quality_without_proof(params, epoch, hotspot, uptime, links)
        found[cell] = to_micro(exact * proof_of(signal, cell, own_cell))
    return found, to_micro(quality_without_proof(params, epoch, hotspot, uptime, signal.links))


# --- 7: cells


def chosen_cells(params: Mapping[str, Any], weights: Mapping[int, int], by_cell: Mapping[int, int]) -> list[int]:
    """The cells with the largest W q, ties to the smaller cell id."""
    in_order = sorted(by_cell, key=lambda cell: (-weights[cell] * by_cell[cell], cell))
    return in_order[: params["rewards"]["cells_per_hotspot"]]


# --- 8, 9: sites and ranks


def seen_tier(own_quality_u: int) -> int:
    exact = Fraction(own_quality_u, MICRO)
    return sum([exact > 0, exact >= Fraction(1, 3), exact >= Fraction(2, 3)])


def next_tier(params: Mapping[str, Any], before: Tier, own_quality_u: int) -> Tier:
    """The first counts at once, a change after so many epochs in a row."""
    if own_quality_u == 0:
        return Tier(before.in_force)
    seen = seen_tier(own_quality_u)
    if before.in_force in (0, seen):
        return Tier(seen)
    epochs = before.seen_epochs + 1 if before.seen == seen else 1
    return Tier(seen) if epochs >= params["rewards"]["tier_epochs"] else Tier(before.in_force, seen, epochs)


@dataclass(frozen=True)
class Candidate:
    """A hotspot that chose a cell."""

    hotspot: Hotspot
    tier: int
    quality_u: int


def sites_of(
    network: Network, cell: int, weight: int, candidates: Iterable[Candidate], positions: Mapping
) -> list[Site]:
    """Sorted by tier, seniority and id; accepted greedily; ranked as accepted."""
    rewards = network.params["rewards"]
    at_least_m = rewards["min_site_distance_wifi_m" if places.level(cell) == 9 else "min_site_distance_lora_m"]
    accepted: list[Hotspot] = []
    found = []
    for one in sorted(candidates, key=lambda c: (-c.tier, c.hotspot.block, c.hotspot.log_index, c.hotspot.id)):
        reason = _refused_site(network, one, accepted, at_least_m, positions)
        rank, multiplier_u = 0, 0
        if reason is None:
            accepted.append(one.hotspot)
            rank = len(accepted)
            multiplier_u = rewards["ranks_u"][rank - 1] if rank <= len(rewards["ranks_u"]) else 0
            reason = "ACCEPTED" if multiplier_u else "RANK"
        points = weight * multiplier_u * one.quality_u
        found.append(Site(cell, one.hotspot.id, reason, one.tier, rank, weight, one.quality_u, points))
    return found


def _refused_site(
    network: Network, one: Candidate, accepted: list[Hotspot], at_least_m: int, positions: Mapping
) -> str | None:
    if one.quality_u == 0:
        return "NO_QUALITY"
    if any(other.owner == one.hotspot.owner for other in accepted):
        return "OWNER_SLOT"
    for other in accepted:
        both_radii_m = sum(places.radius_m(network.params, home) for home in (one.hotspot.cell, other.cell))
        distance2_m2 = places.chord2_m2(positions[one.hotspot.cell], positions[other.cell])
        if distance2_m2 < (at_least_m + both_radii_m) ** 2:
            return "CO_LOCATED"
    return None


# --- 10: allocation


def allocate(shares: Mapping[bytes, int], pool: int) -> dict[bytes, int]:
    """Whole units in proportion, the units left one each to the largest remainders, ties to the smaller id."""
    total = sum(shares.values())
    if total == 0:
        return {}
    paid = {one: pool * share // total for one, share in shares.items() if share}
    left = pool - sum(paid.values())
    for one in sorted(paid, key=lambda one: (-(pool * shares[one] % total), one))[:left]:
        paid[one] += 1
    return paid


def emission(params: Mapping[str, Any], number: int) -> int:
    return int(params["emission"]["first"]) >> (number // params["emission"]["halving_epochs"])


def payouts(params: Mapping[str, Any], epoch: Epoch, points: Mapping[bytes, int]) -> tuple[dict[bytes, int], int]:
    """Amounts by leaf id, and what goes to the reserve."""
    emitted = emission(params, epoch.number)
    for_validators = emitted * params["rewards"]["validators_u"] // MICRO
    for_reserve = emitted * params["rewards"]["reserve_u"] // MICRO
    for_coverage = emitted - for_validators - for_reserve
    most = sum(points.values()) * for_coverage // (params["rewards"]["point_cap_divisor"] * ONE_POINT)
    counted = {manifest.validator for manifest in epoch.manifests}
    stakes = {validator.rjust(32, b"\0"): epoch.stakes[validator] for validator in counted}
    paid = {**allocate(stakes, for_validators), **allocate(points, min(for_coverage, most))}
    return paid, emitted - sum(paid.values())


# --- one epoch


def settle(
    network: Network, epoch: Epoch, history: History, needs: NeedMap, pay_class: Mapping[str, str]
) -> Settlement:
    """Judges and pays one epoch, and moves the history on."""
    if epoch.is_empty:
        history.reserve += emission(network.params, epoch.number)
        return Settlement({}, [], {}, {}, history.reserve)
    judgement = judge(network, epoch, history)
    positions = _remember_positions(epoch, history)
    signals = signals_of(network.params, judgement.selected)
    sites = _all_sites(network, epoch, history, signals, positions, _Weights(network.params, needs, pay_class))
    points: dict[bytes, int] = {}
    for site in sites:
        if site.points:
            points[site.hotspot_id] = points.get(site.hotspot_id, 0) + site.points
    paid, to_reserve = payouts(network.params, epoch, points)
    _remember(epoch, history, judgement, signals, paid, to_reserve)
    return Settlement(judgement.outcomes, sites, points, paid, history.reserve)


@dataclass(frozen=True)
class _Weights:
    params: Mapping[str, Any]
    needs: NeedMap
    pay_class: Mapping[str, str]

    def of(self, cell: int) -> int:
        radio_class = self.pay_class["wifi" if places.level(cell) == 9 else "lora"]
        return weight_u(self.params["need"], self.needs.of(radio_class, cell))


def _all_sites(
    network: Network,
    epoch: Epoch,
    history: History,
    signals: Mapping[bytes, Signal],
    positions: Mapping,
    weights: _Weights,
) -> list[Site]:
    candidates: dict[int, list[Candidate]] = {}
    for hotspot in epoch.hotspots.values():
        if hotspot.is_mapper:
            continue
        signal = signals.get(hotspot.id, Signal())
        by_cell, own_quality_u = qualities(network.params, history, epoch, hotspot, signal)
        tier = next_tier(network.params, history.tiers.get(hotspot.here, Tier()), own_quality_u)
        history.tiers[hotspot.here] = tier
        for cell in chosen_cells(network.params, {cell: weights.of(cell) for cell in by_cell}, by_cell):
            candidate = Candidate(hotspot, tier.in_force, by_cell[cell])
            candidates.setdefault(cell, []).append(candidate)
    return [
        site
        for cell in sorted(candidates)
        for site in sites_of(network, cell, weights.of(cell), candidates[cell], positions)
    ]


def _remember_positions(epoch: Epoch, history: History) -> dict:
    for manifest in epoch.manifests:
        for cell, place in manifest.positions.items():
            history.positions.setdefault(cell, place)
    return history.positions


def _remember(
    epoch: Epoch,
    history: History,
    judgement: Judgement,
    signals: Mapping[bytes, Signal],
    paid: Mapping[bytes, int],
    to_reserve: int,
) -> None:
    history.non_empty.add(epoch.number)
    for heard in judgement.two_way_evidence:
        history.heard.setdefault(heard.beacon.hotspot.here, set()).add(epoch.number)
        history.witnessed.setdefault(heard.hotspot.here, set()).add(epoch.number)
    for name, signal in signals.items():
        if signal.has_sign_of_life:
            history.signalled.setdefault(epoch.hotspots[name].here, set()).add(epoch.number)
    for name, amount in paid.items():
        history.cumulative[name] = history.cumulative.get(name, 0) + amount
    history.reserve += to_reserve
