"""Judging an epoch's evidence: columns, rulebook, outcomes, and the links that remain (protocol.md §6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from protocol import beacon as on_air
from protocol.columns import (
    BeaconRow,
    Moves,
    Row,
    Setting,
    ValidBeacon,
    WitnessRow,
    beacon_rows,
    place_of,
    valid_beacon,
    witness_rows,
)
from protocol.evidence import Evidence, Report
from protocol.ids import HotspotId, Role
from protocol.reasons import Reason
from protocol.records import Beacon, Outcome, Witness
from protocol.rewards import Link
from protocol.rulebook import PROVISIONAL, RULES, Rule, Step, steps
from protocol.travel import Stops, beacon_stops, too_fast, witness_stops

Verdicts = Sequence[tuple[int, ...]]
"""(id, reason, measured, allowed) of every report of one role, by id."""

ROWS: Mapping[Role, type[Row]] = {Role.BEACON: BeaconRow, Role.WITNESS: WitnessRow}


class Engine(Protocol):
    """Runs the rulebook's SQL; DuckDB in one process, or any engine with 64-bit integers, joins and windows."""

    def run(self, tables: Mapping[str, tuple[type[Row], Sequence[Row]]], made: Sequence[Step]) -> list[tuple[int, ...]]:
        """Rows of the last step's table, ordered by id; every step sees the tables and the steps before it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Outcomes sorted by report id, the selected links, and who was heard or accepted for the two-way rule."""

    outcomes: tuple[Outcome, ...]
    links: tuple[Link, ...]
    heard: frozenset[HotspotId]
    accepted: frozenset[HotspotId]


def judge(setting: Setting, evidence: Evidence, engine: Engine, *, provisional: bool = False) -> Judged:
    """The verdict on every report; `provisional` leaves out the rules that need the closed evidence of everybody."""
    court = _Court(setting, engine, provisional)
    on_beacons = court.judge(
        Role.BEACON, beacon_rows(setting, evidence), lambda reaching: beacon_stops(setting, evidence, reaching)
    )
    beacons = _valid_beacons(setting, evidence, on_beacons)
    witnesses = witness_rows(setting, evidence, beacons)
    on_witnesses = court.judge(
        Role.WITNESS, witnesses, lambda reaching: witness_stops(setting, evidence, beacons, reaching)
    )
    outcomes = _outcomes(Role.BEACON, evidence.beacons, on_beacons)
    outcomes += _outcomes(Role.WITNESS, evidence.witnesses, on_witnesses)
    reasons = [Reason(row[1]) for row in on_witnesses]
    heard, accepted = _two_way(evidence, beacons, witnesses, reasons)
    return Judged(
        tuple(sorted(outcomes, key=lambda one: one.report_id)),
        tuple(_links(setting, evidence, beacons, reasons)),
        heard,
        accepted,
    )


@dataclass(frozen=True, slots=True)
class _Court:
    """Runs the rulebook over the rows of one role."""

    setting: Setting
    engine: Engine
    provisional: bool

    def judge(self, role: Role, rows: Sequence[Row], stops: Callable[[Sequence[int]], Stops]) -> list[tuple[int, ...]]:
        """Verdicts by id. The first run knows no moves, so it shows which reports reach the rule on a mapper's speed;
        a second one is needed only where two of those are too far apart."""
        rules = [rule for rule in RULES[role] if not (self.provisional and rule.reason in PROVISIONAL)]
        verdicts = self._run(role, rules, rows, [])
        reaching = _reaching(Reason.MAPPER_TOO_FAST, rules, verdicts)
        moves = too_fast(stops(reaching), self.setting.params.rules.mapper_speed_m_s)
        return self._run(role, rules, rows, moves) if moves else verdicts

    def _run(
        self, role: Role, rules: Sequence[Rule], rows: Sequence[Row], moves: Sequence[Moves]
    ) -> list[tuple[int, ...]]:
        made = steps(tuple(rules), self.setting.params.rules, "reports")
        return self.engine.run({"reports": (ROWS[role], rows), "moves": (Moves, moves)}, made)


def _reaching(reason: Reason, rules: Sequence[Rule], verdicts: Verdicts) -> list[int]:
    """Numbers of the reports that passed every rule above the one with this reason."""
    order = [rule.reason for rule in rules]
    if reason not in order:
        return []
    passed = {Reason.ACCEPTED, *order[order.index(reason) :]}
    return [row[0] for row in verdicts if row[1] in passed]


def tag_of(setting: Setting, report: Report) -> bytes:
    """The tag a beacon's revealed nonce gives."""
    assert isinstance(report.report, Beacon)
    return on_air.tag(setting.seed, report.hotspot_id, report.report.slot, report.report.nonce)


def _valid_beacons(
    setting: Setting, evidence: Evidence, verdicts: Sequence[tuple[int, ...]]
) -> dict[bytes, ValidBeacon]:
    accepted = (number for number, reason, *_ in verdicts if reason == Reason.ACCEPTED)
    return {
        tag_of(setting, evidence.beacons[number]): valid_beacon(setting, evidence.beacons[number], number)
        for number in accepted
    }


def _outcomes(role: Role, reports: Sequence[Report], verdicts: Verdicts) -> list[Outcome]:
    return [
        Outcome(reports[number].report_id, role, reason, measured, allowed)
        for number, reason, measured, allowed in verdicts
    ]


def _two_way(
    evidence: Evidence, beacons: Mapping[bytes, ValidBeacon], rows: Sequence[WitnessRow], reasons: Sequence[Reason]
) -> tuple[frozenset[HotspotId], frozenset[HotspotId]]:
    """Fixed hotspots another owner's one heard, and those that heard one, by reports past every other rule."""
    passed = {Reason.ACCEPTED, *PROVISIONAL}
    heard, accepted = set(), set()
    for row, reason in zip(rows, reasons, strict=True):
        if row.fixed_link and reason in passed:
            report = evidence.witnesses[row.id]
            assert isinstance(report.report, Witness)
            heard.add(beacons[report.report.tag].hotspot.hotspot_id)
            accepted.add(report.hotspot_id)
    return frozenset(heard), frozenset(accepted)


def _links(
    setting: Setting, evidence: Evidence, beacons: Mapping[bytes, ValidBeacon], reasons: Sequence[Reason]
) -> list[Link]:
    links = []
    for report, reason in zip(evidence.witnesses, reasons, strict=True):
        if reason is Reason.ACCEPTED:
            witness, receiver = report.report, setting.registry[report.hotspot_id]
            assert isinstance(witness, Witness)
            heard, place = beacons[witness.tag], place_of(setting, receiver, witness.cell)
            assert place is not None, "the rulebook accepts no report without a place"
            links.append(
                Link(
                    sender=heard.hotspot,
                    receiver=receiver,
                    sender_cell=heard.place.cell,
                    receiver_cell=place.cell,
                    spreading_factor=heard.slot.spreading_factor,
                    rssi_cdb=witness.rssi_cdb,
                    snr_cdb=witness.snr_cdb,
                    beacon=heard.report.report_id,
                )
            )
    return links
