"""Every beacon and witness rule of protocol.md 6, in order: one outcome a report.

`verdicts` returns {report id: name of the reason}; `judge` also returns what rewards and the next epoch need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import combinations

from protocol.limits import COMMIT_EARLY_MS, MAX_ALLOWED_DISTANCE_M
from protocol.reasons import Reason
from tests.reference import bytes_to_sign, places
from tests.reference.exact import reach_metre_hertz
from tests.reference.inputs import Beacon, Epoch, Here, History, Hotspot, Network, Place, Signed, Witness
from tests.reference.schedule import Slot, slot, slot_count

SNR_FLOOR_CDB = {7: -750, 8: -1_000, 9: -1_250, 10: -1_500, 11: -1_750, 12: -2_000}
NOISE_ABOVE_125KHZ_CDB = {125_000: 0, 250_000: 300, 500_000: 600}
SELECTION_LEVEL = 8


@dataclass(frozen=True)
class Spoken:
    """A beacon report, where and when it was due."""

    id: bytes
    report: Beacon
    hotspot: Hotspot
    region: int
    slot: Slot
    cell: int
    tag: bytes


@dataclass(frozen=True)
class Heard:
    """A witness report and the beacon it heard."""

    id: bytes
    report: Witness
    hotspot: Hotspot
    beacon: Spoken
    cell: int

    @property
    def is_between_fixed(self) -> bool:
        return not self.hotspot.is_mapper and not self.beacon.hotspot.is_mapper


@dataclass
class Judgement:
    """Outcomes by report id, the selected links, and the links that count for two-way in the next epoch."""

    outcomes: dict[bytes, str] = field(default_factory=dict)
    selected: list[Heard] = field(default_factory=list)
    two_way_evidence: list[Heard] = field(default_factory=list)


def verdicts(network: Network, epoch: Epoch, history: History) -> dict[bytes, str]:
    """The name of the reason for every report in the counted manifests."""
    return judge(network, epoch, history).outcomes


def judge(network: Network, epoch: Epoch, history: History) -> Judgement:
    court = Court(network, epoch, history)
    valid = {spoken.tag: spoken for spoken in court.judge_beacons()}
    court.judge_witnesses(valid)
    assert all(name in Reason.__members__ for name in court.judgement.outcomes.values())
    return court.judgement


class Court:
    """One epoch's evidence and the numbers its rules need."""

    def __init__(self, network: Network, epoch: Epoch, history: History) -> None:
        self.network, self.epoch, self.history = network, epoch, history
        self.params, self.rules = network.params, network.params["rules"]
        self.positions: dict[int, Place] = dict(history.positions)
        for manifest in epoch.manifests:
            for cell, place in manifest.positions.items():
                self.positions.setdefault(cell, place)
        self.copies: dict[bytes, list[Signed]] = {}
        for manifest in epoch.manifests:
            for signed in manifest.reports:
                self.copies.setdefault(bytes_to_sign.report_id(signed.report), []).append(signed)
        self.judgement = Judgement()

    def reports(self, kind: type) -> Iterator[tuple[bytes, Beacon | Witness]]:
        for name in sorted(self.copies):
            report = self.copies[name][0].report
            if isinstance(report, kind):
                yield name, report

    def refuse(self, name: bytes, reason: str) -> None:
        self.judgement.outcomes[name] = reason

    # --- beacons

    def judge_beacons(self) -> list[Spoken]:
        """The beacons that pass every rule."""
        standing = []
        for name, report in self.reports(Beacon):
            judged = self._one_beacon(name, report)
            if isinstance(judged, str):
                self.refuse(name, judged)
            else:
                standing.append(judged)
        standing = self._drop(standing, slot_conflicts(standing), "SLOT_CONFLICT")
        moves = [(one.id, one.hotspot, one.cell, one.slot.start_ms) for one in standing]
        standing = self._drop(standing, self._too_fast(moves), "MAPPER_TOO_FAST")
        for spoken in standing:
            self.judgement.outcomes[spoken.id] = "ACCEPTED"
        return standing

    def _one_beacon(self, name: bytes, report: Beacon) -> Spoken | str:
        """The rules that look at one beacon alone."""
        hotspot = self.epoch.hotspots.get(report.hotspot_id)
        if hotspot is None:
            return "UNKNOWN_HOTSPOT"
        if hotspot.frozen:
            return "FROZEN"
        region = places.report_region(self.network, hotspot, report.cell)
        if region is None:
            return "REGION_UNKNOWN"
        if not self._is_signed(name, hotspot):
            return "BAD_SIGNATURE"
        if report.slot >= slot_count(self.params, hotspot):
            return "NO_SUCH_SLOT"
        plan = places.plan_of(self.network, hotspot, region)
        due = slot(self.params, plan, self.epoch.seed, hotspot, self.epoch.start_ms, report.slot)
        if not self._is_on_time(name, hotspot, due.start_ms):
            return "COMMIT_NOT_ON_TIME"
        if report.frequency_hz != due.frequency_hz:
            return "WRONG_CHANNEL"
        if (report.spreading_factor, report.bandwidth_hz) != (due.spreading_factor, plan["bandwidth_hz"]):
            return "WRONG_DATA_RATE"
        radiated_cdb = report.power_cdb + hotspot.gain_cdb
        lowest_cdb = due.eirp_cdb - self.rules["power_below_cdb"]
        highest_cdb = due.eirp_cdb + self.rules["power_above_cdb"]
        if not lowest_cdb <= radiated_cdb <= highest_cdb:
            return "POWER_OUT_OF_RANGE"
        heard_as = bytes_to_sign.tag(self.epoch.seed, hotspot.id, report.slot, report.nonce)
        return Spoken(name, report, hotspot, region, due, places.report_cell(hotspot, report.cell), heard_as)

    # --- witnesses

    def judge_witnesses(self, beacons: dict[bytes, Spoken]) -> None:
        standing = []
        for name, report in self.reports(Witness):
            judged = self._one_witness(name, report, beacons)
            if isinstance(judged, str):
                self.refuse(name, judged)
            else:
                standing.append(judged)
        standing = self._drop(standing, duplicates(standing), "DUPLICATE")
        moves = [(one.id, one.hotspot, one.cell, one.beacon.slot.start_ms) for one in standing]
        standing = self._drop(standing, self._too_fast(moves), "MAPPER_TOO_FAST")
        self.judgement.two_way_evidence = [one for one in standing if one.is_between_fixed]
        standing = self._drop(standing, self._one_way(standing), "NOT_TWO_WAY")
        standing = self._drop(standing, self._not_drawn(standing), "NOT_SELECTED")
        self.judgement.selected = standing
        for heard in standing:
            self.judgement.outcomes[heard.id] = "ACCEPTED"

    def _one_witness(self, name: bytes, report: Witness, beacons: dict[bytes, Spoken]) -> Heard | str:
        """The rules that look at one witness report and its beacon alone."""
        hotspot = self.epoch.hotspots.get(report.hotspot_id)
        if hotspot is None:
            return "UNKNOWN_HOTSPOT"
        if hotspot.frozen:
            return "FROZEN"
        if not self._is_signed(name, hotspot):
            return "BAD_SIGNATURE"
        beacon = beacons.get(report.tag)
        if beacon is None:
            return "NO_VALID_BEACON"
        if not self._is_on_time(name, hotspot, beacon.slot.start_ms):
            return "COMMIT_NOT_ON_TIME"
        heard = Heard(name, report, hotspot, beacon, places.report_cell(hotspot, report.cell))
        return self._refused_between(heard) or self._refused_by_radio(heard) or heard

    def _refused_between(self, heard: Heard) -> str | None:
        """Who heard whom."""
        if heard.hotspot.id == heard.beacon.hotspot.id:
            return "OWN_BEACON"
        if heard.hotspot.owner == heard.beacon.hotspot.owner:
            return "SAME_OWNER"
        if places.report_region(self.network, heard.hotspot, heard.report.cell) != heard.beacon.region:
            return "OTHER_REGION"
        if heard.hotspot.is_wifi != heard.beacon.hotspot.is_wifi:
            return "OTHER_RADIO"
        return None

    def _refused_by_radio(self, heard: Heard) -> str | None:
        """How it was heard, and from how far."""
        report, sent, is_wifi = heard.report, heard.beacon.report, heard.beacon.hotspot.is_wifi
        if abs(report.frequency_hz - sent.frequency_hz) > self.rules["frequency_tolerance_hz"]:
            return "FREQUENCY_OFF"
        if (report.spreading_factor, report.bandwidth_hz) != (sent.spreading_factor, sent.bandwidth_hz):
            return "DATA_RATE_OFF"
        reach = self.rules["wifi" if is_wifi else "lora"]
        both_radii_m = sum(places.radius_m(self.params, cell) for cell in (heard.cell, heard.beacon.cell))
        distance2_m2 = places.chord2_m2(self.positions[heard.cell], self.positions[heard.beacon.cell])
        if distance2_m2 > max(0, reach["max_distance_m"] - both_radii_m) ** 2:
            return "TOO_FAR"
        if heard.is_between_fixed and distance2_m2 < (reach["min_distance_m"] + both_radii_m) ** 2:
            return "TOO_CLOSE"
        if distance2_m2 > self._free_space_m(heard, both_radii_m) ** 2:
            return "ABOVE_FREE_SPACE"
        return None if is_wifi else self._refused_by_noise(report)

    def _free_space_m(self, heard: Heard, both_radii_m: int) -> int:
        """The farthest a signal this strong can come from."""
        beacon = heard.beacon
        plan = places.plan_of(self.network, beacon.hotspot, beacon.region)
        eirp_cdb = min(plan["max_eirp_cdb"], beacon.report.power_cdb + beacon.hotspot.gain_cdb)
        power_cdb = heard.report.rssi_cdb + min(0, heard.report.snr_cdb)
        index_cdb = eirp_cdb + heard.hotspot.gain_cdb - power_cdb + self.rules["free_space_margin_cdb"]
        reach_m = reach_metre_hertz(index_cdb) // beacon.slot.frequency_hz
        return min(reach_m + both_radii_m, MAX_ALLOWED_DISTANCE_M)

    def _refused_by_noise(self, report: Witness) -> str | None:
        if report.snr_cdb < SNR_FLOOR_CDB[report.spreading_factor] - self.rules["snr_margin_cdb"]:
            return "BELOW_SNR_FLOOR"
        noise_cdb = self.rules["noise_125khz_cdb"] + NOISE_ABOVE_125KHZ_CDB[report.bandwidth_hz]
        above_cdb = report.rssi_cdb - (noise_cdb + report.snr_cdb)
        lowest_cdb, highest_cdb = -self.rules["rssi_below_noise_cdb"], self.rules["rssi_above_noise_cdb"]
        if report.snr_cdb < 0 and not lowest_cdb <= above_cdb <= highest_cdb:
            return "RSSI_SNR_MISMATCH"
        return None

    # --- what both kinds share

    def _drop(self, standing: list, refused: Iterable[bytes], reason: str) -> list:
        refused = set(refused)
        for name in refused:
            self.refuse(name, reason)
        return [one for one in standing if one.id not in refused]

    def _is_signed(self, name: bytes, hotspot: Hotspot) -> bool:
        """If any copy's signature verifies."""
        copies = self.copies[name]
        return any(bytes_to_sign.is_signed_by(hotspot, self.network, one.report, one.signature) for one in copies)

    def _is_on_time(self, name: bytes, hotspot: Hotspot, slot_start_ms: int) -> bool:
        """More than a third of the stake recorded the commit between two seconds before the slot and the window."""
        last_ms = slot_start_ms + self.params["epoch"]["commit_window_ms"]
        stake = 0
        for manifest in self.epoch.manifests:
            for commit in manifest.commits:
                is_this = (commit.hotspot_id, commit.report_id) == (hotspot.id, name)
                if is_this and slot_start_ms - COMMIT_EARLY_MS <= commit.received_at_ms <= last_ms:
                    stake += self.epoch.stakes[manifest.validator]
                    break
        return 3 * stake > sum(self.epoch.stakes.values())

    def _too_fast(self, moves: list[tuple[bytes, Hotspot, int, int]]) -> Iterator[bytes]:
        """Both of every two reports of a mapper that lie farther apart than it can travel between their slots."""
        for (name, hotspot, cell, at_ms), (other_name, other, other_cell, other_at_ms) in combinations(moves, 2):
            if hotspot.id != other.id or not hotspot.is_mapper or cell == other_cell:
                continue
            seconds = -(-abs(at_ms - other_at_ms) // 1000)
            both_radii_m = places.radius_m(self.params, cell) + places.radius_m(self.params, other_cell)
            allowed_m = self.rules["mapper_speed_m_s"] * seconds + both_radii_m
            if places.chord2_m2(self.positions[cell], self.positions[other_cell]) > allowed_m**2:
                yield name
                yield other_name

    def _one_way(self, standing: list[Heard]) -> Iterator[bytes]:
        """Links between fixed hotspots of which an end was not both heard and hearing, now or in the last epoch."""
        between_fixed = [one for one in standing if one.is_between_fixed]
        heard_now = {one.beacon.hotspot.id for one in between_fixed}
        hearing_now = {one.hotspot.id for one in between_fixed}

        def is_two_way(end: Hotspot) -> bool:
            heard = end.id in heard_now or self._last_epoch(self.history.heard, end)
            hearing = end.id in hearing_now or self._last_epoch(self.history.witnessed, end)
            return heard and hearing

        for one in between_fixed:
            if not (is_two_way(one.hotspot) and is_two_way(one.beacon.hotspot)):
                yield one.id

    def _last_epoch(self, kept: dict[Here, set[int]], hotspot: Hotspot) -> bool:
        """In the last epoch, and at the cell it has now."""
        return self.epoch.number - 1 in kept.get(hotspot.here, ())

    def _not_drawn(self, standing: list[Heard]) -> Iterator[bytes]:
        """Greedily in the order of the draw: one a cell, at most so many a beacon."""

        def drawn(one: Heard) -> bytes:
            return sha256(self.epoch.draw + one.report.tag + one.hotspot.id).digest()

        for tag in {one.report.tag for one in standing}:
            cells: list[int] = []
            for one in sorted((one for one in standing if one.report.tag == tag), key=drawn):
                cell = places.parent(one.cell, SELECTION_LEVEL)
                if cell in cells or len(cells) == self.rules["witnesses_per_beacon"]:
                    yield one.id
                else:
                    cells.append(cell)


def slot_conflicts(standing: list[Spoken]) -> Iterator[bytes]:
    """Every beacon that shares its slot with another one."""
    for one in standing:
        same = [other for other in standing if _slot_of(other) == _slot_of(one)]
        if len(same) > 1:
            yield one.id


def _slot_of(spoken: Spoken) -> tuple[bytes, int]:
    return spoken.hotspot.id, spoken.report.slot


def duplicates(standing: list[Heard]) -> Iterator[bytes]:
    """All but the smallest report id of one hotspot about one beacon."""
    for one in standing:
        same = [other for other in standing if (other.hotspot.id, other.report.tag) == (one.hotspot.id, one.report.tag)]
        if one.id != min(other.id for other in same):
            yield one.id
