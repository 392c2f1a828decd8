"""The sender's journal: every transaction of one key is on disk before it leaves, and stays until it is final.

An order is one call at one nonce. It has one or more attempts: the same call signed with other fees, of which at most
one can ever be mined. SQLite with full sync; the file belongs to one process at a time.
"""

from __future__ import annotations

import errno
import functools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from chain.calls import Call
from chain.errors import TransactionFailed
from protocol.ids import Address

SCHEMA_VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    nonce INTEGER NOT NULL,
    gas INTEGER NOT NULL,
    contract TEXT NOT NULL,
    recipient BLOB NOT NULL,
    data BLOB NOT NULL,
    what TEXT NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS open_orders ON orders (nonce) WHERE settled = 0;
CREATE TABLE IF NOT EXISTS attempts (
    hash BLOB PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    raw BLOB NOT NULL,
    max_fee_wei TEXT NOT NULL,
    tip_wei TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS attempts_of ON attempts (order_id);
"""
TO_VERSION_2 = """
ALTER TABLE orders ADD COLUMN block INTEGER;
ALTER TABLE orders ADD COLUMN block_hash BLOB;
ALTER TABLE attempts ADD COLUMN nonce INTEGER NOT NULL DEFAULT -1;
UPDATE attempts SET nonce = (SELECT nonce FROM orders WHERE id = order_id);
CREATE INDEX settled_in ON orders (block) WHERE block IS NOT NULL;
"""
KEPT_SETTLED = 4_096
"""Settled orders beyond these are forgotten, oldest first."""
NEXT_STEP = {
    sqlite3.SQLITE_BUSY: "Only one process may send with a key: end the other one first.",
    sqlite3.SQLITE_LOCKED: "Only one process may send with a key: end the other one first.",
    sqlite3.SQLITE_FULL: "Make room on the disk; nothing is sent that is not written first.",
    sqlite3.SQLITE_IOERR: "Check the disk and make room on it; nothing is sent that is not written first.",
    sqlite3.SQLITE_CANTOPEN: "Check that the file and its directory can be written.",
    sqlite3.SQLITE_READONLY: "Check that the file and its directory can be written.",
    sqlite3.SQLITE_PERM: "Check that the file and its directory can be written.",
    sqlite3.SQLITE_CORRUPT: "The file is damaged; put back a copy.",
    sqlite3.SQLITE_NOTADB: "The file is damaged; put back a copy.",
}
OTHER_STEP = "Check the disk and the file."
PRIMARY_CODE = 0xFF
"""SQLite's extended error codes carry the kind in their lowest byte."""
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees, wei per gas."""

    max_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction."""

    hash: bytes
    raw: bytes
    fees: Fees
    nonce: int


@dataclass(frozen=True, slots=True)
class Order:
    """One call at one nonce, with everything that was signed for it, oldest first."""

    id: int
    nonce: int
    gas: int
    call: Call
    attempts: tuple[Attempt, ...]

    @property
    def bumps(self) -> int:
        """How often its fees were raised at its present nonce."""
        return sum(one.nonce == self.nonce for one in self.attempts) - 1


class JournalFailed(TransactionFailed):
    """The journal's file cannot be read or written. `why` is what SQLite says, without where the file is."""

    def __init__(self, sentence: str, why: str) -> None:
        super().__init__(sentence)
        self.why = why


def _failed(path: Path, error: sqlite3.Error) -> JournalFailed:
    """What SQLite says, with what to do about it; errors of the Python module itself have no code."""
    code = getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE
    return JournalFailed(f"{path} cannot be used: {error}. {NEXT_STEP.get(code, OTHER_STEP)}", str(error))


def _said(method: Callable[Concatenate[Journal, P], R]) -> Callable[Concatenate[Journal, P], R]:
    """Whatever SQLite cannot do, for example on a full disk, is a JournalFailed: senders say it and try again."""

    @functools.wraps(method)
    def said(self: Journal, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.Error as error:
            raise _failed(self._path, error) from error

    return said


class Journal:
    """Orders and attempts on disk. Not thread-safe: the sender holds its lock around every use."""

    def __init__(self, path: Path) -> None:
        """OSError if there can be no file there; JournalFailed if SQLite cannot use it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        except sqlite3.OperationalError as error:
            raise OSError(errno.EACCES, str(error), str(path)) from error
        try:
            self._open()
        except sqlite3.Error as error:
            self._database.close()
            raise _failed(path, error) from error

    def _open(self) -> None:
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(SCHEMA)
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version < SCHEMA_VERSION:
            self._database.executescript(f"BEGIN; {TO_VERSION_2} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        self._database.execute("BEGIN EXCLUSIVE")
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Gives the file free for another process."""
        self._database.close()

    @_said
    def add(self, nonce: int, gas: int, call: Call, attempt: Attempt) -> int:
        """A new order with its first attempt, synced to disk when this returns. Its id."""
        with self._whole():
            cursor = self._database.execute(
                "INSERT INTO orders (nonce, gas, contract, recipient, data, what) VALUES (?, ?, ?, ?, ?, ?)",
                (nonce, gas, call.contract, call.to, call.data, call.what),
            )
            order_id = cursor.lastrowid
            assert order_id is not None
            self._insert(order_id, attempt)
        return order_id

    @_said
    def add_attempt(self, order_id: int, attempt: Attempt) -> None:
        """One more attempt of an order, synced to disk when this returns."""
        self._insert(order_id, attempt)

    @_said
    def move(self, order_id: int, nonce: int, attempt: Attempt) -> None:
        """The order goes to another nonce, because somebody else's transaction has used its own for good."""
        with self._whole():
            self._database.execute("UPDATE orders SET nonce = ? WHERE id = ?", (nonce, order_id))
            self._insert(order_id, attempt)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All of what happens inside is written, or nothing."""
        self._database.execute("BEGIN")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # on a full disk SQLite may have rolled back already
                self._database.execute("ROLLBACK")
            raise

    def _insert(self, order_id: int, attempt: Attempt) -> None:
        self._database.execute(
            "INSERT INTO attempts (hash, order_id, raw, max_fee_wei, tip_wei, nonce) VALUES (?, ?, ?, ?, ?, ?)",
            (
                attempt.hash,
                order_id,
                attempt.raw,
                str(attempt.fees.max_wei),
                str(attempt.fees.tip_wei),
                attempt.nonce,
            ),
        )

    # --- ends ----------------------------------------------------------------------------------------------------

    @_said
    def refuse(self, order_id: int) -> None:
        """The order was refused for good before anybody had it."""
        with self._whole():
            self._settle(order_id, None, None)

    @_said
    def settle(self, order_id: int, block: int, block_hash: bytes) -> None:
        """The order is final in this block."""
        with self._whole():
            self._settle(order_id, block, block_hash)

    def _settle(self, order_id: int, block: int | None, block_hash: bytes | None) -> None:
        self._database.execute(
            "UPDATE orders SET settled = 1, block = ?, block_hash = ? WHERE id = ?", (block, block_hash, order_id)
        )
        old = "SELECT id FROM orders WHERE settled = 1 ORDER BY id DESC LIMIT -1 OFFSET ?"
        self._database.execute(f"DELETE FROM attempts WHERE order_id IN ({old})", (KEPT_SETTLED,))  # noqa: S608
        self._database.execute(f"DELETE FROM orders WHERE id IN ({old})", (KEPT_SETTLED,))  # noqa: S608

    @_said
    def settled_blocks(self, back: int) -> list[tuple[int, bytes]]:
        """(number, hash) of blocks in which orders were settled, from `back` blocks before the newest of them on."""
        rows = (
            "SELECT DISTINCT block, block_hash FROM orders WHERE block >= (SELECT max(block) FROM orders) - ? "
            "ORDER BY block"
        )
        return self._database.execute(rows, (back,)).fetchall()

    @_said
    def reopen(self, block_hash: bytes) -> None:
        """The orders of a block that the chain lost need care again."""
        reopened = "UPDATE orders SET settled = 0, block = NULL, block_hash = NULL WHERE block_hash = ?"
        self._database.execute(reopened, (block_hash,))

    # --- reading -------------------------------------------------------------------------------------------------

    @_said
    def open_orders(self) -> list[Order]:
        """Orders that may still have to be sent again, by nonce."""
        rows = self._database.execute("SELECT id FROM orders WHERE settled = 0 ORDER BY nonce, id").fetchall()
        return [self.order(row[0]) for row in rows]

    @_said
    def order_of(self, transaction_hash: bytes) -> Order | None:
        """The order one of whose attempts has this hash, or None."""
        row = self._database.execute("SELECT order_id FROM attempts WHERE hash = ?", (transaction_hash,)).fetchone()
        return None if row is None else self.order(row[0])

    @_said
    def order(self, order_id: int) -> Order:
        """An order by its id."""
        nonce, gas, contract, recipient, data, what = self._database.execute(
            "SELECT nonce, gas, contract, recipient, data, what FROM orders WHERE id = ?", (order_id,)
        ).fetchone()
        rows = self._database.execute(
            "SELECT hash, raw, max_fee_wei, tip_wei, nonce FROM attempts WHERE order_id = ? ORDER BY rowid",
            (order_id,),
        ).fetchall()
        attempts = tuple(Attempt(row[0], row[1], Fees(int(row[2]), int(row[3])), row[4]) for row in rows)
        return Order(order_id, nonce, gas, Call(contract, Address(recipient), data, what), attempts)
