"""Runs the real command for whole-network tests, and reads what it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

FARFIELD = [sys.executable, "-m", "farfield"]
END_TIMEOUT_S = 30
POLL_S = 0.05
T = TypeVar("T")


def farfield(*arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """One command, finished."""
    return subprocess.run([*FARFIELD, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False)


def farfield_json(*arguments: str, timeout_s: float = 60) -> Any:
    """The JSON a command prints; its exit code must be 0."""
    done = farfield(*arguments, "--json", timeout_s=timeout_s)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def running(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs until the block ends; then it gets SIGINT, as from Ctrl-C."""
    with log.open("wb") as output:
        process = subprocess.Popen([*FARFIELD, *arguments], stdout=output, stderr=output, start_new_session=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


def wait_for(what: Callable[[], T | None], timeout_s: float, sentence: str) -> T:
    """What the condition returns once it is true; fails with the sentence after the deadline."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(POLL_S)
    raise AssertionError(f"{sentence} did not happen within {timeout_s:g} s")


def children_of(pid: int) -> set[int]:
    """Every process below one, by the operating system's account."""
    import psutil

    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def alive(pids: set[int]) -> set[int]:
    import psutil

    return {pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE}
