"""What people are shown of one epoch: cells, hotspots and links, all derived from a checked EpochRecord. Pure.

A cell's measured signal is that of fixed hotspots: a link between two of them measures both ends' cells, a link with a
mapper measures the cell the mapper was in. A mapper's own signal covers nobody, so it colours no cell.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import h3.api.basic_int as h3

from coverage_maps.record import EpochRecord, Incumbent
from protocol import beacon as on_air
from protocol import geo
from protocol.ids import HotspotId, Kind, Role
from protocol.need import PAY_LEVEL_LORA, PAY_LEVEL_WIFI, Signal
from protocol.reasons import Reason
from protocol.records import Beacon, Site, Witness
from protocol.registry import Registered
from protocol.rewards import Link, pay_cell, pay_level

WIFI_RINGS = 3
"""A kilometre: round a Wi-Fi hotspot its small cells are shown untested; everywhere else LoRa's stand for the need."""
MAX_CELLS = 500_000
"""Cells one view holds; further cells that only have need are left out, and the view says so."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How well one fixed hotspot was measured in one cell."""

    hotspot_id: HotspotId
    rssi_cdb: int
    snr_cdb: int
    receptions: int


@dataclass(frozen=True, slots=True)
class SiteView:
    """One hotspot that wanted to be paid in a cell. `payout`: its pay of the epoch by share of points, rounded down."""

    hotspot_id: HotspotId
    reason: Reason
    tier: int
    rank: int
    quality_u: int
    points: int
    payout: int


@dataclass(frozen=True, slots=True)
class CellView:
    """One pay cell in one epoch."""

    cell: int
    weight_u: int
    need_u: int
    has_votes: bool
    baseline: Signal | None
    reaches: tuple[Reach, ...]
    sites: tuple[SiteView, ...]
    beacons: int
    """Valid beacons sent from here, heard or not: somebody tried."""

    @property
    def best_rssi_cdb(self) -> int | None:
        return max((one.rssi_cdb for one in self.reaches), default=None)

    @property
    def best_snr_cdb(self) -> int | None:
        return max((one.snr_cdb for one in self.reaches), default=None)

    @property
    def proving(self) -> tuple[SiteView, ...]:
        """Sites that hold a place in the cell, paid or beyond the third rank."""
        return tuple(one for one in self.sites if one.rank)

    @property
    def state(self) -> str:
        """`covered`: measured or proved; `tested`: beaconed from, never heard; `untested`: nobody tried this epoch."""
        if self.reaches or self.proving:
            return "covered"
        return "tested" if self.beacons else "untested"


@dataclass(frozen=True, slots=True)
class Rejection:
    """How many reports of one role a hotspot lost to one reason."""

    role: Role
    reason: Reason
    count: int


@dataclass(frozen=True, slots=True)
class HotspotView:
    """One hotspot in one epoch."""

    hotspot: Registered
    at: int
    """Where it was: the registered cell, or a mapper's cell of its last valid beacon."""
    beacons: int
    beacons_accepted: int
    witnesses: int
    witnesses_accepted: int
    rejections: tuple[Rejection, ...]
    earned: int
    cumulative: int
    sites: tuple[tuple[int, SiteView], ...]
    links: tuple[Link, ...]

    @property
    def kind(self) -> Kind:
        return self.hotspot.kind


@dataclass(frozen=True, slots=True)
class EpochView:
    """Everything shown of one epoch."""

    record: EpochRecord
    incumbent: Incumbent
    cells: Mapping[int, CellView]
    hotspots: Mapping[HotspotId, HotspotView]
    links: tuple[Link, ...]
    outcomes: Mapping[tuple[Role, Reason], int]
    cells_left_out: int = 0

    @property
    def epoch(self) -> int:
        return self.record.root.epoch


def build_view(record: EpochRecord, incumbent: Incumbent) -> EpochView:
    """The view of a checked epoch."""
    reasons = {one.report_id: Reason(one.reason) for one in record.table.outcomes}
    sent = _valid_beacons(record, reasons)
    links = tuple(_links(record, reasons, sent))
    sites = _sites(record)
    cells, left_out = _cells(record, incumbent, links, sites, sent.values())
    return EpochView(
        record=record,
        incumbent=incumbent,
        cells=cells,
        hotspots=_hotspots(record, reasons, links, sites),
        links=links,
        outcomes=Counter((Role(one.role), Reason(one.reason)) for one in record.table.outcomes),
        cells_left_out=left_out,
    )


def cell_view(view: EpochView, cell: int) -> CellView:
    """A pay cell, shown or not: one nobody measured still has a weight, from the area around it."""
    return view.cells.get(cell) or _cell(view.record, view.incumbent, cell, _Seen())


def pay_cell_of(record: EpochRecord, cell: int) -> int | None:
    """The pay cell a cell means: itself or its ancestor at a level in play; None for a coarser one."""
    levels = [level for level in levels_in_play(record) if level <= geo.resolution(cell)]
    if not levels:
        return None
    exact = geo.resolution(cell) in levels
    return cell if exact else geo.parent(cell, min(levels))


# --- links ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sent:
    """A valid beacon: who sent it, and where from."""

    sender: Registered
    cell: int
    report: Beacon
    report_id: bytes


def _place(hotspot: Registered, reported_cell: int) -> int:
    return reported_cell if hotspot.kind.is_mapper else hotspot.row.cell


def _valid_beacons(record: EpochRecord, reasons: Mapping[bytes, Reason]) -> dict[bytes, _Sent]:
    """Accepted beacons by the tag they were heard under."""
    found = {}
    for one in record.evidence.beacons:
        report, sender = one.report, record.registry.get(one.hotspot_id)
        if reasons.get(one.report_id) is Reason.ACCEPTED and sender is not None and isinstance(report, Beacon):
            tag = on_air.tag(record.seed, one.hotspot_id, report.slot, report.nonce)
            found[tag] = _Sent(sender, _place(sender, report.cell), report, one.report_id)
    return found


def _links(record: EpochRecord, reasons: Mapping[bytes, Reason], sent: Mapping[bytes, _Sent]) -> Iterable[Link]:
    """One link for every accepted witness report."""
    for one in record.evidence.witnesses:
        report, receiver = one.report, record.registry.get(one.hotspot_id)
        if reasons.get(one.report_id) is not Reason.ACCEPTED or receiver is None or not isinstance(report, Witness):
            continue
        heard = sent.get(report.tag)
        if heard is not None:
            yield Link(
                sender=heard.sender,
                receiver=receiver,
                sender_cell=heard.cell,
                receiver_cell=_place(receiver, report.cell),
                spreading_factor=heard.report.spreading_factor,
                rssi_cdb=report.rssi_cdb,
                snr_cdb=report.snr_cdb,
                beacon=heard.report_id,
            )


def measured(link: Link) -> Iterable[tuple[int, Registered]]:
    """(pay cell, fixed hotspot whose signal the link measures there)."""
    for near, far_cell in ((link.sender, link.receiver_cell), (link.receiver, link.sender_cell)):
        cell = None if near.kind.is_mapper else pay_cell(near, far_cell)
        if cell is not None:
            yield cell, near


# --- cells ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Seen:
    """What an epoch shows of one cell, being collected."""

    links: dict[HotspotId, list[Link]] = field(default_factory=lambda: defaultdict(list))
    sites: list[SiteView] = field(default_factory=list)
    beacons: int = 0


def _sites(record: EpochRecord) -> dict[int, list[SiteView]]:
    points: Counter[bytes] = Counter()
    for site in record.table.sites:
        points[site.hotspot_id] += site.points
    found = defaultdict(list)
    for site in record.table.sites:
        found[site.cell].append(_site(site, record.earned(site.hotspot_id), points[site.hotspot_id]))
    return found


def _site(site: Site, earned: int, points: int) -> SiteView:
    payout = earned * site.points // points if points else 0
    reason, hotspot_id = Reason(site.reason), HotspotId(site.hotspot_id)
    return SiteView(hotspot_id, reason, site.tier, site.rank, site.quality_u, site.points, payout)


def _cells(
    record: EpochRecord,
    incumbent: Incumbent,
    links: Sequence[Link],
    sites: Mapping[int, Sequence[SiteView]],
    sent: Iterable[_Sent],
) -> tuple[dict[int, CellView], int]:
    """(cells of the view, how many had to be left out): all with evidence, and those with need as far as they fit."""
    seen: dict[int, _Seen] = defaultdict(_Seen)
    for link in links:
        for cell, hotspot in measured(link):
            seen[cell].links[hotspot.hotspot_id].append(link)
    for cell, of_cell in sites.items():
        seen[cell].sites.extend(of_cell)
    for one in sent:
        sent_from = pay_cell(one.sender, one.cell)
        if sent_from is not None:
            seen[sent_from].beacons += 1
    only_need = [cell for cell in needy_cells(record) if cell not in seen]
    shown = only_need[: max(0, MAX_CELLS - len(seen))]
    cells = {cell: _cell(record, incumbent, cell, seen[cell]) for cell in sorted({*seen, *shown})}
    return cells, len(only_need) - len(shown)


def levels_in_play(record: EpochRecord) -> set[int]:
    """Resolutions of pay cells: LoRa's always, Wi-Fi's once a Wi-Fi hotspot is registered."""
    return {PAY_LEVEL_LORA, *(pay_level(one) for one in record.registry.values())}


def needy_cells(record: EpochRecord) -> list[int]:
    """Pay cells the need map names: LoRa's everywhere, Wi-Fi's only as far round Wi-Fi hotspots as they reach."""
    classes, near = record.rules.source.classes, _cells_near_wifi(record)
    lora, wifi = (classes[PAY_LEVEL_LORA], PAY_LEVEL_LORA), (classes[PAY_LEVEL_WIFI], PAY_LEVEL_WIFI)
    kinds = ((cell, (kind, geo.resolution(cell))) for kind, cell in record.needs.rows)
    return sorted(cell for cell, kind in kinds if kind == lora or (kind == wifi and cell in near))


def _cells_near_wifi(record: EpochRecord) -> set[int]:
    fixed = [one for one in record.registry.values() if pay_level(one) == PAY_LEVEL_WIFI]
    cells = {geo.parent(one.row.cell, PAY_LEVEL_WIFI) for one in fixed}
    return {near for cell in cells for near in h3.grid_disk(cell, WIFI_RINGS)}


def _cell(record: EpochRecord, incumbent: Incumbent, cell: int, seen: _Seen) -> CellView:
    level = geo.resolution(cell)
    radio_class = record.rules.source.classes[level]
    return CellView(
        cell=cell,
        weight_u=record.weight_u(cell),
        need_u=record.needs.of(radio_class, cell),
        has_votes=(radio_class, cell) in record.needs.rows,
        baseline=incumbent.signals[level].get(cell),
        reaches=tuple(_reach(one, seen.links[one]) for one in sorted(seen.links)),
        sites=tuple(seen.sites),
        beacons=seen.beacons,
    )


def _reach(hotspot_id: HotspotId, links: Sequence[Link]) -> Reach:
    best_rssi = max(link.rssi_cdb for link in links)
    return Reach(hotspot_id, best_rssi, max(link.snr_cdb for link in links), len(links))


# --- hotspots ---------------------------------------------------------------------------------------------------------


def _hotspots(
    record: EpochRecord,
    reasons: Mapping[bytes, Reason],
    links: Sequence[Link],
    sites: Mapping[int, Sequence[SiteView]],
) -> dict[HotspotId, HotspotView]:
    tallies: dict[HotspotId, Counter[tuple[Role, Reason]]] = defaultdict(Counter)
    last: dict[HotspotId, Beacon] = {}
    for role, reports in ((Role.BEACON, record.evidence.beacons), (Role.WITNESS, record.evidence.witnesses)):
        for one in reports:
            if one.report_id in reasons:
                tallies[one.hotspot_id][role, reasons[one.report_id]] += 1
            if isinstance(one.report, Beacon) and reasons.get(one.report_id) is Reason.ACCEPTED:
                last[one.hotspot_id] = max(last.get(one.hotspot_id, one.report), one.report, key=_sent_at)
    ends: dict[HotspotId, list[Link]] = defaultdict(list)
    for link in links:
        ends[link.sender.hotspot_id].append(link)
        ends[link.receiver.hotspot_id].append(link)
    of_hotspot: dict[HotspotId, list[tuple[int, SiteView]]] = defaultdict(list)
    for cell, of_cell in sites.items():
        for site in of_cell:
            of_hotspot[site.hotspot_id].append((cell, site))
    return {
        one: _hotspot(record, hotspot, tallies[one], last.get(one), ends[one], of_hotspot[one])
        for one, hotspot in sorted(record.registry.items())
    }


def _sent_at(report: Beacon) -> int:
    return report.sent_at_ms


def _hotspot(
    record: EpochRecord,
    hotspot: Registered,
    tally: Mapping[tuple[Role, Reason], int],
    last: Beacon | None,
    links: Sequence[Link],
    sites: Sequence[tuple[int, SiteView]],
) -> HotspotView:
    account = record.after.accounts.get(hotspot.hotspot_id)
    totals = {role: sum(count for (one, _), count in tally.items() if one is role) for role in Role}
    rejected = [Rejection(role, reason, count) for (role, reason), count in tally.items() if reason]
    return HotspotView(
        hotspot=hotspot,
        at=last.cell if last and hotspot.kind.is_mapper else hotspot.row.cell,
        beacons=totals[Role.BEACON],
        beacons_accepted=tally.get((Role.BEACON, Reason.ACCEPTED), 0),
        witnesses=totals[Role.WITNESS],
        witnesses_accepted=tally.get((Role.WITNESS, Reason.ACCEPTED), 0),
        rejections=tuple(sorted(rejected, key=lambda one: (-one.count, one.role, one.reason))),
        earned=record.earned(hotspot.hotspot_id),
        cumulative=account.cumulative if account else 0,
        sites=tuple(sorted(sites, key=lambda pair: (-pair[1].points, pair[0]))),
        links=tuple(links),
    )
