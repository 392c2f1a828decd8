"""Chromium for the browser tests: Debian's, or $FARFIELD_CHROMIUM; software WebGL, so that it runs anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

DEBIAN_CHROMIUM = "/usr/bin/chromium"
SOFTWARE_GL = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
VENDOR = Path(__file__).parents[2] / "coverage_maps" / "page" / "vendor" / "maplibre-gl" / "maplibre-gl.mjs"


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A running Chromium; skips with the command that would help."""
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
