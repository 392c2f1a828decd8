"""What --fault understands, and what a frozen process does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devnet.faults import FaultError, Timed, parse
from devnet.processes import Supervisor


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("kill=2@2", Timed("kill", 2, (2,))),
        ("kill=2,3@2", Timed("kill", 2, (2, 3))),
        ("start=3@3", Timed("start", 3, (3,))),
        ("reorg=12@2", Timed("reorg", 2, amount=12)),
        ("outage=60s@1", Timed("outage", 1, amount=60)),
    ],
)
def test_reads_what_happens_in_an_epoch(text: str, wanted: Timed) -> None:
    assert parse((text,)).timed == (wanted,)


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "kill=2",
        "kill=0@1",
        "kill=5@1",
        "reorg=0@1",
        "reorg=65@1",
        "outage=60@1",
        "outage=301s@1",
        "skew=1:5",
        "kill=²@1",
    ],
)
def test_names_the_fault_that_is_wrong(text: str) -> None:
    with pytest.raises(FaultError, match=text):
        parse((text,))


def test_a_number_without_end_is_no_fault() -> None:
    with pytest.raises(FaultError, match="kill=1@999"):
        parse(("kill=1@" + "9" * 5_000,))


def test_says_where_a_skewed_validator_lies() -> None:
    assert parse(("skew=3:+30s",)).options(3) == ["--receive-skew-ms=30000"]
    assert parse(("skew=3:+30s",)).options(2) == []


def test_a_frozen_process_still_ends_at_once(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    supervisor.start("sleeper", [sys.executable, "-c", "import signal; signal.pause()"])
    process = supervisor.running["sleeper"].popen

    supervisor.freeze("sleeper", 300)
    supervisor.end()

    assert process.poll() is not None
