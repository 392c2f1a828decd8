"""A Wi-Fi hotspot plays by the same rules as a LoRa one: its slots, its frames, its witness reports."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hotspot import keys
from hotspot.config import CONFIG_FILE
from hotspot.keys.device import DeviceKey, software_key
from hotspot.playing.beaconing import SlotPlan, plan_epoch, slot_airtime_us
from hotspot.playing.duty_cycle import WIFI, Allowed, Ledger
from hotspot.radio.bridge import BEACON_AIRTIME_US, COPIES, FRAME_AIRTIME_US
from hotspot.radio.wifi.frames import Beacon as Heard
from hotspot.radio.wifi.frames import read
from hotspot.running.start import Home, open_homes
from protocol import beacon
from protocol.encoding import epoch_seed
from protocol.ids import Kind
from protocol.records import Beacon, Witness
from tests.hotspot import world
from tests.hotspot.clocks import until
from tests.hotspot.fake_validator import NETWORK
from tests.hotspot.radio.wifi.running import Receiver, captured, management_frame, payload, radiotap, running_bridge
from tests.hotspot.test_daemon import running

DEADLINE_S = 30.0
PLAN = world.PARAMS.radio.wifi


@pytest.fixture
def device() -> DeviceKey:
    return software_key(ec.derive_private_key(78, ec.SECP256R1()))


def home(directory: Path) -> Home:
    directory.mkdir()
    keys.create(directory)
    (directory / CONFIG_FILE).write_text('wifi_bridge = "wifi.sock"\n')
    return open_homes([directory])[0]


def test_slots_are_drawn_from_the_wifi_plan(device: DeviceKey) -> None:
    plan = plan_epoch(world.RULES, world.epoch(device, kind=Kind.FIXED_WIFI), device.hotspot_id, wifi=True)
    assert isinstance(plan, SlotPlan)
    assert {slot.frequency_hz for slot in plan.slots} <= set(PLAN.channels_hz)
    assert {(slot.spreading_factor, slot.bandwidth_hz) for slot in plan.slots} == {(0, PLAN.bandwidth_hz)}
    assert plan.region == WIFI


@pytest.mark.parametrize(
    ("kind", "wifi", "reason"),
    [(Kind.FIXED_WIFI, False, "wifi_radio_missing"), (Kind.FIXED, True, "lora_radio_missing")],
)
def test_a_radio_of_the_other_kind_plays_no_slots(device: DeviceKey, kind: Kind, *, wifi: bool, reason: str) -> None:
    assert plan_epoch(world.RULES, world.epoch(device, kind=kind), device.hotspot_id, wifi=wifi) == reason


def test_all_copies_of_a_beacon_are_charged_and_no_duty_cycle_holds_it(device: DeviceKey) -> None:
    plan = plan_epoch(world.RULES, world.epoch(device, kind=Kind.FIXED_WIFI), device.hotspot_id, wifi=True)
    assert isinstance(plan, SlotPlan)
    assert slot_airtime_us(plan.slots[0]) == BEACON_AIRTIME_US
    assert Ledger(WIFI).may_send(plan.slots[0].frequency_hz, BEACON_AIRTIME_US, 0) == Allowed()


def test_the_airtime_charged_covers_the_frame() -> None:
    assert 192 + 8 * (len(management_frame()) + 4) <= FRAME_AIRTIME_US
    assert COPIES * FRAME_AIRTIME_US == BEACON_AIRTIME_US


def test_beacons_and_witnesses_through_its_bridge(tmp_path: Path) -> None:
    made = home(tmp_path / "h")

    async def act() -> None:
        async with running(tmp_path, homes=[made], kind=Kind.FIXED_WIFI) as site:
            ears = site.daemon.hosted[0].ears
            await until(lambda: ears.bridge is not None and ears.bridge.status().connected, DEADLINE_S)
            heard = radiotap(rssi_dbm=-77) + management_frame(12)
            await asyncio.to_thread(bridge.hear, heard)
            await until(lambda: all(len(one.reports) >= 2 for one in site.validators), DEADLINE_S)
            on_air = await asyncio.to_thread(air.frames, COPIES)
            for validator in site.validators:
                reports = [report for report, _ in validator.reports.values()]
                (told,) = [one for report in reports if (one := Beacon.decode(report)) is not None]
                (witness,) = [one for report in reports if (one := Witness.decode(report)) is not None]
                assert (witness.tag, witness.rssi_cdb) == (beacon.tag_in(payload(12)), -7_700)
                assert (witness.spreading_factor, witness.bandwidth_hz) == (0, PLAN.bandwidth_hz)
                seed = epoch_seed(NETWORK, world.EPOCH, b"\x0b" * 32)
                sent = beacon.frame(beacon.tag(seed, made.device.hotspot_id, told.slot, told.nonce))
                assert (told.power_cdb, told.spreading_factor) == (1_800, 0)
                tuned = radiotap(mhz=told.frequency_hz // 1_000_000)
                found = [read(tuned + one[int.from_bytes(one[2:4], "little") :]) for one in on_air]
                assert sent in {one.payload for one in found if isinstance(one, Heard)}

    with running_bridge(tmp_path / "h") as bridge, Receiver(bridge.out) as air:
        asyncio.run(act())


def test_a_frame_heard_before_there_is_a_bridge_is_no_loss_of_the_next(tmp_path: Path) -> None:
    made = home(tmp_path / "h")

    async def act() -> None:
        async with running(tmp_path, homes=[made], kind=Kind.FIXED_WIFI) as site:
            ears = site.daemon.hosted[0].ears
            await until(lambda: ears.counters.of("wifi_bridge", "not_reached"), DEADLINE_S)
            with running_bridge(tmp_path / "h") as bridge:
                await until(lambda: ears.snapshot()["wifi"]["connected"], DEADLINE_S)
                await asyncio.to_thread(bridge.hear, captured(3))
                await until(lambda: ears.heard, DEADLINE_S)

    asyncio.run(act())
