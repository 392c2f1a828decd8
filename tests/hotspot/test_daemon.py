"""The whole process in one loop: a forwarder on UDP, two validators on gRPC, a chain that knows the hotspots."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chain.network import NetworkFile, ValidatorEntry
from hotspot import keys
from hotspot.config import CONFIG_FILE
from hotspot.looking.status_client import ask
from hotspot.playing.daemon import Daemon, Player, clients_for
from hotspot.playing.epochs import Anchor
from hotspot.playing.rules import Rules
from hotspot.reporting.outbox import OUTBOX_FILE, Store
from hotspot.running.process import Process
from hotspot.running.start import Home, Played, StartError, open_homes
from protocol import beacon
from protocol.closing import Member
from protocol.encoding import epoch_seed
from protocol.ids import Kind
from protocol.records import Beacon, Witness
from protocol.schedule import schedule
from tests.hotspot import world
from tests.hotspot.clocks import until
from tests.hotspot.fake_validator import NETWORK, FakeValidator
from tests.hotspot.radio.test_codec import SEEDS, mutated, vectors
from tests.hotspot.test_start import FILE
from tests.hotspot.virtual_forwarder import VirtualForwarder, lora_packet

QUICK = dataclasses.replace(
    world.PARAMS, epoch=dataclasses.replace(world.PARAMS.epoch, commit_window_ms=2_000, reveal_after_ms=2_000)
)
RULES = Rules(QUICK, world.RULES.regions)
FIRST_SLOT_IN_MS = 2_500


class Chain:
    """The registry a test wants, final at once."""

    def __init__(self, found: Anchor) -> None:
        self.found = found

    async def anchor(self, epoch: int, deadline_ms: int) -> Anchor | None:
        return self.found


@dataclasses.dataclass
class Site:
    daemon: Daemon
    validators: list[FakeValidator]
    homes: list[Home]

    def endpoint(self, number: int = 0) -> tuple[str, int]:
        host, _, port = self.daemon.hosted[number].ears.listen.rpartition(":")
        return host, int(port)


def make_home(directory: Path) -> Path:
    directory.mkdir(parents=True)
    keys.create(directory)
    (directory / CONFIG_FILE).write_text('listen = "127.0.0.1:0"\n')
    return directory


def genesis_with_a_slot_soon(home: Home, anchor: Anchor) -> int:
    """A genesis for which the first slot of the home's epoch 7 starts soon."""
    seed = epoch_seed(NETWORK, world.EPOCH, anchor.block_hash)
    plan = QUICK.radio.regions[0]
    first = schedule(QUICK, plan, seed, home.device.hotspot_id, Kind.FIXED, world.EPOCH * world.LENGTH_MS)[0]
    return time.time_ns() // 1_000_000 + FIRST_SLOT_IN_MS - first.start_ms


@asynccontextmanager
async def running(
    path: Path, count: int = 1, homes: Sequence[Home] = (), kind: Kind = Kind.FIXED
) -> AsyncIterator[Site]:
    if not homes:
        homes = open_homes([make_home(path / f"h{number}") for number in range(count)])
    async with AsyncExitStack() as stack:
        public = [home.device.public for home in homes]
        validators = [await stack.enter_async_context(FakeValidator(f"v{at}", public)) for at in range(2)]
        members = tuple(Member(one.owner, one.address, 1) for one in validators)
        rows = [world.row(home.device.hotspot_id, kind=kind) for home in homes]
        anchor = dataclasses.replace(world.anchor(*rows), members=members)
        played = Played(network_of(validators), genesis_with_a_slot_soon(homes[0], anchor), RULES, ())
        clients = clients_for(played.file, [home.config.validators for home in homes])
        for client in clients.values():
            stack.push_async_callback(client.close)
        store = Store(path / OUTBOX_FILE)
        stack.callback(store.close)
        process = Process(homes)
        await process.open()
        stack.callback(process.close)
        players = [Player(home.device, ears) for home, ears in zip(homes, process.ears, strict=True) if home.device]
        daemon = process.daemon = Daemon(players, played, Chain(anchor), clients, store)
        process.file = played.file
        stop = asyncio.Event()
        task = asyncio.ensure_future(daemon.run(stop))
        try:
            yield Site(daemon, validators, list(homes))
        finally:
            stop.set()
            await asyncio.wait_for(task, 10)


def network_of(validators: Sequence[FakeValidator]) -> NetworkFile:
    entries = tuple(ValidatorEntry(one.owner, one.address, one.endpoint) for one in validators)
    return dataclasses.replace(FILE, validators=entries)


def test_beacons_and_is_believed_by_every_validator(tmp_path: Path) -> None:
    async def act() -> None:
        async with running(tmp_path) as site, VirtualForwarder(site.endpoint()) as forwarder:
            forwarder.pull()
            await until(lambda: all(one.reports for one in site.validators), deadline_s=20)
            order = forwarder.orders[0]
            for validator in site.validators:
                (report, _), (commit,) = next(iter(validator.reports.values())), validator.commits
                told = Beacon.decode(report)
                assert told is not None
                assert commit.report_id in validator.reports
                assert commit.at_ms <= told.sent_at_ms + QUICK.epoch.commit_window_ms
                assert (told.frequency_hz, told.power_cdb) == (order.frequency_hz, (order.power_dbm or 0) * 100)
                seed = epoch_seed(NETWORK, world.EPOCH, b"\x0b" * 32)
                tag = beacon.tag(seed, site.homes[0].device.hotspot_id, told.slot, told.nonce)
                assert order.payload == beacon.frame(tag)

    asyncio.run(act())


def test_witnesses_what_another_forwarder_hears_but_not_itself(tmp_path: Path) -> None:
    async def act() -> None:
        async with running(tmp_path) as site, VirtualForwarder(site.endpoint()) as forwarder:
            forwarder.pull()
            await until(lambda: forwarder.orders, deadline_s=20)
            own, other = forwarder.orders[0].payload, beacon.frame(b"another hotspot's tag")
            await until(lambda: site.daemon.hosted[0].snapshot()["registered"])
            forwarder.push(lora_packet(own), lora_packet(other, snr_cdb=-250), lora_packet(b"\x40uplink"))
            await until(lambda: all(len(one.reports) == 2 for one in site.validators), deadline_s=20)
            heard = [Witness.decode(report) for report, _ in site.validators[0].reports.values()]
            assert [(one.tag, one.snr_cdb) for one in heard if one] == [(b"another hotspot's tag", -250)]
            counters = site.daemon.hosted[0].counters
            assert counters.snapshot()["rxpk"] == {"beacon": 1, "foreign": 1, "own_beacon": 1}

    asyncio.run(act())


def test_the_status_says_what_happened(tmp_path: Path) -> None:
    async def act() -> dict[str, Any]:
        async with running(tmp_path) as site, VirtualForwarder(site.endpoint()) as forwarder:
            forwarder.pull()
            counters = site.daemon.hosted[0].counters
            await until(lambda: counters.of("reports", "revealed"), deadline_s=20)
            return await asyncio.to_thread(ask, tmp_path / "h0")

    told = asyncio.run(act())
    assert (told["registered"], told["kind"], told["region"]) == (True, "fixed", "EU868")
    assert told["last_beacons"][0]["outcome"] == "sent"
    assert told["counters"]["commits"] == told["counters"]["reveals"] == {"acknowledged": 2}
    assert [one["reachable"] for one in told["validators"]] == [True, True]
    assert told["duty_cycle_us"]["868-868.6"]["allowed"] == 36_000_000
    assert told["epoch"] == world.EPOCH
    assert told["forwarders"][0]["alive"]


def test_many_hotspots_share_one_process_and_its_sessions(tmp_path: Path) -> None:
    async def act() -> None:
        async with running(tmp_path, count=5) as site:
            await until(lambda: all(one.sessions_opened == 5 for one in site.validators), deadline_s=20)
            for number in range(5):
                async with VirtualForwarder(site.endpoint(number)) as forwarder:
                    forwarder.push(lora_packet(beacon.frame(b"a tag of somebody els")))
                    await until(lambda number=number: site.daemon.hosted[number].counters.of("rxpk", "beacon"))
            await until(lambda: all(len(one.reports) == 5 for one in site.validators), deadline_s=20)
            assert len({commit.hotspot_id for commit in site.validators[0].commits}) == 5

    asyncio.run(act())


def test_junk_leaves_it_up_and_counted_by_reason(tmp_path: Path) -> None:
    async def act() -> None:
        source = random.Random(2)
        junk = [bytes.fromhex(case["hex"]) for case in vectors()]
        junk += [mutated(source, source.choice(SEEDS)) for _ in range(10_000)]
        junk = [datagram for datagram in junk if datagram]  # asyncio does not send an empty one
        async with running(tmp_path) as site, VirtualForwarder(site.endpoint()) as forwarder:
            counters = site.daemon.hosted[0].counters
            for at in range(0, len(junk), 100):
                for datagram in junk[at : at + 100]:
                    forwarder.push_bytes(datagram)
                sent = at + len(junk[at : at + 100])
                await until(lambda sent=sent: sum(counters.snapshot().get("datagrams", {}).values()) >= sent)
            assert {"JSON", "SHORT", "PUSH_DATA", "PULL_DATA"} <= set(counters.snapshot()["datagrams"])
            forwarder.pull()
            await until(lambda: forwarder.down.received, deadline_s=20)

    asyncio.run(act())


def test_a_restart_takes_up_what_was_stored(tmp_path: Path) -> None:
    async def act() -> None:
        homes = open_homes([make_home(tmp_path / "h0")])
        async with running(tmp_path, homes=homes) as site, VirtualForwarder(site.endpoint()) as forwarder:
            for validator in site.validators:
                validator.down = True
            forwarder.pull()
            counters = site.daemon.hosted[0].counters
            await until(lambda: counters.of("beacons", "sent"), deadline_s=20)
        store = Store(tmp_path / OUTBOX_FILE)
        (stored,) = store.open_reports()
        store.close()
        async with running(tmp_path, homes=homes) as site:
            await until(lambda: all(stored.id in one.reports for one in site.validators), deadline_s=20)
            assert site.validators[0].reports[stored.id] == (stored.report, stored.signature)

    asyncio.run(act())


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    async def act() -> None:
        async with running(tmp_path / "first") as site:
            other = make_home(tmp_path / "second" / "h0")
            (other / CONFIG_FILE).write_text(f'listen = "{site.daemon.hosted[0].ears.listen}"\n')
            with pytest.raises(StartError, match="choose another with `listen`"):
                async with running(tmp_path / "second", homes=open_homes([other])):
                    pass

    asyncio.run(act())
