"""One hotspot of this process as it plays: its key, its place, its slots, and the ears it was given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog

from hotspot.clock import Clock
from hotspot.forwarding.forwarding import Journal
from hotspot.keys import DeviceKey
from hotspot.playing.beaconing import Beaconer, LastBeacon
from hotspot.playing.epochs import EpochWatcher
from hotspot.playing.rules import Rules
from hotspot.playing.witnessing import LastWitness, Witnesser
from hotspot.positions.mapper import Mapper, receiver_of
from hotspot.reporting.delivery import Fanout
from hotspot.reporting.outbox import DropTransmission, KeepTransmission, Outbox
from hotspot.reporting.reports import Report, Transmission
from hotspot.running.ears import Ears
from protocol.encoding import Network
from protocol.ids import CellId, Kind
from protocol.records import RegistryRow
from protocol.regions import plan_of
from protocol.schedule import Slot


@dataclass(frozen=True, slots=True)
class Shared:
    """What all hotspots of a process use together."""

    network: Network
    rules: Rules
    clock: Clock
    outbox: Outbox
    epochs: EpochWatcher
    fanout: Fanout
    logs_reports: bool = False
    """Whether every report stored is a line in the log; a process with many hotspots would only fill the disk."""


class Hosted:
    """One hotspot, ready to run."""

    def __init__(
        self,
        ears: Ears,
        device: DeviceKey,
        shared: Shared,
        sent: Sequence[Transmission],
        kept: dict[str, int],
    ) -> None:
        """`sent` and `kept`: transmissions and counts of earlier runs, from the outbox."""
        self.device, self.ears, self.counters = device, ears, ears.counters
        self._shared, self._kept = shared, kept
        self._log = structlog.get_logger()
        clock, config, counters = shared.clock, ears.config, ears.counters
        receiver, radius_m = receiver_of(config, ears.directory, clock), shared.rules.params.positions.radius_m
        self._position = None if receiver is None else Mapper(receiver, config, radius_m, clock, counters)
        self.beaconer = Beaconer(
            device, shared.network, shared.rules, ears.bridge or ears.server, shared.outbox, sent, self._position,
            clock, counters, self._deliver, 0 if ears.bridge else ears.server.least_delay_ms,
            wifi=bool(ears.bridge), ledger=ears.ledger,
        )  # fmt: skip
        if ears.forwarding is not None:
            ears.forwarding.journal = Journal(self._keep_downlink, self._drop_downlink)
        if ears.bridge is not None:
            plan = shared.rules.params.radio.wifi
            ears.bridge.listen_on(plan.channels_hz, plan.bandwidth_hz)
        self._witnesser = Witnesser(
            device, shared.network, shared.rules.params.epoch, shared.epochs, self.beaconer.own_tags, shared.outbox,
            self._position, clock, counters, self._deliver,
        )  # fmt: skip
        shared.epochs.listen(self.beaconer.expect)

    def _keep_downlink(self, downlink: Transmission) -> None:
        self._shared.outbox.note(KeepTransmission(replace(downlink, hotspot_id=self.device.hotspot_id)))

    def _drop_downlink(self, downlink: Transmission) -> None:
        self._shared.outbox.note(DropTransmission(replace(downlink, hotspot_id=self.device.hotspot_id)))

    async def run(self) -> None:
        """Beacons, witnesses and follows its position until cancelled."""
        self.ears.attach(self._witnesser.on_frame)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.beaconer.run())
                if self._position is not None:
                    tasks.create_task(self._position.run())
        finally:
            self.ears.attach(None)
            if self.ears.forwarding is not None:
                self.ears.forwarding.journal = None
            self._witnesser.stop()

    def _deliver(self, report: Report) -> None:
        """Takes a stored report on; its id in the log is the one `farfield hotspot reports --why` explains."""
        if self._shared.logs_reports:
            self._log.info("report", id=report.id.hex(), role=report.role.name.lower(), epoch=report.epoch)
        self._shared.fanout.add(report)

    def snapshot(self) -> dict[str, Any]:
        """What playing adds to what the ears say."""
        now_ms = self._shared.clock.now_ms()
        epoch = self._shared.epochs.number_at(now_ms)
        row = self._shared.epochs.row(self.device.hotspot_id, epoch)
        return {
            "registered": row is not None,
            "kind": None if row is None else Kind(row.kind).name.lower(),
            "cell": None if row is None else f"{row.cell:x}",
            "region": self.beaconer.ledger.region or None,
            "channels_hz": self._channels_hz(row),
            "transmit_forwarder": self.ears.config.transmit_forwarder and self.ears.config.transmit_forwarder.hex(),
            "knows_registry": self._shared.epochs.newest is not None,
            "epoch": epoch,
            "epoch_ends_at_ms": self._shared.epochs.start_ms(epoch + 1),
            "next_slot": _slot(self.beaconer.next_slot),
            "position": self._place(row),
            "duty_cycle_us": {
                band: {"used": used, "allowed": allowed}
                for band, (used, allowed) in self.beaconer.ledger.used_us(now_ms).items()
            },
            "counted_before_this_start": self._kept,
            "last_beacons": [asdict(one) for one in reversed(self.beaconer.last)],
            "last_witnesses": [asdict(one) for one in reversed(self._witnesser.last)],
        }

    def last_reports(self) -> list[LastBeacon | LastWitness]:
        """The last beacons and witness reports."""
        return [*self.beaconer.last, *self._witnesser.last]

    def _place(self, row: RegistryRow | None) -> dict[str, Any] | None:
        """A mapper's position, as far as its owner may see it; None: nothing tells where it is."""
        registered = None if row is None else CellId(row.cell)
        return None if self._position is None else self._position.snapshot(registered)

    def _channels_hz(self, row: RegistryRow | None) -> list[int]:
        """Where beacons of the hotspot's region are sent, if it is known and LoRa's."""
        region = None if row is None else self._shared.rules.regions.of(row.cell)
        if row is None or region is None or Kind(row.kind).is_wifi:
            return []
        return list(plan_of(self._shared.rules.params.radio, Kind(row.kind), region).channels_hz)


def _slot(slot: Slot | None) -> dict[str, int] | None:
    return None if slot is None else asdict(slot)
