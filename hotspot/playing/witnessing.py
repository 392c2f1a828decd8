"""Witness reports: every beacon of others, once, from the best copy heard.

A near transmitter is received on neighbouring channels too, weaker and with a wrong frequency; several forwarders hear
one frame. The copy with the highest SNR within half a second speaks for all.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Container
from dataclasses import dataclass

from hotspot.clock import Clock
from hotspot.counters import Counters
from hotspot.keys import DeviceKey, KeyProblemError
from hotspot.playing.epochs import FIRST_EPOCH, EpochWatcher
from hotspot.positions.mapper import Nowhere, PositionSource
from hotspot.radio.frames import RxFrame
from hotspot.radio.gwmp.server import PACKETS
from hotspot.reporting.outbox import ContradictionError, KeepReport, Outbox
from hotspot.reporting.reports import Report
from protocol import beacon
from protocol.encoding import Network, report_id
from protocol.ids import NO_CELL, CellId, Kind, Role
from protocol.limits import MAX_REPORTS_PER_HOTSPOT, MAX_SLOTS_PER_EPOCH
from protocol.parameters import Windows
from protocol.records import NO_FINE_TIME, REPORT, RegistryRow, Witness

BEST_COPY_WITHIN_MS = 500
MAX_OPEN_TAGS = 1_024
MAX_SEEN_TAGS = 4_096
MAX_WITNESSES_PER_EPOCH = MAX_REPORTS_PER_HOTSPOT - MAX_SLOTS_PER_EPOCH
MAX_LAST_WITNESSES = 20
GROUP = "witnesses"


@dataclass(slots=True)
class Hearing:
    """The copies of one frame so far."""

    best: RxFrame
    epoch: int
    cell: CellId


@dataclass(frozen=True, slots=True)
class LastWitness:
    """One report, for the status page."""

    epoch: int
    at_ms: int
    report_id: str
    tag: str
    frequency_hz: int
    rssi_cdb: int
    snr_cdb: int


class Witnesser:
    """One hotspot's ears. `on_stored` gets every report to deliver."""

    def __init__(
        self,
        device: DeviceKey,
        network: Network,
        windows: Windows,
        epochs: EpochWatcher,
        own_tags: Container[bytes],
        outbox: Outbox,
        position: PositionSource | None,
        clock: Clock,
        counters: Counters,
        on_stored: Callable[[Report], None],
    ) -> None:
        self.last: deque[LastWitness] = deque(maxlen=MAX_LAST_WITNESSES)
        self._device, self._network, self._windows = device, network, windows
        self._epochs, self._own_tags, self._outbox, self._position = epochs, own_tags, outbox, position
        self._clock, self._counters, self._on_stored = clock, counters, on_stored
        self._open: dict[bytes, Hearing] = {}
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._made: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def on_frame(self, frame: RxFrame) -> None:
        """Takes in one frame with a good CRC, and counts what it is."""
        tag = beacon.tag_in(frame.payload)
        self._counters.count(PACKETS, "foreign" if tag is None else self._take(tag, frame))

    def stop(self) -> None:
        """Drops the frames whose half second has not passed."""
        for task in self._tasks:
            task.cancel()

    def _take(self, tag: bytes, frame: RxFrame) -> str:
        if tag in self._own_tags:
            return "own_beacon"
        hearing = self._open.get(tag)
        if hearing is not None:
            if (frame.snr_cdb, frame.rssi_cdb) > (hearing.best.snr_cdb, hearing.best.rssi_cdb):
                hearing.best = frame
            return "copy"
        if tag in self._seen:
            return "late_copy"
        return self._first_copy(tag, frame)

    def _first_copy(self, tag: bytes, frame: RxFrame) -> str:
        epoch = self._epochs.number_at(frame.received_at_ms)
        row = self._epochs.row(self._device.hotspot_id, epoch) if epoch >= FIRST_EPOCH else None
        if row is None:
            return "not_registered"
        cell = self._cell(row)
        if isinstance(cell, Nowhere):
            return cell.value
        if len(self._open) >= MAX_OPEN_TAGS or self._made.get(epoch, 0) >= MAX_WITNESSES_PER_EPOCH:
            return "too_many_beacons"
        self._made = {number: made for number, made in self._made.items() if number >= epoch - 1}
        self._made[epoch] = self._made.get(epoch, 0) + 1
        self._seen[tag] = None
        if len(self._seen) > MAX_SEEN_TAGS:
            self._seen.popitem(last=False)
        self._open[tag] = Hearing(frame, epoch, cell)
        task = asyncio.ensure_future(self._report_best(tag))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return "beacon"

    def _cell(self, row: RegistryRow) -> CellId | Nowhere:
        if not Kind(row.kind).is_mapper:
            return NO_CELL
        return Nowhere.NO_FIX if self._position is None else self._position.where(CellId(row.cell))

    async def _report_best(self, tag: bytes) -> None:
        await self._clock.sleep_ms(BEST_COPY_WITHIN_MS)
        hearing = self._open.pop(tag)
        try:
            report = self._report(tag, hearing)
        except KeyProblemError:  # a token that was pulled out
            self._counters.count(GROUP, "key_unavailable")
            return
        problem = await self._outbox.insist(self._clock, report.commit_until_ms, KeepReport(report))
        if problem is not None:
            known = isinstance(problem, ContradictionError)
            self._counters.count(GROUP, "reported_before_a_restart" if known else "not_stored")
            return
        self._counters.count(GROUP, "stored")
        best = hearing.best
        self.last.append(
            LastWitness(
                epoch=hearing.epoch,
                at_ms=best.received_at_ms,
                report_id=report.id.hex(),
                tag=tag.hex(),
                frequency_hz=best.frequency_hz,
                rssi_cdb=best.rssi_cdb,
                snr_cdb=best.snr_cdb,
            )
        )
        self._on_stored(report)

    def _report(self, tag: bytes, hearing: Hearing) -> Report:
        best = hearing.best
        body = Witness(
            chain_id=self._network.chain_id,
            contract=self._network.hotspots,
            hotspot_id=self._device.hotspot_id,
            epoch=hearing.epoch,
            salt=secrets.token_bytes(16),
            tag=tag,
            frequency_hz=best.frequency_hz,
            spreading_factor=best.spreading_factor,
            bandwidth_hz=best.bandwidth_hz,
            rssi_cdb=best.rssi_cdb,
            snr_cdb=best.snr_cdb,
            received_at_ms=best.received_at_ms,
            tmst_us=best.tmst_us,
            fine_time_ns=NO_FINE_TIME if best.fine_time_ns is None else best.fine_time_ns,
            cell=hearing.cell,
        ).encode()
        end_ms = self._epochs.start_ms(hearing.epoch + 1)
        return Report(
            id=report_id(body),
            hotspot_id=self._device.hotspot_id,
            epoch=hearing.epoch,
            role=Role.WITNESS,
            report=body,
            signature=self._device.sign(REPORT, self._network, body),
            commit_until_ms=best.received_at_ms + self._windows.commit_window_ms,
            reveal_after_ms=best.received_at_ms + self._windows.reveal_after_ms,
            reveal_until_ms=end_ms + self._windows.seal_after_ms,
        )
