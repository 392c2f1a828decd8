"""Reading files of receptions and planning who carries what."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from devnet.ether.trace import Cause, ReceptionsError, TracePlan, load, plan, read_rows
from protocol import geo
from tests.devnet.ether_world import RECEPTIONS, csv_row, csv_text


def planned(*rows: str) -> TracePlan:
    return plan(read_rows(csv_text(*rows).splitlines()))


@pytest.mark.parametrize(
    ("name", "mappers", "frames", "rows", "receivers"),
    [
        ("ulm2017", 82, 2_074, 6_711, 6),
        ("ulm2021", 115, 35_120, 35_120, 15),
        ("darmstadt", 3, 263, 263, 1),
        ("sainteynard-0033", 1, 13_768, 93_435, 11),
    ],
)
def test_plans_the_measured_files(name: str, mappers: int, frames: int, rows: int, receivers: int) -> None:
    path = RECEPTIONS / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip("needs ../shared/data/receptions beside the checkout")
    found = load(path)
    assert (len(found.mappers), found.frame_count, len(found.rows)) == (mappers, frames, rows)
    assert len(found.receivers) == receivers
    assert found.impossible == {}


def test_a_mapper_is_a_transmitter_in_one_res_8_cell() -> None:
    found = planned(
        csv_row(frame="1"),
        csv_row(frame="2", tx_lat="48.5"),
        csv_row(frame="3", tx_id="van"),
        csv_row(frame="4"),
    )
    assert [(mapper.tx_id, [frame.frame for frame in mapper.frames]) for mapper in found.mappers] == [
        ("truck", ["1", "4"]),
        ("truck", ["2"]),
        ("van", ["3"]),
    ]
    assert found.mappers[0].cell == geo.parent(geo.cell_at(48.39716, 9.97118, 9), 8)


def test_rows_of_one_frame_stay_together_though_other_rows_lie_between() -> None:
    found = planned(csv_row(frame="1"), csv_row(frame="2", tx_id="van"), csv_row(frame="1", rx_id="gw2"))
    assert found.mappers[0].frames[0].rows == (0, 2)


def test_copies_at_one_receiver_belong_to_one_frame() -> None:
    assert planned(csv_row(), csv_row(rssi_dbm="-120")).mappers[0].frames[0].rows == (0, 1)


def test_a_frame_measured_in_two_res_9_cells_is_two_frames() -> None:
    found = planned(csv_row(), csv_row(rx_id="gw2", tx_lat="48.41"))
    assert [frame.rows for mapper in found.mappers for frame in mapper.frames] == [(0,), (1,)]


def test_rows_without_a_frame_id_are_frames_of_their_own() -> None:
    assert planned(csv_row(frame=""), csv_row(frame="")).frame_count == 2


def test_receivers_with_fewest_rows_come_first() -> None:
    found = planned(csv_row(), csv_row(frame="2"), csv_row(rx_id="gw2"), csv_row(rx_id="gw0"))
    assert [(receiver.rx_id, receiver.rows) for receiver in found.receivers] == [("gw0", 1), ("gw2", 1), ("gw1", 2)]


def test_a_receiver_stands_where_most_of_its_rows_say() -> None:
    found = planned(csv_row(rx_lat="1"), csv_row(rx_lat="2"), csv_row(rx_lat="2"), csv_row(rx_lat=""))
    assert found.receivers[0].place.latitude_text == "2"
    assert found.impossible == {}


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"rx_id": "gw2", "rx_lat": ""}, Cause.RECEIVER_PLACE),
        ({"rx_id": "gw2", "rx_lon": "181"}, Cause.RECEIVER_PLACE),
        ({"tx_lat": ""}, Cause.TRANSMITTER_PLACE),
        ({"tx_lat": "nan"}, Cause.TRANSMITTER_PLACE),
        ({"tx_lat": "91"}, Cause.TRANSMITTER_PLACE),
        ({"rssi_dbm": ""}, Cause.NO_SIGNAL),
        ({"rssi_dbm": "loud"}, Cause.NO_SIGNAL),
        ({"rssi_dbm": "inf"}, Cause.NO_SIGNAL),
        ({"rssi_dbm": "1e999"}, Cause.NO_SIGNAL),
    ],
)
def test_a_row_that_cannot_be_replayed_has_its_cause_and_no_slot(changed: dict[str, str], cause: Cause) -> None:
    found = planned(csv_row(**changed))
    assert found.impossible == {0: cause}
    assert found.mappers == ()


@pytest.mark.parametrize(("latitude", "longitude"), [("0", "0"), ("-89.9", "179.99"), ("89.99999", "-180")])
def test_a_row_anywhere_on_earth_is_planned(latitude: str, longitude: str) -> None:
    assert planned(csv_row(tx_lat=latitude, tx_lon=longitude)).frame_count == 1


@pytest.mark.parametrize(
    ("text", "rssi_cdb", "snr_cdb"),
    [("-119.0", -11_900, -200), ("-119.25", -11_925, -225), ("-52", -5_200, 1_000), ("-107", -10_700, 1_000)],
)
def test_rssi_is_as_measured_and_snr_is_derived(text: str, rssi_cdb: int, snr_cdb: int) -> None:
    row = planned(csv_row(rssi_dbm=text, snr_db="3", sf="12")).rows[0]
    assert (row.rssi_cdb, row.snr_cdb) == (rssi_cdb, snr_cdb)


def test_degrees_keep_their_digits() -> None:
    row = planned(csv_row(tx_lat="48.184020996093750", tx_lon="-0.00")).rows[0]
    assert row.tx_place is not None
    assert (row.tx_place.latitude_text, row.tx_place.longitude_text) == ("48.184020996093750", "-0.00")


@pytest.mark.parametrize("text", ["+48.5", "048.5", "4.85e1", ".5", " 48.5 "])
def test_degrees_that_are_no_json_number_become_one(text: str) -> None:
    row = planned(csv_row(tx_lat=text)).rows[0]
    assert row.tx_place is not None
    assert row.tx_place.latitude_deg == float(text)
    assert row.tx_place.latitude_text.strip("0123456789") in (".",)


def test_short_and_long_lines_are_rows_too() -> None:
    found = planned("test,1", csv_row() + ",more,fields")
    assert found.impossible == {0: Cause.TRANSMITTER_PLACE}
    assert found.frame_count == 1


def test_refuses_a_file_without_a_needed_column() -> None:
    with pytest.raises(ReceptionsError, match="rssi_dbm"):
        plan(read_rows(csv_text(csv_row()).replace("rssi_dbm", "power").splitlines()))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        gzip.compress(b"frame\n", mtime=0)[:-9],
        gzip.compress(b"frame\n", mtime=0)[:10] + b"\xff" * 20,
        b"\x1f\x8b nonsense",
    ],
)
def test_refuses_a_file_that_is_no_csv_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "receptions.csv.gz"
    path.write_bytes(content)
    with pytest.raises(ReceptionsError):
        load(path)


def test_refuses_a_missing_file_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReceptionsError, match="cannot read"):
        load(tmp_path / "receptions.csv")
