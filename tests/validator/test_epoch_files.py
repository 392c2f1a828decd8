"""What a validator remembers of its epochs: each record whole or as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validator.disks import DiaryDisk, DyingDisk, PowerCut
from validator.disk import Disk
from validator.epoch_files import EpochFiles, EpochRecord


def test_a_record_survives_reopening(tmp_path: Path) -> None:
    EpochFiles(tmp_path, Disk()).update(7, manifest="ab", state="cd", empty=True)
    assert EpochFiles(tmp_path, Disk()).get(7) == EpochRecord(7, manifest="ab", state="cd", empty=True)


def test_an_update_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    files = EpochFiles(tmp_path, Disk())
    files.update(7, manifest="ab")
    assert files.update(7, root="cd") == EpochRecord(7, manifest="ab", root="cd")


def test_an_epoch_nobody_wrote_is_blank(tmp_path: Path) -> None:
    assert EpochFiles(tmp_path, Disk()).get(9) == EpochRecord(9)


@pytest.mark.parametrize("at", [1, 2])
def test_a_power_cut_while_updating_leaves_the_old_record(tmp_path: Path, at: int) -> None:
    EpochFiles(tmp_path, Disk()).update(7, manifest="ab")
    with pytest.raises(PowerCut):
        EpochFiles(tmp_path, DyingDisk(at)).update(7, manifest="ab", root="cd")
    assert EpochFiles(tmp_path, Disk()).get(7) == EpochRecord(7, manifest="ab")


def test_an_update_is_on_the_device_when_it_returns(tmp_path: Path) -> None:
    disk = DiaryDisk()
    EpochFiles(tmp_path, disk).update(7, manifest="ab")
    assert [what for what, _ in disk.events][-3:] == ["append", "sync", "sync"]
    assert disk.events[-1] == ("sync", tmp_path.name)


def test_the_newest_settled_epoch_is_known_after_reopening(tmp_path: Path) -> None:
    files = EpochFiles(tmp_path, Disk())
    files.update(9, state="aa", root="bb")
    files.update(10, state="cc", root="dd", empty=True)
    files.update(11, manifest="ee")
    for one in (files, EpochFiles(tmp_path, Disk())):
        assert one.last_settled() == one.get(10)
        assert one.last_earning() == one.get(9)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    EpochFiles(tmp_path, Disk()).update(7, manifest="ab")
    [path] = tmp_path.iterdir()
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=path.name):
        EpochFiles(tmp_path, Disk())
