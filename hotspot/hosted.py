"""One hotspot of this process: its key, its port, its place, its slots and its ears."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hotspot.beaconing import Beaconer
from hotspot.clock import Clock
from hotspot.config import Config
from hotspot.counters import Counters
from hotspot.delivery import Fanout
from hotspot.epochs import EpochWatcher
from hotspot.keys import DeviceKey
from hotspot.outbox import Outbox
from hotspot.position import Gpsd
from hotspot.radio.frames import RxFrame
from hotspot.radio.gwmp.server import GwmpServer
from hotspot.reports import Transmission
from hotspot.rules import Rules
from hotspot.witnessing import Witnesser
from protocol.encoding import Network
from protocol.ids import Kind
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


class Hosted:
    """One hotspot, ready to run."""

    def __init__(
        self,
        directory: Path,
        config: Config,
        device: DeviceKey,
        shared: Shared,
        sent: Sequence[Transmission],
        kept: dict[str, int],
        counters: Counters,
    ) -> None:
        """`sent` and `kept`: transmissions and counts of earlier runs, from the outbox."""
        self.directory, self.config, self.device, self.counters = directory, config, device, counters
        self.listen = ""
        self._shared, self._kept = shared, kept
        clock = shared.clock
        self._server = GwmpServer(clock, counters, self._on_frame, config.transmit_forwarder, config.transmit_delay_ms)
        self._position = (
            Gpsd(config.gpsd, config.gpsd_device, config.mapper_resolution, clock, counters) if config.gpsd else None
        )
        self.beaconer = Beaconer(
            device, shared.network, shared.rules, self._server, shared.outbox, sent, self._position, clock, counters,
            shared.fanout.add, config.transmit_delay_ms,
        )  # fmt: skip
        self._witnesser = Witnesser(
            device, shared.network, shared.rules.params.epoch, shared.epochs, self.beaconer.own_tags, shared.outbox,
            self._position, clock, counters, shared.fanout.add,
        )  # fmt: skip

    def _on_frame(self, frame: RxFrame) -> None:
        self._witnesser.on_frame(frame)

    async def open(self) -> None:
        """Binds the UDP port; OSError if it is taken."""
        host, port = await self._server.start(self.config.listen.host, self.config.listen.port)
        self.listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._shared.epochs.listen(self.beaconer.expect)

    async def run(self) -> None:
        """Beacons and follows its position until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.beaconer.run())
                if self._position is not None:
                    tasks.create_task(self._position.run())
        finally:
            self._witnesser.stop()

    def close(self) -> None:
        """Closes the UDP port."""
        self._server.stop()

    def snapshot(self) -> dict[str, Any]:
        """Everything the status page shows of this hotspot."""
        now_ms = self._shared.clock.now_ms()
        epoch = self._shared.epochs.number_at(now_ms)
        row = self._shared.epochs.row(self.device.hotspot_id, epoch)
        return {
            "hotspot_id": self.device.hotspot_id.hex(),
            "directory": str(self.directory),
            "listen": self.listen,
            "registered": row is not None,
            "kind": None if row is None else Kind(row.kind).name.lower(),
            "cell": None if row is None else f"{row.cell:x}",
            "region": self.beaconer.ledger.region or None,
            "epoch": epoch,
            "epoch_ends_at_ms": self._shared.epochs.start_ms(epoch + 1),
            "next_slot": _slot(self.beaconer.next_slot),
            "forwarders": [asdict(one) for one in self._server.forwarders()],
            "position": self._place(),
            "duty_cycle_us": {
                band: {"used": used, "allowed": allowed}
                for band, (used, allowed) in self.beaconer.ledger.used_us(now_ms).items()
            },
            "counters": self.counters.snapshot(),
            "counted_before_this_start": self._kept,
            "last_beacons": [asdict(one) for one in reversed(self.beaconer.last)],
            "last_witnesses": [asdict(one) for one in reversed(self._witnesser.last)],
        }

    def _place(self) -> dict[str, Any] | None:
        if self._position is None:
            return None
        cell = self._position.cell()
        return {"connected": self._position.connected, "cell": None if cell is None else f"{cell:x}"}


def _slot(slot: Slot | None) -> dict[str, int] | None:
    return None if slot is None else asdict(slot)
