"""Need, from votes to a published weight: rewards.md 0 to 5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.reference.exact import MICRO, halved_u, to_micro
from tests.reference.inputs import BaselineFile, BaselineRow
from tests.reference.places import level, parent

DAY_MS = 86_400_000
UPPER_LEVELS = (5, 7)
PAY_LEVELS = {"lora": 8, "wifi": 9}
LARGEST_COUNT = 255

Files = tuple[BaselineFile, ...]


@dataclass(frozen=True)
class Published:
    """A pay cell's published need, and where its last inputs pointed how many times in a row."""

    need_u: int
    direction: int = 0
    count: int = 0


@dataclass(frozen=True)
class NeedMap:
    """Needs by (class, cell): published ones of pay cells with votes, shrunk ones of the levels above."""

    published: Mapping[tuple[str, int], Published]
    shrunk: Mapping[tuple[str, int], int]
    prior_u: int

    def of(self, radio_class: str, pay_cell: int) -> int:
        """A cell without votes takes its resolution 7 parent's x', that of resolution 5, or the prior."""
        if (radio_class, pay_cell) in self.published:
            return self.published[radio_class, pay_cell].need_u
        return need_above(self.shrunk, radio_class, pay_cell, self.prior_u)


def need_above(shrunk: Mapping[tuple[str, int], int], radio_class: str, cell: int, prior_u: int) -> int:
    """x' of what lies above a cell; a level without votes passes its parent's on."""
    for coarser in (7, 5):
        if coarser < level(cell) and (radio_class, parent(cell, coarser)) in shrunk:
            return shrunk[radio_class, parent(cell, coarser)]
    return prior_u


# --- 1: votes and signal


def aged_weight_u(row: BaselineRow, file: BaselineFile, start_ms: int, contributed_half_life_days: int) -> int:
    half_life = contributed_half_life_days if row.contributor else file.half_life_days
    age = 0 if row.day == 0 else max(0, start_ms // DAY_MS - row.day)
    return (row.weight_u * halved_u(age % half_life, half_life) // MICRO) >> (age // half_life)


def cut(votes: list[int], cap: int) -> list[int]:
    """Scaled down to at most the cap, each rounded down."""
    total = sum(votes)
    return votes if total <= cap else [vote * cap // total for vote in votes]


@dataclass
class Vote:
    """One row's say in one cell of one level."""

    file: int
    contributor: int
    signal_cdb: int
    weight_u: int


def votes_in(params: Mapping[str, Any], files: Files, radio_class: str, cell: int, start_ms: int) -> list[Vote]:
    """Aged, cut by contributor, then cut by file."""
    votes = [
        Vote(number, row.contributor, row.signal_cdb, weight_u)
        for number, file in enumerate(files)
        for row in file.rows
        if row.radio_class == radio_class
        and parent(row.cell, level(cell)) == cell
        and (weight_u := aged_weight_u(row, file, start_ms, params["contributed_half_life_days"]))
    ]
    for contributor in {vote.contributor for vote in votes} - {0}:
        _cut_together([vote for vote in votes if vote.contributor == contributor], params["contributor_votes_u"])
    for number, file in enumerate(files):
        own = [vote for vote in votes if vote.file == number]
        contributors = {vote.contributor for vote in own} - {0}
        if file.votes_u is not None:
            _cut_together(own, file.votes_u)
        elif len(contributors) < params["few_contributors"]:
            _cut_together(own, params["few_contributors_votes_u"])
    return votes


def _cut_together(votes: list[Vote], cap_u: int) -> None:
    for vote, weight_u in zip(votes, cut([vote.weight_u for vote in votes], cap_u), strict=True):
        vote.weight_u = weight_u


def lower_median_cdb(votes: Iterable[Vote]) -> int:
    """The first value at which twice the cumulated weight reaches the total."""
    in_order = sorted((vote.signal_cdb, vote.weight_u) for vote in votes)
    total, so_far = sum(weight_u for _, weight_u in in_order), 0
    for signal_cdb, weight_u in in_order:
        so_far += weight_u
        if 2 * so_far >= total:
            return signal_cdb
    raise AssertionError("no votes")


# --- 2, 3: need and shrink


def need_u(params: Mapping[str, Any], radio_class: str, signal_cdb: int) -> int:
    good, dead = params[radio_class]["good_cdb"], params[radio_class]["dead_cdb"]
    return to_micro(min(Fraction(1), max(Fraction(0), Fraction(good - signal_cdb, good - dead))))


def shrink_u(params: Mapping[str, Any], own_u: int, votes_u: int, parent_u: int) -> int:
    prior_votes_u = params["shrink_votes_u"]
    return round(Fraction(votes_u * own_u + prior_votes_u * parent_u, votes_u + prior_votes_u))


def shrunk_needs(
    params: Mapping[str, Any], files: Files, pay_class: Mapping[str, str], start_ms: int
) -> dict[tuple[str, int], int]:
    """x' of every cell with votes, from resolution 5 down to the pay cells."""
    found: dict[tuple[str, int], int] = {}
    for radio_class in sorted(set(pay_class.values())):
        pay_levels = [PAY_LEVELS[radio] for radio, named in pay_class.items() if named == radio_class]
        homes = {row.cell for file in files for row in file.rows if row.radio_class == radio_class}
        for at in [*UPPER_LEVELS, *sorted(pay_levels)]:
            for cell in {parent(home, at) for home in homes}:
                votes = votes_in(params, files, radio_class, cell, start_ms)
                votes_u = sum(one.weight_u for one in votes)
                if votes_u:
                    above = need_above(found, radio_class, cell, params["prior_u"])
                    own_u = need_u(params, radio_class, lower_median_cdb(votes))
                    found[radio_class, cell] = shrink_u(params, own_u, votes_u, above)
    return found


# --- 4: publish


def publish(params: Mapping[str, Any], before: Published, input_u: int) -> Published:
    difference = input_u - before.need_u
    if abs(difference) <= params["band_u"]:
        return Published(before.need_u)
    direction = 1 if difference > 0 else -1
    count = min(LARGEST_COUNT, before.count + 1 if direction == before.direction else 1)
    if direction > 0 and count >= params["up_epochs"]:
        return Published(min(input_u, before.need_u + params["up_step_u"]), direction, count)
    if direction < 0 and count >= params["down_epochs"]:
        return Published(max(input_u, before.need_u - params["down_step_u"]), direction, count)
    return Published(before.need_u, direction, count)


def genesis_map(params: Mapping[str, Any], files: Files, pay_class: Mapping[str, str], start_ms: int) -> NeedMap:
    """x_pub = x' of the files listed at genesis."""
    found = shrunk_needs(params, files, pay_class, start_ms)
    published = {key: Published(value) for key, value in found.items() if level(key[1]) > 7}
    return NeedMap(published, {key: value for key, value in found.items() if level(key[1]) <= 7}, params["prior_u"])


def next_map(
    params: Mapping[str, Any], files: Files, pay_class: Mapping[str, str], start_ms: int, newest: NeedMap
) -> NeedMap:
    """The map that follows the newest one, with ages at the start of the epoch that makes it."""
    found = shrunk_needs(params, files, pay_class, start_ms)
    published = {}
    for (radio_class, cell), input_u in found.items():
        if level(cell) > 7:
            # A cell that gets its first vote starts at what it had without it.
            before = newest.published.get((radio_class, cell)) or Published(newest.of(radio_class, cell))
            published[radio_class, cell] = publish(params, before, input_u)
    return NeedMap(published, {key: value for key, value in found.items() if level(key[1]) <= 7}, params["prior_u"])


def pay_classes(files: Files) -> dict[str, str]:
    """The class a pay cell takes: cellular if a cellular file is listed, else the radio's own."""
    has_cellular = any(file.radio_class == "cellular" for file in files)
    return {radio: "cellular" if has_cellular else radio for radio in PAY_LEVELS}


# --- 5: weight


def weight_u(params: Mapping[str, Any], published_u: int) -> int:
    """W = D (0.25 + 3.75 x_pub), rounded once."""
    exact = Fraction(params["weight_floor_u"], MICRO) + Fraction(params["weight_slope_u"], MICRO) * Fraction(
        published_u, MICRO
    )
    return to_micro(Fraction(params["presence_u"], MICRO) * exact)


def gate(demand: Fraction) -> Fraction:
    """D where presence data exist: 0 where nobody lives or drives, else 0.2 + 0.8 min(1, demand)."""
    return Fraction(0) if demand <= 0 else Fraction(1, 5) + Fraction(4, 5) * min(Fraction(1), demand)
