"""Beacons: one frame per slot, reported as it was really sent.

The order of things in a slot: the report is stored as a draft and the air time charged, then the forwarder is told to
transmit, then its answer decides. A frame that was sent replaces the draft by the final report, with the power really
used, and only that report is ever committed; a frame that was refused takes draft and charge away. So nothing is
committed that the forwarder did not confirm, and the commit still leaves within milliseconds of the answer. A forwarder
that never answers (5 s) is taken not to have sent; its air time stays charged.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from hotspot.clock import Clock, sleep_until
from hotspot.counters import Counters
from hotspot.keys import DeviceKey, KeyProblemError
from hotspot.playing.duty_cycle import WIFI, Allowed, Ledger, Never
from hotspot.playing.epochs import Epoch
from hotspot.playing.rules import Rules
from hotspot.positions.mapper import Nowhere, PositionSource
from hotspot.radio.bridge import BEACON_AIRTIME_US
from hotspot.radio.frames import WIFI_SPREADING_FACTOR, TxRequest, TxResult, TxState
from hotspot.reporting.outbox import (
    NOT_SENT,
    Change,
    CloseDraft,
    DropDraft,
    DropTransmission,
    KeepReport,
    KeepTransmission,
    Outbox,
    StorageError,
)
from hotspot.reporting.reports import Report, Transmission
from protocol import airtime, beacon
from protocol.encoding import Network, report_id
from protocol.ids import NO_CELL, CellId, HotspotId, Kind, Role
from protocol.parameters import FRAME_BYTES, Parameters
from protocol.records import REPORT, Beacon, RegistryRow
from protocol.regions import plan_of
from protocol.schedule import Slot, schedule

PREPARE_MS = 60
"""Time to sign and store a draft before the frame is due."""
LEAST_CONDUCTED_DBM, MOST_CONDUCTED_DBM = -40, 40
"""No radio of ours goes further; a registered gain that asks for more is a mistake."""
MAX_OWN_TAGS = 256
MAX_EPOCHS_AHEAD = 4
MAX_LAST_BEACONS = 20
GROUP = "beacons"
KEY_UNAVAILABLE = "key_unavailable"


class Transmitter(Protocol):
    """The radio, as far as beacons need it."""

    async def transmit(self, request: TxRequest) -> TxResult: ...


# --- pure -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """A hotspot's slots in one epoch, and the region whose air they use."""

    region: str
    row: RegistryRow
    slots: tuple[Slot, ...]


def plan_epoch(rules: Rules, epoch: Epoch, hotspot_id: HotspotId, *, wifi: bool = False) -> SlotPlan | str:
    """The slots of a hotspot, or why it has none. `wifi`: what its radio is."""
    row = epoch.row(hotspot_id)
    if row is None:
        return "not_registered"
    if row.frozen:
        return "frozen"
    kind, region = Kind(row.kind), rules.regions.of(row.cell)
    if kind.is_wifi != wifi:
        return "wifi_radio_missing" if kind.is_wifi else "lora_radio_missing"
    if region is None:
        return "region_unknown"
    plan = plan_of(rules.params.radio, kind, region)
    slots = schedule(rules.params, plan, epoch.seed, hotspot_id, kind, epoch.start_ms)
    return SlotPlan(WIFI if wifi else plan.name, row, tuple(slots))


def most_power_dbm(slot: Slot, gain_cdb: int) -> int:
    """Conducted power for the slot's EIRP with this antenna, in whole dBm, rounded down."""
    return (slot.eirp_cdb - gain_cdb) // 100


def least_power_dbm(params: Parameters, slot: Slot, gain_cdb: int) -> int:
    """The least conducted power a verdict accepts, in whole dBm, rounded up."""
    return -((gain_cdb + params.rules.power_below_cdb - slot.eirp_cdb) // 100)


def slot_airtime_us(slot: Slot) -> int:
    """Time on air of a beacon in this slot, with all its copies."""
    if slot.spreading_factor == WIFI_SPREADING_FACTOR:
        return BEACON_AIRTIME_US
    return airtime.airtime_us(airtime.Modulation(slot.spreading_factor, slot.bandwidth_hz), FRAME_BYTES)


class OwnTags:
    """Tags this hotspot sent lately: it never witnesses itself."""

    def __init__(self) -> None:
        self._tags: OrderedDict[bytes, None] = OrderedDict()

    def add(self, tag: bytes) -> None:
        self._tags[tag] = None
        if len(self._tags) > MAX_OWN_TAGS:
            self._tags.popitem(last=False)

    def __contains__(self, tag: object) -> bool:
        return tag in self._tags


@dataclass(frozen=True, slots=True)
class LastBeacon:
    """What became of one slot, for the status page."""

    epoch: int
    slot: int
    at_ms: int
    outcome: str
    report_id: str = ""


# --- the daemon's part ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turn:
    """One slot about to be played."""

    epoch: Epoch
    row: RegistryRow
    slot: Slot
    cell: CellId
    nonce: bytes
    tag: bytes


class Beaconer:
    """Plays one hotspot's slots. `on_stored` gets every report that may be committed."""

    def __init__(
        self,
        device: DeviceKey,
        network: Network,
        rules: Rules,
        radio: Transmitter,
        outbox: Outbox,
        sent: Iterable[Transmission],
        position: PositionSource | None,
        clock: Clock,
        counters: Counters,
        on_stored: Callable[[Report], None],
        transmit_delay_ms: int,
        *,
        wifi: bool = False,
        ledger: Ledger | None = None,
    ) -> None:
        """`sent`: what this hotspot transmitted before it was restarted; `wifi`: what `radio` is, else LoRa.

        `ledger`: what the radio sends for others is in it already.
        """
        self.own_tags = OwnTags()
        self.next_slot: Slot | None = None
        self.last: deque[LastBeacon] = deque(maxlen=MAX_LAST_BEACONS)
        before = list(sent)
        self.ledger = Ledger("") if ledger is None else ledger
        self.ledger.restore(before)
        self._device, self._network, self._rules = device, network, rules
        self._radio, self._outbox, self._position = radio, outbox, position
        self._clock, self._counters, self._on_stored = clock, counters, on_stored
        self._transmit_delay_ms, self._wifi = transmit_delay_ms, wifi
        self._used = {(one.epoch, one.slot) for one in before}
        self._epochs: asyncio.Queue[Epoch] = asyncio.Queue(MAX_EPOCHS_AHEAD)

    def expect(self, epoch: Epoch) -> None:
        """Queues an epoch to play."""
        if self._epochs.full():
            self._counters.count(GROUP, "epoch_skipped")
        else:
            self._epochs.put_nowait(epoch)

    async def run(self) -> None:
        """Plays epoch after epoch until cancelled."""
        while True:
            await self.play(await self._epochs.get())

    async def play(self, epoch: Epoch) -> None:
        """Plays the slots of one epoch that are still to come."""
        plan = plan_epoch(self._rules, epoch, self._device.hotspot_id, wifi=self._wifi)
        if isinstance(plan, str):
            self._counters.count(GROUP, plan)
            return
        self.ledger.region = plan.region
        for slot in plan.slots:
            self.next_slot = slot
            await sleep_until(self._clock, slot.start_ms - self._transmit_delay_ms - PREPARE_MS)
            at_ms = self._clock.now_ms()
            outcome = await self._played(epoch, plan.row, slot)
            name, report_hex = ("sent", outcome.id.hex()) if isinstance(outcome, Report) else (outcome, "")
            self._counters.count(GROUP, name)
            self.last.append(LastBeacon(epoch.number, slot.index, at_ms, name, report_hex))
        self.next_slot = None
        self._used = {used for used in self._used if used[0] >= epoch.number}

    async def _played(self, epoch: Epoch, row: RegistryRow, slot: Slot) -> Report | str:
        try:
            return await self._play_slot(epoch, row, slot)
        except KeyProblemError:  # a token that was pulled out; the next slot asks again
            return KEY_UNAVAILABLE

    async def _play_slot(self, epoch: Epoch, row: RegistryRow, slot: Slot) -> Report | str:
        """The stored report of a frame that was sent, or why there is none."""
        turn = self._turn(epoch, row, slot)
        if isinstance(turn, str):
            return turn
        draft = self._report(turn, most_power_dbm(slot, row.gain_cdb) * 100, slot.start_ms)
        charge = self._charge(turn)
        if not await self._stored(KeepReport(draft, draft=True), KeepTransmission(charge)):
            return "not_stored"
        self._used.add((epoch.number, slot.index))
        self.ledger.charge(charge)
        self.own_tags.add(turn.tag)
        await sleep_until(self._clock, slot.start_ms - self._transmit_delay_ms)
        await sleep_until(self._clock, self.ledger.quiet_from_ms(charge) - self._transmit_delay_ms)
        result = await self._radio.transmit(self._request(turn))
        if result.state is not TxState.SENT:
            return await self._take_back(draft, charge, result)
        final = self._report(turn, result.power_cdb, result.started_at_ms)
        # The frame is on air: a disk that is full for a moment must not cost the report of it.
        if await self._outbox.insist(self._clock, final.commit_until_ms, DropDraft(draft.id), KeepReport(final)):
            return "sent_but_not_stored"
        self._on_stored(final)
        return final

    def _turn(self, epoch: Epoch, row: RegistryRow, slot: Slot) -> Turn | str:
        tolerance_ms = self._rules.params.epoch.slot_tolerance_ms
        if self._clock.now_ms() + self._transmit_delay_ms > slot.start_ms + tolerance_ms:
            return "late"
        if (epoch.number, slot.index) in self._used:
            return "slot_used_already"
        if not LEAST_CONDUCTED_DBM <= most_power_dbm(slot, row.gain_cdb) <= MOST_CONDUCTED_DBM:
            return "gain_not_usable"
        cell = self._cell(row)
        if isinstance(cell, Nowhere):
            return cell.value
        allowed = self.ledger.may_send(slot.frequency_hz, slot_airtime_us(slot), slot.start_ms)
        if isinstance(allowed, Never):
            return "frequency_not_allowed"
        if not isinstance(allowed, Allowed):
            return "duty_cycle"
        nonce = secrets.token_bytes(32)
        tag = beacon.tag(epoch.seed, self._device.hotspot_id, slot.index, nonce)
        return Turn(epoch, row, slot, cell, nonce, tag)

    def _cell(self, row: RegistryRow) -> CellId | Nowhere:
        if not Kind(row.kind).is_mapper:
            return NO_CELL
        return Nowhere.NO_FIX if self._position is None else self._position.where(CellId(row.cell))

    def _charge(self, turn: Turn) -> Transmission:
        slot = turn.slot
        return Transmission(
            hotspot_id=self._device.hotspot_id,
            epoch=turn.epoch.number,
            slot=slot.index,
            at_ms=slot.start_ms,
            frequency_hz=slot.frequency_hz,
            airtime_us=slot_airtime_us(slot),
        )

    def _request(self, turn: Turn) -> TxRequest:
        slot, params = turn.slot, self._rules.params
        return TxRequest(
            payload=beacon.frame(turn.tag),
            frequency_hz=slot.frequency_hz,
            spreading_factor=slot.spreading_factor,
            bandwidth_hz=slot.bandwidth_hz,
            power_dbm=most_power_dbm(slot, turn.row.gain_cdb),
            least_power_dbm=least_power_dbm(params, slot, turn.row.gain_cdb),
            latest_start_ms=slot.start_ms + params.epoch.slot_tolerance_ms,
        )

    def _report(self, turn: Turn, power_cdb: int, sent_at_ms: int) -> Report:
        slot, epoch, windows = turn.slot, turn.epoch, self._rules.params.epoch
        body = Beacon(
            chain_id=self._network.chain_id,
            contract=self._network.hotspots,
            hotspot_id=self._device.hotspot_id,
            epoch=epoch.number,
            salt=secrets.token_bytes(16),
            slot=slot.index,
            nonce=turn.nonce,
            frequency_hz=slot.frequency_hz,
            spreading_factor=slot.spreading_factor,
            bandwidth_hz=slot.bandwidth_hz,
            power_cdb=power_cdb,
            sent_at_ms=sent_at_ms,
            cell=turn.cell,
        ).encode()
        return Report(
            id=report_id(body),
            hotspot_id=self._device.hotspot_id,
            epoch=epoch.number,
            role=Role.BEACON,
            report=body,
            signature=self._device.sign(REPORT, self._network, body),
            commit_until_ms=slot.start_ms + windows.commit_window_ms,
            reveal_after_ms=sent_at_ms + windows.reveal_after_ms,
            reveal_until_ms=epoch.end_ms + windows.seal_after_ms,
        )

    async def _take_back(self, draft: Report, charge: Transmission, result: TxResult) -> str:
        """No report of a frame nobody confirmed; its air time stays charged if it may have gone out all the same."""
        reason = result.reason or result.state.value
        changes: list[Change] = [CloseDraft(draft.id, f"{NOT_SENT}:{reason}", self._clock.now_ms())]
        if result.state is not TxState.TIMEOUT:
            self.ledger.refund(charge)
            changes.append(DropTransmission(charge))
        self._outbox.note(*changes)
        return reason

    async def _stored(self, *changes: Change) -> bool:
        try:
            await self._outbox.write(*changes)
        except StorageError:
            return False
        return True
