"""What the outbox still knows of reports, read beside a running hotspot: newest first, with how each was delivered."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hotspot.outbox import OUTBOX_FILE, StorageError
from hotspot.reports import ACKNOWLEDGED, Step
from protocol.ids import HotspotId, ReportId, Role
from protocol.records import Beacon, Witness

BUSY_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class PastReport:
    """One stored report."""

    id: ReportId
    epoch: int
    role: Role
    at_ms: int
    detail: str
    """Its slot, or the tag it heard, with frequency and level."""
    outcome: str
    """How delivery ended; "" while it goes on."""
    committed: int
    """Validators that acknowledged the commit, and the report."""
    revealed: int


def outbox_of(directory: Path) -> Path | None:
    """A lone hotspot's outbox lies in its directory, that of hosted ones in the parent."""
    for place in (directory, directory.resolve().parent):
        if (place / OUTBOX_FILE).is_file():
            return place / OUTBOX_FILE
    return None


def read(path: Path, hotspot_id: HotspotId, most: int, prefix: str = "") -> list[PastReport]:
    """At most `most` reports of a hotspot whose id starts with these digits. StorageError."""
    question = (
        "SELECT id, epoch, role, report, coalesce(outcome, ''),"
        " (SELECT count(*) FROM delivery WHERE report = id AND step = ? AND outcome = ?),"
        " (SELECT count(*) FROM delivery WHERE report = id AND step = ? AND outcome = ?)"
        " FROM report WHERE hotspot = ? AND draft = 0 AND lower(hex(id)) LIKE ? ORDER BY number DESC LIMIT ?"
    )
    values = (
        Step.COMMIT, ACKNOWLEDGED, Step.REVEAL, ACKNOWLEDGED, bytes(hotspot_id), f"{prefix.lower()}%", most
    )  # fmt: skip
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)) as db:
            return [_report(*row) for row in db.execute(question, values)]
    except sqlite3.Error as error:
        raise StorageError(f"{path} cannot be read: {error}. Check the file's permissions.") from error


def _report(
    id_: bytes, epoch: int, role: int, record: bytes, outcome: str, committed: int, revealed: int
) -> PastReport:
    at_ms, detail = _described(Role(role), record)
    return PastReport(ReportId(id_), epoch, Role(role), at_ms, detail, outcome, committed, revealed)


def _described(role: Role, record: bytes) -> tuple[int, str]:
    if role is Role.BEACON:
        sent = Beacon.decode(record)
        if sent is None:
            return 0, "unreadable"
        power = f"{sent.power_cdb / 100:g} dBm"
        return sent.sent_at_ms, (
            f"slot {sent.slot}, {sent.frequency_hz / 1e6:.1f} MHz SF{sent.spreading_factor}, {power}"
        )
    heard = Witness.decode(record)
    if heard is None:
        return 0, "unreadable"
    return heard.received_at_ms, (
        f"heard {heard.tag.hex()[:12]}, {heard.frequency_hz / 1e6:.1f} MHz SF{heard.spreading_factor}, "
        f"RSSI {heard.rssi_cdb / 100:g} dBm, SNR {heard.snr_cdb / 100:g} dB"
    )
