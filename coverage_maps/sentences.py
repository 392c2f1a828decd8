"""Plain sentences: the first thing people read about a cell, a hotspot, an epoch. Pure."""

from __future__ import annotations

from coverage_maps.names import hotspot_name
from coverage_maps.view import CellView, EpochView, HotspotView, SiteView
from protocol import geo
from protocol.arithmetic import MICRO, half_even
from protocol.need import need_u, signal_range
from protocol.reasons import SENTENCES, Reason
from protocol.registry import Registered

COUNT_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SIGNAL_WORDS = ((0, "strong"), (250_000, "good"), (500_000, "fair"), (800_000, "weak"), (MICRO - 1, "very weak"))
"""The need a signal gives, up to which a word fits; beyond the last it is `all but gone`."""
TOKEN_UNIT = 10**18


def count_word(count: int) -> str:
    """`two`, or `14` beyond ten."""
    return COUNT_WORDS[count] if count < len(COUNT_WORDS) else str(count)


def dbm(cdb: int) -> str:
    """Hundredths of a dBm as people write them: -105, -105.5."""
    whole, rest = divmod(abs(cdb), 100)
    text = f"{whole}.{rest:02d}".rstrip("0").rstrip(".")
    return f"-{text}" if cdb < 0 else text


def weight(weight_u: int) -> str:
    """A pay weight with two decimals, half to even: 2.39."""
    hundredths = half_even(weight_u, MICRO // 100)
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def tokens(base_units: int) -> str:
    """Tokens rounded down, as the page writes them: 36,917 whole ones from ten on, else two decimals."""
    hundredths = base_units * 100 // TOKEN_UNIT
    if hundredths == 0 or hundredths >= 1_000:
        return f"{hundredths // 100:,}"
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def signal_word(view: EpochView, cell: int, signal_cdb: int) -> str:
    """How good a signal is, in one word, on the scale the cell's need is measured by."""
    rules = view.record.rules
    radio_class = rules.source.classes[geo.resolution(cell)]
    need = need_u(signal_cdb, signal_range(rules.params.need, radio_class))
    return next((word for most, word in SIGNAL_WORDS if need <= most), "all but gone")


def cell_sentence(view: EpochView, cell: CellView) -> str:
    """Why a cell pays what it pays, as one sentence."""
    if not cell.weight_u:
        return "Pays nothing: nobody lives or drives here."
    return f"Pays {weight(cell.weight_u)}x: {_signal_clause(view, cell)}, {_sites_clause(cell)}."


def _signal_clause(view: EpochView, cell: CellView) -> str:
    if cell.baseline is None:
        return "nobody has measured the incumbent signal here, so the area around it decides"
    signal_cdb = cell.baseline.signal_cdb
    whole = dbm(100 * half_even(signal_cdb, 100))
    return f"the incumbent signal here is {signal_word(view, cell.cell, signal_cdb)} ({whole} dBm)"


def _sites_clause(cell: CellView) -> str:
    count = len(cell.proving)
    if count == 0:
        return "and no hotspot proves coverage yet"
    return f"{count_word(count)} hotspot{'s prove' if count > 1 else ' proves'} coverage"


def hotspot_sentence(view: EpochView, one: HotspotView) -> str:
    """What a hotspot did and what came of it, with the reason when nothing did."""
    name, epoch = hotspot_name(one.hotspot.hotspot_id), view.epoch
    if one.kind.is_mapper:
        return _mapper_sentence(name, epoch, one)
    if one.earned:
        paid = sum(1 for _, site in one.sites if site.points)
        cells = f"{count_word(paid)} cell{'s' if paid != 1 else ''}"
        return f"{name} earned {tokens(one.earned)} tokens in epoch {epoch}: it proves coverage in {cells}."
    if one.links:
        return f"{name} was heard in epoch {epoch}, but not paid: {_unpaid(one)}"
    if one.beacons or one.witnesses:
        return f"{name} earned nothing in epoch {epoch}: {_main_reason(one)}"
    return f"{name} was silent in epoch {epoch}: it sent and heard nothing. Check its power, forwarder and connection."


def new_hotspot_sentence(hotspot: Registered) -> str:
    """What is to be said of a hotspot the epoch does not know."""
    return f"{hotspot_name(hotspot.hotspot_id)} is registered and plays from epoch {hotspot.row.since_epoch}."


def _mapper_sentence(name: str, epoch: int, one: HotspotView) -> str:
    heard = {link.receiver.hotspot_id for link in one.links if link.sender.hotspot_id == one.hotspot.hotspot_id}
    if heard:
        by = f"{count_word(len(heard))} hotspot{'s' if len(heard) != 1 else ''}"
        return f"{name}, a mapper, was heard by {by} in epoch {epoch} and shows where they reach. It is not paid yet."
    if one.beacons or one.witnesses:
        return f"{name}, a mapper, proved nothing in epoch {epoch}: {_main_reason(one)}"
    return f"{name}, a mapper, was silent in epoch {epoch}."


def _unpaid(one: HotspotView) -> str:
    reasons = [site.reason for _, site in one.sites if site.reason]
    return _continued(SENTENCES[reasons[0]]) if reasons else "its links prove no cell for it yet."


def _main_reason(one: HotspotView) -> str:
    if one.rejections:
        return _continued(SENTENCES[one.rejections[0].reason])
    if one.beacons_accepted:
        return "no other owner's hotspot heard its beacons, and it heard none."
    return "nothing it sent was judged."


def _continued(sentence: str) -> str:
    """A sentence after a colon: no capital, unless it begins with an abbreviation."""
    return sentence if sentence[1:2].isupper() else sentence[0].lower() + sentence[1:]


def site_sentence(site: SiteView) -> str:
    """What a hotspot came to in a cell."""
    if site.reason is Reason.ACCEPTED:
        return f"Paid site, place {site.rank} of this cell."
    return SENTENCES[site.reason]
