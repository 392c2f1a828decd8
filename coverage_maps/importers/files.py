"""The shell around the importers: opens a file, plain or gzipped, and writes canonical rows so that they stay."""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO, TypeVar

from coverage_maps.importers.columns import Header, HeaderError, delimiter_of, parse_header, row_reader
from coverage_maps.importers.measurements import Imported, Measurement, Refusal, canonical

MAX_ROWS = 50_000_000
GZIP_MAGIC = b"\x1f\x8b"
T = TypeVar("T")


class ImportFileError(ValueError):
    """A file that cannot be imported; the message is a sentence with what to do."""


def import_rows(lines: Iterable[str], radio_class: int, source: int) -> Imported:
    """Canonical rows of a CSV's lines; ImportFileError if the header is unknown or there are too many rows."""
    remaining = iter(lines)
    header, delimiter = _header(next(remaining, ""))
    try:
        read = row_reader(header, radio_class, source)
    except HeaderError as error:
        raise ImportFileError(str(error)) from error
    width = len(header.names)

    def measurements() -> Iterator[Measurement | Refusal]:
        for row in _rows(remaining, delimiter):
            yield read(row) if row is not None and len(row) == width else Refusal.MALFORMED_ROW

    return canonical(measurements(), radio_class, source)


def _header(first: str) -> tuple[Header, str]:
    """(header, delimiter) of a file's first line; ImportFileError if it is none."""
    first = first.removeprefix("\ufeff")
    delimiter = delimiter_of(first)
    try:
        return parse_header(next(csv.reader([first], delimiter=delimiter), [])), delimiter
    except csv.Error as error:
        raise ImportFileError(f"the first line does not name columns ({error}); check that this is a CSV") from error


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[list[str] | None]:
    """Rows of a CSV, None for what is not one; blank lines are no rows.

    Each line is read by itself: a stray quote spoils its own line, and never swallows those that follow.
    """
    for line in islice(lines, MAX_ROWS):
        try:
            row = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            yield None
            continue
        if row:
            yield row
    if next(lines, None) is not None:
        raise ImportFileError(f"more than {MAX_ROWS} rows: cut the file and list the parts as files of their own")


def import_file(path: Path, radio_class: int, source: int) -> Imported:
    """Canonical rows of a CSV or CSV.gz file; ImportFileError says in a sentence why not."""
    return _reading(path, lambda lines: import_rows(lines, radio_class, source))


def read_header(path: Path) -> Header:
    """The column names of a CSV or CSV.gz file; ImportFileError says in a sentence why not."""
    return _reading(path, lambda lines: _header(lines.readline())[0])


def _reading(path: Path, read: Callable[[TextIO], T]) -> T:
    try:
        with _open(path) as lines:
            return read(lines)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ImportFileError(f"{path}: the gzip file is damaged ({error}); fetch it again") from error
    except OSError as error:
        raise ImportFileError(f"{path}: {error.strerror or error}") from error
    except ImportFileError as error:
        raise ImportFileError(f"{path}: {error}") from error


def _open(path: Path) -> TextIO:
    with path.open("rb") as start:
        packed = start.read(2) == GZIP_MAGIC
    # Bytes that are not UTF-8 become marks no number contains: their row is refused, the file goes on.
    if packed:
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def write_durably(path: Path, data: bytes) -> None:
    """Replaces `path` by `data` in one step, on disk when it returns; OSError if that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
