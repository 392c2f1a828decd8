"""JSON shapes of the API: one function per thing. Integers as they are, amounts as decimal strings, ids as 0x hex,
cells as H3 hex. Units are in the names: _u millionths, _cdb hundredths of a dB(m), _ms unix milliseconds. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from chain.network import CONTRACTS, NetworkFile, checksum
from coverage_maps import sentences
from coverage_maps.follower import Snapshot
from coverage_maps.geometry import AreaCoverage, cell_area_km2
from coverage_maps.names import hotspot_name
from coverage_maps.record import Root
from coverage_maps.steps import fraction, pay_steps
from coverage_maps.view import CellView, EpochView, HotspotView, Reach, SiteView, cell_view
from protocol import geo
from protocol.ids import HotspotId, Kind, Role
from protocol.need import signal_range
from protocol.reasons import SENTENCES
from protocol.registry import Registered
from protocol.rewards import Link
from protocol.version import PROTOCOL_VERSION

Shape = dict[str, Any]
KIND_NAMES = {
    Kind.FIXED: "fixed",
    Kind.MAPPER: "mapper",
    Kind.FIXED_WIFI: "fixed Wi-Fi",
    Kind.MAPPER_WIFI: "mapper Wi-Fi",
}
MAX_LINKS = 500
HONESTY = "There is no public network yet, and there is no token for sale."


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


def as_sentence(text: str) -> str:
    """A message as a sentence: a capital first, a full stop last."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def cell_text(cell: int) -> str:
    return f"{cell:x}"


# --- the network ----------------------------------------------------------------------------------------------------


def network_shape(snapshot: Snapshot) -> Shape:
    """Which network this is, what is simulated in it, and how far it has come."""
    network, newest = snapshot.network, snapshot.newest
    return {
        "name": network.name,
        "chain_id": network.chain_id,
        "protocol_version": PROTOCOL_VERSION,
        "params_hash": hexed(network.params_hash),
        "contracts": _contracts(network),
        "validators": [{"owner": checksum(one.owner), "endpoint": one.endpoint} for one in network.validators],
        "simulated": dict(network.simulated) if network.simulated else None,
        "simulated_sentence": as_sentence(network.simulated["what"]) if network.simulated else "",
        "honesty": HONESTY,
        "newest_epoch": newest.epoch if newest else None,
        "hotspots": len(snapshot.registry),
        "waiting": list(snapshot.waiting),
        "trouble": snapshot.trouble,
        "chain_time_ms": snapshot.chain_time_ms,
        "rules": _rules_shape(snapshot),
    }


def _contracts(network: NetworkFile) -> Shape:
    return {name: checksum(getattr(network.contracts, name)) for name in CONTRACTS}


def _rules_shape(snapshot: Snapshot) -> Shape | None:
    """The numbers legends are drawn with."""
    rules = snapshot.rules
    if rules is None:
        return None
    need, levels = rules.params.need, {}
    for level, radio_class in rules.source.classes.items():
        between = signal_range(need, radio_class)
        levels[str(level)] = {"good_cdb": between.good_cdb, "dead_cdb": between.dead_cdb, "class": radio_class}
    return {
        "genesis_ms": rules.genesis_ms,
        "epoch_length_ms": rules.params.epoch.length_ms,
        "pay_levels": levels,
        "weight_least_u": need.weight_floor_u,
        "weight_most_u": need.weight_floor_u + need.weight_slope_u,
        "baselines": [{"name": one.name, "sha256": one.sha256} for one in rules.params.baselines],
    }


# --- epochs ---------------------------------------------------------------------------------------------------------


def epoch_row(snapshot: Snapshot, root: Root) -> Shape:
    """One epoch as a list shows it."""
    view, problem = snapshot.views.get(root.epoch), snapshot.problems.get(root.epoch)
    state = "verified" if view else "problem" if problem else "pending"
    row: Shape = {
        "epoch": root.epoch,
        "state": state,
        "problem": problem.sentence if problem and not view else "",
        "root": hexed(root.root),
        "data_hash": hexed(root.data_hash),
        "cumulative_total": str(root.cumulative_total),
        "active_at_ms": root.active_at_ms,
        "block": root.block,
        "signers": [checksum(one) for one in root.signers],
    }
    if snapshot.rules is not None:
        row["start_ms"] = snapshot.rules.start_ms(root.epoch)
        row["end_ms"] = snapshot.rules.start_ms(root.epoch + 1)
    return row


def epoch_shape(snapshot: Snapshot, root: Root) -> Shape:
    """One epoch with its counts."""
    view = snapshot.views.get(root.epoch)
    return epoch_row(snapshot, root) | (_counts(view) if view else {})


def _counts(view: EpochView) -> Shape:
    states: dict[str, int] = defaultdict(int)
    for cell in view.cells.values():
        states[cell.state] += 1
    outcomes = sorted(view.outcomes.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return {
        "cells": {name: states[name] for name in ("covered", "tested", "untested")},
        "cells_left_out": view.cells_left_out,
        "links": len(view.links),
        "hotspots": len(view.hotspots),
        "earning": sum(1 for one in view.hotspots.values() if one.earned),
        "earned": str(sum(one.earned for one in view.hotspots.values())),
        "outcomes": [_outcome(role, reason, count) for (role, reason), count in outcomes],
    }


def _outcome(role: Role, reason: Any, count: int) -> Shape:
    return {
        "role": role.name.lower(),
        "reason": reason.name,
        "code": int(reason),
        "count": count,
        "sentence": SENTENCES[reason],
    }


# --- cells ----------------------------------------------------------------------------------------------------------

CELL_COLUMNS = (
    "cell",
    "level",
    "state",
    "weight_u",
    "need_u",
    "baseline_cdb",
    "rssi_cdb",
    "snr_cdb",
    "measured_hotspots",
    "proving_hotspots",
    "paid",
)


def cell_row(cell: CellView) -> Shape:
    """One cell as lists, exports and the map have it."""
    return {
        "cell": cell_text(cell.cell),
        "level": geo.resolution(cell.cell),
        "state": cell.state,
        "weight_u": cell.weight_u,
        "need_u": cell.need_u,
        "baseline_cdb": cell.baseline.signal_cdb if cell.baseline else None,
        "rssi_cdb": cell.best_rssi_cdb,
        "snr_cdb": cell.best_snr_cdb,
        "measured_hotspots": len(cell.reaches),
        "proving_hotspots": len(cell.proving),
        "paid": str(sum(site.payout for site in cell.sites)),
    }


def cell_shape(view: EpochView, cell_id: int) -> Shape:
    """Everything about one cell: the sentence, the steps of its pay, its sites, what was measured."""
    cell = cell_view(view, cell_id)
    return cell_row(cell) | {
        "epoch": view.epoch,
        "area_km2": round(cell_area_km2(cell_id), 4),
        "sentence": sentences.cell_sentence(view, cell),
        "weight": sentences.weight(cell.weight_u),
        "beacons": cell.beacons,
        "steps": [
            {"key": one.key, "title": one.title, "value": one.value, "how": one.how, "exact": one.exact}
            for one in pay_steps(view, cell)
        ],
        "sites": [_site_shape(view, site) for site in cell.sites],
        "reaches": [_reach_shape(one) for one in cell.reaches],
    }


def _site_shape(view: EpochView, site: SiteView) -> Shape:
    ranks_u = view.record.rules.params.rewards.ranks_u
    rank_u = ranks_u[site.rank - 1] if 0 < site.rank <= len(ranks_u) else 0
    return {
        "hotspot": hexed(site.hotspot_id),
        "name": hotspot_name(site.hotspot_id),
        "reason": site.reason.name,
        "sentence": sentences.site_sentence(site),
        "tier": site.tier,
        "rank": site.rank,
        "rank_u": rank_u,
        "quality_u": site.quality_u,
        "quality": fraction(site.quality_u),
        "points": str(site.points),
        "points_u": site.points // 10**12,
        "paid": str(site.payout),
    }


def _reach_shape(one: Reach) -> Shape:
    return {
        "hotspot": hexed(one.hotspot_id),
        "name": hotspot_name(one.hotspot_id),
        "rssi_cdb": one.rssi_cdb,
        "snr_cdb": one.snr_cdb,
        "receptions": one.receptions,
    }


# --- hotspots -------------------------------------------------------------------------------------------------------


def hotspot_row(snapshot: Snapshot, hotspot: Registered, view: EpochView | None) -> Shape:
    """One hotspot as lists and the map have it, in the epoch of a view."""
    seen = view.hotspots.get(hotspot.hotspot_id) if view else None
    return {
        "id": hexed(hotspot.hotspot_id),
        "name": hotspot_name(hotspot.hotspot_id),
        "owner": checksum(hotspot.owner),
        "kind": KIND_NAMES[hotspot.kind],
        "mapper": hotspot.kind.is_mapper,
        "wifi": hotspot.kind.is_wifi,
        "cell": cell_text(hotspot.row.cell),
        "at": cell_text(seen.at if seen else hotspot.row.cell),
        "since_epoch": hotspot.row.since_epoch,
        "status": status_of(seen),
        "links": len(seen.links) if seen else 0,
        "earned": str(seen.earned if seen else 0),
        "earned_total": str(_cumulative(snapshot, hotspot.hotspot_id)),
        "claimed": str(snapshot.claimed.get(hotspot.hotspot_id, 0)),
    }


def status_of(seen: HotspotView | None) -> str:
    """One word: earning, linked, rejected, unheard, silent, or new for one that does not play yet."""
    if seen is None:
        return "new"
    if seen.earned:
        return "earning"
    if seen.links:
        return "linked"
    if seen.rejections:
        return "rejected"
    return "unheard" if seen.beacons else "silent"


def _cumulative(snapshot: Snapshot, hotspot_id: HotspotId) -> int:
    newest = snapshot.newest
    seen = newest.hotspots.get(hotspot_id) if newest else None
    return seen.cumulative if seen else 0


def hotspot_shape(snapshot: Snapshot, hotspot: Registered, view: EpochView | None) -> Shape:
    """Everything about one hotspot in one epoch, and what it earned in every epoch at hand."""
    row = hotspot_row(snapshot, hotspot, view) | {
        "gain_cdb": hotspot.row.gain_cdb,
        "elevation_m": hotspot.row.elevation_m,
        "earnings": _earnings(snapshot, hotspot.hotspot_id),
    }
    seen = view.hotspots.get(hotspot.hotspot_id) if view else None
    if view is None or seen is None:
        return row | {"epoch": view.epoch if view else None, "sentence": sentences.new_hotspot_sentence(hotspot)}
    return row | {
        "epoch": view.epoch,
        "sentence": sentences.hotspot_sentence(view, seen),
        "beacons": seen.beacons,
        "beacons_accepted": seen.beacons_accepted,
        "witnesses": seen.witnesses,
        "witnesses_accepted": seen.witnesses_accepted,
        "rejections": [_outcome(one.role, one.reason, one.count) for one in seen.rejections],
        "sites": [
            {"cell": cell_text(cell), "weight_u": view.record.weight_u(cell)} | _site_shape(view, site)
            for cell, site in seen.sites
        ],
        "proves": sorted({cell_text(cell) for cell in _measured_cells(view, hotspot.hotspot_id)}),
        "connections": _connections(seen)[:MAX_LINKS],
    }


def _earnings(snapshot: Snapshot, hotspot_id: HotspotId) -> list[Shape]:
    found = []
    for epoch, view in sorted(snapshot.views.items()):
        seen = view.hotspots.get(hotspot_id)
        if seen is not None:
            found.append({"epoch": epoch, "earned": str(seen.earned)})
    return found


def _measured_cells(view: EpochView, hotspot_id: HotspotId) -> Iterable[int]:
    return (cell.cell for cell in view.cells.values() if any(one.hotspot_id == hotspot_id for one in cell.reaches))


def _connections(seen: HotspotView) -> list[Shape]:
    """Links merged by other end and where both ends were, with how often each side heard the other; best first."""
    groups: dict[tuple[HotspotId, int, int], list[Link]] = defaultdict(list)
    mine = seen.hotspot.hotspot_id
    for link in seen.links:
        if link.sender.hotspot_id == mine:
            groups[link.receiver.hotspot_id, link.sender_cell, link.receiver_cell].append(link)
        else:
            groups[link.sender.hotspot_id, link.receiver_cell, link.sender_cell].append(link)
    found = [
        {
            "hotspot": hexed(other),
            "name": hotspot_name(other),
            "from": cell_text(here),
            "to": cell_text(there),
            "heard_by_it": sum(1 for link in links if link.sender.hotspot_id == mine),
            "heard_by_us": sum(1 for link in links if link.receiver.hotspot_id == mine),
            "rssi_cdb": max(link.rssi_cdb for link in links),
            "snr_cdb": max(link.snr_cdb for link in links),
            "mapper": any(link.sender.kind.is_mapper or link.receiver.kind.is_mapper for link in links),
        }
        for (other, here, there), links in sorted(groups.items())
    ]
    return sorted(found, key=lambda one: -one["rssi_cdb"])


# --- areas ----------------------------------------------------------------------------------------------------------


def area_shape(view: EpochView, found: AreaCoverage) -> Shape:
    """An area's coverage, with what building in the middle of each gap would pay."""
    return {
        "epoch": view.epoch,
        "area_km2": round(found.area_km2, 4),
        "covered_km2": round(found.covered_km2, 4),
        "uncovered_km2": round(found.uncovered_km2, 4),
        "covered_share": round(found.share, 6),
        "gap_count": found.gap_count,
        "gaps": [_gap_shape(view, number, gap) for number, gap in enumerate(found.gaps, 1)],
        "covered": found.covered,
        "uncovered": found.uncovered,
        "outline": found.outline,
    }


def _gap_shape(view: EpochView, number: int, gap: Any) -> Shape:
    cell = geo.cell_at(gap.latitude_deg, gap.longitude_deg, 8)
    weight_u = view.record.weight_u(cell)
    return {
        "number": number,
        "km2": round(gap.km2, 4),
        "latitude_deg": round(gap.latitude_deg, 5),
        "longitude_deg": round(gap.longitude_deg, 5),
        "reach_m": round(gap.reach_m),
        "cell": cell_text(cell),
        "weight_u": weight_u,
        "weight": sentences.weight(weight_u),
        "shape": gap.shape,
    }


def covered_cells(view: EpochView) -> list[int]:
    """Cells with a measured or proved signal in the epoch: what `covered` means in areas."""
    return [cell.cell for cell in view.cells.values() if cell.state == "covered"]
