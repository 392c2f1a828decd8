"""Judging an epoch, against the bare P-256 verification every report needs at least once."""

from __future__ import annotations

from collections.abc import Iterator

from bench.timing import best_s, line
from protocol.encoding import signed_bytes
from protocol.epoch import settle
from protocol.keys import verify_device
from protocol.records import REPORT
from tests.factories import NETWORK, World, make_device, north_of_ulm
from validator.engine.duckdb_engine import DuckDbEngine

HOTSPOTS = 24
SLOTS = 4
APART_KM = 1.2


def crowd() -> World:
    """Fixed hotspots in a row, every beacon heard by all others."""
    world = World()
    devices = [make_device(f"h{number:02d}", north_of_ulm(number * APART_KM)) for number in range(HOTSPOTS)]
    world.add(*devices)
    for sender in devices:
        for index in range(SLOTS):
            world.beacon(sender, index)
            for receiver in devices:
                if receiver is not sender:
                    world.hears(receiver, sender, index)
    return world


def lines() -> Iterator[str]:
    """Reports judged a second on one core, and signatures alone."""
    world = crowd()
    inputs, engine = world.inputs(), DuckDbEngine(threads=1)
    reports = len(world.beacons) + len(world.witnesses)
    judged_s = best_s(lambda: settle(world.inputs(), engine))
    evidence = inputs.evidence
    keys = inputs.setting.keys
    checks = [
        (keys[one.hotspot_id], signed_bytes(REPORT, NETWORK, one.canonical), one.signatures[0])
        for one in (*evidence.beacons, *evidence.witnesses)
    ]

    def verify_all() -> bool:
        return all(key is not None and verify_device(key, message, signature) for key, message, signature in checks)

    bare_s = best_s(verify_all)
    yield line(f"settle an epoch of {reports:,} reports", reports / judged_s, "P-256 alone", reports / bare_s)
