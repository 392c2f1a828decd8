"""Gas stays within a tenth of the design's prototypes, and the committed report is true."""

from __future__ import annotations

import re

import pytest

from tests.chain.world import Anvil
from tests.contracts.gas import REPORT, Measured, measure
from tests.contracts.gas_profile import KINDS

TOLERANCE_PERCENT = 1
"""Addresses and signatures hold more or fewer zero bytes from run to run, and those are cheaper to send."""


@pytest.fixture(scope="module")
def measured() -> list[Measured]:
    chain = Anvil()
    try:
        return measure(chain)
    finally:
        chain.stop()


def test_no_operation_costs_more_than_the_design_allows(measured: list[Measured]) -> None:
    bounded = [one for one in measured if one.allowed is not None]
    assert len(bounded) == 9
    assert [one for one in bounded if one.gas > (one.allowed or 0)] == []


def test_the_committed_report_is_what_is_measured(measured: list[Measured]) -> None:
    report, _, profiles = REPORT.read_text().partition("\n## ")
    assert all(kind in profiles for kind in KINDS)
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([0-9,]+) \|", report, re.MULTILINE))
    assert set(rows) == {one.name for one in measured}
    for one in measured:
        committed = int(rows[one.name].replace(",", ""))
        assert abs(one.gas - committed) * 100 <= committed * TOLERANCE_PERCENT, one.name
