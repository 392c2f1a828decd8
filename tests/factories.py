"""A small honest world for tests: hotspots with keys, beacons, witnesses, commits, manifests. All of it can be bent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import coincurve
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import beacon, geo
from protocol.encoding import Network, epoch_draw, epoch_seed, report_id, sha256, signed_bytes
from protocol.epoch import EpochInputs
from protocol.evidence import CountedManifest
from protocol.ids import Address, HotspotId, Kind
from protocol.keys import coordinates, hotspot_id, quorum_address, sign_device
from protocol.manifest import BEACONS, COMMITS, WITNESSES, Manifest, cells_named, seal_segment
from protocol.need import NeedMap, NeedSource
from protocol.parameters import Parameters, parse
from protocol.records import (
    REPORT,
    SEGMENT_ROWS,
    Beacon,
    Commit,
    Position,
    RegistryRow,
    SegmentRef,
    SignedBeacon,
    SignedWitness,
    Witness,
)
from protocol.regions import RegionMap, build_region_map, plan_of
from protocol.registry import Registered
from protocol.rulebook import TEXT
from protocol.schedule import Slot, slot
from protocol.state import State, genesis_state

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
DEVNET_FILE = (ROOT / "params" / "devnet.toml").read_bytes()
DEVNET = parse(DEVNET_FILE)
NETWORK = Network(31_337, Address(bytes.fromhex("11" * 20)))
GENESIS_MS = 1_800_000_000_000
ULM = (48.4, 9.99)
NORTH_DEG_PER_KM = 1 / 111.2


def north_of_ulm(distance_km: float, level: int = 10) -> int:
    """The cell this many kilometres north of Ulm."""
    return geo.cell_at(ULM[0] + distance_km * NORTH_DEG_PER_KM, ULM[1], level)


def address(name: str) -> Address:
    return Address(sha256(name.encode())[:20])


def device_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(sha256(b"device", name.encode()), "big") >> 1, ec.SECP256R1())


def validator_key(name: str) -> coincurve.PrivateKey:
    return coincurve.PrivateKey(sha256(b"validator", name.encode()))


def region_map() -> RegionMap:
    """The resolution 2 cells around Ulm are EU868."""
    home = geo.cell_at(*ULM, 2)
    return build_region_map(
        ["EU868"], ((0, cell) for cell in [home, geo.cell_at(50.5, 9.99, 2), geo.cell_at(47.0, 9.99, 2)])
    )


@dataclass(frozen=True)
class Device:
    """A hotspot and its key."""

    name: str
    key: ec.EllipticCurvePrivateKey
    registered: Registered

    @property
    def hotspot_id(self) -> HotspotId:
        return self.registered.hotspot_id


def make_device(name: str, cell: int, *, owner: str | None = None, kind: Kind = Kind.FIXED, **row: Any) -> Device:
    """A registered hotspot with its own owner, 2 dBi, registered in epoch 0 (sinceEpoch 1)."""
    key = device_key(name)
    x, y = coordinates(key.public_key())
    fields = {
        "hotspot_id": hotspot_id(key.public_key()),
        "owner": address(owner or f"owner of {name}"),
        "cell": cell,
        "gain_cdb": 200,
        "elevation_m": 10,
        "kind": kind,
        "since_epoch": 1,
        "block": 10,
        "log_index": len(name),
        "frozen": 0,
    }
    return Device(name, key, Registered(RegistryRow(**{**fields, **row}), x, y))


def sign_report(device: Device, canonical: bytes) -> bytes:
    return sign_device(device.key, signed_bytes(REPORT, NETWORK, canonical))


@dataclass(frozen=True)
class Copy:
    """A report with one signature, and the validators that have it so."""

    report: bytes
    signature: bytes
    holders: frozenset[Address]


AROUND = ("signature", "committed_ms", "validators", "holders")
"""Keyword arguments that bend what is around a report, not the report."""


@dataclass
class World:
    """One epoch being made. Methods put honest records in; keyword arguments bend single fields."""

    params: Parameters = DEVNET
    epoch: int = 1
    devices: list[Device] = field(default_factory=list)
    stakes: dict[Address, int] = field(
        default_factory=lambda: {quorum_address(validator_key(f"v{n}")): 100 for n in range(1, 5)}
    )
    source: NeedSource | None = None
    before: State | None = None
    regions: RegionMap = field(default_factory=region_map)
    maps: tuple[NeedMap, NeedMap] | None = None
    """The maps of this epoch and the next; those of genesis if None."""
    block_order: list[Address] = field(default_factory=list)
    """Validators in the order the chain put their manifests in; sorted if empty."""
    beacons: list[Copy] = field(default_factory=list)
    witnesses: list[Copy] = field(default_factory=list)
    commits: list[tuple[HotspotId, bytes, int, frozenset[Address]]] = field(default_factory=list)

    @property
    def start_ms(self) -> int:
        return GENESIS_MS + self.epoch * self.params.epoch.length_ms

    @property
    def seed(self) -> bytes:
        return epoch_seed(NETWORK, self.epoch, sha256(b"block before", bytes([self.epoch])))

    @property
    def draw(self) -> bytes:
        return epoch_draw(NETWORK, self.epoch, sha256(b"block after", bytes([self.epoch])))

    def add(self, *devices: Device) -> None:
        self.devices.extend(devices)

    def slot(self, device: Device, index: int = 0) -> Slot:
        registered = device.registered
        plan = plan_of(self.params.radio, registered.kind, self.regions.of(registered.row.cell) or 0)
        return slot(self.params, plan, self.seed, device.hotspot_id, registered.kind, self.start_ms, index)

    def beacon(self, device: Device, index: int = 0, **bent: Any) -> bytes:
        """A beacon in its slot, committed and revealed to every validator. `signature`, `committed_ms`, `validators`
        (told of the commit) and `holders` (of the report) bend what is around it, anything else a field of the
        report. Returns its tag."""
        drawn = self.slot(device, index % 64)
        nonce = sha256(b"nonce", device.name.encode(), bytes([index % 256]))
        gain_cdb = device.registered.row.gain_cdb
        fields = {
            "chain_id": NETWORK.chain_id,
            "contract": NETWORK.hotspots,
            "hotspot_id": device.hotspot_id,
            "epoch": self.epoch,
            "salt": sha256(b"salt", nonce)[:16],
            "slot": index,
            "nonce": nonce,
            "frequency_hz": drawn.frequency_hz,
            "spreading_factor": drawn.spreading_factor,
            "bandwidth_hz": drawn.bandwidth_hz,
            "power_cdb": (drawn.eirp_cdb - gain_cdb) // 100 * 100,
            "sent_at_ms": drawn.start_ms + 80,
            "cell": 0,
        }
        around = {name: bent.pop(name) for name in AROUND if name in bent}
        report = Beacon(**{**fields, **bent})
        self._put(self.beacons, device, report.encode(), drawn.start_ms, around)
        return beacon.tag(self.seed, device.hotspot_id, report.slot, report.nonce)

    def witness(self, device: Device, tag: bytes, heard: Slot, **bent: Any) -> bytes:
        """A plausible report of a beacon heard in a slot. Returns its report id."""
        fields = {
            "chain_id": NETWORK.chain_id,
            "contract": NETWORK.hotspots,
            "hotspot_id": device.hotspot_id,
            "epoch": self.epoch,
            "salt": sha256(b"salt", tag, device.name.encode())[:16],
            "tag": tag,
            "frequency_hz": heard.frequency_hz,
            "spreading_factor": heard.spreading_factor,
            "bandwidth_hz": heard.bandwidth_hz,
            "rssi_cdb": -11_000,
            "snr_cdb": 700,
            "received_at_ms": heard.start_ms + 200,
            "tmst_us": 1_000,
            "fine_time_ns": 2**32 - 1,
            "cell": 0,
        }
        around = {name: bent.pop(name) for name in AROUND if name in bent}
        canonical = Witness(**{**fields, **bent}).encode()
        self._put(self.witnesses, device, canonical, heard.start_ms, around)
        return report_id(canonical)

    def hears(self, witness: Device, beaconer: Device, index: int = 0, **bent: Any) -> bytes:
        """`witness` hears the beacon `beaconer` sent in a slot."""
        nonce = sha256(b"nonce", beaconer.name.encode(), bytes([index % 256]))
        tag = beacon.tag(self.seed, beaconer.hotspot_id, index, nonce)
        return self.witness(witness, tag, self.slot(beaconer, index), **bent)

    def _put(self, where: list[Copy], device: Device, canonical: bytes, start_ms: int, around: dict[str, Any]) -> None:
        everybody = frozenset(self.stakes)
        signature = around["signature"] if "signature" in around else sign_report(device, canonical)
        where.append(Copy(canonical, signature, frozenset(around.get("holders", everybody))))
        time_ms, validators = around.get("committed_ms", start_ms + 500), around.get("validators", everybody)
        self.commits.append((device.hotspot_id, report_id(canonical), time_ms, frozenset(validators)))

    def manifests(self) -> tuple[CountedManifest, ...]:
        """Every validator has the reports and commits it was told of."""
        return tuple(self._manifest(validator) for validator in self.block_order or sorted(self.stakes))

    def _manifest(self, validator: Address) -> CountedManifest:
        rows = {
            COMMITS: [Commit(who, what, when).encode() for who, what, when, told in self.commits if validator in told],
            BEACONS: [
                SignedBeacon(one.report, one.signature).encode() for one in self.beacons if validator in one.holders
            ],
            WITNESSES: [
                SignedWitness(one.report, one.signature).encode() for one in self.witnesses if validator in one.holders
            ],
        }
        sealed = [(kind, seal_segment(kind, made)) for kind, made in rows.items() if made]
        references = tuple(
            SegmentRef(kind, sha256(data), len(data) // SEGMENT_ROWS[kind].width()) for kind, data in sealed
        )
        positions = self.positions([(kind, [data]) for kind, data in sealed])
        manifest = Manifest(NETWORK, self.epoch, validator, references, (), positions)
        return CountedManifest(manifest, tuple(data for _, data in sealed))

    def positions(self, sealed: Iterable[tuple[int, list[bytes]]]) -> tuple[Position, ...]:
        homes = {one.hotspot_id: one.registered.row.cell for one in self.devices}
        return tuple(geo.position(cell) for cell in sorted(cells_named(dict(sealed), homes)))

    def inputs(self) -> EpochInputs:
        source = self.source or NeedSource(self.params.need, ())
        genesis, first_map = genesis_state(source, GENESIS_MS, self.params.emission)
        before = self.before or replace(genesis, epoch=self.epoch - 1)
        need_now, need_next = self.maps or (first_map, first_map)
        return EpochInputs(
            network=NETWORK,
            params=self.params,
            params_hash=sha256(DEVNET_FILE, TEXT.encode()),
            regions=self.regions,
            need=source,
            epoch=self.epoch,
            start_ms=self.start_ms,
            seed=self.seed,
            draw=self.draw,
            registry={one.hotspot_id: one.registered for one in self.devices},
            stakes=self.stakes,
            counted=self.manifests(),
            before=before,
            need_now=need_now,
            need_next=need_next,
        )
