"""THE CHECKS, as an ordered table: what a report must satisfy, and the reason it gets when it does not.

This table is the specification, the production code and the public document at once. Rules run in order; the first that
fails names the reason. A rule with `over` looks at a set: its SELECT sees exactly the reports that passed every rule
above it (`survivors`) and gives one `value` per report. SQL here holds comparisons, joins, windows and CASE over 64-bit
integers only; everything that needs a hash, a signature, a division or a square is a column made by columns.py.
`$name` is a number of the params file's [rules]. Any engine that runs this text gives the same outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from string import Template

from protocol.ids import Role
from protocol.parameters import Rules
from protocol.reasons import Reason


@dataclass(frozen=True, slots=True)
class Rule:
    """One check. `holds` is SQL over a report's columns (alias r) and, with `over`, over `v.value`."""

    reason: Reason
    holds: str
    why: str
    measured: str = "0"
    allowed: str = "0"
    over: str = ""


REGISTERED = Rule(Reason.UNKNOWN_HOTSPOT, "r.registered = 1", "Only hotspots the chain knew at B_e play.")
NOT_FROZEN = Rule(Reason.FROZEN, "r.frozen = 0", "Governance froze it, with a published reason.")
SIGNED = Rule(Reason.BAD_SIGNATURE, "r.signed = 1", "A report nobody signed is nobody's.")
COMMITTED = Rule(
    Reason.COMMIT_NOT_ON_TIME,
    "r.on_time = 1",
    "What was not committed before anything was public may have been copied.",
    "r.committers",
    "r.validators",
)
TRAVELLED = Rule(
    Reason.MAPPER_TOO_FAST,
    "v.value = 0",
    "A mapper cannot be in two far places; which of the two is true nobody can tell, so both fall.",
    "v.value",
    "0",
    "SELECT r.id, count(o.id) AS value FROM survivors r"
    " LEFT JOIN moves m ON m.id = r.id AND m.chord_squared > m.allowed_squared"
    " LEFT JOIN survivors o ON o.id = m.other GROUP BY r.id",
)

BEACON_RULES: tuple[Rule, ...] = (
    REGISTERED,
    NOT_FROZEN,
    Rule(
        Reason.REGION_UNKNOWN,
        "r.region >= 0",
        "Without a region there is no lawful channel; a mapper stays in the region it registered in.",
    ),
    SIGNED,
    Rule(
        Reason.NO_SUCH_SLOT,
        "r.slot < r.slots",
        "Slots come from the seed, not from the beaconer.",
        "r.slot",
        "r.slots - 1",
    ),
    COMMITTED,
    Rule(
        Reason.WRONG_CHANNEL,
        "r.frequency_hz = r.slot_frequency_hz",
        "The channel is drawn, so that metadata is hard to invent.",
        "r.frequency_hz",
        "r.slot_frequency_hz",
    ),
    Rule(
        Reason.WRONG_DATA_RATE,
        "r.spreading_factor = r.slot_spreading_factor AND r.bandwidth_hz = r.slot_bandwidth_hz",
        "So is the spreading factor.",
        "r.spreading_factor",
        "r.slot_spreading_factor",
    ),
    Rule(
        Reason.POWER_OUT_OF_RANGE,
        "r.eirp_cdb <= r.slot_eirp_cdb + $power_above_cdb AND r.eirp_cdb >= r.slot_eirp_cdb - $power_below_cdb",
        "Power decides how far a frame is heard; forwarders round, and some cannot go low.",
        "r.eirp_cdb",
        "r.slot_eirp_cdb",
    ),
    Rule(
        Reason.SLOT_CONFLICT,
        "v.value = 1",
        "Two signed beacons for one slot contradict each other; none counts.",
        "v.value",
        "1",
        "SELECT r.id, count(*) OVER (PARTITION BY r.hotspot, r.slot) AS value FROM survivors r",
    ),
    TRAVELLED,
)

WITNESS_RULES: tuple[Rule, ...] = (
    REGISTERED,
    NOT_FROZEN,
    SIGNED,
    Rule(Reason.NO_VALID_BEACON, "r.beacon >= 0", "The tag must be that of a beacon that passed every beacon rule."),
    COMMITTED,
    Rule(Reason.OWN_BEACON, "r.hotspot <> r.beacon_hotspot", "Hearing oneself proves nothing."),
    Rule(Reason.SAME_OWNER, "r.owner <> r.beacon_owner", "Nor does hearing one's own other hotspot."),
    Rule(
        Reason.OTHER_REGION,
        "r.region = r.beacon_region",
        "A receiver tuned to another region's channels does not hear this one.",
        "r.region",
        "r.beacon_region",
    ),
    Rule(Reason.OTHER_RADIO, "r.wifi = r.own_wifi", "A LoRa concentrator does not hear Wi-Fi.", "r.own_wifi", "r.wifi"),
    Rule(
        Reason.FREQUENCY_OFF,
        "r.frequency_hz - r.beacon_frequency_hz <= $frequency_tolerance_hz"
        " AND r.beacon_frequency_hz - r.frequency_hz <= $frequency_tolerance_hz",
        "Crystals drift by a few kHz, channels lie 200 kHz apart.",
        "r.frequency_hz",
        "r.beacon_frequency_hz",
    ),
    Rule(
        Reason.DATA_RATE_OFF,
        "r.spreading_factor = r.beacon_spreading_factor AND r.bandwidth_hz = r.beacon_bandwidth_hz",
        "A frame is demodulated with the data rate it was sent with, or not at all.",
        "r.spreading_factor",
        "r.beacon_spreading_factor",
    ),
    Rule(
        Reason.TOO_FAR,
        "r.distance_squared <= r.farthest_squared",
        "Beyond this, honest receptions are rarer than lies.",
        "r.distance_squared",
        "r.farthest_squared",
    ),
    Rule(
        Reason.TOO_CLOSE,
        "r.distance_squared >= r.nearest_squared",
        "Neighbours at one site cover nothing more; mappers have no minimum.",
        "r.distance_squared",
        "r.nearest_squared",
    ),
    Rule(
        Reason.ABOVE_FREE_SPACE,
        "r.distance_squared <= r.free_space_squared",
        "Nothing arrives stronger than through empty space; the margin forgives antennas and calibration.",
        "r.distance_squared",
        "r.free_space_squared",
    ),
    Rule(
        Reason.BELOW_SNR_FLOOR,
        "r.wifi = 1 OR r.snr_cdb >= r.snr_floor_cdb - $snr_margin_cdb",
        "A LoRa receiver cannot demodulate below its spreading factor's floor.",
        "r.snr_cdb",
        "r.snr_floor_cdb - $snr_margin_cdb",
    ),
    Rule(
        Reason.RSSI_SNR_MISMATCH,
        "r.wifi = 1 OR r.snr_cdb >= 0 OR"
        " (r.noise_excess_cdb >= 0 - $rssi_below_noise_cdb AND r.noise_excess_cdb <= $rssi_above_noise_cdb)",
        "Below the noise RSSI is the noise; interference raises it honestly, so the upper side is wide.",
        "r.noise_excess_cdb",
        "$rssi_above_noise_cdb",
    ),
    Rule(
        Reason.DUPLICATE,
        "v.value = 1",
        "One reception, one report: the smallest report id stands.",
        "v.value",
        "1",
        "SELECT r.id, row_number() OVER (PARTITION BY r.hotspot, r.beacon ORDER BY r.id) AS value FROM survivors r",
    ),
    TRAVELLED,
    Rule(
        Reason.NOT_TWO_WAY,
        "v.value = 1",
        "A hotspot in a drawer hears or is heard, never both: this and the last epoch must show both for each end.",
        "v.value",
        "1",
        "SELECT r.id, CASE WHEN r.fixed_link = 0 THEN 1"
        " WHEN (r.beacon_accepted_before = 1 OR a.hotspot IS NOT NULL)"
        " AND (r.heard_before = 1 OR h.hotspot IS NOT NULL) THEN 1 ELSE 0 END AS value FROM survivors r"
        " LEFT JOIN (SELECT DISTINCT s.hotspot FROM survivors s WHERE s.fixed_link = 1) a ON a.hotspot = r.beacon_hotspot"
        " LEFT JOIN (SELECT DISTINCT s.beacon_hotspot AS hotspot FROM survivors s WHERE s.fixed_link = 1) h"
        " ON h.hotspot = r.hotspot",
    ),
    Rule(
        Reason.NOT_SELECTED,
        "v.value <= $witnesses_per_beacon",
        "More witnesses, or more in one place, must not earn more: a draw nobody can foresee picks them.",
        "v.value",
        "$witnesses_per_beacon",
        "SELECT c.id, CASE WHEN c.in_cell = 1 THEN"
        " row_number() OVER (PARTITION BY c.beacon, c.first_in_cell ORDER BY c.draw) ELSE 1000000 END AS value"
        " FROM (SELECT d.id, d.beacon, d.draw, d.in_cell, CASE WHEN d.in_cell = 1 THEN 1 ELSE 0 END AS first_in_cell"
        " FROM (SELECT r.id, r.beacon, r.draw, row_number() OVER (PARTITION BY r.beacon, r.cell ORDER BY r.draw) AS in_cell"
        " FROM survivors r) d) c",
    ),
)

RULES: dict[Role, tuple[Rule, ...]] = {Role.BEACON: BEACON_RULES, Role.WITNESS: WITNESS_RULES}
PROVISIONAL = frozenset({Reason.NOT_TWO_WAY, Reason.NOT_SELECTED})
"""Rules a single validator cannot judge before the evidence is closed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One table to make: an engine runs `select` and keeps the result under `name` for the steps after it."""

    name: str
    select: str


def _text() -> str:
    lines = []
    for role, rules in RULES.items():
        for rule in rules:
            parts = (
                role.name,
                rule.reason.name,
                str(int(rule.reason)),
                rule.over,
                rule.holds,
                rule.measured,
                rule.allowed,
                rule.why,
            )
            lines.append(" | ".join(parts))
    return "\n".join(lines) + "\n"


TEXT = _text()
"""The rulebook as one text; the params hash covers it."""


def steps(rules: tuple[Rule, ...], numbers: Rules, table: str) -> list[Step]:
    """SQL that judges every row of `table` (columns of columns.py, with the `moves` of travel.py beside it).

    The last step's table, `outcomes`, has columns id, reason, measured, allowed.
    """
    values = {
        f.name: str(getattr(numbers, f.name)) for f in fields(numbers) if isinstance(getattr(numbers, f.name), int)
    }
    made = [Step("judged_0", f"SELECT r.id, 0 AS reason, 0 AS measured, 0 AS allowed FROM {table} r")]
    for place, rule in enumerate(rules):
        made += _rule_steps(rule, place, table)
    last = f"SELECT id, reason, measured, allowed FROM judged_{len(rules)}"
    made.append(Step("outcomes", last))
    return [Step(step.name, Template(step.select).substitute(values)) for step in made]


def _rule_steps(rule: Rule, place: int, table: str) -> list[Step]:
    before, after = f"judged_{place}", f"judged_{place + 1}"
    made, joined = [], ""
    if rule.over:
        survivors, values = f"survivors_{place}", f"values_{place}"
        made.append(Step(survivors, f"SELECT r.* FROM {table} r JOIN {before} j ON j.id = r.id WHERE j.reason = 0"))
        made.append(Step(values, rule.over.replace("survivors", survivors)))
        joined = f" LEFT JOIN {values} v ON v.id = r.id"
    failed = f"j.reason = 0 AND NOT ({rule.holds})"
    made.append(
        Step(
            after,
            f"SELECT r.id, CASE WHEN {failed} THEN {int(rule.reason)} ELSE j.reason END AS reason,"
            f" CASE WHEN {failed} THEN {rule.measured} ELSE j.measured END AS measured,"
            f" CASE WHEN {failed} THEN {rule.allowed} ELSE j.allowed END AS allowed"
            f" FROM {table} r JOIN {before} j ON j.id = r.id{joined}",
        )
    )
    return made
