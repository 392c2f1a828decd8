"""The trace run of tests/network/test_trace.py: started with the session, because it takes minutes of mostly waiting.

Whoever starts the tests starts it, once, and lets the workers know where it puts things. It gets the machine's first
attention: the tests step back once it runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.factories import SHARED

RECEPTIONS = SHARED / "data" / "receptions" / "ulm2017.csv.gz"
BASELINE = SHARED / "data" / "receptions" / "ulm2021.csv.gz"
TEST_FILE = Path(__file__).with_name("test_trace.py")
STEP_BACK = 10
END_TIMEOUT_S = 30
POLL_S = 0.05
KEEP_EXIT_CODE = '"$@"; echo $? > "$0"'
"""For sh -c: its $0 is where the exit code of the command in its arguments goes."""


@dataclass(frozen=True)
class TraceRun:
    """A trace devnet that was started, seen from any process: everything of it is in its directory."""

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

    @property
    def exit_code_file(self) -> Path:
        return self.directory / "exit-code"

    def wait(self, timeout_s: float) -> int:
        """The run's exit code; TimeoutError if it does not end in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.exit_code_file.exists() and (text := self.exit_code_file.read_text(encoding="utf-8")):
                return int(text)
            time.sleep(POLL_S)
        raise TimeoutError(f"the trace run did not end within {timeout_s} s: {self.log.read_text(encoding='utf-8')}")


TRACE: pytest.StashKey[TraceRun] = pytest.StashKey()
PROCESS: pytest.StashKey[subprocess.Popen[bytes]] = pytest.StashKey()


def start_if_wanted(config: pytest.Config) -> None:
    """Starts the run if its tests are among those asked for and the measured receptions are here."""
    if not _wanted(config) or not (RECEPTIONS.exists() and BASELINE.exists()):
        return
    from tests.network.devnets import FARFIELD

    run = TraceRun(Path(tempfile.mkdtemp(prefix="farfield-trace-")))
    arguments = ["--scenario", "trace", "--receptions", str(RECEPTIONS), "--baseline", str(BASELINE), "--epochs", "3"]
    where = ["--headless", "--json", str(run.out), "--directory", str(run.devnet)]
    command = [*FARFIELD, "devnet", "run", *arguments, *where]
    with run.log.open("wb") as log:
        config.stash[PROCESS] = subprocess.Popen(
            ["sh", "-c", KEEP_EXIT_CODE, str(run.exit_code_file), *command],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    config.stash[TRACE] = run
    os.nice(STEP_BACK)


def _wanted(config: pytest.Config) -> bool:
    if config.option.collectonly:
        return False
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    ignored = [Path(path).resolve() for path in config.option.ignore or ()]
    return _holds(asked) and not _holds(ignored)


def _holds(paths: list[Path]) -> bool:
    return any(TEST_FILE.is_relative_to(path) for path in paths)


def stop(config: pytest.Config) -> None:
    """Ends the run if it is still going: only its whole group, which was made for it."""
    process = config.stash.get(PROCESS, None)
    if process is not None and process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(END_TIMEOUT_S)
