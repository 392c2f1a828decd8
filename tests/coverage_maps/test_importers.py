"""Importers: what becomes of every row of a file of measurements (rewards.md 0)."""

from __future__ import annotations

import gzip
import random
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverage_maps.importers import fields, files
from coverage_maps.importers.files import ImportFileError, import_file, import_rows, write_durably
from coverage_maps.importers.measurements import Measurement, Refusal, baseline_rows, canonical
from protocol import geo
from protocol.encoding import split
from protocol.need import CELLULAR, LORA
from protocol.records import BaselineRow

RECEPTIONS = Path(__file__).parents[3] / "shared" / "data" / "receptions"
HEADER = (
    "set,frame,time_ms,tx_id,tx_lat,tx_lon,tx_alt_m,rx_id,rx_lat,rx_lon,rx_alt_m,dist_m,"
    "rssi_dbm,snr_db,freq_hz,sf,bw_khz,rx_time,pos_precision_m"
)
ULM = ("48.40", "9.99")
SOURCE = 7


def reception(rssi: str = "-110", frame: str = "1", place=ULM, time_ms: str = "", device: str = "truck") -> str:
    latitude, longitude = place
    return f"ulm,{frame},{time_ms},{device},{latitude},{longitude},,gateway,,,,,{rssi},,868100000,7,125,,10"


def rows_of(*lines: str, header: str = HEADER, radio_class: int = LORA) -> tuple[BaselineRow, ...]:
    return import_rows([header, *lines], radio_class, SOURCE).rows


def report_of(*lines: str, header: str = HEADER):
    return import_rows([header, *lines], LORA, SOURCE).report


def test_one_row_per_device_day_and_cell_carries_the_lower_median():
    (row,) = rows_of(*(reception(rssi, frame) for frame, rssi in enumerate(["-100", "-120", "-110", "-105"])))
    cell = geo.cell_at(48.40, 9.99, 9)
    assert row == BaselineRow(cell, LORA, SOURCE, contributor=0, signal_cdb=-11_000, weight_u=1_000_000, day=0)


def test_receptions_of_one_frame_count_once_with_the_strongest():
    found = import_rows([HEADER, reception("-120"), reception("-101"), reception("-115")], LORA, SOURCE)
    assert found.rows[0].signal_cdb == -10_100
    assert (found.report.measurements, found.report.repeated_receptions) == (1, 2)


def test_frames_of_two_devices_with_one_number_stay_two():
    assert report_of(reception(device="a"), reception(device="b")).measurements == 2


FEW_COLUMNS = "frame,tx_id,tx_lat,tx_lon,rx_id,rx_lat,rx_lon,rssi_dbm"


def test_receptions_need_neither_set_nor_time_nor_transmitter():
    lines = [f"1,truck,48.40,9.99,{receiver},48.4,9.9,{rssi}" for receiver, rssi in (("a", -120), ("b", -80))]
    found = import_rows([FEW_COLUMNS, *lines], LORA, SOURCE)
    assert (found.rows[0].signal_cdb, found.report.repeated_receptions) == (-8_000, 1)
    fewer = ["frame,tx_lat,tx_lon,rssi_dbm", "1,48.40,9.99,-120", "1,48.40,9.99,-80"]
    assert import_rows(fewer, LORA, SOURCE).rows[0].signal_cdb == -8_000


def test_receptions_are_read_by_the_transmitters_place_and_keep_who_contributed():
    header = "frame,lat,lon,tx_lat,tx_lon,dbm,rssi_dbm,device_id,tx_id,contributor"
    (row,) = rows_of("1,1,1,48.40,9.99,-1,-90,phone,truck,ada", header=header)
    assert (row.cell, row.signal_cdb) == (geo.cell_at(48.40, 9.99, 9), -9_000)
    assert row.contributor != 0


def test_rows_without_a_frame_stand_alone():
    assert report_of(reception(frame=""), reception(frame="")).measurements == 2


def test_two_devices_in_one_cell_are_two_rows():
    assert len(rows_of(reception("-100", device="a"), reception("-110", device="b"))) == 2


def test_equal_rows_of_two_devices_become_one_and_are_counted():
    found = import_rows([HEADER, reception(device="a"), reception(device="b")], LORA, SOURCE)
    assert (len(found.rows), found.report.merged_duplicates) == (1, 1)


def test_day_is_whole_days_of_unix_milliseconds():
    (row,) = rows_of(reception(time_ms=str(19_000 * 86_400_000 + 86_399_999)))
    assert row.day == 19_000


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        (reception(place=("", "9.99")), Refusal.NO_POSITION),
        (reception(place=("abc", "9.99")), Refusal.POSITION_NOT_A_NUMBER),
        (reception(place=("nan", "9.99")), Refusal.POSITION_NOT_A_NUMBER),
        (reception(place=("90.01", "9.99")), Refusal.POSITION_OUT_OF_RANGE),
        (reception(place=("48.4", "-180.01")), Refusal.POSITION_OUT_OF_RANGE),
        (reception(place=("0", "0.0")), Refusal.POSITION_ZERO),
        (reception(""), Refusal.NO_SIGNAL),
        (reception("-1_0"), Refusal.SIGNAL_NOT_A_NUMBER),
        (reception("0.01"), Refusal.SIGNAL_OUT_OF_RANGE),
        (reception("-200.01"), Refusal.SIGNAL_OUT_OF_RANGE),
        (reception(time_ms="yesterday"), Refusal.TIME_UNREADABLE),
        ("ulm,1,2", Refusal.MALFORMED_ROW),
        (reception() + ",one too many", Refusal.MALFORMED_ROW),
    ],
)
def test_refuses_and_counts(line, refusal):
    report = report_of(line)
    assert report.refused == {refusal.value: 1}


@pytest.mark.parametrize("rssi", ["-200", "0", "-200.00"])
def test_takes_signals_up_to_both_ends_of_the_range(rssi):
    assert report_of(reception(rssi)).refused == {}


def test_equator_and_meridian_are_places():
    assert len(rows_of(reception(place=("0", "9.99")), reception(place=("48.4", "0"), frame="2"))) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("-100.005", -10_000), ("-100.015", -10_002), ("-100.0150000001", -10_002), ("-1e2", -10_000), ("-.5", -50)],
)
def test_hundredths_come_from_the_decimal_text_half_to_even(text, expected):
    assert fields.signal_cdb(text) == expected


@given(st.decimals(min_value=-200, max_value=0, places=2))
def test_hundredths_of_two_decimals_are_exact(dbm: Decimal):
    assert fields.signal_cdb(str(dbm)) == int(dbm * 100)


@given(st.text(max_size=30))
def test_any_text_is_a_signal_or_a_refusal(text):
    found = fields.signal_cdb(text)
    assert isinstance(found, Refusal) or -20_000 <= found <= 0


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_texts_are_a_cell_or_a_refusal(latitude, longitude):
    found = fields.cell(latitude, longitude)
    assert isinstance(found, Refusal) or geo.resolution(found) == 9


@given(st.text(max_size=40))
def test_any_text_is_a_day_or_a_refusal(text):
    found = fields.day_of_time(text)
    assert isinstance(found, Refusal) or 0 <= found < 2**32


CELLS = [geo.cell_at(48.40 + step / 100, 9.99, 9) for step in range(3)]
MEASUREMENTS = st.lists(
    st.one_of(
        st.sampled_from(list(Refusal)),
        st.builds(
            Measurement,
            cell=st.sampled_from(CELLS),
            signal_cdb=st.integers(-20_000, 0),
            day=st.integers(0, 2),
            device=st.sampled_from(["a", "b"]),
            contributor=st.integers(0, 1),
            operator=st.sampled_from(["", "x", "y"]),
            frame=st.sampled_from(["", "1", "2"]),
        ),
    ),
    max_size=30,
)


@given(MEASUREMENTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(read, shuffle: random.Random):
    again = list(read)
    shuffle.shuffle(again)
    assert canonical(read, LORA, SOURCE) == canonical(again, LORA, SOURCE)


@given(MEASUREMENTS)
def test_output_is_sorted_unique_canonical_and_every_row_is_accounted_for(read):
    found = canonical(read, LORA, SOURCE)
    rows = split(BaselineRow, found.data)
    report = found.report
    assert rows == list(found.rows)
    encoded = [row.encode() for row in rows]
    assert encoded == sorted(set(encoded))
    assert report.rows_read == len(read)
    assert report.rows_read == report.measurements + report.repeated_receptions + sum(report.refused.values())


def test_the_best_operators_median_counts():
    used = [Measurement(CELLS[0], cdb, 0, operator=who) for who, cdb in [("x", -9_000), ("x", -12_000), ("y", -11_000)]]
    (row,) = baseline_rows(used, CELLULAR, SOURCE)
    assert row.signal_cdb == -11_000


DRIVE = "Timestamp;Longitude;Latitude;Level;Carrier;Device ID;User"


def test_reads_a_drive_test_by_its_header():
    (row,) = rows_of("2024.05.01_10.11.12;9.99;48.40;-101.5;blue;phone;ada", header=DRIVE, radio_class=CELLULAR)
    assert (row.cell, row.signal_cdb, row.day) == (geo.cell_at(48.40, 9.99, 9), -10_150, 19_844)
    assert row.contributor not in (0, int.from_bytes(b"ada", "big"))


def test_cellular_prefers_rsrp_and_lora_rssi():
    header, line = "lat,lon,rssi,rsrp", "48.4,9.99,-70,-101"
    assert rows_of(line, header=header, radio_class=CELLULAR)[0].signal_cdb == -10_100
    assert rows_of(line, header=header, radio_class=LORA)[0].signal_cdb == -7_000


@pytest.mark.parametrize("time", ["1714557072", "1714557072000", "2024-05-01T10:11:12Z", "2024-05-01T12:11:12+02:00"])
def test_reads_times_as_seconds_milliseconds_and_iso(time):
    (row,) = rows_of(f"48.4,9.99,-101,{time}", header="lat,lon,dbm,time")
    assert row.day == 19_844


@pytest.mark.parametrize("time", ["20240501", "20240501101112"])
def test_reads_bare_digits_of_a_calendar_as_a_date(time):
    (row,) = rows_of(f"48.4,9.99,-101,{time}", header="lat,lon,dbm,time")
    assert row.day == 19_844


@pytest.mark.parametrize("time", ["01052024", "99999999", "2024", "946684799", "202405011011"])
def test_refuses_numbers_that_would_be_before_2000(time):
    report = report_of(f"48.4,9.99,-101,{time}", header="lat,lon,dbm,time")
    assert report.refused == {"time is a number before the year 2000": 1}


def test_takes_the_first_second_of_2000_and_a_zero_as_undated():
    header, lines = "lat,lon,dbm,time", ("48.4,9.99,-101,946684800", "48.4,9.99,-101,0")
    assert {row.day for row in rows_of(*lines, header=header)} == {10_957, 0}


def test_refuses_positions_less_exact_than_a_hundred_metres():
    report = report_of("48.4,9.99,-101,100", "48.4,9.99,-101,100.5", header="lat,lon,dbm,accuracy_m")
    assert report.refused == {"position less exact than 100 m": 1}


def test_network_codes_stand_for_the_operator():
    lines = ("48.4,9.99,-90,262,1", "48.4,9.99,-110,262,1", "48.4,9.99,-100,262,2")
    (row,) = rows_of(*lines, header="lat,lon,dbm,mcc,mnc")
    assert row.signal_cdb == -10_000


def test_unknown_header_names_the_columns_expected():
    with pytest.raises(ImportFileError, match=r"no column for signal in dBm .*rssi_dbm.*columns found: lat, lon, mood"):
        rows_of("1,2,3", header="lat,lon,mood")


def test_a_first_line_that_is_no_header_of_a_csv_is_a_sentence():
    with pytest.raises(ImportFileError, match="the first line does not name columns"):
        import_rows(["x" * 200_000, "1"], LORA, SOURCE)


def test_empty_file_is_a_sentence():
    with pytest.raises(ImportFileError, match="columns found: none"):
        import_rows([], LORA, SOURCE)


def test_broken_quotes_are_one_refused_row_and_the_rest_goes_on():
    report = report_of('48.4,"9.9"9,-101', "48.4,9.99,-101", header="lat,lon,dbm")
    assert report.refused == {"malformed row": 1}
    assert report.measurements == 1


def test_a_stray_quote_spoils_its_own_line_only(tmp_path):
    good = [f"48.4,9.99,-{100 + number % 30},x" for number in range(1_010)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["lat,lon,dbm,place", *good[:10], '48.4,9.99,-101,"Inn', *good[10:]]) + "\n")
    report = import_file(path, LORA, SOURCE).report
    assert (report.rows_read, report.measurements) == (1_011, 1_010)
    assert report.refused == {"malformed row": 1}


def test_quoted_fields_may_hold_the_delimiter_and_quotes():
    report = report_of('48.4,9.99,-101,"Inn, ""left"""', header="lat,lon,dbm,place")
    assert report.refused == {}


def test_too_many_rows_are_refused(monkeypatch):
    monkeypatch.setattr(files, "MAX_ROWS", 2)
    assert len(rows_of(reception(frame="1"), reception(frame="2"))) == 1
    with pytest.raises(ImportFileError, match="more than 2 rows"):
        rows_of(reception(frame="1"), reception(frame="2"), reception(frame="3"))


def test_plain_gzipped_and_marked_files_give_the_same_bytes(tmp_path):
    text = "\n".join([HEADER, reception()])
    plain, packed, marked = (tmp_path / name for name in ("a.csv", "b.csv.gz", "c.csv"))
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    marked.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len({import_file(path, LORA, SOURCE).data for path in (plain, packed, marked)}) == 1


def test_bytes_that_are_no_text_are_refused_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"lat,lon,dbm\n48.4,9.99,\xff\xfe\n48.4,9.99,-101\n")
    assert import_file(path, LORA, SOURCE).report.refused == {"signal is not a number": 1}


def test_damaged_gzip_and_missing_file_are_sentences(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "\n" + reception() + "\n").encode() * 50)[:60])
    with pytest.raises(ImportFileError, match="gzip file is damaged"):
        import_file(path, LORA, SOURCE)
    with pytest.raises(ImportFileError, match="No such file"):
        import_file(tmp_path / "none.csv", LORA, SOURCE)


def test_writing_replaces_the_file_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "deep" / "rows"
    write_durably(path, b"one")
    write_durably(path, b"two")
    assert [(one.name, one.read_bytes()) for one in path.parent.iterdir()] == [("rows", b"two")]


def test_real_drive_test_is_read_whole():
    path = RECEPTIONS / "ulm2017.csv.gz"
    if not path.exists():
        pytest.skip("needs ../shared/data/receptions beside the checkout")
    report = import_file(path, LORA, SOURCE).report
    assert (report.rows_read, report.refused, report.cells) == (6_711, {"position is exactly 0, 0": 114}, 263)
