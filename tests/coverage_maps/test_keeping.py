"""A disk that keeps nothing costs calls, not the map."""

from __future__ import annotations

from coverage_maps.keeping import Keeping
from coverage_maps.record import Problem
from protocol.encoding import sha256

BLOB = b"evidence"
DIGEST = sha256(BLOB)


class Source:
    """A validator with one blob."""

    def __init__(self, blob: bytes = BLOB) -> None:
        self.sent, self.asked = blob, 0

    def blob(self, digest: bytes) -> bytes | Problem:
        self.asked += 1
        return self.sent if digest == DIGEST else Problem("v does not have it", missing=True)


def test_what_is_fetched_once_is_kept(tmp_path):
    source = Source()
    keeping = Keeping(tmp_path, [source])
    assert keeping.fetch(DIGEST) == keeping.fetch(DIGEST) == BLOB
    assert source.asked == 1


def test_a_folder_that_cannot_be_written_is_said_once_and_everything_still_comes(tmp_path):
    (tmp_path / "file").write_text("")
    said: list[str] = []
    keeping = Keeping(tmp_path / "file" / "evidence", [Source()], said.append)
    assert [keeping.fetch(DIGEST) for _ in range(3)] == [BLOB] * 3
    assert keeping.fetch(sha256(b"")) == b""
    assert len(said) == 1
    assert "file/evidence: Not a directory. It is fetched anew each time; name another folder with" in said[0]


def test_without_a_folder_bytes_are_checked_all_the_same(tmp_path):
    (tmp_path / "file").write_text("")
    keeping = Keeping(tmp_path / "file" / "evidence", [Source(b"other")], lambda _: None)
    found, none = keeping.fetch(DIGEST), keeping.fetch(sha256(b"x"))
    assert isinstance(found, Problem)
    assert found.sentence == "a validator sent other bytes"
    assert isinstance(none, Problem)
    assert none.sentence == "v does not have it"


def test_without_a_folder_who_did_not_give_a_blob_is_asked_last_for_the_next(tmp_path):
    (tmp_path / "file").write_text("")
    bad, good = Source(b"other"), Source()
    keeping = Keeping(tmp_path / "file" / "evidence", [bad, good], lambda _: None)
    assert [keeping.fetch(DIGEST) for _ in range(3)] == [BLOB] * 3
    assert (bad.asked, good.asked) == (1, 3)
