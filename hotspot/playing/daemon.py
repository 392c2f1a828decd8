"""Playing a network: one hotspot in the field, many in a devnet, over one outbox and one set of channels.

process.py owns the ports and starts this once key, chain and rules are there.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from chain.network import NetworkFile
from chain.reader import ChainReader
from hotspot.clock import Clock, SystemClock
from hotspot.counters import Counters
from hotspot.keys import DeviceKey
from hotspot.looking import neighbours
from hotspot.looking.neighbours import Neighbour
from hotspot.playing.chain_source import ChainAnchors
from hotspot.playing.epochs import AnchorSource, Epoch, EpochWatcher
from hotspot.playing.hosted import Hosted, Shared
from hotspot.reporting import verdicts
from hotspot.reporting.courier import Courier
from hotspot.reporting.delivery import Fanout
from hotspot.reporting.outbox import OUTBOX_FILE, Outbox, StorageError, Store
from hotspot.reporting.sessions import Sessions
from hotspot.reporting.verdicts import Verdicts
from hotspot.running.ears import Ears
from hotspot.running.start import FAILED, UNREACHABLE, Played, StartError, join
from hotspot.wire import ValidatorClient
from protocol.ids import HotspotId, ReportId
from protocol.parameters import Windows

LONGEST_BACKOFF_MS = 10_000
MONITOR_MS = 5_000
MOST_LOGGED = 4
"""A process with more hotspots does not log every report."""


@dataclass(frozen=True, slots=True)
class Player:
    """A hotspot that can play: its key and its radio."""

    device: DeviceKey
    ears: Ears


class Daemon:
    """All hotspots of one process, as long as they play."""

    def __init__(
        self,
        players: Sequence[Player],
        played: Played,
        anchors: AnchorSource,
        clients: dict[bytes, ValidatorClient],
        store: Store,
    ) -> None:
        clock: Clock = SystemClock()
        self._played, self._clock = played, clock
        self._log = structlog.get_logger()
        self._counters = Counters()
        self._counters_of = {one.device.hotspot_id: one.ears.counters for one in players}
        self._outbox = Outbox(store)
        self._fanout = Fanout(self._outbox, clock, lambda hotspot_id: self._counters_of[hotspot_id])
        network, windows = played.file.network, played.rules.params.epoch
        self._epochs = EpochWatcher(network, played.genesis_ms, windows, anchors, clock, self._counters)
        self._couriers = self._make_couriers(players, clients, windows)
        self._fanout.use(self._couriers)
        self._members: set[bytes] | None = None
        self._neighbours: dict[bytes, Neighbour] = {}
        self._find_neighbours = False
        self._epochs.listen(self._on_epoch)
        shared = Shared(
            network, played.rules, clock, self._outbox, self._epochs, self._fanout, len(players) <= MOST_LOGGED
        )
        self.hosted = [self._host(one, shared, store) for one in players]
        self._verdicts = Verdicts(list(clients.values()), self._shown_reports, clock)
        self._restore(store)

    def _make_couriers(
        self, players: Sequence[Player], clients: dict[bytes, ValidatorClient], windows: Windows
    ) -> list[Courier]:
        signers = {one.device.hotspot_id: one.device for one in players}
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

    def _host(self, player: Player, shared: Shared, store: Store) -> Hosted:
        hotspot_id = player.device.hotspot_id
        return Hosted(player.ears, player.device, shared, store.transmissions(hotspot_id), store.tallies(hotspot_id))

    def _restore(self, store: Store) -> None:
        """Takes up what was stored and not delivered."""
        reports = [one for one in store.open_reports() if one.hotspot_id in self._counters_of]
        self._fanout.restore(reports, store.deliveries(reports))
        if reports:
            self._log.info("outbox restored", open_reports=len(reports))

    def _on_epoch(self, epoch: Epoch) -> None:
        self._fanout.set_members(epoch.anchor.members)
        self._members = {member.owner for member in epoch.anchor.members}
        self._find_neighbours = True
        mine = sum(1 for one in self.hosted if epoch.row(one.device.hotspot_id) is not None)
        self._log.info(
            "epoch",
            number=epoch.number,
            block=epoch.anchor.block_number,
            registered=len(epoch.anchor.registry),
            mine=mine,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set, then ends in order: the outbox last, with everything written."""
        hotspots = [HotspotId(one.device.hotspot_id) for one in self.hosted]
        jobs = [
            self._epochs.run(),
            self._fanout.sweep(),
            self._monitor(),
            self._verdicts.run(),
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
            await self._look_for_neighbours()
            await self._clock.sleep_ms(MONITOR_MS)

    async def _look_for_neighbours(self) -> None:
        """Once an epoch, in a thread: a registry may be long."""
        epoch = self._epochs.newest
        if not self._find_neighbours or epoch is None:
            return
        self._find_neighbours = False
        limits = self._played.rules.params.rules
        mine = [row for one in self.hosted if (row := epoch.row(one.device.hotspot_id)) is not None]
        self._neighbours = await asyncio.to_thread(neighbours.nearest, mine, epoch.anchor.registry, limits)

    def hotspot_snapshot(self, hotspot_id: bytes) -> dict[str, Any]:
        """What playing adds to what a hotspot's ears say; empty for one that does not play."""
        for one in self.hosted:
            if one.device.hotspot_id == hotspot_id:
                neighbour = self._neighbours.get(hotspot_id)
                shape = one.snapshot()
                for entry in (*shape["last_beacons"], *shape["last_witnesses"]):
                    entry["verdict"] = self._verdict(entry["report_id"])
                return shape | {
                    "validators": self._validator_snapshot(),
                    "clock_offset_ms": self.clock_offset_ms,
                    "neighbour": None if neighbour is None else neighbour.shape(),
                }
        return {}

    def _shown_reports(self) -> list[ReportId]:
        """Reports somebody may look at: the last ones of every hotspot."""
        shown = [entry.report_id for one in self.hosted for entry in one.last_reports() if entry.report_id]
        return [ReportId(bytes.fromhex(one)) for one in shown]

    def _verdict(self, report_hex: str) -> dict[str, Any] | None:
        if not report_hex:
            return None
        verdict = self._verdicts.of(ReportId(bytes.fromhex(report_hex)))
        reason = None if verdict is None else verdict.reason
        is_final = verdict is not None and verdict.final
        return {
            "reason": reason,
            "final": is_final,
            "sentence": verdicts.sentence(verdict, self._verdicts.last_problem),
        }

    def look(self) -> None:
        """Somebody looks at the reports: their verdicts are asked for."""
        self._verdicts.look()

    @property
    def clock_offset_ms(self) -> int | None:
        """How far true time is ahead of this clock, by the median of the validators' receipts."""
        told = [one.clock_offset_ms for one in self._couriers if one.clock_offset_ms is not None]
        return int(statistics.median(told)) if told else None

    def _validator_snapshot(self) -> list[dict[str, Any]]:
        return [
            {
                "owner": f"0x{courier.owner.hex()}",
                "reachable": courier.reachable,
                "on_chain": None if self._members is None else courier.owner in self._members,
                "clock_offset_ms": courier.clock_offset_ms,
                "last_problem": courier.last_problem,
                "key_problem": courier.key_problem,
                "counters": courier.counters.snapshot(),
            }
            for courier in self._couriers
        ]

    def snapshot(self) -> dict[str, Any]:
        """Playing as a whole."""
        return {
            "epoch": self._epochs.number_at(self._clock.now_ms()),
            "reports_waiting": self._fanout.waiting,
            "notes_lost": self._outbox.lost_notes,
            "counters": self._counters.snapshot(),
            "validators": self._validator_snapshot(),
        }


@contextlib.contextmanager
def _store(place: Path) -> Iterator[Store]:
    with contextlib.ExitStack() as stack:
        try:
            store = Store(place / OUTBOX_FILE)
            stack.callback(store.close)
            store.drop_drafts(SystemClock().now_ms())
        except StorageError as error:
            raise StartError(str(error), UNREACHABLE if error.passes else FAILED) from error
        yield store


def clients_for(file: NetworkFile, lists: Sequence[tuple[bytes, ...]]) -> dict[bytes, ValidatorClient]:
    """A channel to every validator that any of the hotspots wants; all of them where one hotspot has no list."""
    wanted = {owner for one in lists for owner in one} if lists and all(lists) else None
    return {
        one.owner: ValidatorClient(one.endpoint) for one in file.validators if wanted is None or one.owner in wanted
    }


@contextlib.asynccontextmanager
async def joined(reader: ChainReader, players: Sequence[Player], place: Path) -> AsyncIterator[tuple[Daemon, Played]]:
    """Everything a daemon needs, once the network answers; closed again at the end. StartError with a sentence.

    `place`: where outbox and rules lie.
    """
    clients = clients_for(reader.network, [one.ears.config.validators for one in players])
    try:
        played = await join(reader, list(clients.values()), place)
        with _store(place) as store:
            yield Daemon(players, played, ChainAnchors(reader), clients, store), played
    finally:
        for client in clients.values():
            await client.close()
        reader.close()
