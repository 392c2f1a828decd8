"""Which baseline a file becomes, and which files are none."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from coverage_maps.importers.files import ImportFileError
from devnet.scenarios import read_baseline

CELLULAR = b"lat,lon,rsrp_dbm\n48.4,9.99,-101\n"


def baseline(folder: Path, content: bytes, name: str = "baseline.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


PACKED = gzip.compress(CELLULAR, mtime=0)


@pytest.mark.parametrize("damaged", [PACKED[:-9], PACKED[:10] + b"\xff" * 20], ids=["cut", "rubbish"])
def test_a_damaged_gzip_is_a_sentence(tmp_path, damaged):
    with pytest.raises(ImportFileError, match="gzip file is damaged"):
        read_baseline(baseline(tmp_path, damaged, "baseline.csv.gz"))


def test_text_in_another_encoding_is_read_as_far_as_it_can_be(tmp_path):
    listed = read_baseline(baseline(tmp_path, "lat,lon,rsrp_dbm,straße\n48.4,9.99,-101,x\n".encode("latin-1")))
    assert (listed.radio_class, listed.imported.report.measurements) == ("cellular", 1)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("header", [b"lat,lon,rssi_dbm,rx_id", b'"frame","tx_lat","tx_lon","rssi_dbm"'])
def test_lora_receptions_are_known_by_their_columns_wherever_those_stand(tmp_path, header, end):
    row = b"48.4,9.99,-101,gw" if header.startswith(b"lat") else b"1,48.4,9.99,-101"
    listed = read_baseline(baseline(tmp_path, header + end + row + end))
    assert (listed.radio_class, listed.imported.report.measurements) == ("lora", 1)
