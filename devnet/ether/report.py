"""The ether's account of itself as JSON: what it is, its stations, and in a trace the class of every row."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from devnet.ether.replay import OFFERED, Replay, RowOutcome, totals

FORMAT = "farfield-ether-report/1"
REPLAYED = (
    "replayed from measurements: positions and RSSI as measured; time, frequency and spreading factor are the slot's, "
    "SNR is derived as min(RSSI + 117 dB, 10 dB)"
)
SIMULATED = "simulated: positions, path loss and noise are invented; no radio was used"


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


def rows(outcomes: list[RowOutcome], euis: dict[str, str]) -> list[dict[str, Any]]:
    """Every row as JSON; `euis` names the stations."""
    return [_row(outcome, euis) for outcome in outcomes]


def _row(outcome: RowOutcome, euis: dict[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {"row": outcome.row, "frame": outcome.frame}
    if outcome.outcome == OFFERED:
        row["offered"] = True
    else:
        row["cause"] = str(outcome.outcome)
    carried = outcome.carried
    if carried is not None:
        row["mapper"] = carried.mapper
        row["mapper_eui"] = euis.get(carried.mapper)
        row["receiver"] = carried.receiver
        row["receiver_eui"] = euis.get(carried.receiver or "")
        row["time_ms"] = carried.unix_ms
        row["tag"] = carried.tag.hex()
    return row


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
