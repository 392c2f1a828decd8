"""The product's engine, paid for once: one open database for many runs, or one run for many worlds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb

from protocol.columns import UNKNOWN, BeaconRow, Moves, Row, WitnessRow
from protocol.rulebook import Step
from validator.engine import duckdb_engine

Tables = Mapping[str, tuple[type[Row], Sequence[Row]]]
Rows = list[tuple[int, ...]]
APART = 1_000_000
NAMES = {
    BeaconRow: ("id", "hotspot"),
    WitnessRow: ("id", "hotspot", "beacon", "beacon_hotspot"),
    Moves: ("id", "other"),
}
"""Columns that name something of one world. All others are only compared within a row, or order rows of one name."""


class KeptDuckDb:
    """The same rulebook, loaded and run the same way, in tables that last until a transaction is rolled back."""

    def __init__(self) -> None:
        self._database = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": duckdb_engine.MEMORY_LIMIT})

    def run(self, tables: Tables, made: Sequence[Step]) -> Rows:
        self._database.execute("BEGIN")
        try:
            for name, (kind, rows) in tables.items():
                duckdb_engine._load(self._database, name, kind, rows)
            for step in made:
                self._database.execute(f"CREATE TEMP TABLE {step.name} AS {step.select}")
            return self._database.execute(f"SELECT * FROM {made[-1].name} ORDER BY id").fetchall()
        finally:
            self._database.execute("ROLLBACK")

    def close(self) -> None:
        self._database.close()


@dataclass
class _Asked:
    """What one world wants judged, and the answer."""

    tables: Tables
    made: Sequence[Step]
    done: threading.Event = field(default_factory=threading.Event)
    rows: Rows = field(default_factory=list)
    failure: BaseException | None = None


class SharedRuns:
    """Lets many worlds be settled side by side: their tables are put together, judged in one run, and taken apart."""

    def __init__(self, engine: KeptDuckDb) -> None:
        self._engine = engine
        self._changed = threading.Condition()
        self._working = 0
        self._asked: list[_Asked] = []

    def run(self, tables: Tables, made: Sequence[Step]) -> Rows:
        """Called by a world's thread: waits until every other world waits too."""
        asked = _Asked(tables, made)
        with self._changed:
            self._asked.append(asked)
            self._changed.notify()
        asked.done.wait()
        if asked.failure is not None:
            raise asked.failure
        return asked.rows

    def for_each(self, values: Sequence[Any], work: Callable[[Any], Any]) -> list[Any]:
        """`work` of every value, each in its own thread; the first failure is raised."""
        results: dict[int, Any] = {}
        failures: list[BaseException] = []

        def one(place: int, value: Any) -> None:
            try:
                results[place] = work(value)
            except BaseException as failure:
                failures.append(failure)
            with self._changed:
                self._working -= 1
                self._changed.notify()

        threads = [threading.Thread(target=one, args=pair) for pair in enumerate(values)]
        self._working = len(threads)
        for thread in threads:
            thread.start()
        self._serve()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return [results[place] for place in range(len(values))]

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: len(self._asked) == self._working)
                if not self._working:
                    return
                asked, self._asked = self._asked, []
            for alike in _alike(asked):
                self._answer(alike)

    def _answer(self, asked: list[_Asked]) -> None:
        try:
            rows = self._engine.run(_together([one.tables for one in asked]), asked[0].made)
            for world, one in enumerate(asked):
                mine = [row for row in rows if row[0] // APART == world]
                one.rows = [(row[0] - world * APART, *row[1:]) for row in mine]
        except BaseException as failure:
            for one in asked:
                one.failure = failure
        for one in asked:
            one.done.set()


def _alike(asked: list[_Asked]) -> list[list[_Asked]]:
    by_steps: dict[tuple[Step, ...], list[_Asked]] = {}
    for one in asked:
        by_steps.setdefault(tuple(one.made), []).append(one)
    return list(by_steps.values())


def _together(worlds: Sequence[Tables]) -> Tables:
    return {
        name: (kind, [_moved(row, world * APART) for world, tables in enumerate(worlds) for row in tables[name][1]])
        for name, (kind, _) in worlds[0].items()
    }


def _moved(row: Row, by: int) -> Row:
    names = NAMES[type(row)]
    values = {name: getattr(row, name) for name in names}
    return replace(row, **{name: value if value == UNKNOWN else value + by for name, value in values.items()})
