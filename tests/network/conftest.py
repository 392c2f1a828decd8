"""Starts the trace run as soon as tests are collected: it takes minutes of mostly waiting, and other tests need a core.

The run gets the machine's first attention: this process steps back once it has started it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.factories import SHARED
from tests.network.devnets import FARFIELD

RECEPTIONS = SHARED / "data" / "receptions" / "ulm2017.csv.gz"
BASELINE = SHARED / "data" / "receptions" / "ulm2021.csv.gz"
STEP_BACK = 10
END_TIMEOUT_S = 30


@dataclass(frozen=True)
class TraceRun:
    """A trace devnet that was started, and where it puts things."""

    process: subprocess.Popen[str]
    directory: Path

    @property
    def out(self) -> Path:
        return self.directory / "OUT.json"

    @property
    def devnet(self) -> Path:
        return self.directory / "devnet"

    @property
    def log(self) -> Path:
        return self.directory / "run.log"


TRACE: pytest.StashKey[TraceRun] = pytest.StashKey()


def pytest_collection_finish(session: pytest.Session) -> None:
    wanted = any("test_trace.py" in item.nodeid for item in session.items)
    if wanted and not session.config.option.collectonly and RECEPTIONS.exists() and BASELINE.exists():
        session.config.stash[TRACE] = _start(Path(tempfile.mkdtemp(prefix="farfield-trace-")))
        os.nice(STEP_BACK)


def _start(directory: Path) -> TraceRun:
    arguments = ["--scenario", "trace", "--receptions", str(RECEPTIONS), "--baseline", str(BASELINE), "--epochs", "3"]
    where = ["--headless", "--json", str(directory / "OUT.json"), "--directory", str(directory / "devnet")]
    with (directory / "run.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*FARFIELD, "devnet", "run", *arguments, *where],
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    return TraceRun(process, directory)


def pytest_sessionfinish(session: pytest.Session) -> None:
    run = session.config.stash.get(TRACE, None)
    if run is not None and run.process.poll() is None:
        run.process.send_signal(signal.SIGTERM)
        run.process.wait(END_TIMEOUT_S)
