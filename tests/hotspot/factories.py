"""Reports, hotspots and windows for the hotspot's tests; every part can be bent."""

from __future__ import annotations

import dataclasses
import secrets
from typing import Any

from hotspot.reporting.reports import Report, Transmission
from protocol.ids import HotspotId, ReportId, Role

NOW_MS = 1_700_000_000_000
HOTSPOT = HotspotId(b"\x80" + bytes(31))


def report(**changed: Any) -> Report:
    made = Report(
        id=ReportId(secrets.token_bytes(32)),
        hotspot_id=HOTSPOT,
        epoch=7,
        role=Role.WITNESS,
        report=secrets.token_bytes(160),
        signature=secrets.token_bytes(64),
        commit_until_ms=NOW_MS + 3_000,
        reveal_after_ms=NOW_MS + 4_000,
        reveal_until_ms=NOW_MS + 60_000,
    )
    return dataclasses.replace(made, **changed)


def transmission(**changed: Any) -> Transmission:
    made = Transmission(HOTSPOT, epoch=7, slot=0, at_ms=NOW_MS, frequency_hz=868_100_000, airtime_us=61_696)
    return dataclasses.replace(made, **changed)
