"""The rulebook on DuckDB, in this process: the default engine."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from operator import attrgetter

import duckdb
import numpy as np

from protocol.columns import Row, column_names
from protocol.rulebook import Step

MEMORY_LIMIT = "1GB"
THREADS = 2


class DuckDbEngine:
    """Runs steps in a fresh in-memory database; `threads` and memory are bounded, what does not fit spills to disk."""

    def __init__(self, threads: int = THREADS, memory_limit: str = MEMORY_LIMIT) -> None:
        self._settings = {"threads": threads, "memory_limit": memory_limit}

    def run(self, tables: Mapping[str, tuple[type[Row], Sequence[Row]]], made: Sequence[Step]) -> list[tuple[int, ...]]:
        """Rows of the last step's table, ordered by id."""
        with (
            tempfile.TemporaryDirectory(prefix="farfield-") as spill,
            duckdb.connect(":memory:", config={**self._settings, "temp_directory": spill}) as database,
        ):
            for name, (kind, rows) in tables.items():
                _load(database, name, kind, rows)
            for step in made:
                database.execute(f"CREATE TEMP TABLE {step.name} AS {step.select}")
            return database.execute(f"SELECT * FROM {made[-1].name} ORDER BY id").fetchall()


def _load(database: duckdb.DuckDBPyConnection, name: str, kind: type[Row], rows: Sequence[Row]) -> None:
    """One table of 64-bit integer columns; numpy refuses what does not fit, before SQL could overflow on it."""
    names = column_names(kind)
    pick = attrgetter(*names)
    values = np.array([pick(row) for row in rows], dtype=np.int64).reshape(len(rows), len(names))
    columns = {column: np.ascontiguousarray(values[:, place]) for place, column in enumerate(names)}
    database.register("loading", columns)
    database.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM loading")
    database.unregister("loading")
