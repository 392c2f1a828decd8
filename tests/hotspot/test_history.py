"""What became of every report, as another process reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotspot.reporting import history
from hotspot.reporting.outbox import (
    UNCONFIRMED,
    Change,
    CloseDraft,
    CloseReport,
    KeepDelivery,
    KeepReport,
    StorageError,
    Store,
)
from hotspot.reporting.reports import ACKNOWLEDGED, NEVER_TRIED, WINDOW_PASSED, Delivery, Step
from protocol.ids import HotspotId
from tests.hotspot.factories import HOTSPOT, NOW_MS, report

A, B = b"a" * 20, b"b" * 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def kept(path: Path, *changes: Change) -> Store:
    store = Store(path)
    assert store.apply([changes]) == [None]
    return store


def test_an_expired_report_says_with_whom_and_why(path: Path) -> None:
    one = report()
    notes = [
        Delivery(one.id, A, Step.COMMIT, NOW_MS, ACKNOWLEDGED),
        Delivery(one.id, A, Step.REVEAL, NOW_MS + 9, WINDOW_PASSED, "UNAVAILABLE"),
        Delivery(one.id, B, Step.COMMIT, NOW_MS, "NOT_REGISTERED"),
        Delivery(one.id, B, Step.REVEAL, NOW_MS, WINDOW_PASSED, NEVER_TRIED),
    ]
    close = CloseReport(HOTSPOT, one.id, "reveal_window_passed", NOW_MS + 10)
    store = kept(path, KeepReport(one), *map(KeepDelivery, notes), close)
    with history.opened(path) as found:
        (fate,) = found.fates()
    assert (fate.report_id, fate.outcome, fate.closed_at_ms) == (one.id, "reveal_window_passed", NOW_MS + 10)
    assert fate.sentence().startswith("expired")
    assert [offered.sentence() for offered in fate.offered] == [
        "commit acknowledged",
        "report too late: the validator did not answer",
        "commit refused: The hotspot is not registered on chain.",
        "report too late: it was not tried: the hotspot did not run, or the report came too late",
    ]
    store.close()


def test_reads_while_the_hotspot_writes(path: Path) -> None:
    store = Store(path)
    with history.opened(path) as found:
        assert found.fates() == []
        one = report()
        assert store.apply([[KeepReport(one)]]) == [None]
        assert [fate.report_id for fate in found.fates()] == [one.id]
        assert found.fates()[0].sentence() == "on its way"
    store.close()


def test_finds_a_report_by_the_id_in_the_log(path: Path) -> None:
    one, other = report(), report()
    kept(path, KeepReport(one), KeepReport(other)).close()
    with history.opened(path) as found:
        assert [fate.report_id for fate in found.fates(starts_with=one.id.hex()[:10])] == [one.id]
        assert [fate.report_id for fate in found.fates(starts_with=f"0x{other.id.hex().upper()}")] == [other.id]


def test_picks_by_hotspot_and_by_outcome_newest_first(path: Path) -> None:
    mine, closed, others = report(), report(), report(hotspot_id=HotspotId(b"\x90" * 32))
    close = CloseReport(HOTSPOT, closed.id, "revealed", NOW_MS)
    kept(path, KeepReport(mine), KeepReport(closed), KeepReport(others), close).close()
    with history.opened(path) as found:
        assert [fate.report_id for fate in found.fates(HOTSPOT)] == [closed.id, mine.id]
        assert [fate.report_id for fate in found.fates(outcome="revealed")] == [closed.id]
        assert [fate.report_id for fate in found.fates(limit=1)] == [others.id]


def test_a_frame_that_was_not_sent_is_told_with_its_reason(path: Path) -> None:
    refused, unknown, waiting = report(), report(), report()
    drafts = [KeepReport(one, draft=True) for one in (refused, unknown, waiting)]
    ends = [CloseDraft(refused.id, "not_sent:TX_FREQ", NOW_MS), CloseDraft(unknown.id, UNCONFIRMED, NOW_MS)]
    kept(path, *drafts, *ends).close()
    with history.opened(path) as found:
        sentences = [fate.sentence() for fate in found.fates()]
        assert [fate.report_id for fate in found.fates(outcome="not_sent")] == [refused.id]
    assert sentences == [
        "no report: the hotspot was stopped before the forwarder said whether the frame was sent",
        "no report: the frame was not sent (TX_FREQ)",
    ]


def test_a_cursor_says_how_far_each_validator_is(path: Path) -> None:
    old, new = report(epoch=6), report(epoch=7)
    done = KeepDelivery(Delivery(new.id, A, Step.COMMIT, NOW_MS, ACKNOWLEDGED))
    kept(path, KeepReport(old), KeepReport(new), done).close()
    with history.opened(path) as found:
        cursors = {(one.validator, one.step): one for one in found.cursors([A, B])}
    at_a, at_b = cursors[A, Step.COMMIT], cursors[B, Step.COMMIT]
    assert (at_a.settled, at_a.waiting, at_a.oldest_epoch_waiting) == (1, 1, 6)
    assert (at_b.settled, at_b.waiting, at_b.oldest_epoch_waiting) == (0, 2, 6)


def test_says_that_there_is_no_outbox(path: Path) -> None:
    with pytest.raises(StorageError, match="Has the hotspot run here yet"), history.opened(path):
        pass
    assert not path.exists()
