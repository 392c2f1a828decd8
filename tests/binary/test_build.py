"""The one file: a shell head in front of a tar, which unpacks once and runs from there. The real one: `make binary`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from binary import build

PROGRAM = '#!/bin/sh\necho "ran in $(dirname "$0") with $*"\nexit 3\n'


@pytest.fixture
def one_file(tmp_path: Path) -> Path:
    gathered = tmp_path / "gathered"
    (gathered / "lib").mkdir(parents=True)
    (gathered / "lib" / "data").write_bytes(bytes(range(256)) * 100)
    (gathered / "farfield").write_text(PROGRAM)
    (gathered / "farfield").chmod(0o755)
    payload = build.packed(gathered)
    path = tmp_path / "farfield-test"
    path.write_bytes(build.head("farfield", payload) + payload)
    path.chmod(0o755)
    return path


def run(path: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin"} | environ
    return subprocess.run([str(path), *arguments], env=environ, capture_output=True, text=True, check=False)


def test_unpacks_itself_once_and_passes_on_arguments_and_exit_code(one_file: Path, tmp_path: Path) -> None:
    first = run(one_file, "hotspot", "two words", HOME=str(tmp_path / "home"))
    assert (first.returncode, first.stderr) == (3, "")
    assert first.stdout.endswith("with hotspot two words\n")
    (unpacked,) = (tmp_path / "home" / ".cache" / "farfield").iterdir()
    assert (unpacked / "lib" / "data").stat().st_size == 25_600
    before = unpacked.stat().st_ctime_ns
    assert run(one_file, HOME=str(tmp_path / "home")).returncode == 3
    assert unpacked.stat().st_ctime_ns == before


def test_brings_its_own_libraries(one_file: Path, tmp_path: Path) -> None:
    gathered = tmp_path / "gathered"
    (gathered / "farfield").write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH"\n')
    payload = build.packed(gathered)
    one_file.write_bytes(build.head("farfield", payload) + payload)
    told = run(one_file, HOME=str(tmp_path / "home")).stdout.strip()
    assert Path(told).name == "lib"
    assert (Path(told) / "data").exists()


def test_unpacks_where_it_is_told(one_file: Path, tmp_path: Path) -> None:
    assert run(one_file, HOME=str(tmp_path / "home"), FARFIELD_UNPACK=str(tmp_path / "there")).returncode == 3
    assert (tmp_path / "there" / "farfield").is_dir()


def test_without_a_home_it_takes_a_directory_only_it_can_write(one_file: Path, tmp_path: Path) -> None:
    place = tmp_path / f"farfield-{os.getuid()}"
    assert run(one_file, TMPDIR=str(tmp_path)).returncode == 3
    assert place.stat().st_mode & 0o777 == 0o700


def test_does_not_run_from_a_place_that_is_somebody_elses(one_file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"farfield-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    done = run(one_file, TMPDIR=str(tmp_path))
    assert done.returncode == 1
    assert "FARFIELD_UNPACK" in done.stderr


def test_a_cut_file_says_so_and_leaves_nothing_behind(one_file: Path, tmp_path: Path) -> None:
    one_file.write_bytes(one_file.read_bytes()[:-100])
    done = run(one_file, HOME=str(tmp_path / "home"))
    assert done.returncode == 1
    assert "cannot unpack itself" in done.stderr
    assert list((tmp_path / "home" / ".cache" / "farfield").iterdir()) == []


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    assert build.packed(tmp_path / "a") == build.packed(tmp_path / "b")
