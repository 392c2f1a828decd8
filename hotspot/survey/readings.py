"""What a phone or a logger says of other networks, as values: Termux:API's cell info, and our own CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from hotspot.positions.fix import MOST_INACCURATE_M, degrees

COLUMNS = ("time", "lat", "lon", "radio", "operator", "dbm")
ACCURACY = "accuracy_m"
CLASSES = {"lte": "cellular", "nr": "cellular", "wifi": "wifi", "lora": "lora"}
"""Radios whose number compares with that of others of their class."""
NO_REFERENCE = frozenset({"gsm", "cdma", "wcdma", "tdscdma", "umts", "evdo"})
"""Radios whose level is not the reference power (RSRP) the need of cellular signal is defined on."""
STRONGEST_DBM, WEAKEST_DBM = 0, -200
MAX_ROWS = 5_000_000
MAX_CELLS = 1_000


class Refusal(StrEnum):
    """Why a line or a cell is no reading; the value is what a report prints."""

    MALFORMED = "malformed row"
    NO_POSITION = "no position"
    INACCURATE = "position less exact than 100 m"
    NO_TIME = "time cannot be read"
    NO_SIGNAL = "no signal"
    OUT_OF_RANGE = "signal outside -200..0 dBm"
    NO_OPERATOR = "no operator"
    NOT_REFERENCE_POWER = "level is not reference power (2G, 3G)"
    UNKNOWN_RADIO = "unknown radio"
    OTHER_CLASS = "another radio class"
    QUIET = "in a quiet zone"


@dataclass(frozen=True, slots=True)
class Reading:
    """One network's signal at one place and moment, with every digit of the source."""

    at_ms: int
    latitude_deg: float
    longitude_deg: float
    radio: str
    operator: str
    dbm: Decimal

    def line(self) -> list[str]:
        """As a row of our own CSV."""
        moment = datetime.fromtimestamp(self.at_ms / 1_000, UTC).isoformat(timespec="seconds")
        return [moment, repr(self.latitude_deg), repr(self.longitude_deg), self.radio, self.operator, str(self.dbm)]


class SurveyError(Exception):
    """A survey cannot be read, made or signed; a sentence with what to do."""


# --- Termux -------------------------------------------------------------------------------------------------------


def of_cells(data: bytes, at_ms: int, latitude_deg: float, longitude_deg: float) -> list[Reading | Refusal]:
    """The networks in what `termux-telephony-cellinfo` printed; SurveyError if it printed something else."""
    try:
        cells = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SurveyError("That is not what termux-telephony-cellinfo prints: a JSON list of cells.") from error
    if not isinstance(cells, list):
        said = cells.get("API_ERROR") or cells.get("error") if isinstance(cells, dict) else None
        raise SurveyError(f"termux-telephony-cellinfo gave no cells{f': {said}' if said else ''}. Allow it in Android.")
    return [_of_cell(cell, at_ms, latitude_deg, longitude_deg) for cell in cells[:MAX_CELLS]]


def _of_cell(cell: Any, at_ms: int, latitude_deg: float, longitude_deg: float) -> Reading | Refusal:
    if not isinstance(cell, dict):
        return Refusal.MALFORMED
    radio = str(cell.get("type", "")).lower()
    problem = radio_problem(radio)
    if problem is not None:
        return problem
    operator = _operator(cell)
    if operator is None:
        return Refusal.NO_OPERATOR
    dbm = next((found for key in ("rsrp", "ss_rsrp", "csi_rsrp", "dbm") if (found := _dbm(cell.get(key)))), None)
    return Refusal.NO_SIGNAL if dbm is None else Reading(at_ms, latitude_deg, longitude_deg, radio, operator, dbm)


def radio_problem(radio: str) -> Refusal | None:
    """None for a radio whose numbers can be used."""
    if radio in NO_REFERENCE:
        return Refusal.NOT_REFERENCE_POWER
    return None if radio in CLASSES else Refusal.UNKNOWN_RADIO


def _operator(cell: dict[str, Any]) -> str | None:
    """MCC-MNC as numbers; Android names them only for the networks it may use."""
    parts = [str(cell.get(name, cell.get(f"{name}_string", ""))) for name in ("mcc", "mnc")]
    if not all(part.isascii() and part.isdigit() and int(part) < 1_000 for part in parts):
        return None
    return "-".join(str(int(part)) for part in parts)


def _dbm(value: Any) -> Decimal | None:
    """A level in dBm; Android writes 2147483647 where it has none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return Decimal(value) if WEAKEST_DBM <= value < STRONGEST_DBM else None


# --- our own CSV --------------------------------------------------------------------------------------------------


def of_csv(lines: Iterable[str]) -> Iterator[Reading | Refusal]:
    """The readings of a CSV with COLUMNS in any order; SurveyError if one is missing."""
    reader = csv.reader(lines)
    header = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise SurveyError(f"The CSV has no column {' and '.join(missing)}; it needs {', '.join(COLUMNS)}.")
    places = {name: header.index(name) for name in (*COLUMNS, ACCURACY) if name in header}
    for count, row in enumerate(_rows(reader)):
        if count >= MAX_ROWS:
            raise SurveyError(f"The CSV has more than {MAX_ROWS} rows; cut it.")
        yield _of_row(row, places) if row is not None and len(row) == len(header) else Refusal.MALFORMED


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str] | None]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None
            continue
        if row:
            yield row


def _of_row(row: Sequence[str], places: dict[str, int]) -> Reading | Refusal:
    text = {name: row[at].strip() for name, at in places.items()}
    latitude, longitude = degrees(_number(text["lat"]), 90), degrees(_number(text["lon"]), 180)
    if latitude is None or longitude is None or (latitude, longitude) == (0, 0):
        return Refusal.NO_POSITION
    accuracy_m = _number(text.get(ACCURACY, ""))
    if accuracy_m is not None and not accuracy_m <= MOST_INACCURATE_M:
        return Refusal.INACCURATE
    at_ms = moment_ms(text["time"])
    if at_ms is None:
        return Refusal.NO_TIME
    radio = text["radio"].lower()
    problem = radio_problem(radio)
    if problem is not None:
        return problem
    if not text["operator"]:
        return Refusal.NO_OPERATOR
    dbm = _decimal(text["dbm"])
    return dbm if isinstance(dbm, Refusal) else Reading(at_ms, latitude, longitude, radio, text["operator"], dbm)


def moment_ms(text: str) -> int | None:
    """Unix milliseconds of an ISO 8601 time (UTC unless it says otherwise), or None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    at_ms = int(moment.timestamp() * 1_000)
    return at_ms if at_ms >= 0 else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _decimal(text: str) -> Decimal | Refusal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return Refusal.NO_SIGNAL
    if not value.is_finite():
        return Refusal.NO_SIGNAL
    return value if WEAKEST_DBM <= value <= STRONGEST_DBM else Refusal.OUT_OF_RANGE
