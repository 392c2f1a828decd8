"""A network small enough for a test: devnet params, a region round Ulm, one hotspot, a radio that obeys."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hotspot.keys import DeviceKey
from hotspot.playing.epochs import Anchor, Epoch
from hotspot.playing.rules import Rules
from hotspot.positions.mapper import Nowhere
from hotspot.radio.frames import RxFrame, TxRequest, TxResult, TxState
from hotspot.reporting.outbox import Change, Outbox, Store
from protocol import geo
from protocol.closing import Member
from protocol.ids import Address, CellId, HotspotId, Kind
from protocol.parameters import parse
from protocol.records import RegistryRow
from protocol.regions import build_region_map
from tests.hotspot.clocks import ManualClock

PARAMS = parse((Path(__file__).parents[2] / "params" / "devnet.toml").read_bytes())
HOME = geo.cell_at(48.4, 9.99, 10)
AWAY = geo.cell_at(48.42, 10.01, 9)
ELSEWHERE = geo.cell_at(0.5, 0.5, 10)
RULES = Rules(PARAMS, build_region_map(["EU868"], [(0, geo.parent(HOME, 3))]))
LENGTH_MS = PARAMS.epoch.length_ms
GENESIS_MS = 1_700_000_000_000
EPOCH = 7
START_MS = GENESIS_MS + EPOCH * LENGTH_MS


def row(hotspot_id: HotspotId, **changed: Any) -> RegistryRow:
    made = RegistryRow(
        hotspot_id=hotspot_id, owner=b"o" * 20, cell=HOME, gain_cdb=200, elevation_m=5, kind=Kind.FIXED,
        since_epoch=1, block=1, log_index=0, frozen=0,
    )  # fmt: skip
    return dataclasses.replace(made, **changed)


def anchor(*rows: RegistryRow) -> Anchor:
    members = (Member(Address(b"v" * 20), Address(b"k" * 20), 1),)
    return Anchor(100, b"\x0b" * 32, {HotspotId(one.hotspot_id): one for one in rows}, members)


def epoch(device: DeviceKey, number: int = EPOCH, seed: bytes = b"\x05" * 32, **changed: Any) -> Epoch:
    start_ms = GENESIS_MS + number * LENGTH_MS
    return Epoch(number, start_ms, start_ms + LENGTH_MS, seed, anchor(row(device.hotspot_id, **changed)))


class Place:
    """A position source that says what a test wants."""

    def __init__(self, cell: CellId | Nowhere | None) -> None:
        self.here = cell

    def where(self, registered: CellId) -> CellId | Nowhere:
        return Nowhere.NO_FIX if self.here is None else self.here


def sent(request: TxRequest, now_ms: int) -> TxResult:
    return TxResult(TxState.SENT, power_cdb=request.power_dbm * 100, started_at_ms=now_ms)


class Radio:
    """Keeps requests with the time they came, and answers with `answer`."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.requests: list[tuple[int, TxRequest]] = []
        self.answer: Callable[[TxRequest, int], TxResult] = sent

    async def transmit(self, request: TxRequest) -> TxResult:
        self.requests.append((self.clock.now_ms(), request))
        return self.answer(request, self.clock.now_ms())


def heard(payload: bytes, clock: ManualClock, **changed: Any) -> RxFrame:
    made = RxFrame(
        payload=payload, frequency_hz=868_100_000, spreading_factor=7, bandwidth_hz=125_000, rssi_cdb=-9_700,
        snr_cdb=520, received_at_ms=clock.now_ms(), received_monotonic_ms=clock.monotonic_ms(), tmst_us=1,
        fine_time_ns=None, gateway=b"gateway!",
    )  # fmt: skip
    return dataclasses.replace(made, **changed)


class PromptOutbox(Outbox):
    """An outbox whose writes are on disk when they return, so that a clock moved by hand cannot overtake them."""

    async def write(self, *changes: Change) -> None:
        problem = self.store.apply([changes])[0]
        if problem is not None:
            raise problem

    def note(self, *changes: Change) -> None:
        assert self.store.apply([changes]) == [None]


@contextmanager
def outbox_at(path: Path) -> Iterator[Outbox]:
    store = Store(path)
    try:
        yield PromptOutbox(store)
    finally:
        store.close()
