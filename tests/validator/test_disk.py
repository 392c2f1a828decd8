"""Disk and RowLog: whole or not at all, a torn tail is cut, one bad bit costs one row."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from tests.validator.disks import DiaryDisk, DyingDisk, FullDisk, PowerCut
from validator.disk import CHECKSUM_BYTES, Disk, RowLog

ROW_BYTES = 8
STEP = ROW_BYTES + CHECKSUM_BYTES
ROWS = [bytes([number]) * ROW_BYTES for number in range(1, 6)]


def written(path: Path, rows: list[bytes] = ROWS, disk: Disk | None = None) -> Path:
    log = RowLog(path, ROW_BYTES, disk or Disk())
    log.append(rows)
    log.close()
    return path


def reopened(path: Path) -> RowLog:
    log = RowLog(path, ROW_BYTES, Disk())
    log.close()
    return log


# --- whole files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "after"), [(1, False), (2, False), (2, True)])
def test_a_power_cut_before_the_rename_leaves_the_old_file(tmp_path: Path, at: int, after: bool) -> None:
    path = tmp_path / "file"
    Disk().write_whole(path, b"old")
    with pytest.raises(PowerCut):
        DyingDisk(at, after=after).write_whole(path, b"new and longer")
    assert path.read_bytes() == b"old"


def test_a_power_cut_after_the_rename_leaves_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    Disk().write_whole(path, b"old")
    with pytest.raises(PowerCut):
        DyingDisk(3).write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_file_is_synced_before_it_gets_its_name_and_its_directory_after(tmp_path: Path) -> None:
    disk, path = DiaryDisk(), tmp_path / "file"
    disk.write_whole(path, b"data")
    kinds = [what for what, _ in disk.events]
    assert kinds == ["append", "sync", "sync"]
    assert disk.events[-1] == ("sync", tmp_path.name)


def test_a_full_disk_leaves_neither_the_file_nor_its_beginning(tmp_path: Path) -> None:
    disk, path = FullDisk(), tmp_path / "file"
    disk.fail("append", torn_bytes=3)
    with pytest.raises(OSError, match="No space"):
        disk.write_whole(path, b"a large file")
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_file_do_not_share_what_they_write_aside(tmp_path: Path) -> None:
    """The second starts while the first has written half: neither may end up with the other's half."""
    path = tmp_path / "file"

    class Nested(Disk):
        def append(self, descriptor: int, data: bytes) -> None:
            super().append(descriptor, data[:2])
            Disk().write_whole(path, b"whole")
            super().append(descriptor, data[2:])

    Nested().write_whole(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_what_a_crash_left_aside_is_in_nobodys_way(tmp_path: Path) -> None:
    with pytest.raises(PowerCut):
        DyingDisk(2).write_whole(tmp_path / "file", b"first")
    [left] = tmp_path.iterdir()
    for number in range(100):
        left.with_name(f".file.{os.getpid()}.{number}").write_bytes(b"left by a process with the same id")
    Disk().write_whole(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"second"


def test_a_made_directory_survives_a_power_cut_with_every_directory_above_it(tmp_path: Path) -> None:
    disk = DiaryDisk()
    disk.make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert disk.events == [("sync", tmp_path.name), ("sync", "a")]


# --- row logs -----------------------------------------------------------------------------------------------------


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    log = reopened(written(tmp_path / "log"))
    assert log.recovered.rows == tuple(ROWS)
    assert log.recovered.damaged_bytes == 0


@pytest.mark.parametrize("missing", range(1, STEP))
def test_a_torn_tail_is_cut_and_counted(tmp_path: Path, missing: int) -> None:
    path = written(tmp_path / "log")
    os.truncate(path, len(ROWS) * STEP - missing)
    log = reopened(path)
    assert log.recovered.rows == tuple(ROWS[:-1])
    assert log.recovered.damaged_bytes == STEP - missing
    assert path.stat().st_size == (len(ROWS) - 1) * STEP


def test_rows_appended_after_a_torn_tail_come_back(tmp_path: Path) -> None:
    path = written(tmp_path / "log")
    os.truncate(path, len(ROWS) * STEP - 1)
    written(path, [ROWS[-1]])
    assert reopened(path).recovered.rows == tuple(ROWS)


@pytest.mark.parametrize("at", range(2 * STEP, 3 * STEP))
def test_a_flipped_bit_in_any_byte_loses_its_row_only_and_is_counted(tmp_path: Path, at: int) -> None:
    path = written(tmp_path / "log")
    for bit in range(8):
        data = bytearray(path.read_bytes())
        data[at] ^= 1 << bit
        bent = tmp_path / f"bent{bit}"
        bent.write_bytes(data)
        log = reopened(bent)
        assert log.recovered.rows == tuple(ROWS[:2] + ROWS[3:])
        assert log.recovered.damaged_bytes == STEP


def test_a_row_of_zeros_the_file_system_left_is_no_row(tmp_path: Path) -> None:
    path = written(tmp_path / "log")
    with path.open("ab") as file:
        file.write(bytes(STEP))
    assert reopened(path).recovered.rows == tuple(ROWS)


@pytest.mark.parametrize("tail", [bytes(STEP), b"x" * STEP, b"x" * (3 * STEP - 1)])
def test_a_damaged_tail_is_not_taken_for_lost_rows_once_others_follow_it(tmp_path: Path, tail: bytes) -> None:
    path = written(tmp_path / "log", ROWS[:2])
    with path.open("ab") as file:
        file.write(tail)
    written(path, ROWS[2:])
    log = reopened(path)
    assert log.recovered.rows == tuple(ROWS)
    assert log.recovered.lost_rows == 0


@pytest.mark.parametrize(("place", "lost"), [(0, 1), (3, 1), (4, 0)])
def test_a_damaged_row_counts_as_lost_if_a_whole_one_follows(tmp_path: Path, place: int, lost: int) -> None:
    path = written(tmp_path / "log")
    data = bytearray(path.read_bytes())
    data[place * STEP] ^= 1
    path.write_bytes(data)
    assert reopened(path).recovered.lost_rows == lost


@pytest.mark.parametrize(("what", "torn_bytes"), [("append", 0), ("append", 5), ("append", STEP + 1), ("sync", 0)])
def test_a_disk_that_refuses_leaves_nothing_of_the_append(tmp_path: Path, what: str, torn_bytes: int) -> None:
    disk = FullDisk()
    log = RowLog(tmp_path / "log", ROW_BYTES, disk)
    log.append(ROWS[:2])
    disk.fail(what, torn_bytes=torn_bytes)
    with pytest.raises(OSError, match=r"No space|Input/output"):
        log.append(ROWS[2:4])
    log.append(ROWS[4:])
    log.close()
    assert reopened(tmp_path / "log").recovered.rows == (*ROWS[:2], ROWS[4])


def test_an_append_is_synced_once_whatever_its_number_of_rows(tmp_path: Path) -> None:
    disk = DiaryDisk()
    written(tmp_path / "log", ROWS, disk)
    assert disk.count("sync", "log") == 1


def test_a_new_log_and_its_directory_survive_a_power_cut(tmp_path: Path) -> None:
    disk = DiaryDisk()
    RowLog(tmp_path / "inbox" / "log", ROW_BYTES, disk).close()
    assert disk.events == [("sync", tmp_path.name), ("sync", "inbox")]


def test_each_row_carries_its_own_crc(tmp_path: Path) -> None:
    data = written(tmp_path / "log", ROWS[:1]).read_bytes()
    assert data == ROWS[0] + zlib.crc32(ROWS[0]).to_bytes(4, "big")
