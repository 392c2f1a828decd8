"""Random small worlds: several epochs of honest and bent reports, by one seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import log10
from random import Random
from typing import Any

from protocol import geo
from protocol.encoding import sha256
from protocol.epoch import EpochInputs, EpochResult, settle
from protocol.ids import Kind
from protocol.keys import P256_ORDER, quorum_address
from protocol.need import CELLULAR, LORA, WIFI, NeedMap, NeedSource
from protocol.parameters import Baseline, Parameters, parse
from protocol.records import BaselineRow
from protocol.regions import RegionMap, build_region_map
from protocol.schedule import slots_of
from protocol.state import State
from protocol.verdicts import Engine
from tests.factories import (
    DEVNET_FILE,
    GENESIS_MS,
    NORTH_DEG_PER_KM,
    ULM,
    Device,
    World,
    make_device,
    sign_report,
    validator_key,
)

SECOND_REGION = b"""
[[radio.regions]]
name = "US915"
channels_hz = [903_900_000, 904_100_000, 904_300_000]
bandwidth_hz = 500_000
spreading_factors = [7, 9, 10]
eirps_cdb = [3_000, 1_600]
max_eirp_cdb = 3_000
max_dwell_ms = 400

[radio.cells]
"""
SMALLER = {  # so that a small world reaches every limit
    b"witnesses_per_beacon = 14": b"witnesses_per_beacon = 3",
    b"cells_per_hotspot = 19": b"cells_per_hotspot = 3",
    b"established_epochs = 1\n": b"established_epochs = 3\n",
    b"tier_epochs = 7": b"tier_epochs = 2",
    b"down_epochs = 7": b"down_epochs = 2",
    b"point_cap_divisor = 10 ": b"point_cap_divisor = 4 ",
    b"halving_epochs = 525_600": b"halving_epochs = 2",
    b"ranks_u = [1_000_000, 500_000, 250_000]": b"ranks_u = [1_000_000, 500_000]",
}


def small_params_file() -> bytes:
    """The devnet's file with a second region and smaller limits."""
    text = DEVNET_FILE.replace(b"\n[radio.cells] ", SECOND_REGION.replace(b"[radio.cells]\n", b"[radio.cells] "))
    for old, new in SMALLER.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


PARAMS_FILE = small_params_file()
PARAMS: Parameters = parse(PARAMS_FILE)
VALIDATORS = [quorum_address(validator_key(f"v{number}")) for number in range(1, 5)]
MOVED = 100
GENESIS_DAY = GENESIS_MS // 86_400_000


def two_regions() -> RegionMap:
    """EU868 around Ulm; a resolution 5 cell about 20 km north of it is also, and only there first, US915's."""
    home = [geo.cell_at(latitude, ULM[1], 2) for latitude in (ULM[0], 50.5, 47.0)]
    abroad = geo.cell_at(ULM[0] + 0.55, ULM[1], 4)
    members = [(0, cell) for cell in h3_without(home, abroad)] + [(1, cell) for cell in [abroad, home[0]]]
    return build_region_map(["EU868", "US915"], members)


def h3_without(cells: list[int], hole: int) -> list[int]:
    """The children of cells at the hole's resolution, without the hole."""
    import h3.api.basic_int as h3

    level = geo.resolution(hole)
    return [child for cell in dict.fromkeys(cells) for child in h3.cell_to_children(cell, level) if child != hole]


@dataclass
class Story:
    """What a seed tells: the epochs' inputs and what protocol/ made of them."""

    inputs: list[EpochInputs] = field(default_factory=list)
    results: list[EpochResult] = field(default_factory=list)


def tell(seed: int, engine: Engine) -> Story:
    """One to three epochs of one random network, settled by protocol/."""
    return _Teller(Random(seed)).tell(engine)


class _Teller:
    """Makes the choices of one story."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.epochs = self.random.choice([1] * 15 + [2] * 12 + [3] * 12 + [11])
        self.regions = two_regions()
        self.stakes = {one: random.choice([1, 100, 100, 100, 250]) for one in VALIDATORS}
        self.devices = self._devices()
        self.source = self._need_source()

    def tell(self, engine: Engine) -> Story:
        story, before, maps = Story(), None, None
        for epoch in range(1, 1 + self.epochs):
            if epoch > 1:
                self._change(epoch)
            inputs = self._epoch(epoch, before, maps)
            result = settle(inputs, engine)
            story.inputs.append(inputs)
            story.results.append(result)
            before, maps = result.state, (inputs.need_next, result.need_map)
        return story

    def _change(self, epoch: int) -> None:
        """Somebody moves, somebody is frozen, a file is listed."""
        at = self.random.randrange(len(self.devices))
        moved = self.devices[at].registered
        if self.random.random() < 0.3 and moved.row.since_epoch < epoch - 1:
            since = self.random.choice([epoch, epoch, epoch - 1])
            row = replace(moved.row, cell=self._home(), since_epoch=since, block=MOVED + epoch)
            self.devices[at] = replace(self.devices[at], registered=replace(moved, row=row))
        if self.random.random() < 0.2:
            self.source = self._need_source()

    # --- hotspots

    def _devices(self) -> list[Device]:
        kinds = [Kind.FIXED] * 7 + [Kind.MAPPER] * 3 + [Kind.FIXED_WIFI, Kind.MAPPER_WIFI]
        count = self.random.randint(4, 9 if self.epochs < 5 else 5)
        return [self._device(number, self.random.choice(kinds)) for number in range(count)]

    def _device(self, number: int, kind: Kind) -> Device:
        return make_device(
            f"d{number}",
            self._home(),
            owner=f"owner {self.random.randrange(7)}",
            kind=kind,
            gain_cdb=self.random.choice([200, 200, 0, -300, 1_000]),
            since_epoch=self.random.choice([0, 0] + [1] * 60 + [2, 2, 3, 8]),
            block=self.random.choice([10, 10, 11]),
            frozen=int(self.random.random() < 0.015),
        )

    def _home(self) -> int:
        near_km, far_km = [0, 0.1, 0.4, 0.6, 0.8, 1, 2, 3, 3.4, 8], [40, 60, 98, 99.5, 101, 130]
        distance_km = self.random.choice(far_km if self.random.random() < 0.12 else near_km)
        latitude = ULM[0] + self.random.choice([-1, 1]) * distance_km * NORTH_DEG_PER_KM
        longitude = ULM[1] + self.random.choice([0, 0, 0.004, 0.02, 0.5])
        return geo.cell_at(latitude, longitude, self.random.choice([9, 10, 10, 10, 11, 12]))

    def _mapper_cell(self, device: Device) -> int:
        """Mostly a few places around Ulm, sometimes no place a mapper may report."""
        if self.random.random() < 0.03:
            home = device.registered.row.cell
            return self.random.choice([0, 2**64 - 1, home, geo.parent(home, 7), geo.cell_at(0, 0, 9)])
        latitude = ULM[0] + self.random.choice([0, 0, 0.003, 0.003, 0.012, 0.05, 0.2, 0.55])
        level = self.random.choice([8, 8, 9, 9, 10, 11])
        return geo.cell_at(latitude, ULM[1] + self.random.choice([0, 0.003]), level)

    # --- incumbent signal

    def _need_source(self) -> NeedSource:
        files = tuple(self._file(number) for number in range(1, 1 + self.random.choice([0, 1, 2, 3])))
        return NeedSource(PARAMS.need, files)

    def _file(self, source: int) -> tuple[Baseline, tuple[BaselineRow, ...]]:
        name, number = self.random.choice([("lora", LORA), ("wifi", WIFI), ("cellular", CELLULAR), ("lora", LORA)])
        votes_u = self.random.choice([8_000_000, 3_000_000, 2_000_000, 0])
        listed = Baseline(f"file {source}", "", name, source, votes_u, self.random.choice([1, 90, 365]))
        rows = {self._row(number, source) for _ in range(self.random.choice([0, 1, 5, 20]))}
        return listed, tuple(sorted(rows, key=BaselineRow.encode))

    def _row(self, radio_class: int, source: int) -> BaselineRow:
        device = self.random.choice(self.devices)
        near = geo.parent(device.registered.row.cell, 9)
        if self.random.random() < 0.4:
            near = geo.cell_at(ULM[0] + self.random.uniform(-0.1, 0.1), ULM[1] + self.random.uniform(-0.1, 0.1), 9)
        return BaselineRow(
            cell=near,
            radio_class=radio_class,
            source=source,
            contributor=self.random.choice([0, 0, 1, 2, 3, 4]),
            signal_cdb=self.random.choice([-6_000, -8_500, -9_300, -10_700, -11_111, -12_000, -13_000, -20_000, 0]),
            weight_u=self.random.choice([1, 333_333, 1_000_000, 1_000_000, 3_000_000, 2**32 - 1]),
            day=self.random.choice(
                [0, 0, GENESIS_DAY, GENESIS_DAY - 1, GENESIS_DAY - 91, GENESIS_DAY - 4_000, GENESIS_DAY + 9]
            ),
        )

    # --- one epoch

    def _epoch(self, epoch: int, before: State | None, maps: tuple[NeedMap, NeedMap] | None) -> EpochInputs:
        world = World(
            params=PARAMS,
            epoch=epoch,
            stakes=self.stakes,
            source=self.source,
            before=before,
            regions=self.regions,
            maps=maps,
            block_order=self.random.sample(VALIDATORS, self.random.choice([3, 4, 4])),
        )
        world.add(*(one for one in self.devices if self._is_known(one, epoch)))
        if self.random.random() > 0.06:
            self._speak_and_hear(world)
        return world.inputs()

    def _is_known(self, device: Device, epoch: int) -> bool:
        """Registered at B_e; one registered between B_e and the start is known an epoch later than it plays."""
        row = device.registered.row
        late = row.since_epoch > 1 and row.block < MOVED and device.name in ("d2", "d5")
        return row.since_epoch + late <= epoch

    def _speak_and_hear(self, world: World) -> None:
        stays = {one.name: self._mapper_cell(one) for one in self.devices}
        for device in self.devices:
            slots = range(slots_of(PARAMS.slots, device.registered.kind))
            for index in self.random.sample(slots, self.random.choice([0, 1, 1, 2])):
                place = {"cell": self._stay(device, stays)}
                tag = world.beacon(device, index, **place, **self._bend_beacon(world, device, index))
                if self.random.random() < 0.05:
                    world.beacon(device, index, **place, salt=b"another salt 123")
                for witness in self.devices:
                    if self.random.random() < (0.05 if witness is device else 0.75):
                        self._hear(world, witness, device, index, tag, place["cell"], self._stay(witness, stays))

    def _stay(self, device: Device, stays: dict[str, int]) -> int:
        """Where a mapper is: usually where it was."""
        if not device.registered.kind.is_mapper:
            return self.random.choice([0, 0, 0, 1])
        return stays[device.name] if self.random.random() < 0.8 else self._mapper_cell(device)

    def _hear(
        self, world: World, witness: Device, device: Device, index: int, tag: bytes, sent_from: int, heard_at: int
    ) -> None:
        slot = world.slot(device, index)
        bent = {**self._strength(world, witness, device, sent_from, heard_at, index), **self._bend_witness(world, slot)}
        tag = bent.pop("tag", tag)
        for times in range(2 if self.random.random() < 0.06 else 1):
            salt = sha256(tag, witness.name.encode(), bytes([times]))[:16]
            world.witness(witness, tag, slot, **{"cell": heard_at, "salt": salt, **bent})
            if self.random.random() < 0.04:
                self._copy(world, witness)

    def _copy(self, world: World, witness: Device) -> None:
        """The last report again, with another signature, at another validator."""
        last = world.witnesses[-1]
        signature = self.random.choice([bytes(64), sign_report(witness, last.report)])
        world.witnesses.append(replace(last, signature=signature, holders=frozenset(self.random.sample(VALIDATORS, 2))))

    def _strength(
        self, world: World, witness: Device, device: Device, sent_from: int, heard_at: int, index: int
    ) -> dict[str, Any]:
        """A signal at, or around, the strongest that free space allows; sometimes below the noise."""
        if self.random.random() < 0.5:
            return {"rssi_cdb": self.random.randint(-13_000, -9_000), "snr_cdb": self.random.randint(-900, 1_200)}
        ends = [
            cell if one.registered.kind.is_mapper and geo.is_cell(cell, 8, 11) else one.registered.row.cell
            for one, cell in ((device, sent_from), (witness, heard_at))
        ]
        chord_m = geo.chord_squared(geo.position(ends[0]), geo.position(ends[1])) ** 0.5
        radii_m = sum(PARAMS.positions.radius_m[geo.resolution(cell)] for cell in ends)
        slot = world.slot(device, index)
        loss_cdb = 2_000 * log10(max(1.0, chord_m - radii_m) * slot.frequency_hz / 23_856_725.796)
        strongest = slot.eirp_cdb + witness.registered.row.gain_cdb - loss_cdb + 1_200
        rssi_cdb = int(strongest) + self.random.choice([-300, -2, -1, 0, 1, 2, 100])
        return {"rssi_cdb": min(max(rssi_cdb, -(2**15)), 2**15 - 1), "snr_cdb": self.random.choice([0, 700])}

    def _bend_beacon(self, world: World, device: Device, index: int) -> dict[str, Any]:
        """Most of the time nothing; else one thing at its border or far beyond."""
        slot, gain_cdb = world.slot(device, index), device.registered.row.gain_cdb
        around = self._bend_around(world, slot.start_ms)
        ways: list[dict[str, Any]] = [
            around,
            {"frequency_hz": slot.frequency_hz + self.random.choice([-1, 1, 200_000, 2**39])},
            {"spreading_factor": self.random.choice([0, 7, 8, 9, 12, 255])},
            {"bandwidth_hz": self.random.choice([0, 125_000, 500_000, 2**32 - 1])},
            {
                "power_cdb": slot.eirp_cdb
                - gain_cdb
                + self.random.choice([100, 101, -1_500, -1_501, 99, -(2**14), 2**14])
            },
            {"slot": self.random.choice([0, 1, 3, 4, 7, 8, 2**32 - 1])},
        ]
        return self.random.choice(ways) if self.random.random() < 0.12 else {}

    def _bend_witness(self, world: World, slot: Any) -> dict[str, Any]:
        ways: list[dict[str, Any]] = [
            self._bend_around(world, slot.start_ms),
            {"tag": bytes(21)},
            {"frequency_hz": slot.frequency_hz + self.random.choice([-25_000, 25_000, 25_001, -25_001, 2**39])},
            {"spreading_factor": self.random.choice([0, 7, 8, 9, 12, 255])},
            {"bandwidth_hz": self.random.choice([0, 125_000, 500_000, 2**32 - 1])},
            {"rssi_cdb": self.random.choice([-(2**15), 2**15 - 1, -14_800]), "snr_cdb": self.random.choice([0, -600])},
            {"snr_cdb": self.random.choice([-(2**15), -1_250, -1_251, -1_500, -1_501, -1, 2**15 - 1])},
            {"snr_cdb": -600, "rssi_cdb": -11_700 - 600 + self.random.choice([-1_000, -1_001, 3_000, 3_001])},
        ]
        return self.random.choice(ways) if self.random.random() < 0.25 else {}

    def _bend_around(self, world: World, start_ms: int) -> dict[str, Any]:
        window_ms = PARAMS.epoch.commit_window_ms
        moments = [-2_001, -2_000, window_ms, window_ms + 1]
        high_s = (1).to_bytes(32, "big") + (P256_ORDER - 1).to_bytes(32, "big")
        return self.random.choice(
            [
                {"committed_ms": start_ms + self.random.choice(moments)},
                {"validators": self.random.sample(VALIDATORS, self.random.choice([0, 1, 2]))},
                {"holders": self.random.sample(VALIDATORS, self.random.choice([0, 1, 2]))},
                {"signature": self.random.choice([bytes(64), high_s, b"\xff" * 64])},
            ]
        )
