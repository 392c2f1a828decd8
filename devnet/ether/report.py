"""The ether's account of itself as JSON: what it is, its stations, and in a trace the class of every row."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from devnet.ether.places import Place
from devnet.ether.replay import OFFERED, Replay, RowOutcome, totals
from devnet.ether.trace import Row
from protocol import geo

FORMAT = "farfield-ether-report/1"
REPLAYED = (
    "replayed from measurements: positions and RSSI as measured; time, frequency and spreading factor are the slot's, "
    "SNR is derived as min(RSSI + 117 dB, 10 dB)"
)
RECEIVER_RESOLUTION = 12
SIMULATED = "simulated: positions, path loss and noise are invented; no radio was used"


@dataclass(frozen=True, slots=True)
class Radio:
    """What a report says of the station behind a name."""

    eui: bytes
    gain_cdb: int


def account(replay: Replay, now_us: int, final: bool) -> tuple[dict[str, Any], list[RowOutcome]]:
    """The totals of a replay, and the outcome of every row they sum."""
    outcomes = replay.outcomes(now_us, final)
    offered, not_offered, waiting = totals(outcomes)
    frames = {(one.carried.mapper, one.carried.tag) for one in outcomes if one.outcome == OFFERED and one.carried}
    figures = {
        "rows_in_file": len(outcomes),
        "frames_in_file": replay.plan.frame_count,
        "offered_receptions": offered,
        "offered_frames": len(frames),
        "not_offered": not_offered,
        "waiting": waiting,
    }
    return figures, outcomes


def rows(replay: Replay, outcomes: list[RowOutcome], radios: dict[str, Radio]) -> list[dict[str, Any]]:
    """Every row as JSON; `radios` has every station that ever was attached, by name."""
    cells = {receiver.rx_id: _cell_text(receiver.place) for receiver in replay.plan.receivers}
    return [_row(outcome, replay.plan.rows[outcome.row], cells, radios) for outcome in outcomes]


def _row(outcome: RowOutcome, measured: Row, cells: dict[str, str], radios: dict[str, Radio]) -> dict[str, Any]:
    row: dict[str, Any] = {"row": outcome.row, "frame": outcome.frame}
    if outcome.outcome == OFFERED:
        row["offered"] = True
    else:
        row["cause"] = str(outcome.outcome)
    carried = outcome.carried
    if carried is None:
        return row
    row |= {"time_ms": carried.unix_ms, "tag": carried.tag.hex(), "rssi_dbm": _decibel(measured.rssi_cdb or 0)}
    row |= {"mapper": carried.mapper, "mapper_eui": radios[carried.mapper].eui.hex()}
    row |= {"receiver": carried.receiver, "rx_cell": cells[measured.rx_id]}
    if carried.receiver is not None:
        radio = radios[carried.receiver]
        row |= {"receiver_eui": radio.eui.hex(), "rx_gain_cdb": radio.gain_cdb}
    return row


def _cell_text(where: Place) -> str:
    """The res-12 cell of a receiver's place in the file, hex."""
    return f"{geo.cell_at(where.latitude_deg, where.longitude_deg, RECEIVER_RESOLUTION):x}"


def _decibel(value_cdb: int) -> int | float:
    """A level as it was measured: whole where it is whole."""
    return value_cdb / 100 if value_cdb % 100 else value_cdb // 100


def file_digest(path: Path) -> str:
    """sha256 of the receptions file, hex, so that a report names its input."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def write_json(path: Path, tree: dict[str, Any]) -> None:
    """Replaces the file in one step, on disk before its name changes; OSError if that fails."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(tree, file, separators=(",", ":"))
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
