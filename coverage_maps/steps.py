"""The numbers behind a cell's pay, one step after the other, as rewards.md has them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coverage_maps.sentences import dbm, tokens, weight
from coverage_maps.view import CellView, EpochView
from protocol import geo
from protocol.arithmetic import MICRO
from protocol.need import SHRINK_LEVELS, need_u, signal_range

CLASS_NAMES = {1: "cellular", 2: "Wi-Fi", 3: "LoRa"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a stable key, what it is, its value as people read it, how it came about, and the exact integer."""

    key: str
    title: str
    value: str
    how: str
    exact: int | None


def fraction(value_u: int) -> str:
    """Millionths with four decimals, rounded down: 0.5714."""
    return f"{value_u // MICRO}.{value_u % MICRO // 100:04d}"


def pay_steps(view: EpochView, cell: CellView) -> tuple[Step, ...]:
    """From the incumbent signal to the weight; what sites make of it stands beside each site."""
    return (*_signal_steps(view, cell), *_published_steps(view, cell), *_pay_total(cell))


def _signal_steps(view: EpochView, cell: CellView) -> Iterator[Step]:
    rules = view.record.rules
    radio_class = rules.source.classes[geo.resolution(cell.cell)]
    between = signal_range(rules.params.need, radio_class)
    name, signal = CLASS_NAMES[radio_class], cell.baseline
    if signal is None:
        yield Step("signal", "Incumbent signal", "not measured", f"No {name} measurement lies in this cell.", None)
    else:
        raw = need_u(signal.signal_cdb, between)
        votes = f"Weighted lower median of the {name} measurements in this cell; our own radios never count."
        yield Step("signal", "Incumbent signal", f"{dbm(signal.signal_cdb)} dBm", votes, signal.signal_cdb)
        how = "Votes behind it, aged and capped per contributor and file."
        yield Step("votes", "Effective votes", fraction(signal.votes_u), how, signal.votes_u)
        how = f"0 at {dbm(between.good_cdb)} dBm and better, 1 at {dbm(between.dead_cdb)} dBm and worse."
        yield Step("need_raw", "Need by the signal alone", fraction(raw), how, raw)
    around_u, whose = _around(view, radio_class, cell.cell)
    yield Step("need_around", "Need of the area around", fraction(around_u), whose, around_u)
    shrunk = view.incumbent.shrunk_u.get((radio_class, cell.cell))
    if shrunk is not None:
        few = fraction(rules.params.need.shrink_votes_u).removesuffix(".0000")
        how = f"Few votes say little: the area around counts like {few} votes."
        yield Step("need_shrunk", "Need, leaning on the area", fraction(shrunk), how, shrunk)


def _around(view: EpochView, radio_class: int, cell: int) -> tuple[int, str]:
    """(shrunk need of the nearest coarser cell with votes, where it is from)."""
    for level in reversed(SHRINK_LEVELS):
        found = view.incumbent.shrunk_u.get((radio_class, geo.parent(cell, level)))
        if found is not None:
            return found, f"From the measurements in the resolution {level} cell it lies in."
    return view.record.rules.params.need.prior_u, "Nobody measured around here either: the prior."


def _published_steps(view: EpochView, cell: CellView) -> Iterator[Step]:
    need = view.record.rules.params.need
    up, down = fraction(need.up_step_u)[:-2], fraction(need.down_step_u)[:-2]
    how = (
        f"Known one epoch ahead; moves at most +{up} or -{down} an epoch."
        if cell.has_votes
        else "No votes of its own: the published need of the area."
    )
    yield Step("need_published", "Published need", fraction(cell.need_u), how, cell.need_u)
    presence = fraction(need.presence_u)
    floor, slope = fraction(need.weight_floor_u)[:-2], fraction(need.weight_slope_u)[:-2]
    how = f"D x ({floor} + {slope} x published need), with presence D = {presence}."
    yield Step("weight", "Pay weight W", f"{weight(cell.weight_u)}x", how, cell.weight_u)


def _pay_total(cell: CellView) -> Iterator[Step]:
    payout = sum(site.payout for site in cell.sites)
    if cell.sites:
        how = "Each site's share: W x rank x quality of the epoch's coverage pay. At most 1.75 x W for a whole cell."
        yield Step("payout", "Paid in this cell", f"{tokens(payout)} tokens", how, payout)
