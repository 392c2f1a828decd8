"""What phones and loggers write, as readings or reasons."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspot.survey.readings import Reading, Refusal, SurveyError, of_cells, of_csv

ULM = (48.398412345, 9.991512345)
AT_MS = 1_795_521_600_000
LTE = {
    "type": "lte", "registered": True, "asu": 42, "dbm": -98, "level": 3, "ci": 27447297, "pci": 311, "tac": 25052,
    "mcc": 262, "mnc": 1, "timing_advance": 5,
}  # fmt: skip
NONE = 2_147_483_647
HEADER = "time,lat,lon,radio,operator,dbm,accuracy_m\n"
ROW = "2026-11-24T12:00:00Z,48.398412345,9.991512345,lte,262-1,-98.5,4\n"


def only(cell: dict[str, Any]) -> Reading | Refusal:
    (found,) = of_cells(json.dumps([cell]).encode(), AT_MS, *ULM)
    return found


def test_reads_a_phones_cells() -> None:
    assert only(LTE) == Reading(AT_MS, *ULM, "lte", "262-1", Decimal(-98))


@pytest.mark.parametrize(
    ("changed", "dbm"),
    [
        ({"rsrp": -101}, -101),
        ({"rsrp": NONE}, -98),
        ({"type": "nr", "ss_rsrp": -84, "dbm": NONE}, -84),
        ({"type": "nr", "ss_rsrp": NONE, "csi_rsrp": -90, "dbm": NONE}, -90),
    ],
)
def test_takes_the_reference_power(changed: dict[str, Any], dbm: int) -> None:
    found = only(LTE | changed)
    assert isinstance(found, Reading)
    assert found.dbm == dbm


def test_an_operator_is_one_however_a_phone_writes_it() -> None:
    for changed in ({"mnc": "01"}, {"mnc": "1", "mcc": "262"}):
        found = only(LTE | changed)
        assert isinstance(found, Reading)
        assert found.operator == "262-1"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"type": "gsm"}, Refusal.NOT_REFERENCE_POWER),
        ({"type": "wcdma"}, Refusal.NOT_REFERENCE_POWER),
        ({"type": "satellite"}, Refusal.UNKNOWN_RADIO),
        ({"type": None}, Refusal.UNKNOWN_RADIO),
        ({"mcc": NONE, "mnc": NONE}, Refusal.NO_OPERATOR),
        ({"mcc": None}, Refusal.NO_OPERATOR),
        ({"dbm": NONE}, Refusal.NO_SIGNAL),
        ({"dbm": "-98"}, Refusal.NO_SIGNAL),
        ({"dbm": True}, Refusal.NO_SIGNAL),
        ({"dbm": -201}, Refusal.NO_SIGNAL),
    ],
)
def test_a_cell_that_cannot_be_used_is_a_reason(changed: dict[str, Any], reason: Refusal) -> None:
    assert only(LTE | changed) is reason


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b'{"API_ERROR": "no permission"}', b"[" * 100_000])
def test_says_that_a_phone_gave_no_cells(data: bytes) -> None:
    with pytest.raises(SurveyError, match="termux-telephony-cellinfo"):
        of_cells(data, AT_MS, *ULM)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=10))
def test_no_list_makes_it_fail(shape: Any) -> None:
    found = of_cells(json.dumps([shape]).encode(), AT_MS, *ULM)
    assert found == [Refusal.MALFORMED]


def test_reads_our_own_csv() -> None:
    assert list(of_csv([HEADER, ROW])) == [Reading(AT_MS, *ULM, "lte", "262-1", Decimal("-98.5"))]


def test_a_readings_line_comes_back() -> None:
    one = Reading(AT_MS, *ULM, "nr", "262-1", Decimal("-98.25"))
    assert list(of_csv(["time,lat,lon,radio,operator,dbm\n", ",".join(one.line())])) == [one]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("48.398412345", "", Refusal.NO_POSITION),
        ("48.398412345", "nan", Refusal.NO_POSITION),
        ("48.398412345", "90.1", Refusal.NO_POSITION),
        ("48.398412345,9.991512345", "0,0", Refusal.NO_POSITION),
        (",4\n", ",101\n", Refusal.INACCURATE),
        ("2026-11-24T12:00:00Z", "yesterday", Refusal.NO_TIME),
        ("2026-11-24T12:00:00Z", "1960-01-01", Refusal.NO_TIME),
        ("lte", "gsm", Refusal.NOT_REFERENCE_POWER),
        ("lte", "ltee", Refusal.UNKNOWN_RADIO),
        ("262-1", "", Refusal.NO_OPERATOR),
        ("-98.5", "", Refusal.NO_SIGNAL),
        ("-98.5", "NaN", Refusal.NO_SIGNAL),
        ("-98.5", "1", Refusal.OUT_OF_RANGE),
        ("-98.5", "-200.5", Refusal.OUT_OF_RANGE),
        (",4\n", "\n", Refusal.MALFORMED),
    ],
)
def test_a_row_that_cannot_be_used_is_a_reason(old: str, new: str, reason: Refusal) -> None:
    assert list(of_csv([HEADER, ROW.replace(old, new)])) == [reason]


def test_names_the_columns_that_are_missing() -> None:
    with pytest.raises(SurveyError, match="radio and operator"):
        list(of_csv(["time,lat,lon,dbm\n"]))
