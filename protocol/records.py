"""Every canonical record: what hotspots sign, what validators publish, what an audit reads.

docs/records.md is generated from this file. A change of any layout is a new PROTOCOL_VERSION.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from protocol.encoding import (
    BYTES16,
    BYTES20,
    BYTES21,
    BYTES32,
    BYTES64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U40,
    U48,
    U64,
    U128,
    FieldType,
    Record,
    field,
)
from protocol.ids import Kind, Role
from protocol.limits import MAX_COORDINATE_M
from protocol.reasons import Reason

REGISTRATION = "farfield/registration"
SESSION = "farfield/session"
REPORT = "farfield/report"
SURVEY = "farfield/survey"


# --- signed by the device key ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Registration(Record):
    """What Hotspots.register proves on chain with the device's own signature."""

    purpose: ClassVar[str] = "signed by the device as farfield/registration; verified on chain by Hotspots.register"

    x: bytes = field(BYTES32, "X of the device's P-256 public key")
    y: bytes = field(BYTES32, "Y of the device's P-256 public key")
    owner: bytes = field(BYTES20, "account the hotspot belongs to")
    cell: int = field(U64, "H3 cell, resolution 9-12")
    gain_cdb: int = field(I16, "antenna gain, 0.01 dBi")
    elevation_m: int = field(I16, "antenna height above ground, metres")
    kind: int = field(U8, "0 fixed, 1 mapper, 2 fixed Wi-Fi, 3 mapper Wi-Fi")


@dataclass(frozen=True, slots=True)
class Session(Record):
    """What opens a session with one validator; commits inside it need no signature of their own."""

    purpose: ClassVar[str] = "signed by the device as farfield/session; opens a session with one validator"

    hotspot_id: bytes = field(BYTES32, "hotspot")
    validator: bytes = field(BYTES20, "owner account of the validator")
    server_nonce: bytes = field(BYTES32, "nonce the validator gave")
    expires_at_ms: int = field(U48, "unix milliseconds after which the session is void")


@dataclass(frozen=True, slots=True)
class Survey(Record):
    """What a hotspot signs of a file of measurements it made of other networks' signal."""

    purpose: ClassVar[str] = "signed by the device as farfield/survey; names a file of measurements to import"

    hotspot_id: bytes = field(BYTES32, "who measured")
    digest: bytes = field(BYTES32, "sha256 of the file")
    rows: int = field(U32, "measurements in it")
    first_day: int = field(U32, "days since 1970-01-01")
    last_day: int = field(U32, "days since 1970-01-01")


@dataclass(frozen=True, slots=True)
class Beacon(Record):
    """A beaconer's report of one transmitted frame."""

    purpose: ClassVar[str] = "report of a transmitted beacon; signed by the device as farfield/report"

    chain_id: int = field(U64, "EVM chain id")
    contract: bytes = field(BYTES20, "Hotspots contract")
    hotspot_id: bytes = field(BYTES32, "beaconer")
    epoch: int = field(U64, "epoch")
    salt: bytes = field(BYTES16, "random, so that nobody can guess the report from its commit")
    slot: int = field(U32, "slot index k")
    nonce: bytes = field(BYTES32, "secret the tag was made from")
    frequency_hz: int = field(U40, "centre frequency, hertz")
    spreading_factor: int = field(U8, "LoRa spreading factor; 0 for Wi-Fi")
    bandwidth_hz: int = field(U32, "bandwidth, hertz")
    power_cdb: int = field(I16, "conducted power used, 0.01 dBm")
    sent_at_ms: int = field(U48, "transmit time, unix milliseconds")
    cell: int = field(U64, "a mapper's H3 cell, resolution 8-11; 0 from a fixed hotspot")


@dataclass(frozen=True, slots=True)
class Witness(Record):
    """A witness's report of one received frame."""

    purpose: ClassVar[str] = "report of a received beacon; signed by the device as farfield/report"

    chain_id: int = field(U64, "EVM chain id")
    contract: bytes = field(BYTES20, "Hotspots contract")
    hotspot_id: bytes = field(BYTES32, "witness")
    epoch: int = field(U64, "epoch")
    salt: bytes = field(BYTES16, "random, so that nobody can guess the report from its commit")
    tag: bytes = field(BYTES21, "tag heard")
    frequency_hz: int = field(U40, "frequency heard, hertz")
    spreading_factor: int = field(U8, "LoRa spreading factor; 0 for Wi-Fi")
    bandwidth_hz: int = field(U32, "bandwidth, hertz")
    rssi_cdb: int = field(I16, "received signal strength of the channel, 0.01 dBm")
    snr_cdb: int = field(I16, "signal-to-noise ratio, 0.01 dB")
    received_at_ms: int = field(U48, "receive time, unix milliseconds")
    tmst_us: int = field(U32, "the concentrator's free-running counter, microseconds; 0 if it has none")
    fine_time_ns: int = field(U32, "nanoseconds since the last GPS second, 4294967295 for none; for scores only")
    cell: int = field(U64, "a mapper's H3 cell, resolution 8-11; 0 from a fixed hotspot")


NO_FINE_TIME = 2**32 - 1


# --- a validator's evidence ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Commit(Record):
    """One commit as one validator recorded it."""

    purpose: ClassVar[str] = "a segment's row: a commit and when this validator received it"

    hotspot_id: bytes = field(BYTES32, "who committed")
    report_id: bytes = field(BYTES32, "report id")
    received_at_ms: int = field(U48, "receive time by this validator's clock, unix milliseconds")


SIGNATURE = BYTES64


@dataclass(frozen=True, slots=True)
class SignedBeacon(Record):
    """A revealed beacon with its device signature."""

    purpose: ClassVar[str] = "a segment's row: a beacon report and its device signature"

    report: bytes = field(FieldType("beacon", Beacon.width(), raw=True), "canonical beacon report")
    signature: bytes = field(SIGNATURE, "r || s over the report as farfield/report")

    def is_canonical(self) -> bool:
        return Beacon.decode(self.report) is not None


@dataclass(frozen=True, slots=True)
class SignedWitness(Record):
    """A revealed witness report with its device signature."""

    purpose: ClassVar[str] = "a segment's row: a witness report and its device signature"

    report: bytes = field(FieldType("witness", Witness.width(), raw=True), "canonical witness report")
    signature: bytes = field(SIGNATURE, "r || s over the report as farfield/report")

    def is_canonical(self) -> bool:
        return Witness.decode(self.report) is not None


@dataclass(frozen=True, slots=True)
class SegmentRef(Record):
    """Names one segment: sorted, duplicate-free rows of one kind."""

    purpose: ClassVar[str] = "a manifest's row: one segment by its sha256"

    kind: int = field(U8, "1 commits, 2 beacons, 3 witnesses")
    digest: bytes = field(BYTES32, "sha256 of the segment")
    rows: int = field(U32, "rows in it")

    def is_canonical(self) -> bool:
        return self.kind in SEGMENT_ROWS


SEGMENT_ROWS: dict[int, type[Record]] = {1: Commit, 2: SignedBeacon, 3: SignedWitness}


@dataclass(frozen=True, slots=True)
class Refusals(Record):
    """What admission refused, by reason."""

    purpose: ClassVar[str] = "a manifest's row: how many records admission refused for one reason"

    reason: int = field(U16, "admission reason (200-299)")
    count: int = field(U64, "records")


@dataclass(frozen=True, slots=True)
class Position(Record):
    """The fixed integer place of a cell."""

    purpose: ClassVar[str] = "the whole-metre ECEF position of a cell's centre (WGS84, height 0)"

    cell: int = field(U64, "H3 cell")
    x_m: int = field(I32, "ECEF X, metres")
    y_m: int = field(I32, "ECEF Y, metres")
    z_m: int = field(I32, "ECEF Z, metres")

    def is_canonical(self) -> bool:
        return all(abs(value) <= MAX_COORDINATE_M for value in (self.x_m, self.y_m, self.z_m))


@dataclass(frozen=True, slots=True)
class ManifestHead(Record):
    """The head of a manifest; segments, refusals and positions follow in this order."""

    purpose: ClassVar[str] = "a manifest's head; then its SegmentRef, Refusals and Position rows"

    chain_id: int = field(U64, "EVM chain id")
    contract: bytes = field(BYTES20, "Hotspots contract")
    epoch: int = field(U64, "epoch")
    validator: bytes = field(BYTES20, "owner account of the validator")
    segments: int = field(U32, "SegmentRef rows")
    refusals: int = field(U32, "Refusals rows")
    positions: int = field(U32, "Position rows")


# --- what an epoch comes to ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegistryRow(Record):
    """One hotspot as the chain has it at B_e."""

    purpose: ClassVar[str] = "a row of the registry fold: one hotspot at B_e, chain fields only, sorted by id"

    hotspot_id: bytes = field(BYTES32, "hotspot")
    owner: bytes = field(BYTES20, "operator: the last account with more than half of the shares")
    cell: int = field(U64, "registered H3 cell")
    gain_cdb: int = field(I16, "antenna gain, 0.01 dBi")
    elevation_m: int = field(I16, "antenna height above ground, metres")
    kind: int = field(U8, "0 fixed, 1 mapper, 2 fixed Wi-Fi, 3 mapper Wi-Fi")
    since_epoch: int = field(U64, "sinceEpoch of the present cell")
    block: int = field(U64, "block of the event that set the present cell")
    log_index: int = field(U32, "log index of that event in its block")
    frozen: int = field(U8, "1 if frozen")

    def is_canonical(self) -> bool:
        return self.kind in Kind._value2member_map_ and self.frozen <= 1


@dataclass(frozen=True, slots=True)
class Outcome(Record):
    """The verdict on one report."""

    purpose: ClassVar[str] = "a row of the outcome table: the verdict on one report, sorted by report id"

    report_id: bytes = field(BYTES32, "report")
    role: int = field(U8, "1 beacon, 2 witness")
    reason: int = field(U16, "0 accepted, else the first rule that failed")
    measured: int = field(I64, "the number the rule compared")
    allowed: int = field(I64, "what it was compared with")

    def is_canonical(self) -> bool:
        return self.role in Role._value2member_map_ and self.reason in Reason._value2member_map_


@dataclass(frozen=True, slots=True)
class Site(Record):
    """What one hotspot came to in one cell."""

    purpose: ClassVar[str] = "a row of the site table: one hotspot in one cell, sorted by cell, then by place in it"

    cell: int = field(U64, "pay cell")
    hotspot_id: bytes = field(BYTES32, "hotspot")
    reason: int = field(U16, "0 a paid site, else NO_QUALITY, OWNER_SLOT, CO_LOCATED or RANK")
    tier: int = field(U8, "quality tier 0-3")
    rank: int = field(U8, "place among the accepted sites, from 1; 0 if not accepted")
    weight_u: int = field(U32, "W of the cell, millionths")
    quality_u: int = field(U32, "q of the hotspot in the cell, millionths")
    points: int = field(U128, "W x rank x q, 1e-18")


@dataclass(frozen=True, slots=True)
class OutcomeHead(Record):
    """The head of an outcome table; Outcome and Site rows follow."""

    purpose: ClassVar[str] = "the outcome table's head; then its Outcome and Site rows"

    epoch: int = field(U64, "epoch")
    outcomes: int = field(U32, "Outcome rows")
    sites: int = field(U32, "Site rows")


@dataclass(frozen=True, slots=True)
class Need(Record):
    """The need of one cell in one class."""

    purpose: ClassVar[str] = (
        "a row of a need map, sorted by class and cell: published need of a pay cell, shrunk need above"
    )

    radio_class: int = field(U8, "1 cellular, 2 Wi-Fi, 3 LoRa")
    cell: int = field(U64, "pay cell with votes, or a resolution 7 or 5 cell above one")
    need_u: int = field(U32, "need, millionths")


@dataclass(frozen=True, slots=True)
class StateHead(Record):
    """The head of the state table; Account, CellState and Position rows follow."""

    purpose: ClassVar[str] = "the state table's head; then its Account, CellState and Position rows"

    epoch: int = field(U64, "epoch this state ends")
    cumulative_total: int = field(U128, "sum of all cumulative amounts, base units")
    reserve: int = field(U128, "emission not paid to anybody yet, base units")
    non_empty: int = field(U8, "bit i: epoch - i had a record")
    need_map_next: bytes = field(BYTES32, "sha256 of the need map of the next epoch")
    need_map_after: bytes = field(BYTES32, "sha256 of the need map of the epoch after it")
    accounts: int = field(U32, "Account rows")
    cells: int = field(U32, "CellState rows")
    positions: int = field(U32, "Position rows")


@dataclass(frozen=True, slots=True)
class Account(Record):
    """What the state knows of one id: an account or a hotspot."""

    purpose: ClassVar[str] = "a row of the state: one account or hotspot, sorted by id"

    id: bytes = field(BYTES32, "address left-padded with zeros, or hotspot id (bit 255 set)")
    cumulative: int = field(U128, "tokens earned so far, base units")
    since_epoch: int = field(U64, "sinceEpoch the rest of the row belongs to")
    uptime_bits: int = field(U8, "bit 0 the last non-empty epoch: 1 if it had a selected link or a mapper's proof")
    uptime_epochs: int = field(U8, "non-empty epochs since then, 7 at most")
    last_heard: int = field(U64, "last epoch in which another owner's fixed hotspot heard it; 0 never")
    last_accepted: int = field(U64, "last epoch in which it witnessed another owner's fixed hotspot; 0 never")
    tier: int = field(U8, "quality tier in force, 0 none yet")
    next_tier: int = field(U8, "tier seen since, 0 none")
    next_tier_epochs: int = field(U8, "epochs in a row next_tier was seen")


@dataclass(frozen=True, slots=True)
class CellState(Record):
    """The publishing state of one pay cell with votes."""

    purpose: ClassVar[str] = "a row of the state: a pay cell's published need, sorted by class and cell"

    radio_class: int = field(U8, "1 cellular, 2 Wi-Fi, 3 LoRa")
    cell: int = field(U64, "pay cell")
    need_u: int = field(U32, "need published for the epoch after next, millionths")
    direction: int = field(I8, "-1, 0 or 1: where the last inputs point")
    count: int = field(U8, "inputs in a row that pointed there, 255 at most")


@dataclass(frozen=True, slots=True)
class ManifestCounted(Record):
    """One counted manifest, in the order the chain put them in."""

    purpose: ClassVar[str] = "a row of the summary: one counted manifest, in the chain's order"

    validator: bytes = field(BYTES20, "owner account of the validator")
    digest: bytes = field(BYTES32, "sha256 of the manifest")


@dataclass(frozen=True, slots=True)
class SummaryHead(Record):
    """The head of an epoch's summary, whose sha256 is the dataHash; ManifestCounted rows follow."""

    purpose: ClassVar[str] = "the summary's head; then its ManifestCounted rows. Its sha256 is the dataHash on chain"

    protocol_version: int = field(U32, "PROTOCOL_VERSION")
    params: bytes = field(BYTES32, "params hash")
    registry: bytes = field(BYTES32, "sha256 of the registry fold")
    need_map: bytes = field(BYTES32, "sha256 of the need map of this epoch")
    outcomes: bytes = field(BYTES32, "sha256 of the outcome table")
    state_before: bytes = field(BYTES32, "sha256 of the state of the epoch before")
    state_after: bytes = field(BYTES32, "sha256 of the state of this epoch")
    manifests: int = field(U32, "ManifestCounted rows")


@dataclass(frozen=True, slots=True)
class BaselineRow(Record):
    """One measurement of incumbent signal, indexed once."""

    purpose: ClassVar[str] = "a row of a baseline file, sorted, without duplicates (rewards.md 0)"

    cell: int = field(U64, "H3 cell, resolution 9")
    radio_class: int = field(U8, "1 cellular, 2 Wi-Fi, 3 LoRa")
    source: int = field(U16, "number of the file's source, unique within a network")
    contributor: int = field(U64, "who measured; 0 none")
    signal_cdb: int = field(I32, "the best operator's median, 0.01 dBm")
    weight_u: int = field(U32, "vote weight, millionths")
    day: int = field(U32, "days since 1970-01-01; 0 undated, does not age")


ALL_RECORDS: tuple[type[Record], ...] = (
    Registration,
    Session,
    Survey,
    Beacon,
    Witness,
    Commit,
    SignedBeacon,
    SignedWitness,
    ManifestHead,
    SegmentRef,
    Refusals,
    Position,
    RegistryRow,
    OutcomeHead,
    Outcome,
    Site,
    Need,
    StateHead,
    Account,
    CellState,
    SummaryHead,
    ManifestCounted,
    BaselineRow,
)
