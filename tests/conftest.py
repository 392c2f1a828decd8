"""For every test: Chromium, the trace run, and in CI no skips but for want of measured data or of Java."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.network import trace_run
from tests.network.trace_run import TRACE, TraceRun

DEBIAN_CHROMIUM = "/usr/bin/chromium"
SOFTWARE_GL = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
VENDOR = Path(__file__).parents[1] / "coverage_maps" / "page" / "vendor" / "maplibre-gl" / "maplibre-gl.mjs"
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


def pytest_configure(config: pytest.Config) -> None:
    """A worker learns from who started it where the trace run is."""
    directory = getattr(config, "workerinput", {}).get("trace")
    if directory:
        config.stash[TRACE] = TraceRun(Path(directory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order they are handed to the workers: what takes long first, so that no worker is alone at the end.

    The demo comes once the trace run has had the machine's first attention; what reads that run comes last.
    """
    marks: dict[Path, set[str]] = {}
    for item in items:
        marks.setdefault(item.path, set()).update(mark.name for mark in item.iter_markers())
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (_turn(item.path, marks[item.path]), -sizes[item.path], item.path))


def _turn(file: Path, marks: set[str]) -> int:
    """Long work, then the demo, then all other files, then the trace run's."""
    if file == trace_run.TEST_FILE:
        return 3
    return 1 if "network" in marks else 0 if "slow" in marks else 2


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        trace_run.start_if_wanted(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist: what a worker is told."""
    run = node.config.stash.get(TRACE, None)
    node.workerinput["trace"] = str(run.directory) if run else ""


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    trace_run.stop(session.config)
    if os.environ.get("FARFIELD_CI") and _skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("FARFIELD_CI") and _skipped:
        terminalreporter.section("skipped, but CI has everything they need")
        for line in _skipped:
            terminalreporter.line(line)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """A running Chromium; skips with the command that would help. While it runs, no asyncio.run in this process."""
    executable = os.environ.get("FARFIELD_CHROMIUM", DEBIAN_CHROMIUM)
    if not Path(executable).exists():
        pytest.skip("needs Chromium: apt-get install chromium, or name one in FARFIELD_CHROMIUM")
    if not VENDOR.exists():
        pytest.skip("needs the page's libraries: npm ci --ignore-scripts && python -m coverage_maps.vendor")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=SOFTWARE_GL)
        try:
            yield chromium
        finally:
            chromium.close()
