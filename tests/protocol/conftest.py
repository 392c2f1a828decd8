"""One open database for all tests that judge evidence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.property.engine import KeptDuckDb


@pytest.fixture(scope="session")
def engine() -> Iterator[KeptDuckDb]:
    kept = KeptDuckDb()
    yield kept
    kept.close()
