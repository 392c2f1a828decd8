"""Which column of a file is what: known headers, and where each meaning stands in this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coverage_maps.importers import fields
from coverage_maps.importers.measurements import Measurement, Refusal
from protocol.encoding import U16, sha256
from protocol.need import CELLULAR

RECEPTIONS = ("frame", "tx_lat", "tx_lon", "rssi_dbm")
"""What makes a file one of receptions; `set`, `time_ms` and `tx_id` are used if they are there."""
LATITUDE = ("lat", "latitude", "tx_lat")
LONGITUDE = ("lon", "lng", "long", "longitude", "tx_lon")
POWER = ("dbm", "rssi_dbm", "rssi", "signal_dbm", "signal", "signal_strength", "level", "rsrp_dbm", "rsrp")
REFERENCE_POWER = ("rsrp_dbm", "rsrp", "level", "dbm", "signal_dbm", "signal", "signal_strength", "rssi_dbm", "rssi")
"""Cellular testers give RSRP, and RSSI beside it; the need of the class is defined on RSRP."""
OPERATOR = ("operator", "carrier", "network", "provider", "brandname")
DEVICE = ("device", "device_id", "device_id_hash", "imei", "tx_id", "nodeaddr")
CONTRIBUTOR = ("contributor", "contributor_id", "user", "user_id")
TIME = ("time_ms", "ts", "time", "timestamp", "date", "measured_at")
ACCURACY = ("accuracy_m", "accuracy")
MOST_INACCURATE_M = 100
DELIMITERS = (",", ";", "\t")

RowReader = Callable[[Sequence[str]], Measurement | Refusal]


class HeaderError(ValueError):
    """A file whose columns say nothing this importer knows; the message names the columns it looks for."""


@dataclass(frozen=True, slots=True)
class Header:
    """Column names of a file, lower case, and where they stand."""

    names: tuple[str, ...]

    def find(self, aliases: Sequence[str]) -> int | None:
        """The column of the first alias the file has."""
        return next((self.names.index(alias) for alias in aliases if alias in self.names), None)


def parse_header(cells: Sequence[str]) -> Header:
    """Names without case, blanks or quotes around them."""
    return Header(tuple(name.strip().strip("\"'").lower().replace(" ", "_") for name in cells))


def delimiter_of(first_line: str) -> str:
    """The delimiter that cuts the header into the most columns."""
    return max(DELIMITERS, key=first_line.count)


def row_reader(header: Header, radio_class: int, source: int) -> RowReader:
    """How to read this file's rows, by its header; HeaderError if it has no place or no signal."""
    if is_receptions(header):
        frame, *needed = map(header.names.index, RECEPTIONS)
        return _reader(header, source, *needed, device=header.find(("tx_id", *DEVICE)), frame=frame)
    power = REFERENCE_POWER if radio_class == CELLULAR else POWER
    latitude, longitude, signal = (header.find(aliases) for aliases in (LATITUDE, LONGITUDE, power))
    if latitude is None or longitude is None or signal is None:
        raise HeaderError(_what_is_missing(header, latitude, longitude, signal))
    return _reader(header, source, latitude, longitude, signal, device=header.find(DEVICE), frame=None)


def is_receptions(header: Header) -> bool:
    """True for a file of receptions: several rows may tell of one frame, and the strongest counts."""
    return all(name in header.names for name in RECEPTIONS)


def contributor_number(source: int, text: str) -> int:
    """A contributor's number: never the name itself, never 0, the same in every import of one source."""
    text = text.strip()
    if not text:
        return 0
    digest = sha256(b"farfield/contributor", U16.encode(source), text.encode("utf-8"))
    return int.from_bytes(digest[:8], "big") or 1


def _reader(
    header: Header, source: int, latitude: int, longitude: int, signal: int, *, device: int | None, frame: int | None
) -> RowReader:
    """Reads rows by the columns given and those that may be there; rows that share a `frame` are one transmission."""
    operator, contributor, time, accuracy = map(header.find, (OPERATOR, CONTRIBUTOR, TIME, ACCURACY))
    set_, mobile_code = header.find(("set",)), (header.find(("mcc",)), header.find(("mnc", "net")))

    def read(row: Sequence[str]) -> Measurement | Refusal:
        found = _placed(row[latitude], row[longitude], row[signal])
        if isinstance(found, Refusal):
            return found
        day = fields.day_of_time(_at(row, time))
        if isinstance(day, Refusal):
            return day
        if _is_inaccurate(_at(row, accuracy)):
            return Refusal.POSITION_INACCURATE
        whose = _at(row, operator) or "-".join(_at(row, place) for place in mobile_code)
        who, name = _at(row, contributor), _at(row, frame)
        joined = f"{_at(row, set_)}/{name}" if name else ""
        return Measurement(*found, day, _at(row, device) or who, contributor_number(source, who), whose, joined)

    return read


def _at(row: Sequence[str], column: int | None) -> str:
    return "" if column is None else row[column].strip()


def _placed(latitude: str, longitude: str, signal: str) -> tuple[int, int] | Refusal:
    """(cell, signal_cdb), or the first thing wrong with them."""
    cell = fields.cell(latitude, longitude)
    if isinstance(cell, Refusal):
        return cell
    signal_cdb = fields.signal_cdb(signal)
    return signal_cdb if isinstance(signal_cdb, Refusal) else (cell, signal_cdb)


def _is_inaccurate(text: str) -> bool:
    return bool(fields.PLAIN_NUMBER.fullmatch(text)) and float(text) > MOST_INACCURATE_M


def _what_is_missing(header: Header, latitude: int | None, longitude: int | None, signal: int | None) -> str:
    wanted = {"latitude": (latitude, LATITUDE), "longitude": (longitude, LONGITUDE), "signal in dBm": (signal, POWER)}
    missing = [f"{what} ({', '.join(names)})" for what, (at, names) in wanted.items() if at is None]
    found = ", ".join(name for name in header.names[:20] if name) or "none"
    return (
        f"no column for {' or '.join(missing)}; columns found: {found}. "
        f"Expected a receptions file ({', '.join(RECEPTIONS)}) or any file with latitude, longitude and dBm columns."
    )
