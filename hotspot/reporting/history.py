"""What became of every report, read from the outbox's file by any process, while the hotspot runs or not.

This is the hotspot's own half of the story: stored, offered, acknowledged, refused, expired, and why. What validators
made of a report they have is theirs to say (`farfield hotspot reports --why` asks them by the same id).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hotspot.reporting.outbox import NOT_SENT, OUTBOX_FILE, SCHEMA_VERSION, UNCONFIRMED, StorageError
from hotspot.reporting.reports import ACKNOWLEDGED, NEVER_TRIED, WINDOW_PASSED, Step
from protocol.ids import Role
from protocol.reasons import SENTENCES, Reason
from protocol.records import Beacon, Witness

MAX_READ = 10_000
BUSY_TIMEOUT_S = 2.0
OUTCOMES = {
    None: "on its way",
    "revealed": "revealed: validators of more than a third of stake have it",
    "reveal_refused": "refused by the validators that answered",
    "too_little_stake": "does not count: the validators it goes to hold no more than a third of stake",
    "commit_window_passed": "does not count: revealed, but too few validators took its commit in time",
    "reveal_window_passed": "expired: too few validators took it before the epoch's reports were sealed",
    UNCONFIRMED: "no report: the hotspot was stopped before the forwarder said whether the frame was sent",
}
PROBLEMS = {
    NEVER_TRIED: "it was not tried: the hotspot did not run, or the report came too late",
    "UNAVAILABLE": "the validator did not answer",
    "DEADLINE_EXCEEDED": "the validator did not answer in time",
    "KEY_UNAVAILABLE": "the device key could not sign for a session",
    "receipt_missing": "its answer carried no receipt",
    "receipt_of_another_validator": "its receipt was another validator's",
    "receipt_of_another_batch": "its receipt was for something else",
    "receipt_signature_wrong": "its receipt was not signed by its key",
}
STEPS = {Step.COMMIT: "commit", Step.REVEAL: "report"}


@dataclass(frozen=True, slots=True)
class Offered:
    """How one step ended with one validator."""

    validator: bytes
    step: Step
    at_ms: int
    outcome: str
    why: str

    def sentence(self) -> str:
        """In words."""
        if self.outcome == ACKNOWLEDGED:
            return f"{STEPS[self.step]} acknowledged"
        if self.outcome == WINDOW_PASSED:
            return f"{STEPS[self.step]} too late: {_explained(self.why)}"
        return f"{STEPS[self.step]} refused: {_explained(self.outcome)}"


@dataclass(frozen=True, slots=True)
class Fate:
    """One report and everything that happened to it; `outcome` None while it is on its way."""

    report_id: bytes
    hotspot_id: bytes
    epoch: int
    role: Role
    outcome: str | None
    report: bytes
    commit_until_ms: int
    reveal_until_ms: int
    closed_at_ms: int | None
    offered: tuple[Offered, ...]

    def acknowledged(self, step: Step) -> int:
        """How many validators have acknowledged a step."""
        return sum(1 for one in self.offered if one.step is step and one.outcome == ACKNOWLEDGED)

    def described(self) -> tuple[int, str]:
        """(when it was sent or heard, its slot or tag with frequency and level)."""
        return _beacon(self.report) if self.role is Role.BEACON else _witness(self.report)

    def sentence(self) -> str:
        """In words."""
        if self.outcome is not None and self.outcome.startswith(f"{NOT_SENT}:"):
            return f"no report: the frame was not sent ({self.outcome.partition(':')[2]})"
        return OUTCOMES.get(self.outcome, self.outcome or "")


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one validator's deliveries of one step have come."""

    validator: bytes
    step: Step
    settled: int
    """Open reports this step is done with, one way or the other."""
    waiting: int
    oldest_epoch_waiting: int | None


class History:
    """One outbox, read only."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def fates(
        self,
        hotspot_id: bytes | None = None,
        starts_with: str = "",
        outcome: str | None = None,
        limit: int = 50,
    ) -> list[Fate]:
        """The newest reports: of one hotspot, of ids that start with these hexadecimal digits, of one outcome."""
        rows = self._db.execute(
            "SELECT id, hotspot, epoch, role, outcome, report, commit_until_ms, reveal_until_ms, closed_at_ms "
            "FROM report WHERE (draft = 0 OR outcome IS NOT NULL) AND (?1 IS NULL OR hotspot = ?1) "
            "AND (?2 = '' OR lower(hex(id)) LIKE ?2 || '%') "
            "AND (?3 IS NULL OR outcome = ?3 OR outcome LIKE ?3 || ':%') "
            "ORDER BY number DESC LIMIT ?4",
            (hotspot_id, _digits(starts_with), outcome, min(limit, MAX_READ)),
        ).fetchall()
        return [Fate(row[0], row[1], row[2], Role(row[3]), *row[4:], self._offered(row[0])) for row in rows]

    def tallies(self, hotspot_id: bytes) -> dict[str, int]:
        """Everything ever counted for one hotspot."""
        return dict(self._db.execute("SELECT name, count FROM tally WHERE hotspot = ? ORDER BY name", (hotspot_id,)))

    def cursors(self, validators: Sequence[bytes]) -> list[Cursor]:
        """How far the open reports have come with each validator."""
        return [self._cursor(validator, step) for validator in validators for step in Step]

    def _cursor(self, validator: bytes, step: Step) -> Cursor:
        settled, waiting, oldest = self._db.execute(
            "SELECT count(d.report), count(*) - count(d.report), min(CASE WHEN d.report IS NULL THEN r.epoch END) "
            "FROM report r LEFT JOIN delivery d ON d.report = r.id AND d.validator = ? AND d.step = ? "
            "WHERE r.outcome IS NULL AND r.draft = 0",
            (validator, step),
        ).fetchone()
        return Cursor(validator, step, settled, waiting, oldest)

    def _offered(self, report_id: bytes) -> tuple[Offered, ...]:
        rows = self._db.execute(
            "SELECT validator, step, at_ms, outcome, why FROM delivery WHERE report = ? ORDER BY validator, step",
            (report_id,),
        )
        return tuple(Offered(row[0], Step(row[1]), *row[2:]) for row in rows)


def outbox_of(directory: Path) -> Path | None:
    """A lone hotspot's outbox lies in its directory, that of hosted ones in the parent."""
    for place in (directory, directory.resolve().parent):
        if (place / OUTBOX_FILE).is_file():
            return place / OUTBOX_FILE
    return None


@contextmanager
def opened(path: Path) -> Iterator[History]:
    """The history in an outbox's file; StorageError if there is none to read."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)) as db:
            layout = db.execute("PRAGMA user_version").fetchone()[0]
            if layout != SCHEMA_VERSION:
                raise StorageError(f"{path} has layout {layout}; start the hotspot once with this release.")
            yield History(db)
    except sqlite3.Error as error:
        raise StorageError(f"{path} cannot be read: {error}. Has the hotspot run here yet?") from error


def _beacon(report: bytes) -> tuple[int, str]:
    sent = Beacon.decode(report)
    if sent is None:
        return 0, "unreadable"
    power = f"{sent.power_cdb / 100:g} dBm"
    return sent.sent_at_ms, f"slot {sent.slot}, {sent.frequency_hz / 1e6:.1f} MHz SF{sent.spreading_factor}, {power}"


def _witness(report: bytes) -> tuple[int, str]:
    heard = Witness.decode(report)
    if heard is None:
        return 0, "unreadable"
    return heard.received_at_ms, (
        f"heard {heard.tag.hex()[:12]}, {heard.frequency_hz / 1e6:.1f} MHz SF{heard.spreading_factor}, "
        f"RSSI {heard.rssi_cdb / 100:g} dBm, SNR {heard.snr_cdb / 100:g} dB"
    )


def _digits(text: str) -> str:
    return "".join(digit for digit in text.lower().removeprefix("0x") if digit in "0123456789abcdef")


def _explained(name: str) -> str:
    if name in PROBLEMS:
        return PROBLEMS[name]
    return SENTENCES[Reason[name]] if name in Reason.__members__ else name
