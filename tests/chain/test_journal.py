"""The journal on a disk that fails: a sentence with what to do, nothing half-written, and all goes on afterwards."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chain.calls import Call
from chain.errors import TransactionFailed
from chain.journal import Attempt, Fees, Journal
from protocol.ids import Address

CALL = Call("Epochs", Address(bytes(20)), bytes(1_000), "post a manifest")
ROOMY_PAGES = 2**30


def attempt(number: int, raw_bytes: int = 100) -> Attempt:
    return Attempt(number.to_bytes(32, "big"), bytes(raw_bytes), Fees(2, 1), number)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal")
    journal.add(1, 21_000, CALL, attempt(1))
    yield journal
    journal.close()


@contextmanager
def full(journal: Journal) -> Iterator[None]:
    """The database may not grow: SQLite answers as on a full disk."""
    journal._database.execute("PRAGMA max_page_count = 1")
    yield
    journal._database.execute(f"PRAGMA max_page_count = {ROOMY_PAGES}")


@contextmanager
def failing(journal: Journal) -> Iterator[None]:
    """No file of this process may grow beyond what it has: every write to the write-ahead log fails."""
    (_, _, path) = journal._database.execute("PRAGMA database_list").fetchone()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_an_order_that_a_full_disk_does_not_take_is_refused_whole_and_taken_once_there_is_room(
    journal: Journal,
) -> None:
    large = attempt(2, raw_bytes=200_000)
    with full(journal), pytest.raises(TransactionFailed, match=r"full\. Make room on the disk"):
        journal.add(2, 21_000, CALL, large)
    assert [one.nonce for one in journal.open_orders()] == [1]
    journal.add(2, 21_000, CALL, large)
    assert [one.nonce for one in journal.open_orders()] == [1, 2]


WRITES: dict[str, Callable[[Journal], object]] = {
    "add": lambda journal: journal.add(2, 21_000, CALL, attempt(2)),
    "add_attempt": lambda journal: journal.add_attempt(1, attempt(3)),
    "move": lambda journal: journal.move(1, 5, attempt(4)),
    "refuse": lambda journal: journal.refuse(1),
    "settle": lambda journal: journal.settle(1, 7, bytes(32)),
    "reopen": lambda journal: journal.reopen(bytes(32)),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_that_the_disk_refuses_is_a_sentence_and_can_be_repeated(
    journal: Journal, write: Callable[[Journal], object]
) -> None:
    journal.add(9, 21_000, CALL, attempt(9))
    journal.settle(2, 6, bytes(32))
    before = journal.open_orders()
    with failing(journal), pytest.raises(TransactionFailed, match=r"journal cannot be used: .*\. Check the disk"):
        write(journal)
    assert journal.open_orders() == before
    write(journal)


def test_a_journal_that_cannot_be_read_is_a_sentence(journal: Journal) -> None:
    journal._database.execute("DROP TABLE attempts")
    for read in (journal.open_orders, lambda: journal.order(1), lambda: journal.order_of(bytes(32))):
        with pytest.raises(TransactionFailed, match="Check the disk and the file"):
            read()
    journal._database.execute("DROP TABLE orders")
    with pytest.raises(TransactionFailed, match="Check the disk and the file"):
        journal.settled_blocks(64)


# --- opening ------------------------------------------------------------------------------------------------------


def test_a_full_disk_at_the_start_is_not_taken_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Small(sqlite3.Connection):
        def executescript(self, script: str, /) -> sqlite3.Cursor:
            self.execute("PRAGMA max_page_count = 1")
            return super().executescript(script)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: real(*args, **options, factory=Small))
    with pytest.raises(TransactionFailed, match=r"full\. Make room on the disk") as why:
        Journal(tmp_path / "journal")
    assert "process" not in str(why.value)


def test_another_process_is_named_as_one(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(TransactionFailed, match=r"locked\. Only one process may send with a key"):
        Journal(tmp_path / "journal")


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"no database" * 1_000)
    with pytest.raises(TransactionFailed, match="The file is damaged; put back a copy"):
        Journal(tmp_path / "journal")


def test_a_path_that_cannot_be_opened_is_an_error_of_the_disk_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    with pytest.raises(OSError, match="unable to open") as why:
        Journal(tmp_path / "journal")
    assert why.value.filename == str(tmp_path / "journal")
