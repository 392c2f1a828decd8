"""Measured receptions as a plan: which mapper carries which frame, which receiver heard which row.

Pure: text in, a `TracePlan` out. A moving transmitter becomes one mapper per res-8 cell it visited; a frame is the
rows that share transmitter, frame id and res-9 cell (one beacon reports one cell); a row without a frame id is a frame
of its own. Every row of the file has a `Row` here, and a row that cannot be replayed at all has its cause in
`impossible`. Nothing is left out for being implausible: judging is the validators' work.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path

from devnet.ether.places import Place, PlaceError, place
from protocol import geo
from protocol.ids import CellId

ROW_RESOLUTION = 9
MAPPER_RESOLUTION = 8
MAX_ROWS = 2_000_000
MAX_RSSI_CDB = 20_000
NEEDED_COLUMNS = ("frame", "tx_id", "tx_lat", "tx_lon", "rx_id", "rx_lat", "rx_lon", "rssi_dbm")
NOISE_CDB = -11_700
MAX_SNR_CDB = 1_000


class Cause(StrEnum):
    """Why a row of the file was not offered to a hotspot."""

    NO_SLOT = "no slot left"
    TRANSMITTING = "receiver transmitting"
    DOWN = "receiver down"
    RECEIVER_PLACE = "receiver without a position"
    TRANSMITTER_PLACE = "transmitter without a position"
    NO_SIGNAL = "row without a signal strength"
    RECEIVER_ABSENT = "receiver not in the network"
    MAPPER_ABSENT = "transmitter not in the network"


class ReceptionsError(ValueError):
    """The file is not a file of receptions; the sentence says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured reception: row `index` (from 0) of the file. None where the file has nothing usable."""

    index: int
    frame: str
    tx_id: str
    rx_id: str
    tx_place: Place | None
    rx_place: Place | None
    rssi_cdb: int | None

    @property
    def snr_cdb(self) -> int:
        """min(RSSI + 117 dB, 10 dB): derived, the measured column is not trusted to exist."""
        return min((self.rssi_cdb or 0) - NOISE_CDB, MAX_SNR_CDB)


@dataclass(frozen=True, slots=True)
class TraceFrame:
    """One transmission of the file: where it was sent from and the indexes of its rows, in file order."""

    frame: str
    place: Place
    cell: CellId
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MapperPlan:
    """A transmitter in one res-8 cell, with its frames in file order."""

    tx_id: str
    cell: CellId
    frames: tuple[TraceFrame, ...]


@dataclass(frozen=True, slots=True)
class ReceiverPlan:
    """A fixed receiver at its most frequent position, and how many rows it has in the file."""

    rx_id: str
    place: Place
    rows: int


@dataclass(frozen=True, slots=True)
class TracePlan:
    """Mappers in order of appearance, receivers with fewest rows first, every row, and rows that cannot be replayed."""

    mappers: tuple[MapperPlan, ...]
    receivers: tuple[ReceiverPlan, ...]
    rows: tuple[Row, ...]
    impossible: dict[int, Cause]

    @property
    def frame_count(self) -> int:
        return sum(len(mapper.frames) for mapper in self.mappers)


def load(path: Path) -> TracePlan:
    """The plan of a CSV or gzipped CSV file; ReceptionsError if it cannot be read as one."""
    try:
        with path.open("rb") as file, gzip.open(file) if path.suffix == ".gz" else file as content:
            lines = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
            return plan(read_rows(lines))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise ReceptionsError(f"cannot read receptions from {path.name}: {error}") from error


def read_rows(lines: Iterable[str]) -> Iterator[Row]:
    """The rows of a CSV text with a header line; ReceptionsError if a needed column is missing."""
    reader = csv.DictReader(lines)
    missing = [name for name in NEEDED_COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ReceptionsError(f"this is no file of receptions: the column {missing[0]} is missing from its first line")
    known_places: dict[tuple[str, str], Place | None] = {}
    known_texts: dict[str, str] = {}
    for index, fields in enumerate(reader):
        if index >= MAX_ROWS:
            raise ReceptionsError(f"the file has more than {MAX_ROWS:,} rows; split it")
        frame, tx_id, tx_lat, tx_lon, rx_id, rx_lat, rx_lon, rssi = (fields[name] or "" for name in NEEDED_COLUMNS)
        yield Row(
            index=index,
            frame=frame,
            tx_id=known_texts.setdefault(tx_id, tx_id),
            rx_id=known_texts.setdefault(rx_id, rx_id),
            tx_place=_known_place(known_places, tx_lat, tx_lon),
            rx_place=_known_place(known_places, rx_lat, rx_lon),
            rssi_cdb=_centibel(rssi),
        )


def plan(rows: Iterable[Row]) -> TracePlan:
    """Who carries and who hears what. Deterministic: the same rows give the same plan."""
    every = tuple(rows)
    receivers = _receivers(every)
    placed = {receiver.rx_id for receiver in receivers}
    causes = {row.index: cause for row in every if (cause := _impossible(row, placed)) is not None}
    frames = _frames(row for row in every if row.index not in causes)
    mappers: dict[tuple[str, CellId], list[TraceFrame]] = {}
    for tx_id, frame in frames:
        mappers.setdefault((tx_id, geo.parent(frame.cell, MAPPER_RESOLUTION)), []).append(frame)
    return TracePlan(
        mappers=tuple(MapperPlan(tx_id, cell, tuple(members)) for (tx_id, cell), members in mappers.items()),
        receivers=receivers,
        rows=every,
        impossible=causes,
    )


def _impossible(row: Row, placed: set[str]) -> Cause | None:
    """Why a row can be carried by no beacon, or None."""
    if row.tx_place is None:
        return Cause.TRANSMITTER_PLACE
    if row.rx_id not in placed:
        return Cause.RECEIVER_PLACE
    if row.rssi_cdb is None:
        return Cause.NO_SIGNAL
    return None


def _frames(rows: Iterable[Row]) -> list[tuple[str, TraceFrame]]:
    """(transmitter, frame) in the order of each frame's first row."""
    cells: dict[Place, CellId] = {}
    members: dict[tuple[str, str | int, CellId], list[Row]] = {}
    for row in rows:
        where = row.tx_place
        assert where is not None  # `_impossible` took the others out
        if where not in cells:
            cells[where] = geo.cell_at(where.latitude_deg, where.longitude_deg, ROW_RESOLUTION)
        members.setdefault((row.tx_id, row.frame or row.index, cells[where]), []).append(row)
    return [
        (tx_id, TraceFrame(group[0].frame, _place_of(group[0]), cell, tuple(row.index for row in group)))
        for (tx_id, _, cell), group in members.items()
    ]


def _place_of(row: Row) -> Place:
    assert row.tx_place is not None  # only rows with a place become frames
    return row.tx_place


def _receivers(rows: tuple[Row, ...]) -> tuple[ReceiverPlan, ...]:
    """Every receiver with a position, fewest rows first (then by id)."""
    counts = Counter(row.rx_id for row in rows)
    places: dict[str, Counter[Place]] = {}
    for row in rows:
        if row.rx_place is not None:
            places.setdefault(row.rx_id, Counter())[row.rx_place] += 1
    found = [ReceiverPlan(rx_id, seen.most_common(1)[0][0], counts[rx_id]) for rx_id, seen in places.items()]
    return tuple(sorted(found, key=lambda receiver: (receiver.rows, receiver.rx_id)))


def _known_place(known: dict[tuple[str, str], Place | None], latitude: str, longitude: str) -> Place | None:
    """The place of two texts, parsed once."""
    if (latitude, longitude) not in known:
        try:
            known[latitude, longitude] = place(latitude, longitude)
        except PlaceError:
            known[latitude, longitude] = None
    return known[latitude, longitude]


def _centibel(text: str) -> int | None:
    """dBm text as whole hundredths, half to even; None if it is no number a radio could report."""
    try:
        value = Decimal(text.strip()) * 100
        whole = int(value.to_integral_value(ROUND_HALF_EVEN))
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return whole if abs(whole) <= MAX_RSSI_CDB else None
