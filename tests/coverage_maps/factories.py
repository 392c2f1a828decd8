"""A small world around Ulm whose public evidence is real: signed reports, settled epochs, blobs by their sha256.

Everything is derived from a seed, so two builds are equal. Radio: log-distance with a fixed shadow per pair.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from chain.errors import ChainUnavailable
from chain.network import Contracts, NetworkFile, ValidatorEntry
from chain.reader import Block, EpochsConfig
from coverage_maps.follower import Asked, Follower, Snapshot
from coverage_maps.record import EpochRecord, Problem, Root, Rules, incumbent_at, open_epoch, open_rules
from coverage_maps.view import EpochView, build_view
from protocol import beacon as on_air
from protocol import geo, rulebook
from protocol.encoding import Network, concatenate, report_id, sha256, signed_bytes
from protocol.epoch import EpochInputs, EpochResult, settle
from protocol.evidence import CountedManifest
from protocol.ids import NO_CELL, Address, HotspotId, Kind
from protocol.keys import coordinates, hotspot_id, keccak256, sign_device
from protocol.manifest import BEACONS, COMMITS, WITNESSES, Manifest, cells_named, seal_segment
from protocol.need import LORA, NeedMap, NeedSource
from protocol.parameters import Parameters, params_hash, parse
from protocol.records import (
    NO_FINE_TIME,
    REPORT,
    BaselineRow,
    Beacon,
    Commit,
    RegistryRow,
    SegmentRef,
    SignedBeacon,
    SignedWitness,
    Witness,
)
from protocol.regions import RegionMap, plan_of, region_map
from protocol.registry import Registered
from protocol.schedule import epoch_start_ms, schedule
from protocol.state import State, genesis_state
from validator.engine.duckdb_engine import DuckDbEngine

PARAMS = Path(__file__).parents[2] / "params"
ULM = (48.40, 9.99)
NETWORK = Network(31_337, Address(bytes.fromhex("11" * 20)))
GENESIS_MS = 1_790_000_000_000
VALIDATORS = tuple(Address(bytes([0xA0 + number]) * 20) for number in range(4))
STAKE = 10**24
GAIN_CDB = 200
SENSITIVITY_CDB = -12_600
NOISE_CDB = -11_700
KM_PER_DEGREE = 111.2


@dataclass(frozen=True, slots=True)
class Device:
    """A hotspot's key and what the chain knows of it."""

    key: ec.EllipticCurvePrivateKey
    registered: Registered
    tour: tuple[int, ...] = ()
    """Cells a mapper beacons from, slot by slot."""


def place(north_km: float, east_km: float) -> tuple[float, float]:
    """(latitude, longitude) so far from Ulm's centre."""
    north = ULM[0] + north_km / KM_PER_DEGREE
    return north, ULM[1] + east_km / (KM_PER_DEGREE * math.cos(math.radians(ULM[0])))


def device(number: int, at: tuple[float, float], kind: Kind = Kind.FIXED, owner: int | None = None) -> Device:
    """Hotspot `number`, registered at a place; each has its own owner unless told otherwise."""
    key = ec.derive_private_key(1_000_003 * (number + 1), ec.SECP256R1())
    x, y = coordinates(key.public_key())
    row = RegistryRow(
        hotspot_id=hotspot_id(key.public_key()),
        owner=keccak256(b"owner", bytes([number if owner is None else owner]))[:20],
        cell=geo.cell_at(*at, 10),
        gain_cdb=GAIN_CDB,
        elevation_m=10,
        kind=kind,
        since_epoch=0,
        block=10 + number,
        log_index=0,
        frozen=0,
    )
    return Device(key, Registered(row, x, y))


@cache
def baseline_rows(rings: int = 4) -> tuple[BaselineRow, ...]:
    """An incumbent whose signal falls from -88 dBm in the west to -128 dBm in the east; the far north is unmeasured."""
    import h3.api.basic_int as h3

    centre, rows = geo.cell_at(*ULM, 8), set()
    for cell in h3.grid_disk(centre, rings):
        latitude, longitude = h3.cell_to_latlng(cell)
        if latitude > ULM[0] + 0.022:
            continue
        east_km = (longitude - ULM[1]) * KM_PER_DEGREE * math.cos(math.radians(ULM[0]))
        for child in h3.cell_to_children(cell, 9):
            cdb = round(
                -10_600 - 500 * east_km + 100 * (int.from_bytes(sha256(child.to_bytes(8, "big"))[:2], "big") % 7)
            )
            rows.add(BaselineRow(child, LORA, 1, 0, max(-13_400, min(-8_000, cdb)), 1_000_000, 0))
    return tuple(sorted(rows, key=BaselineRow.encode))


def params_file(baseline: bytes) -> bytes:
    """The devnet's params with one baseline of its own."""
    listed = (
        f'\n[[baselines]]\nname = "drive test"\nsha256 = "{sha256(baseline).hex()}"\n'
        'radio_class = "lora"\nsource = 1\nvotes_u = 8_000_000\nhalf_life_days = 365\n'
    )
    return (PARAMS / "devnet.toml").read_bytes() + listed.encode()


@dataclass
class World:
    """Devices, and everything public about the epochs played so far."""

    devices: Sequence[Device]
    seed: int = 1
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    roots: list[Root] = field(default_factory=list)
    results: list[EpochResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        baseline = concatenate(baseline_rows())
        self.params_file = params_file(baseline)
        self.params: Parameters = parse(self.params_file)
        self.params_hash = params_hash(self.params_file, rulebook.TEXT)
        self.source = NeedSource(self.params.need, ((self.params.baselines[0], baseline_rows()),))
        self.regions = self._regions()
        self.registry = {one.registered.hotspot_id: one.registered for one in self.devices}
        self.state, first = genesis_state(self.source, GENESIS_MS, self.params.emission)
        self.maps: list[NeedMap] = [first, first]
        self.publish(baseline, self.params_file, first.encode(), self.state.encode())

    def _regions(self) -> RegionMap:
        found = region_map(self.params.radio, (PARAMS / self.params.radio.cells.file).read_bytes())
        assert found is not None
        return found

    def publish(self, *blobs: bytes) -> None:
        self.blobs.update({sha256(blob): blob for blob in blobs})

    def fetch(self, digest: bytes) -> bytes | Problem:
        """What a validator serves."""
        found = self.blobs.get(digest)
        return Problem("no validator has it", missing=True) if found is None else found

    @staticmethod
    def seed_of(epoch: int) -> bytes:
        return sha256(b"seed", bytes([epoch]))

    def play(self) -> EpochResult:
        """One more epoch: everybody beacons and witnesses, four validators agree, a root lands."""
        epoch = self.state.epoch + 1
        segments = _Air(self, epoch).segments()
        counted = tuple(self._counted(epoch, owner, segments) for owner in VALIDATORS)
        result = settle(self._inputs(epoch, counted), DuckDbEngine(threads=1))
        self.publish(result.outcome_table, result.state.encode(), result.need_map.encode(), result.summary)
        self.state = result.state
        self.maps.append(result.need_map)
        self.results.append(result)
        self.roots.append(self._root(result))
        return result

    def _inputs(self, epoch: int, counted: tuple[CountedManifest, ...]) -> EpochInputs:
        before: State = self.state
        return EpochInputs(
            network=NETWORK,
            params=self.params,
            params_hash=self.params_hash,
            regions=self.regions,
            need=self.source,
            epoch=epoch,
            start_ms=self.start_ms(epoch),
            seed=self.seed_of(epoch),
            draw=sha256(b"draw", bytes([epoch])),
            registry=self.registry,
            stakes=dict.fromkeys(VALIDATORS, STAKE),
            counted=counted,
            before=before,
            need_now=self.maps[epoch - 1],
            need_next=self.maps[epoch],
        )

    def start_ms(self, epoch: int) -> int:
        return epoch_start_ms(GENESIS_MS, self.params.epoch, epoch)

    def _counted(self, epoch: int, owner: Address, segments: dict[int, bytes]) -> CountedManifest:
        widths = {COMMITS: Commit.width(), BEACONS: SignedBeacon.width(), WITNESSES: SignedWitness.width()}
        cells = {one: registered.row.cell for one, registered in self.registry.items()}
        named = cells_named({kind: [data] for kind, data in segments.items()}, cells)
        manifest = Manifest(
            NETWORK,
            epoch,
            owner,
            tuple(SegmentRef(kind, sha256(data), len(data) // widths[kind]) for kind, data in sorted(segments.items())),
            (),
            tuple(geo.position(cell) for cell in sorted(named)),
        )
        self.publish(manifest.encode(), *segments.values())
        return CountedManifest(manifest, tuple(data for _, data in sorted(segments.items())))

    def _root(self, result: EpochResult) -> Root:
        end_ms = self.start_ms(result.epoch + 1)
        return Root(
            epoch=result.epoch,
            root=result.tree.root,
            data_hash=result.data_hash,
            cumulative_total=result.state.cumulative_total,
            active_at_ms=end_ms + 30_000,
            block=100 * result.epoch,
            signers=VALIDATORS[:3],
        )


class _Air:
    """What is sent and heard in one epoch."""

    def __init__(self, world: World, epoch: int) -> None:
        self.world, self.epoch = world, epoch
        self.random = random.Random(f"{world.seed}/{epoch}")
        self.rows: dict[int, list[bytes]] = {COMMITS: [], BEACONS: [], WITNESSES: []}

    def segments(self) -> dict[int, bytes]:
        for sender in self.world.devices:
            self._beacons_of(sender)
        return {kind: seal_segment(kind, rows) for kind, rows in self.rows.items() if rows}

    def _beacons_of(self, sender: Device) -> None:
        world, who = self.world, sender.registered
        region = world.regions.of(who.row.cell)
        plan = plan_of(world.params.radio, who.kind, region if region is not None else 0)
        for slot in schedule(
            world.params, plan, world.seed_of(self.epoch), who.hotspot_id, who.kind, world.start_ms(self.epoch)
        ):
            if who.kind.is_mapper and slot.index >= len(sender.tour):
                continue
            nonce = sha256(b"nonce", who.hotspot_id, bytes([self.epoch, slot.index]))
            cell = sender.tour[slot.index] if who.kind.is_mapper else NO_CELL
            beacon = Beacon(
                NETWORK.chain_id, NETWORK.hotspots, who.hotspot_id, self.epoch, self._salt(), slot.index, nonce,
                slot.frequency_hz, slot.spreading_factor, slot.bandwidth_hz, slot.eirp_cdb - GAIN_CDB,
                slot.start_ms + 100, cell,
            )  # fmt: skip
            self._record(BEACONS, sender, beacon.encode(), slot.start_ms)
            tag = on_air.tag(world.seed_of(self.epoch), who.hotspot_id, slot.index, nonce)
            for receiver in world.devices:
                self._witness(sender, receiver, beacon, tag, slot.start_ms)

    def _witness(self, sender: Device, receiver: Device, beacon: Beacon, tag: bytes, start_ms: int) -> None:
        if receiver is sender or receiver.registered.kind.is_mapper:
            return
        at = beacon.cell or sender.registered.row.cell
        rssi_cdb = received_cdb(beacon.power_cdb + GAIN_CDB, at, receiver.registered.row.cell)
        if rssi_cdb < SENSITIVITY_CDB:
            return
        snr_cdb = min(rssi_cdb - NOISE_CDB, 1_000)
        witness = Witness(
            NETWORK.chain_id, NETWORK.hotspots, receiver.registered.hotspot_id, self.epoch, self._salt(), tag,
            beacon.frequency_hz, beacon.spreading_factor, beacon.bandwidth_hz, max(rssi_cdb, NOISE_CDB + snr_cdb),
            snr_cdb, start_ms + 180, start_ms % 2**32, NO_FINE_TIME, NO_CELL,
        )  # fmt: skip
        self._record(WITNESSES, receiver, witness.encode(), start_ms)

    def _salt(self) -> bytes:
        return self.random.randbytes(16)

    def _record(self, kind: int, who: Device, report: bytes, start_ms: int) -> None:
        signature = sign_device(who.key, signed_bytes(REPORT, NETWORK, report))
        self.rows[kind].append(report + signature)
        commit = Commit(who.registered.hotspot_id, report_id(report), start_ms + 400)
        self.rows[COMMITS].append(commit.encode())


def received_cdb(eirp_cdb: int, sender_cell: int, receiver_cell: int) -> int:
    """Log-distance with exponent 3 and a fixed shadow per pair of cells, never above free space."""
    distance_m = max(math.sqrt(geo.chord_squared(geo.position(sender_cell), geo.position(receiver_cell))), 60.0)
    pair = b"".join(cell.to_bytes(8, "big") for cell in sorted((sender_cell, receiver_cell)))
    shadow_db = int.from_bytes(hashlib.sha256(pair).digest()[:2], "big") / 65_536 * 10
    loss_db = 34 + 30 * math.log10(distance_m) + shadow_db
    return round(eirp_cdb + GAIN_CDB - 100 * loss_db)


def tour(*steps: tuple[float, float]) -> tuple[int, ...]:
    """Resolution 9 cells of places given as (north km, east km)."""
    return tuple(geo.cell_at(*place(north, east), 9) for north, east in steps)


@cache
def small_devices() -> tuple[Device, ...]:
    """Four fixed hotspots two kilometres apart, one far off that nobody hears, and one mapper driving between them."""
    fixed = [device(number, place(*at)) for number, at in enumerate([(0, 0), (0.2, 2.1), (-1.9, 0.3), (-1.8, 2.2)])]
    lonely = device(4, place(60, 60))
    drive = tour(*((-0.3 * step, 0.8 + 0.1 * step) for step in range(7)))
    mapper = device(5, place(0, 0.5), Kind.MAPPER)
    return (*fixed, lonely, Device(mapper.key, mapper.registered, drive))


@cache
def city_devices() -> tuple[Device, ...]:
    """Seventeen fixed hotspots over the city, two of one owner, two side by side, and three mappers on their rounds."""
    spots = [(0.1, 0.2), (0.9, 1.9), (-1.6, 0.5), (-1.3, 2.6), (1.9, -0.8), (2.4, 1.4), (-2.9, -1.2), (-3.3, 1.6)]
    spots += [(0.4, -2.4), (0.3, 4.2), (-1.9, 4.9), (-0.6, -0.9), (3.4, 3.0), (1.2, 3.3), (-1.62, 0.52), (60, 60)]
    fixed = [device(number, place(*at)) for number, at in enumerate(spots)]
    fixed.append(device(16, place(-0.2, 2.9), owner=1))
    rounds = [
        [(0.16 * step - 0.8, 0.18 * step - 0.6) for step in range(8)],
        [(-0.2 * step - 2.6, 3.4 + 0.1 * step) for step in range(8)],
        [(3.2 - 0.1 * step, -2.6 - 0.2 * step) for step in range(8)],
    ]
    mappers = [device(20 + number, place(0, 0.5), Kind.MAPPER) for number in range(len(rounds))]
    return (
        *fixed,
        *(Device(one.key, one.registered, tour(*steps)) for one, steps in zip(mappers, rounds, strict=True)),
    )


@cache
def _played(devices: tuple[Device, ...], epochs: int) -> World:
    world = World(devices)
    for _ in range(epochs):
        world.play()
    return world


def small_world(epochs: int = 2) -> World:
    """The small devices after some epochs. Shared between tests: use World yourself to change anything."""
    return _played(small_devices(), epochs)


def rules_of(world: World) -> Rules:
    """What the world's epochs are read by."""
    rules = open_rules(sha256(world.params_file), world.params_hash, GENESIS_MS, world.fetch)
    assert isinstance(rules, Rules), rules
    return rules


def record_of(world: World, epoch: int) -> EpochRecord:
    """One settled epoch, read from the world's blobs."""
    found = open_epoch(world.roots[epoch - 1], rules_of(world), world.registry, world.seed_of(epoch), world.fetch)
    assert isinstance(found, EpochRecord), found
    return found


def view_of(world: World, epoch: int) -> EpochView:
    """What is shown of one settled epoch."""
    record = record_of(world, epoch)
    return build_view(record, incumbent_at(record.rules.source, record.start_ms))


def network_file(world: World) -> NetworkFile:
    """The network file of a world."""
    return NetworkFile(
        name="synthetic",
        chain_id=NETWORK.chain_id,
        genesis_hash=bytes(32),
        rpc_urls=("http://127.0.0.1:1",),
        contracts=Contracts(
            token=Address(b"\x01" * 20),
            hotspots=NETWORK.hotspots,
            epochs=Address(b"\x02" * 20),
            timelock=Address(b"\x03" * 20),
            governor=Address(b"\x04" * 20),
        ),
        deployed_block=0,
        params_hash=world.params_hash,
        validators=tuple(ValidatorEntry(owner, owner, "127.0.0.1:1") for owner in VALIDATORS),
        map_url="http://127.0.0.1:8080",
        confirmations=None,
        simulated={"what": "The radio between hotspots is simulated; protocol, validators and chain are real."},
    )


class FakeChain:
    """A world's chain facts, without a node."""

    def __init__(self, world: World) -> None:
        self.world, self.network = world, network_file(world)
        self.paid: dict[bytes, int] = {}
        self.down = ""

    def of(self, network: NetworkFile) -> FakeChain:
        """The same chain as a command sees it that loaded a network file."""
        self.network = network
        return self

    def close(self) -> None:
        """Nothing to give back."""

    def refresh(self) -> Block:
        if self.down:
            raise ChainUnavailable(self.down)
        now_ms = self.world.start_ms(self.world.state.epoch + 1) + 40_000
        return Block(100 * (self.world.state.epoch + 1), bytes(32), bytes(32), now_ms)

    def config(self) -> EpochsConfig:
        windows, emission, contracts = self.world.params.epoch, self.world.params.emission, self.network.contracts
        return EpochsConfig(
            contracts.token, contracts.hotspots, contracts.timelock, GENESIS_MS, windows.length_ms,
            windows.close_after_ms, windows.finality_ms, windows.challenge_window_ms, emission.first,
            emission.halving_epochs, self.world.params.validators.unbonding_epochs, 0, self.world.params_hash,
        )  # fmt: skip

    def roots(self) -> list[Root]:
        return list(self.world.roots)

    def at_seed_block(self, epoch: int, seed_lead_ms: int):
        assert seed_lead_ms == self.world.params.epoch.seed_lead_ms
        return self.world.registry, self.world.seed_of(epoch)

    def newest_registry(self) -> dict[HotspotId, Registered]:
        return self.world.registry

    def claimed(self) -> dict[bytes, int]:
        return self.paid


def follower_of(chain: FakeChain, **settings) -> Follower:
    """A follower that reads a world's blobs directly."""
    return Follower(chain, chain.world.fetch, lambda: Asked((sha256(chain.world.params_file),)), **settings)


def snapshot_of(world: World) -> Snapshot:
    """Everything shown of a world."""
    follower = follower_of(FakeChain(world))
    while follower.step():
        pass
    return follower.snapshot


def ids(world: World) -> list[HotspotId]:
    return [one.registered.hotspot_id for one in world.devices]
