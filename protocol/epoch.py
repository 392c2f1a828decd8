"""One epoch: what its inputs are, what they come to, and the digest that names both (protocol.md §5.5, §7).

`settle` is the whole audit: validators run it to sign, anybody runs it to check. It reads nothing but its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from protocol import geo, merkle
from protocol.columns import Setting
from protocol.encoding import Network, sha256
from protocol.evidence import CountedManifest, Evidence, unite
from protocol.ids import Address, HotspotId, account_id
from protocol.merkle import MerkleTree
from protocol.need import GATE_UNIT, PAY_LEVEL_WIFI, NeedMap, NeedSource, advance_cells, need_map, weight_u
from protocol.parameters import Parameters
from protocol.records import Account, ManifestCounted, Outcome, OutcomeHead, Site, SummaryHead
from protocol.regions import RegionMap
from protocol.registry import Registered, fold_hash
from protocol.rewards import (
    Candidate,
    Link,
    Placed,
    Shown,
    allocate,
    choose_cells,
    coverage_budget,
    gather,
    own_tier,
    place_sites,
    qualities,
    split_emission,
    standing,
    with_tier,
    with_uptime,
)
from protocol.state import State, fresh_account, with_earned
from protocol.tables import encode_table, split_table
from protocol.verdicts import Engine, Judged, judge
from protocol.version import PROTOCOL_VERSION

HISTORY_EPOCHS = 8
"""How many epochs back StateHead.non_empty remembers."""


@dataclass(frozen=True)
class EpochInputs:
    """Everything one epoch is computed from; the chain, the params and the public evidence give all of it."""

    network: Network
    params: Parameters
    params_hash: bytes
    regions: RegionMap
    need: NeedSource
    epoch: int
    start_ms: int
    seed: bytes
    draw: bytes
    registry: Mapping[HotspotId, Registered]
    stakes: Mapping[Address, int]
    counted: tuple[CountedManifest, ...]
    before: State
    need_now: NeedMap
    """The map this epoch pays by; its digest is `before.need_map_next`."""
    need_next: NeedMap
    """The map of the epoch after it; its digest is `before.need_map_after`."""

    @cached_property
    def evidence(self) -> Evidence:
        return unite(self.counted)

    @cached_property
    def setting(self) -> Setting:
        """What the evidence is judged against; known positions stand, new ones come from the counted manifests."""
        return Setting(
            network=self.network,
            params=self.params,
            regions=self.regions,
            epoch=self.epoch,
            start_ms=self.start_ms,
            seed=self.seed,
            draw=self.draw,
            registry=self.registry,
            stakes=self.stakes,
            accounts=self.before.accounts,
            positions={**self.evidence.positions, **self.before.positions},
        )


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What an epoch came to. `summary` hashes to the dataHash; the other tables hash into it."""

    epoch: int
    outcome_table: bytes
    state: State
    need_map: NeedMap
    """The map of the epoch after next."""
    summary: bytes
    tree: MerkleTree
    earned: Mapping[bytes, int]
    links: tuple[Link, ...]

    @property
    def data_hash(self) -> bytes:
        return sha256(self.summary)


def settle(inputs: EpochInputs, engine: Engine) -> EpochResult:
    """The epoch's outcomes, points, payouts, state and root; the same bytes on every machine."""
    if inputs.evidence.is_empty:
        return _finish(inputs, inputs.before.accounts, (), (), {}, ())
    judged = judge(inputs.setting, inputs.evidence, engine)
    shown = gather(judged.links, inputs.params.rewards)
    accounts = _remember(inputs, judged, shown)
    sites = _place_all(inputs, shown, accounts)
    earned = _earnings(inputs, sites)
    return _finish(inputs, accounts, judged.outcomes, sites, earned, judged.links)


# --- what hotspots have shown -----------------------------------------------------------------------------------------


def _remember(inputs: EpochInputs, judged: Judged, shown: Mapping[HotspotId, Shown]) -> dict[bytes, Account]:
    """Accounts after this epoch's uptime, two-way marks and tier; a hotspot that moved starts anew."""
    accounts = dict(inputs.before.accounts)
    for hotspot_id, hotspot in sorted(inputs.registry.items()):
        if not hotspot.kind.is_mapper:
            account = _account_here(inputs, accounts.get(hotspot_id), hotspot)
            accounts[hotspot_id] = _after_epoch(inputs, account, judged, shown.get(hotspot_id))
    return accounts


def _account_here(inputs: EpochInputs, account: Account | None, hotspot: Registered) -> Account:
    since = hotspot.row.since_epoch
    if account is not None and account.since_epoch == since and account.uptime_epochs:
        return account
    earned = account.cumulative if account else 0
    missed = _non_empty_since(inputs, since)
    return replace(fresh_account(hotspot.hotspot_id, since), cumulative=earned, uptime_epochs=missed)


def _non_empty_since(inputs: EpochInputs, since: int) -> int:
    """Non-empty epochs from `since` to the last one, as far as the state remembers."""
    back = min(max(inputs.epoch - since, 0), HISTORY_EPOCHS - 1)
    return (inputs.before.non_empty & ((1 << back) - 1)).bit_count()


def _after_epoch(inputs: EpochInputs, account: Account, judged: Judged, shown: Shown | None) -> Account:
    bits, epochs = with_uptime(account, up=shown is not None and shown.was_up)
    account = replace(
        account,
        uptime_bits=bits,
        uptime_epochs=epochs,
        last_heard=inputs.epoch if account.id in judged.heard else account.last_heard,
        last_accepted=inputs.epoch if account.id in judged.accepted else account.last_accepted,
    )
    rules = inputs.params.rewards
    seen = own_tier(shown, standing(account, inputs.epoch, rules), rules) if shown else 0
    tier, next_tier, next_epochs = with_tier(account, seen, rules)
    return replace(account, tier=tier, next_tier=next_tier, next_tier_epochs=next_epochs)


# --- sites and pay ----------------------------------------------------------------------------------------------------


def cell_weight_u(inputs: EpochInputs, cell: int) -> int:
    """W of a pay cell in this epoch, millionths."""
    return pay_weight_u(inputs.params, inputs.need.classes, inputs.need_now, cell)


def pay_weight_u(params: Parameters, classes: Mapping[int, int], needs: NeedMap, cell: int) -> int:
    """W of a pay cell by a need map; without presence data the params give D."""
    published_u = needs.of(classes[geo.resolution(cell)], cell)
    return weight_u(published_u, params.need.presence_u * (GATE_UNIT // 1_000_000), params.need)


def _place_all(
    inputs: EpochInputs, shown: Mapping[HotspotId, Shown], accounts: Mapping[bytes, Account]
) -> tuple[Site, ...]:
    """Sites of every cell a hotspot plays in, sorted by cell, then by place."""
    rules = inputs.params.rewards
    wanted: dict[int, list[Candidate]] = {}
    for hotspot_id, one in shown.items():
        account = accounts[hotspot_id]
        quality = qualities(one, standing(account, inputs.epoch, rules), rules)
        for cell in choose_cells(quality, lambda cell: cell_weight_u(inputs, cell), rules):
            wanted.setdefault(cell, []).append(_candidate(inputs, one.hotspot, account, quality[cell]))
    sites: list[Site] = []
    for cell, candidates in sorted(wanted.items()):
        weight = cell_weight_u(inputs, cell)
        sites += [
            _site(cell, weight, placed)
            for placed in place_sites(candidates, weight, _least_distance(inputs, cell), rules)
        ]
    return tuple(sites)


def _least_distance(inputs: EpochInputs, cell: int) -> int:
    rules = inputs.params.rewards
    wifi = geo.resolution(cell) == PAY_LEVEL_WIFI
    return rules.min_site_distance_wifi_m if wifi else rules.min_site_distance_lora_m


def _candidate(inputs: EpochInputs, hotspot: Registered, account: Account, quality: int) -> Candidate:
    place = inputs.setting.position_of(hotspot.row.cell)
    radius_m = inputs.params.positions.radius_m[geo.resolution(hotspot.row.cell)]
    position = (place.x_m, place.y_m, place.z_m)
    return Candidate(hotspot.hotspot_id, hotspot.owner, position, radius_m, account.tier, quality, hotspot.seniority)


def _site(cell: int, weight: int, placed: Placed) -> Site:
    one = placed.candidate
    assert isinstance(one.id, bytes)
    return Site(cell, one.id, placed.reason, one.tier, placed.rank, weight, one.quality_u, placed.points)


def _earnings(inputs: EpochInputs, sites: Sequence[Site]) -> dict[bytes, int]:
    """Base units by id: coverage to hotspots by points, validators' share by stake of those whose manifest counts."""
    rules = inputs.params.rewards
    pools = split_emission(inputs.params.emission.of(inputs.epoch), rules)
    points: dict[bytes, int] = {}
    for site in sites:
        points[site.hotspot_id] = points.get(site.hotspot_id, 0) + site.points
    budget = coverage_budget(pools.coverage, sum(points.values()), rules)
    posters = {one.manifest.validator for one in inputs.counted}
    stakes = {account_id(owner): inputs.stakes[owner] for owner in posters if owner in inputs.stakes}
    return allocate(budget, points) | allocate(pools.validators, stakes)


# --- the epoch's books ------------------------------------------------------------------------------------------------


def _finish(
    inputs: EpochInputs,
    accounts: Mapping[bytes, Account],
    outcomes: Sequence[Outcome],
    sites: Sequence[Site],
    earned: Mapping[bytes, int],
    links: tuple[Link, ...],
) -> EpochResult:
    shrunk_now = inputs.need.shrunk_at(inputs.start_ms)
    cells = advance_cells(inputs.before.cells, inputs.need_next, shrunk_now, inputs.need.rules)
    after_next = need_map(cells, shrunk_now, inputs.need.rules)
    before = inputs.before
    state = State(
        epoch=inputs.epoch,
        reserve=before.reserve + inputs.params.emission.of(inputs.epoch) - sum(earned.values()),
        non_empty=((before.non_empty << 1) | (not inputs.evidence.is_empty)) & ((1 << HISTORY_EPOCHS) - 1),
        need_map_next=before.need_map_after,
        need_map_after=after_next.digest(),
        accounts=with_earned(accounts, earned),
        cells=tuple(cells),
        positions=inputs.setting.positions,
    )
    outcome_table = encode_table(OutcomeHead(inputs.epoch, len(outcomes), len(sites)), outcomes, sites)
    summary = _summary(inputs, sha256(outcome_table), state.digest())
    return EpochResult(
        inputs.epoch, outcome_table, state, after_next, summary, merkle.build(state.leaves()), dict(earned), links
    )


def _summary(inputs: EpochInputs, outcomes_hash: bytes, state_hash: bytes) -> bytes:
    manifests = [ManifestCounted(one.manifest.validator, one.manifest.digest()) for one in inputs.counted]
    head = SummaryHead(
        protocol_version=PROTOCOL_VERSION,
        params=inputs.params_hash,
        registry=fold_hash(inputs.registry.values()),
        need_map=inputs.before.need_map_next,
        outcomes=outcomes_hash,
        state_before=inputs.before.digest(),
        state_after=state_hash,
        manifests=len(manifests),
    )
    return encode_table(head, manifests)


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """A decoded outcome table."""

    epoch: int
    outcomes: tuple[Outcome, ...]
    sites: tuple[Site, ...]


def decode_outcomes(data: bytes) -> OutcomeTable | None:
    """The outcome table, or None if the bytes are not canonical."""
    head = OutcomeHead.decode(data[: OutcomeHead.width()])
    if head is None:
        return None
    rows = split_table(data, OutcomeHead.width(), [(Outcome, head.outcomes), (Site, head.sites)])
    if rows is None:
        return None
    outcomes = tuple(row for row in rows[0] if isinstance(row, Outcome))
    sites = tuple(row for row in rows[1] if isinstance(row, Site))
    return OutcomeTable(head.epoch, outcomes, sites)


@dataclass(frozen=True, slots=True)
class Summary:
    """A decoded summary."""

    head: SummaryHead
    manifests: tuple[ManifestCounted, ...]


def decode_summary(data: bytes) -> Summary | None:
    """The summary, or None if the bytes are not canonical."""
    head = SummaryHead.decode(data[: SummaryHead.width()])
    if head is None:
        return None
    rows = split_table(data, SummaryHead.width(), [(ManifestCounted, head.manifests)])
    if rows is None:
        return None
    return Summary(head, tuple(row for row in rows[0] if isinstance(row, ManifestCounted)))
