"""Rules for every test: in CI a test may be skipped only for want of measured data or of Java."""

from __future__ import annotations

import os

import pytest

ALLOWED_IN_CI = ("../shared", "Java")
_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _note(report.nodeid, str(report.longrepr[2]))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _note(report.nodeid, str(report.longrepr[2]))


def _note(test: str, reason: str) -> None:
    if not any(word in reason for word in ALLOWED_IN_CI):
        _skipped.append(f"{test}: {reason}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if os.environ.get("FARFIELD_CI") and _skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("FARFIELD_CI") and _skipped:
        terminalreporter.section("skipped, but CI has everything they need")
        for line in _skipped:
            terminalreporter.line(line)
