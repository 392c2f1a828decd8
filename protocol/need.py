"""NeedWeight v1, steps 1-5: from measurements of incumbent signal to a published pay weight per cell (rewards.md).

Each step is exact, then rounded once, half to even, to millionths; the next step starts from the rounded integer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from protocol import geo
from protocol.arithmetic import MICRO, floor_root, half_even
from protocol.encoding import concatenate, sha256, split
from protocol.limits import MAX_BASELINE_ROWS
from protocol.parameters import Baseline, NeedRules, SignalRange
from protocol.records import BaselineRow, CellState, Need
from protocol.tables import is_strictly_sorted

CELLULAR, WIFI, LORA = 1, 2, 3
RADIO_CLASSES = {"cellular": CELLULAR, "wifi": WIFI, "lora": LORA}
PAY_LEVEL_LORA, PAY_LEVEL_WIFI = 8, 9
SHRINK_LEVELS = (5, 7)
INDEXED_LEVEL = 9
LEAST_SIGNAL_CDB, MOST_SIGNAL_CDB = -20_000, 0
DAY_MS = 86_400_000
GATE_UNIT = 10_000_000
GATE_LEAST, GATE_SLOPE = 2_000_000, 8
MAX_COUNT = 255


@dataclass(frozen=True, slots=True)
class Signal:
    """Incumbent signal of a cell: its weighted lower median and the effective votes behind it."""

    signal_cdb: int
    votes_u: int


@dataclass(frozen=True, slots=True)
class NeedMap:
    """Published need by (class, cell): pay cells with votes, and the shrunk need of the cells above them."""

    rows: Mapping[tuple[int, int], int]
    prior_u: int

    def of(self, radio_class: int, cell: int) -> int:
        """Need of a pay cell: its own, else its resolution 7 or 5 ancestor's, else the prior. Millionths."""
        for candidate in (cell, *(geo.parent(cell, level) for level in reversed(SHRINK_LEVELS))):
            if (radio_class, candidate) in self.rows:
                return self.rows[radio_class, candidate]
        return self.prior_u

    def encode(self) -> bytes:
        """Canonical Need rows, sorted by class and cell."""
        return concatenate(Need(kind, cell, need_u) for (kind, cell), need_u in sorted(self.rows.items()))

    def digest(self) -> bytes:
        return sha256(self.encode())


def decode_map(data: bytes, rules: NeedRules) -> NeedMap | None:
    """The map in canonical bytes, or None."""
    rows = split(Need, data)
    if rows is None:
        return None
    decoded = NeedMap({(row.radio_class, row.cell): row.need_u for row in rows}, rules.prior_u)
    return decoded if decoded.encode() == data else None


# --- step 0: listed files ------------------------------------------------------------------------------------------


def decode_baseline(listed: Baseline, data: bytes) -> tuple[BaselineRow, ...] | None:
    """The rows of a listed file, or None if it is not sorted canonical rows of its source and class, each in a valid
    resolution 9 cell with a signal in [-20000, 0]."""
    rows = split(BaselineRow, data)
    if rows is None or len(rows) > MAX_BASELINE_ROWS or listed.radio_class not in RADIO_CLASSES:
        return None
    if not is_strictly_sorted([row.encode() for row in rows]):
        return None
    return tuple(rows) if all(_is_vote(row, listed) for row in rows) else None


def _is_vote(row: BaselineRow, listed: Baseline) -> bool:
    of_this_file = (row.source, row.radio_class) == (listed.source, RADIO_CLASSES[listed.radio_class])
    in_range = LEAST_SIGNAL_CDB <= row.signal_cdb <= MOST_SIGNAL_CDB
    return of_this_file and in_range and geo.is_cell(row.cell, INDEXED_LEVEL, INDEXED_LEVEL)


# --- step 1: incumbent signal -----------------------------------------------------------------------------------


@cache
def half_life_table(half_life_days: int) -> tuple[int, ...]:
    """T[i] = 10^6 * 2^(-i/H) for i < H, each to the nearest integer, by an exact integer root (never a float)."""
    power, doubled = (2 * MICRO) ** half_life_days, [2 * MICRO]
    for age in range(1, half_life_days):
        doubled.append(floor_root(power >> age, half_life_days, at_most=doubled[-1]))
    return tuple((value + 1) // 2 for value in doubled)


def aged_weight_u(weight_u: int, age_days: int, half_life_days: int) -> int:
    """A vote's weight after `age_days`, millionths, rounded down."""
    halvings, rest = divmod(age_days, half_life_days)
    return (weight_u * half_life_table(half_life_days)[rest] // MICRO) >> halvings


def lower_median(values: Iterable[tuple[int, int]]) -> int:
    """The first value at which twice the cumulated weight reaches the total; over (value, weight) pairs."""
    ordered = sorted(values)
    total, cumulated = sum(weight for _, weight in ordered), 0
    for value, weight in ordered:
        cumulated += weight
        if 2 * cumulated >= total:
            return value
    raise ValueError("the median of nothing")


@dataclass(frozen=True, slots=True)
class Vote:
    """One aged row of a baseline file."""

    cell: int
    signal_cdb: int
    weight_u: int
    source: int
    contributor: int


def age_votes(
    files: Sequence[tuple[Baseline, Sequence[BaselineRow]]], rules: NeedRules, start_ms: int
) -> dict[int, list[Vote]]:
    """Votes by class at the start of an epoch; rows whose weight has aged to nothing are dropped."""
    today, votes = start_ms // DAY_MS, defaultdict(list)
    for listed, rows in files:
        for row in rows:
            age_days = max(0, today - row.day) if row.day else 0
            half_life = rules.contributed_half_life_days if row.contributor else listed.half_life_days
            weight_u = aged_weight_u(row.weight_u, age_days, half_life)
            if weight_u:
                votes[row.radio_class].append(Vote(row.cell, row.signal_cdb, weight_u, row.source, row.contributor))
    return votes


def _cut(weights: Sequence[int], cap_u: int) -> list[int]:
    total = sum(weights)
    return list(weights) if total <= cap_u else [weight * cap_u // total for weight in weights]


def cut_votes(votes: Sequence[Vote], rules: NeedRules, caps_u: Mapping[int, int]) -> list[int]:
    """Weights of one cell's votes after every contributor, then every file, is cut to its cap: vote * cap // sum."""
    weights = [vote.weight_u for vote in votes]
    by_contributor: dict[int, list[int]] = defaultdict(list)
    by_source: dict[int, list[int]] = defaultdict(list)
    for place, vote in enumerate(votes):
        by_source[vote.source].append(place)
        if vote.contributor:
            by_contributor[vote.contributor].append(place)
    groups = [(places, rules.contributor_votes_u) for places in by_contributor.values()]
    groups += [
        (places, _file_cap_u(source, [votes[at] for at in places], rules, caps_u))
        for source, places in by_source.items()
    ]
    for places, cap_u in groups:
        for place, weight in zip(places, _cut([weights[at] for at in places], cap_u), strict=True):
            weights[place] = weight
    return weights


def _file_cap_u(source: int, votes: Sequence[Vote], rules: NeedRules, caps_u: Mapping[int, int]) -> int:
    """A file's cap in a cell; a crowd-sourced file with enough contributors has none of its own."""
    if caps_u[source]:
        return caps_u[source]
    few = len({vote.contributor for vote in votes if vote.contributor}) < rules.few_contributors
    return rules.few_contributors_votes_u if few else sum(vote.weight_u for vote in votes)


def signals(votes: Sequence[Vote], level: int, rules: NeedRules, caps_u: Mapping[int, int]) -> dict[int, Signal]:
    """Incumbent signal of every cell with votes at one resolution."""
    by_cell: dict[int, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_cell[geo.parent(vote.cell, level)].append(vote)
    found = {}
    for cell, members in by_cell.items():
        weights = cut_votes(members, rules, caps_u)
        votes_u = sum(weights)
        if votes_u:
            found[cell] = Signal(
                lower_median(zip((vote.signal_cdb for vote in members), weights, strict=True)), votes_u
            )
    return found


# --- steps 2 and 3: need, shrunk toward the parent ---------------------------------------------------------------


def signal_range(rules: NeedRules, radio_class: int) -> SignalRange:
    """Between which signals the need of a class goes from 0 to 1."""
    return {CELLULAR: rules.cellular, WIFI: rules.wifi, LORA: rules.lora}[radio_class]


def need_u(signal_cdb: int, between: SignalRange) -> int:
    """x = clamp((S_good - E) / (S_good - S_dead), 0, 1), millionths."""
    width = between.good_cdb - between.dead_cdb
    return half_even(min(max(between.good_cdb - signal_cdb, 0), width) * MICRO, width)


def shrink_u(own_u: int, votes_u: int, parent_u: int, rules: NeedRules) -> int:
    """x' = (n * x + 8 * x_parent) / (n + 8), millionths: few votes say little, none say nothing."""
    return half_even(votes_u * own_u + rules.shrink_votes_u * parent_u, votes_u + rules.shrink_votes_u)


def shrunk(
    votes: Sequence[Vote], radio_class: int, pay_level: int, rules: NeedRules, caps_u: Mapping[int, int]
) -> dict[int, int]:
    """x' of every cell with votes at resolutions 5, 7 and the pay level, from the coarsest down."""
    between = signal_range(rules, radio_class)
    result: dict[int, int] = {}
    upper: list[int] = []
    for level in (*SHRINK_LEVELS, pay_level):
        for cell, signal in sorted(signals(votes, level, rules, caps_u).items()):
            ancestors = (result[above] for above in (geo.parent(cell, up) for up in reversed(upper)) if above in result)
            parent_u = next(ancestors, rules.prior_u)
            result[cell] = shrink_u(need_u(signal.signal_cdb, between), signal.votes_u, parent_u, rules)
        upper.append(level)
    return result


# --- step 4: publish with hysteresis ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Published:
    """A cell's published need with where its inputs have been pointing, and for how many in a row."""

    need_u: int
    direction: int = 0
    count: int = 0


def publish(before: Published, input_u: int, rules: NeedRules) -> Published:
    """One epoch's step of a cell's published need toward its input, slowly and only when the input insists."""
    difference = input_u - before.need_u
    if abs(difference) <= rules.band_u:
        return Published(before.need_u)
    direction = 1 if difference > 0 else -1
    count = min(before.count + 1, MAX_COUNT) if direction == before.direction else 1
    need = before.need_u
    if direction > 0 and count >= rules.up_epochs:
        need = min(input_u, need + rules.up_step_u)
    elif direction < 0 and count >= rules.down_epochs:
        need = max(input_u, need - rules.down_step_u)
    return Published(need, direction, count)


# --- step 5: weight -----------------------------------------------------------------------------------------------


def gate(demand_u: int) -> int:
    """Presence gate D in 1/10^7: 0 where nobody lives or drives, else 0.2 + 0.8 * min(1, demand)."""
    return 0 if demand_u <= 0 else GATE_LEAST + GATE_SLOPE * min(MICRO, demand_u)


def weight_u(published_u: int, gate_e7: int, rules: NeedRules) -> int:
    """W = D * (0.25 + 3.75 * x_pub), millionths, rounded once from the exact product."""
    return half_even(gate_e7 * (rules.weight_floor_u * MICRO + rules.weight_slope_u * published_u), GATE_UNIT * MICRO)


# --- the whole map ------------------------------------------------------------------------------------------------


def pay_classes(baselines: Iterable[Baseline]) -> dict[int, int]:
    """Pay level -> class whose need it takes: cellular wherever a cellular file is listed, else the radio's own."""
    cellular = any(RADIO_CLASSES[listed.radio_class] == CELLULAR for listed in baselines)
    return {PAY_LEVEL_LORA: CELLULAR if cellular else LORA, PAY_LEVEL_WIFI: CELLULAR if cellular else WIFI}


@dataclass(frozen=True, slots=True)
class NeedSource:
    """The listed baseline files and the rules to read them by; gives the shrunk need of any moment."""

    rules: NeedRules
    files: tuple[tuple[Baseline, tuple[BaselineRow, ...]], ...]

    @property
    def caps_u(self) -> dict[int, int]:
        return {listed.source: listed.votes_u for listed, _ in self.files}

    @property
    def classes(self) -> dict[int, int]:
        return pay_classes(listed for listed, _ in self.files)

    def shrunk_at(self, start_ms: int) -> dict[tuple[int, int], int]:
        """x' by (class, cell) of every cell with votes, pay levels and above, at a moment."""
        votes, found = age_votes(self.files, self.rules, start_ms), {}
        for level, radio_class in self.classes.items():
            for cell, need in shrunk(votes[radio_class], radio_class, level, self.rules, self.caps_u).items():
                found[radio_class, cell] = need
        return found

    def signals_at(self, start_ms: int, level: int) -> dict[int, Signal]:
        """Incumbent signal of the pay cells with votes at a pay level; what people are shown."""
        votes = age_votes(self.files, self.rules, start_ms)
        return signals(votes[self.classes[level]], level, self.rules, self.caps_u)


def is_pay_cell(cell: int) -> bool:
    return geo.resolution(cell) not in SHRINK_LEVELS


def genesis_cells(shrunk_now: Mapping[tuple[int, int], int]) -> list[CellState]:
    """The first publishing state: x_pub = x', no direction, no count."""
    return [CellState(kind, cell, need, 0, 0) for (kind, cell), need in sorted(shrunk_now.items()) if is_pay_cell(cell)]


def advance_cells(
    before: Iterable[CellState], last_map: NeedMap, shrunk_now: Mapping[tuple[int, int], int], rules: NeedRules
) -> list[CellState]:
    """One epoch's publishing step of every pay cell with votes; a new cell starts at the need it had without them."""
    known = {(row.radio_class, row.cell): Published(row.need_u, row.direction, row.count) for row in before}
    rows = []
    for (kind, cell), input_u in sorted(shrunk_now.items()):
        if is_pay_cell(cell):
            start = known.get((kind, cell)) or Published(last_map.of(kind, cell))
            after = publish(start, input_u, rules)
            rows.append(CellState(kind, cell, after.need_u, after.direction, after.count))
    return rows


def need_map(cells: Iterable[CellState], shrunk_now: Mapping[tuple[int, int], int], rules: NeedRules) -> NeedMap:
    """The map to publish: pay cells as published, the cells above them as shrunk."""
    rows = {key: need for key, need in shrunk_now.items() if not is_pay_cell(key[1])}
    rows.update({(row.radio_class, row.cell): row.need_u for row in cells})
    return NeedMap(rows, rules.prior_u)
