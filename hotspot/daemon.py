"""The running process: one hotspot in the field, many in a devnet, over one outbox and one set of channels."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from chain.network import NetworkFile
from chain.reader import ChainReader
from hotspot.chain_source import ChainAnchors
from hotspot.clock import Clock, SystemClock
from hotspot.config import CONFIG_FILE, Endpoint
from hotspot.counters import Counters
from hotspot.courier import Courier
from hotspot.delivery import Fanout
from hotspot.epochs import AnchorSource, Epoch, EpochWatcher
from hotspot.hosted import Hosted, Shared
from hotspot.outbox import OUTBOX_FILE, Outbox, StorageError, Store
from hotspot.sessions import Sessions
from hotspot.start import Home, Played, StartError, common_directory, join, locked, open_homes
from hotspot.status import StatusServer
from hotspot.status_client import write_pointer
from hotspot.wire import ValidatorClient
from protocol.ids import HotspotId
from protocol.parameters import Windows

LONGEST_BACKOFF_MS = 10_000
MONITOR_MS = 5_000


class Daemon:
    """All hotspots of one process."""

    def __init__(
        self,
        homes: Sequence[Home],
        played: Played,
        anchors: AnchorSource,
        clients: dict[bytes, ValidatorClient],
        store: Store,
    ) -> None:
        clock: Clock = SystemClock()
        self._played, self._clock = played, clock
        self._log = structlog.get_logger()
        self._counters = Counters()
        self._counters_of = {home.device.hotspot_id: Counters() for home in homes}
        self._outbox = Outbox(store)
        self._fanout = Fanout(self._outbox, clock, lambda hotspot_id: self._counters_of[hotspot_id])
        network, windows = played.file.network, played.rules.params.epoch
        self._epochs = EpochWatcher(network, played.genesis_ms, windows, anchors, clock, self._counters)
        self._couriers = self._make_couriers(homes, clients, windows)
        self._fanout.use(self._couriers)
        self._epochs.listen(self._on_epoch)
        shared = Shared(network, played.rules, clock, self._outbox, self._epochs, self._fanout)
        self.hosted = [self._host(home, shared, store) for home in homes]
        self.status = StatusServer(self.snapshot)
        self._restore(store)

    def _make_couriers(
        self, homes: Sequence[Home], clients: dict[bytes, ValidatorClient], windows: Windows
    ) -> list[Courier]:
        signers = {home.device.hotspot_id: home.device for home in homes}
        file = self._played.file
        couriers = []
        for validator in file.validators:
            client = clients.get(validator.owner)
            if client is None:
                continue
            counters = Counters()
            sessions = Sessions(validator.owner, client, signers, file.network, self._clock, counters)
            couriers.append(
                Courier(
                    owner=validator.owner,
                    key=validator.key,
                    client=client,
                    sessions=sessions,
                    domain=file.domain,
                    clock=self._clock,
                    counters=counters,
                    settle=self._fanout.settle,
                    longest_backoff_ms=min(LONGEST_BACKOFF_MS, windows.commit_window_ms // 2),
                )
            )
        return couriers

    def _host(self, home: Home, shared: Shared, store: Store) -> Hosted:
        hotspot_id = home.device.hotspot_id
        return Hosted(
            home.directory,
            home.config,
            home.device,
            shared,
            store.transmissions(hotspot_id),
            store.tallies(hotspot_id),
            self._counters_of[hotspot_id],
        )

    def _restore(self, store: Store) -> None:
        """Takes up what was stored and not delivered."""
        reports = [one for one in store.open_reports() if one.hotspot_id in self._counters_of]
        self._fanout.restore(reports, store.deliveries(reports))
        if reports:
            self._log.info("outbox restored", open_reports=len(reports))

    def _on_epoch(self, epoch: Epoch) -> None:
        self._fanout.set_members(epoch.anchor.members)
        mine = sum(1 for one in self.hosted if epoch.row(one.device.hotspot_id) is not None)
        self._log.info(
            "epoch",
            number=epoch.number,
            block=epoch.anchor.block_number,
            registered=len(epoch.anchor.registry),
            mine=mine,
        )

    async def open(self) -> None:
        """Binds every port and says where; StartError if one is taken."""
        for one in self.hosted:
            try:
                await one.open()
            except OSError as error:
                raise StartError(
                    f"Cannot listen on {one.config.listen} ({error.strerror}). Stop what uses that port, or choose "
                    f"another with `listen` in {one.directory / CONFIG_FILE}."
                ) from error
            self.status.add(one.device.hotspot_id.hex(), partial(self._hotspot_snapshot, one))
        wanted = self.hosted[0].config.status_port
        try:
            port = await self.status.start(wanted)
        except OSError as error:
            raise StartError(
                f"Cannot show the status on port {wanted} ({error.strerror}). Choose another one."
            ) from error
        for one in self.hosted:
            write_pointer(one.directory, port, one.device.hotspot_id.hex(), one.listen)

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set, then ends in order: the outbox last, with everything written."""
        hotspots = [HotspotId(one.device.hotspot_id) for one in self.hosted]
        jobs = [
            self._epochs.run(),
            self._fanout.sweep(),
            self._monitor(),
            *(courier.run(hotspots) for courier in self._couriers),
            *(one.run() for one in self.hosted),
        ]
        async with asyncio.TaskGroup() as tasks:
            outbox = tasks.create_task(self._outbox.run())
            workers = [tasks.create_task(job) for job in jobs]
            await stop.wait()
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
            outbox.cancel()

    def close(self) -> None:
        """Closes every port."""
        self.status.stop()
        for one in self.hosted:
            one.close()

    async def _monitor(self) -> None:
        """Logs when a validator is lost or found again."""
        known: dict[bytes, bool] = {}
        while True:
            for courier in self._couriers:
                reachable = courier.reachable
                if reachable is not None and known.get(courier.owner, True) != reachable:
                    known[courier.owner] = reachable
                    note = self._log.info if reachable else self._log.warning
                    note("validator", owner=courier.owner.hex(), reachable=reachable, problem=courier.last_problem)
            await self._clock.sleep_ms(MONITOR_MS)

    def _hotspot_snapshot(self, one: Hosted) -> dict[str, Any]:
        return one.snapshot() | {"network": self._network_snapshot(), "validators": self._validator_snapshot()}

    def _network_snapshot(self) -> dict[str, Any]:
        simulated = self._played.file.simulated
        return {
            "name": self._played.file.name,
            "chain_id": self._played.file.chain_id,
            "simulated": None if simulated is None else simulated.get("what"),
        }

    def _validator_snapshot(self) -> list[dict[str, Any]]:
        return [
            {
                "owner": f"0x{courier.owner.hex()}",
                "reachable": courier.reachable,
                "last_problem": courier.last_problem,
                "counters": courier.counters.snapshot(),
            }
            for courier in self._couriers
        ]

    def snapshot(self) -> dict[str, Any]:
        """The process as a whole."""
        return {
            "pid": os.getpid(),
            "network": self._network_snapshot(),
            "epoch": self._epochs.number_at(self._clock.now_ms()),
            "hotspots": [one.device.hotspot_id.hex() for one in self.hosted],
            "reports_waiting": self._fanout.waiting,
            "notes_lost": self._outbox.lost_notes,
            "counters": self._counters.snapshot(),
            "validators": self._validator_snapshot(),
        }


@contextlib.contextmanager
def _store(place: Path) -> Iterator[Store]:
    try:
        store = Store(place / OUTBOX_FILE)
        store.drop_drafts()
    except StorageError as error:
        raise StartError(str(error)) from error
    try:
        yield store
    finally:
        store.close()


def clients_for(file: NetworkFile, homes: Sequence[Home]) -> dict[bytes, ValidatorClient]:
    """A channel to every validator that any of the hotspots wants; all of them where one hotspot has no list."""
    lists = [home.config.validators for home in homes]
    wanted = {owner for one in lists for owner in one} if lists and all(lists) else None
    return {
        one.owner: ValidatorClient(one.endpoint) for one in file.validators if wanted is None or one.owner in wanted
    }


@contextlib.asynccontextmanager
async def running(
    reader: ChainReader, directories: Sequence[Path], listen: Endpoint | None
) -> AsyncIterator[tuple[Daemon, Played]]:
    """A daemon with everything open; closed again at the end. StartError with a sentence."""
    homes = open_homes(directories, listen)
    place = common_directory(directories)
    with locked([*directories, place]):
        clients = clients_for(reader.network, homes)
        try:
            played = await join(reader, list(clients.values()), place)
            with _store(place) as store:
                daemon = Daemon(homes, played, ChainAnchors(reader), clients, store)
                try:
                    await daemon.open()
                    yield daemon, played
                finally:
                    daemon.close()
        finally:
            for client in clients.values():
                await client.close()
            reader.close()
