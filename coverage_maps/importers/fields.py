"""Text of one CSV field to an exact number, a place or a day. Nothing here guesses: what is not plain is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from coverage_maps.importers.measurements import Refusal
from protocol import geo
from protocol.arithmetic import half_even
from protocol.need import DAY_MS, LEAST_SIGNAL_CDB, MOST_SIGNAL_CDB

BASELINE_LEVEL = 9
MAX_DAY = 2**32 - 1
PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?")
WHOLE_NUMBER = re.compile(r"[0-9]{1,20}")
SECONDS_BELOW = 100_000_000_000
"""Whole numbers smaller than this are unix seconds (until the year 5138), larger ones milliseconds (since 1973)."""
YEAR_2000_MS = 946_684_800_000
DIGIT_FORMATS = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}
TIME_FORMATS = ("%Y.%m.%d_%H.%M.%S", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M:%S")


def signal_cdb(text: str) -> int | Refusal:
    """dBm x 100 of a decimal text, half to even; outside [-20000, 0] it is refused."""
    text = text.strip()
    if not text:
        return Refusal.NO_SIGNAL
    if not PLAIN_NUMBER.fullmatch(text):
        return Refusal.SIGNAL_NOT_A_NUMBER
    numerator, denominator = Decimal(text).as_integer_ratio()
    value = half_even(numerator * 100, denominator)
    return value if LEAST_SIGNAL_CDB <= value <= MOST_SIGNAL_CDB else Refusal.SIGNAL_OUT_OF_RANGE


def cell(latitude: str, longitude: str) -> int | Refusal:
    """The resolution 9 cell of a position in decimal degrees."""
    latitude, longitude = latitude.strip(), longitude.strip()
    if not latitude or not longitude:
        return Refusal.NO_POSITION
    if not PLAIN_NUMBER.fullmatch(latitude) or not PLAIN_NUMBER.fullmatch(longitude):
        return Refusal.POSITION_NOT_A_NUMBER
    north_deg, east_deg = float(latitude), float(longitude)
    if abs(north_deg) > 90 or abs(east_deg) > 180:
        return Refusal.POSITION_OUT_OF_RANGE
    if north_deg == 0 and east_deg == 0:
        return Refusal.POSITION_ZERO
    return geo.cell_at(north_deg, east_deg, BASELINE_LEVEL)


def day_of_time(text: str) -> int | Refusal:
    """Days since 1970-01-01 of unix seconds, milliseconds, ISO 8601 or a drive tester's own form (read as UTC).

    0 for an empty field or a plain 0: undated.
    """
    text = text.strip()
    if not text:
        return 0
    moment = _moment(text)
    if moment is None and WHOLE_NUMBER.fullmatch(text):
        return _day_of_number(int(text))
    if moment is None or moment.timestamp() < 0:
        return Refusal.TIME_UNREADABLE
    return int(moment.timestamp()) * 1_000 // DAY_MS


def _day_of_number(number: int) -> int | Refusal:
    """A number is seconds or milliseconds; before 2000 it is neither, but some other form nobody should guess at."""
    time_ms = number if number >= SECONDS_BELOW else number * 1_000
    if 0 < time_ms < YEAR_2000_MS:
        return Refusal.TIME_BEFORE_2000
    day = time_ms // DAY_MS
    return day if day <= MAX_DAY else Refusal.TIME_UNREADABLE


def _moment(text: str) -> datetime | None:
    """A written date and time; of bare digits, only as many as year, month and day (and time) have."""
    if WHOLE_NUMBER.fullmatch(text):
        return _of_digits(text)
    for read in (datetime.fromisoformat, *(_reader(form) for form in TIME_FORMATS)):
        try:
            found = read(text)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def _of_digits(text: str) -> datetime | None:
    form = DIGIT_FORMATS.get(len(text))
    try:
        return _reader(form)(text) if form else None
    except ValueError:
        return None


def _reader(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form).replace(tzinfo=UTC)
