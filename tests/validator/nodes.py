"""Validators in this process: real parts over a fake chain, peers that are method calls, time moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from protocol.closing import Member
from protocol.encoding import epoch_draw, epoch_seed, pieces
from protocol.evidence import CountedManifest
from protocol.ids import Address, HotspotId
from protocol.keys import quorum_address
from protocol.limits import MAX_SEGMENT_BYTES
from protocol.manifest import COMMITS
from protocol.parameters import params_hash
from protocol.records import SEGMENT_ROWS, Commit
from protocol.rulebook import TEXT
from protocol.schedule import epoch_start_ms
from tests.factories import (
    DEVNET_FILE,
    GENESIS_MS,
    NETWORK,
    ROOT,
    Device,
    World,
    address,
    make_device,
    north_of_ulm,
    validator_key,
)
from tests.validator.disks import QuickDisk
from tests.validator.fakes import DOMAIN, FakeChain, FakeSender, ManualClock, MemoEngine, Skewed
from validator.blobs import BlobStore
from validator.chain_view import ChainView
from validator.daily_limits import DailyLimits
from validator.disk import Disk
from validator.engine.duckdb_engine import DuckDbEngine
from validator.epoch_files import EpochFiles
from validator.gateway import Gateway
from validator.inbox import Entry, Inbox
from validator.peers import Availability, RootSignature
from validator.relay import Relay
from validator.rules import NetworkRules, load_rules
from validator.runtime import Parts, Runtime
from validator.sessions import Sessions
from validator.signer import Signer
from validator.sources import BlobSource
from validator.verdicts import VerdictDesk

CELLS_FILE = (ROOT / "params" / "regions" / "devnet.cells").read_bytes()
ENGINE = MemoEngine(DuckDbEngine())
MAX_IDLE_ROUNDS = 1_000


class Listed:
    """The devnet's listed files."""

    async def get(self, digest: bytes, *, most_bytes: int = MAX_SEGMENT_BYTES) -> bytes | None:
        return CELLS_FILE


RULES: NetworkRules = asyncio.run(load_rules(DEVNET_FILE, Listed()))
EPOCH = RULES.params.epoch


def owner_of(number: int) -> Address:
    return address(f"validator {number}")


def start_ms(epoch: int) -> int:
    return epoch_start_ms(GENESIS_MS, EPOCH, epoch)


@dataclass
class ChainWorld(World):
    """An epoch whose seed and draw are the fake chain's."""

    chain: FakeChain | None = None

    @property
    def seed(self) -> bytes:
        assert self.chain is not None
        return epoch_seed(NETWORK, self.epoch, self.chain.seed_block(self.epoch).hash)

    @property
    def draw(self) -> bytes:
        assert self.chain is not None
        end_ms = start_ms(self.epoch + 1)
        return epoch_draw(NETWORK, self.epoch, self.chain.block_numbered(self.chain.number_at(end_ms)).hash)


class LocalPeer:
    """Another validator of this process, as PeerClient shows one: silent while it is dead."""

    def __init__(self, network: LocalNetwork, number: int) -> None:
        self._network, self.number = network, number
        self.owner, self.name = owner_of(number), f"validator {number} (0x{owner_of(number).hex()[:8]})"

    @property
    def _node(self) -> Node | None:
        return self._network.nodes.get(self.number)

    async def announce(self, epoch: int, validator: Address, manifest_hash: bytes, signature: bytes) -> bytes | str:
        node = self._node
        if node is None:
            return f"{self.name} does not answer (unavailable)"
        answer = await node.availability.consider(epoch, validator, manifest_hash, signature)
        return answer if isinstance(answer, bytes) else f"{self.name} refuses: {answer}"

    async def root_signature(self, epoch: int, set_id: int) -> RootSignature | None:
        return self._node.runtime.root_signature(epoch, set_id) if self._node else None

    async def fetch(self, digest: bytes, most_bytes: int = MAX_SEGMENT_BYTES) -> bytes | None:
        data = self._node.store.get(digest) if self._node else None
        return data if data is not None and len(data) <= most_bytes else None


@dataclass
class Node:
    """One validator. Made again from its directory, it is that validator after a restart."""

    number: int
    directory: Path
    network: LocalNetwork
    rules: NetworkRules = RULES
    receive_skew_ms: int = 0
    disk: Disk = field(default_factory=QuickDisk)
    engine: Any = ENGINE

    def __post_init__(self) -> None:
        clock, chain = self.network.clock, self.network.chain
        self.owner = owner_of(self.number)
        self.peers: list[Any] = [
            LocalPeer(self.network, other) for other in self.network.numbers if other != self.number
        ]
        self.view = ChainView(chain, chain, self.rules.params)  # type: ignore[arg-type]
        self.view.refresh()
        self.store = BlobStore(self.directory / "blobs", self.disk)
        self.source = BlobSource(self.store, self.peers)
        self.signer = Signer(validator_key(f"v{self.number}"), DOMAIN, self.directory / "signed.log", self.disk)
        self.inbox = Inbox(self.directory / "inbox", self.disk)
        self.files = EpochFiles(self.directory / "epochs", self.disk)
        self.sender = FakeSender(chain, self.owner)
        self.desk = VerdictDesk(self.owner, self.view, self.rules, self.inbox, self.engine, clock)
        self.sessions = Sessions(NETWORK, self.owner)
        self.parts = Parts(
            owner=self.owner,
            chain=self.view,
            rules=self.rules,
            inbox=self.inbox,
            files=self.files,
            source=self.source,
            signer=self.signer,
            sender=self.sender,  # type: ignore[arg-type]
            peers=self.peers,
            engine=self.engine,
            desk=self.desk,
            clock=clock,
        )
        self.runtime = Runtime(self.parts)
        self.availability = Availability(self.view, self.source, self.signer, self.peers, clock, self.owner)
        self.limits = DailyLimits(self.rules.params.relay, clock, self.directory / "relayed-today.json", self.disk)
        self.gateway = Gateway(
            self.owner,
            self.view,
            self.inbox,
            self.sessions,
            self.signer,
            Relay(chain, self.sender, self.limits),  # type: ignore[arg-type]
            self.desk,
            clock,
            Skewed(clock, self.receive_skew_ms),
        )

    async def idle(self) -> None:
        """Returns when no step of the epoch machine is running; a step that crashed raises here."""
        while self.runtime._tasks:
            await asyncio.gather(*self.runtime._tasks)
            # Since Python 3.12, waiting for what is done already lets nothing else run: not even what forgets it.
            await asyncio.sleep(0)

    async def close(self) -> None:
        await self.runtime.stop()
        self.inbox.close()
        self.signer.close()


class LocalNetwork:
    """Validators 1 to n over one fake chain."""

    def __init__(self, directory: Path, stakes: Iterable[int] = (100, 100, 100, 100)) -> None:
        self.directory, self.clock = directory, ManualClock()
        self.numbers = range(1, len(list(stakes)) + 1)
        members = [
            Member(owner_of(number), quorum_address(validator_key(f"v{number}")), stake)
            for number, stake in enumerate(stakes, 1)
        ]
        self.chain = FakeChain(self.clock, members, RULES.params, params_hash(DEVNET_FILE, TEXT))
        self.nodes: dict[int, Node] = {}

    async def start(self, *numbers: int, **bent: Any) -> None:
        for number in numbers or self.numbers:
            node = Node(number, self.directory / f"validator-{number}", self, **bent)
            self.nodes[number] = node
            await node.runtime.start()

    async def stop(self, *numbers: int) -> None:
        for number in numbers or list(self.nodes):
            await self.nodes.pop(number).close()

    def world(self, epoch: int, *devices: Device) -> ChainWorld:
        stakes = {one.owner: one.stake for one in self.chain.members}
        return ChainWorld(params=RULES.params, epoch=epoch, devices=list(devices), stakes=stakes, chain=self.chain)

    async def feed(self, world: World) -> None:
        """Puts each validator's rows of the world into its inbox."""
        for counted in world.manifests():
            node = next((one for one in self.nodes.values() if one.owner == counted.manifest.validator), None)
            if node is not None:
                await node.inbox.store(entries_of(counted, node.receive_skew_ms))

    async def tick(self) -> None:
        """One tick of every validator, and everything it starts."""
        for node in list(self.nodes.values()):
            await asyncio.to_thread(node.view.refresh)
            await node.runtime.tick()
        for node in list(self.nodes.values()):
            await node.idle()

    async def run(self, until_ms: int, step_ms: int = 1_000) -> None:
        """Ticks every `step_ms` of fake time until a moment."""
        while self.clock.time_ms < until_ms:
            self.clock.time_ms = min(self.clock.time_ms + step_ms, until_ms)
            await self.tick()

    async def run_until(self, condition: Callable[[], bool], within_ms: int, step_ms: int = 1_000) -> None:
        """Ticks until a condition holds; fails if it does not within so much fake time."""
        deadline_ms = self.clock.time_ms + within_ms
        while not condition():
            assert self.clock.time_ms < deadline_ms, "the condition did not come true in time"
            await self.run(self.clock.time_ms + step_ms, step_ms)

    def settled(self) -> dict[int, int]:
        return {number: node.runtime.settled_epoch() for number, node in self.nodes.items()}


def entries_of(counted: CountedManifest, skew_ms: int = 0) -> list[Entry]:
    """The inbox entries a manifest's segments were sealed from."""
    entries = []
    for reference, data in zip(counted.manifest.segments, counted.segments, strict=True):
        for row in pieces(SEGMENT_ROWS[reference.kind].width(), data):
            if reference.kind == COMMITS:
                commit = Commit.decode(row)
                assert commit is not None
                row = replace(commit, received_at_ms=commit.received_at_ms + skew_ms).encode()
            hotspot = HotspotId(row[:32] if reference.kind == COMMITS else row[28:60])
            entries.append(Entry(reference.kind, counted.manifest.epoch, hotspot, row))
    return entries


def three_devices() -> list[Device]:
    """Fixed hotspots of three owners, two kilometres apart."""
    return [make_device(f"hotspot {number}", north_of_ulm(2.0 * number)) for number in range(3)]


def all_hear_all(world: World) -> World:
    """Every device beacons in its first slot and hears the others."""
    for device in world.devices:
        world.beacon(device)
    for witness in world.devices:
        for beaconer in world.devices:
            if witness is not beaconer:
                world.hears(witness, beaconer)
    return world


async def until(condition: Callable[[], object], deadline_s: float = 10.0) -> None:
    """Returns when a condition holds; fails the test when it does not in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while not condition():
        assert loop.time() < end, "the condition did not come true in time"
        await asyncio.sleep(0.002)


def run(work: Callable[[], Coroutine[Any, Any, None]] | Awaitable[None]) -> None:
    """Runs a test's coroutine to its end."""
    asyncio.run(work() if callable(work) else work)  # type: ignore[arg-type]
