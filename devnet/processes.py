"""Starts, watches and ends the processes of a devnet; only those it started, by their own id."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

END_TIMEOUT_S = 10
TAIL_LINES = 12
PR_SET_PDEATHSIG = 1
PYTHON = [sys.executable, "-m"]


class ProcessEndedError(Exception):
    """A process of the devnet ended by itself; the message shows the end of its log."""


@dataclass(slots=True)
class Running:
    """One process."""

    name: str
    popen: subprocess.Popen[bytes]
    log_path: Path
    log: BinaryIO
    expected_to_end: bool = False


@dataclass(slots=True)
class Supervisor:
    """The processes of one devnet."""

    logs: Path
    running: dict[str, Running] = field(default_factory=dict)
    peak_rss_bytes: int = 0

    def start(self, name: str, command: Sequence[str], working_directory: Path | None = None) -> None:
        """Starts a process in a session of its own, its output appended to its log."""
        path = self.logs / f"{name}.log"
        log = path.open("ab")
        popen = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=working_directory,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        self.running[name] = Running(name, popen, path, log)

    def check(self) -> None:
        """ProcessEndedError if a process ended that should not have."""
        for one in self.running.values():
            code = one.popen.poll()
            if code is not None and not one.expected_to_end:
                raise ProcessEndedError(f"{one.name} ended with exit code {code}.\n{self.tail(one.name)}")

    def tail(self, name: str) -> str:
        """The last lines of a process's log."""
        path = self.logs / f"{name}.log"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(f"  {line}" for line in lines) or f"  ({path} is empty)"

    def kill(self, name: str) -> None:
        """SIGKILL, as a fault; the process is not restarted by itself."""
        one = self.running[name]
        one.expected_to_end = True
        one.popen.kill()
        one.popen.wait()

    def freeze(self, name: str, seconds: int) -> None:
        """Stops a process for a time, as a fault: it neither answers nor works, and goes on where it was."""
        one = self.running[name]
        one.popen.send_signal(signal.SIGSTOP)
        thaw = threading.Timer(seconds, self._thaw, [one])
        thaw.daemon = True
        thaw.start()

    def _thaw(self, one: Running) -> None:
        if one.popen.poll() is None:
            one.popen.send_signal(signal.SIGCONT)

    def measure(self) -> int:
        """Memory of all processes and this one, bytes; the peak is kept."""
        import psutil

        total = 0
        for pid in [os.getpid(), *(one.popen.pid for one in self.running.values() if one.popen.poll() is None)]:
            with contextlib.suppress(psutil.Error):
                total += psutil.Process(pid).memory_info().rss
        self.peak_rss_bytes = max(self.peak_rss_bytes, total)
        return total

    def end(self, names: Sequence[str] | None = None) -> None:
        """SIGTERM to processes in the order given (default: newest first), SIGKILL to those that do not listen."""
        chosen = list(names) if names is not None else list(reversed(self.running))
        for name in chosen:
            one = self.running[name]
            one.expected_to_end = True
            if one.popen.poll() is None:
                one.popen.send_signal(signal.SIGTERM)
                one.popen.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + END_TIMEOUT_S
        for name in chosen:
            one = self.running.pop(name)
            try:
                one.popen.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                one.popen.kill()
                one.popen.wait()
            one.log.close()


def _end_with_parent() -> None:
    """Runs in the child: it gets SIGTERM when the devnet dies, even by SIGKILL."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
