"""Hotspots: the device's signature is what registers it."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain import calls
from chain.events import Decoder, Registered
from chain.network import checksum
from protocol.encoding import Network, sha256, signed_bytes
from protocol.keys import P256_ORDER, sign_device
from protocol.records import REGISTRATION, Registration
from tests.chain.world import FEES, HOME, World, device, owner_account, refuses

OWNER = owner_account(0)


def test_registers_for_the_owner_the_device_signed(world: World) -> None:
    one = device(1)
    world.register(one, OWNER, gain_cdb=-350, elevation_m=-5, kind=1)
    number = int.from_bytes(one.id, "big")
    assert world.call("Hotspots", "operatorOf", number) == checksum(OWNER)
    assert world.call("Hotspots", "isRegistered", number) is True
    assert tuple(world.call("Hotspots", "infoOf", number)) == (
        checksum(OWNER),
        1,
        -350,
        -5,
        False,
        HOME,
        FEES.registration,
    )
    assert world.call("Hotspots", "balanceOf", checksum(OWNER), number) == 10_000


def test_event_carries_the_public_key(world: World) -> None:
    one = device(2)
    receipt = world.register(one, OWNER)
    registration = one.registration(OWNER)
    log, _ = world.reader.logs(int(receipt["blockNumber"], 16), int(receipt["blockNumber"], 16))
    event = Decoder().decode("Hotspots", log, 0)
    assert isinstance(event, Registered)
    assert (event.hotspot_id, event.owner, event.x, event.y) == (one.id, OWNER, registration.x, registration.y)


def test_unregistered_hotspot_has_no_operator(world: World) -> None:
    assert world.call("Hotspots", "operatorOf", 1 << 255) == "0x" + "0" * 40
    assert world.call("Hotspots", "isRegistered", 1 << 255) is False


def test_id_is_the_one_of_the_protocol(world: World) -> None:
    for number in range(3, 20):
        registration = device(number).registration(OWNER)
        found = world.call(
            "Hotspots", "idOf", int.from_bytes(registration.x, "big"), int.from_bytes(registration.y, "big")
        )
        assert found.to_bytes(32, "big") == device(number).id


def test_refuses_a_second_registration(world: World) -> None:
    world.register(device(1), OWNER)
    with refuses("AlreadyRegistered"):
        world.register(device(1), owner_account(1))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"owner": bytes(20)}, "NoOwner"),
        ({"kind": 4}, "UnknownKind"),
        ({"gain_cdb": -1001}, "GainOutOfRange"),
        ({"gain_cdb": 1501}, "GainOutOfRange"),
        ({"cell": 0}, "NotACell"),
        ({"cell": HOME | 1 << 63}, "NotACell"),
        ({"cell": HOME ^ 1 << 59}, "NotACell"),
        ({"cell": HOME | 1 << 56}, "NotACell"),
    ],
)
def test_refuses_values_out_of_range(world: World, changes: dict[str, int], error: str) -> None:
    with refuses(error):
        world.register(device(1), **{"owner": OWNER, **changes})


@pytest.mark.parametrize("gain_cdb", [-1000, 1500])
def test_takes_the_extreme_gains(world: World, gain_cdb: int) -> None:
    world.register(device(1), OWNER, gain_cdb=gain_cdb)
    assert world.call("Hotspots", "isRegistered", int.from_bytes(device(1).id, "big"))


@pytest.mark.parametrize("field", ["owner", "cell", "gain_cdb", "elevation_m", "kind"])
def test_refuses_when_a_signed_value_was_changed(world: World, field: str) -> None:
    signed = device(1).registration(OWNER)
    signature = world.sign_registration(device(1), signed)
    other = {"owner": owner_account(1), "cell": HOME ^ 0o7_0000_0, "gain_cdb": 201, "elevation_m": 11, "kind": 1}
    other["cell"] = _neighbour()
    sent = device(1).registration(**{"owner": OWNER, field: other[field]})
    with refuses("BadDeviceSignature"):
        world.send(calls.register(world.network, sent, signature))


def _neighbour() -> int:
    import h3

    return int(next(iter(set(h3.grid_disk(f"{HOME:x}", 1)) - {f"{HOME:x}"})), 16)


def test_refuses_another_devices_signature(world: World) -> None:
    registration = device(1).registration(OWNER)
    with refuses("BadDeviceSignature"):
        world.send(calls.register(world.network, registration, world.sign_registration(device(2), registration)))


def test_refuses_a_high_s(world: World) -> None:
    registration = device(1).registration(OWNER)
    signature = world.sign_registration(device(1), registration)
    high = (P256_ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    with refuses("BadDeviceSignature"):
        world.send(calls.register(world.network, registration, signature[:32] + high))


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (P256_ORDER, 1), (1, P256_ORDER)])
def test_refuses_r_and_s_outside_the_curves_order(world: World, r: int, s: int) -> None:
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    with refuses("BadDeviceSignature"):
        world.send(calls.register(world.network, device(1).registration(OWNER), signature))


def test_refuses_a_key_that_is_no_point_of_the_curve(world: World) -> None:
    one = device(1).registration(OWNER)
    broken = Registration(one.x, bytes(32), one.owner, one.cell, one.gain_cdb, one.elevation_m, one.kind)
    with refuses("BadDeviceSignature"):
        world.send(calls.register(world.network, broken, world.sign_registration(device(1), broken)))


@pytest.mark.parametrize("what", ["chain", "contract"])
def test_refuses_a_registration_for_another_network(world: World, what: str) -> None:
    ours = world.network.network
    other = Network(ours.chain_id + 1, ours.hotspots) if what == "chain" else Network(ours.chain_id, OWNER)
    registration = device(1).registration(OWNER)
    signature = sign_device(device(1).key, signed_bytes(REGISTRATION, other, registration.encode()))
    with refuses("BadDeviceSignature"):
        world.send(calls.register(world.network, registration, signature))


def test_a_copied_registration_still_goes_to_its_owner(world: World) -> None:
    """Whoever copies a registration out of the mempool can only do its owner a favour."""
    registration = device(1).registration(OWNER)
    call = calls.register(world.network, registration, world.sign_registration(device(1), registration))
    from tests.chain.world import OTHER

    world.send(call, OTHER)
    assert world.call("Hotspots", "operatorOf", int.from_bytes(device(1).id, "big")) == checksum(OWNER)


int16 = st.integers(-(2**15), 2**15 - 1)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(min_size=64, max_size=64),
    st.binary(min_size=20, max_size=20),
    st.integers(0, 2**64 - 1),
    int16,
    int16,
    st.integers(0, 255),
)
def test_contract_hashes_the_bytes_the_protocol_signs(
    world: World, key: bytes, owner: bytes, cell: int, gain: int, elevation: int, kind: int
) -> None:
    registration = Registration(key[:32], key[32:], owner, cell, gain, elevation, kind)
    ours = sha256(signed_bytes(REGISTRATION, world.network.network, registration.encode()))
    x, y = int.from_bytes(key[:32], "big"), int.from_bytes(key[32:], "big")
    assert world.call("Hotspots", "registrationHash", x, y, checksum(owner), cell, gain, elevation, kind) == ours


def test_refuses_exactly_what_h3_calls_no_cell(world: World) -> None:
    """Cells, near-cells and noise: the contract and the H3 library agree on every one of them."""
    import h3

    seeded = random.Random(20261124)
    for cell in _cells_and_near_cells(seeded):
        is_cell = h3.is_valid_cell(f"{cell:x}") and 9 <= (cell >> 52 & 0xF) <= 12
        registration = device(1).registration(OWNER, cell=cell)
        try:
            world.estimate(_transaction(world, registration))
        except Exception as refusal:
            name = getattr(refusal, "name", repr(refusal))
        assert name == ("BadDeviceSignature" if is_cell else "NotACell"), f"{cell:x}"


def _transaction(world: World, registration: Registration) -> dict[str, str]:
    call = calls.register(world.network, registration, bytes(31) + b"\1" + bytes(31) + b"\1")
    return {"to": checksum(call.to), "data": "0x" + call.data.hex()}


def _cells_and_near_cells(seeded: random.Random) -> list[int]:
    import h3

    cells = []
    pentagons = [int(one, 16) for one in h3.get_pentagons(9)]
    for _ in range(60):
        place = (seeded.uniform(-90, 90), seeded.uniform(-180, 180))
        cells.append(int(h3.latlng_to_cell(*place, seeded.randrange(7, 15)), 16))
    for pentagon in pentagons:
        cells.append(pentagon)
        cells += [pentagon & ~(7 << 21) | direction << 21 for direction in range(1, 4)]
        cells += [int(child, 16) for child in sorted(h3.cell_to_children(f"{pentagon:x}", 10))[:3]]
    flipped = [cell ^ 1 << seeded.randrange(64) for cell in cells for _ in range(2)]
    return cells + flipped + [seeded.getrandbits(64) for _ in range(20)]
