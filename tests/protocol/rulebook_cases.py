"""One case per border of the rulebook: the same small world with one input on either side of it.

A case puts a report into a world and returns its id. `broken` is the far side: the report gets the case's reason there
and is accepted on the near side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

import h3.api.basic_int as h3

from protocol import geo
from protocol.encoding import report_id, witness_draw
from protocol.ids import Kind, Role
from protocol.parameters import Reach
from protocol.reasons import Reason
from protocol.regions import build_region_map
from protocol.state import fresh_account
from tests.factories import ULM, Device, World, make_device, north_of_ulm, region_map
from tests.property.worlds import PARAMS
from tests.reference.exact import reach_metre_hertz

A, B, C = make_device("a", north_of_ulm(0)), make_device("b", north_of_ulm(5)), make_device("c", north_of_ulm(9))
VAN = make_device("van", north_of_ulm(1), kind=Kind.MAPPER)
HERE, THERE = north_of_ulm(1, 9), north_of_ulm(8, 9)
NOWHERE = geo.cell_at(0, 0, 10)
ABROAD = geo.cell_at(ULM[0], ULM[1] + 6, 10)
WINDOW_MS, EARLY_MS = 3_000, 2_000

Put = Callable[[World, bool], bytes]


@dataclass(frozen=True)
class Case:
    """A border and how to cross it."""

    role: Role
    reason: Reason
    name: str
    put: Put

    @property
    def id(self) -> str:
        return f"{self.role.name.lower()}-{self.reason.name}-{self.name}"


CASES: list[Case] = []


def case(role: Role, reason: Reason, name: str) -> Callable[[Put], Put]:
    def register(put: Put) -> Put:
        CASES.append(Case(role, reason, name, put))
        return put

    return register


def honest_world() -> World:
    """Three fixed hotspots of three owners, each heard by the others."""
    world = World()
    world.add(A, B, C, VAN)
    for one in (A, B, C):
        world.beacon(one)
        for other in (A, B, C):
            if other is not one:
                world.hears(other, one)
    return world


def cleared(world: World) -> None:
    """The hotspots stay, what they said is gone."""
    for said in (world.beacons, world.witnesses, world.commits):
        said.clear()


def beacon_id(world: World, device: Device, index: int = 1, **bent: Any) -> bytes:
    """A further beacon's report id."""
    world.beacon(device, index, **bent)
    return report_id(world.beacons[-1].report)


def heard_id(world: World, witness: Device, beaconer: Device = A, index: int = 1, **bent: Any) -> bytes:
    """A further beacon and one report of it; the report's id."""
    world.beacon(beaconer, index, cell=HERE if beaconer.registered.kind.is_mapper else 0)
    return world.hears(witness, beaconer, index, **bent)


def newcomer(world: World, name: str = "n", cell: int = north_of_ulm(4), **row: Any) -> Device:
    """A further hotspot, heard and hearing."""
    device = make_device(name, cell, **row)
    world.add(device)
    world.beacon(device)
    world.hears(B, device)
    world.hears(device, B)
    return device


def with_rules(world: World, **bent: Any) -> None:
    world.params = replace(world.params, rules=replace(world.params.rules, **bent))


def between(one: Device, other: Device) -> tuple[int, int]:
    """(d², u): squared chord and the sum of both radii."""
    cells = one.registered.row.cell, other.registered.row.cell
    radii_m = sum(PARAMS.positions.radius_m[geo.resolution(cell)] for cell in cells)
    return geo.chord_squared(*(geo.position(cell) for cell in cells)), radii_m


def root_up(square: int) -> int:
    """The smallest whole number whose square is at least this."""
    return isqrt(square - 1) + 1


def flipped(world: World, place: list[Any]) -> None:
    """One bit of the last report's signature."""
    last = place[-1]
    place[-1] = replace(last, signature=last.signature[:40] + bytes([last.signature[40] ^ 1]) + last.signature[41:])


def exactly_a_third(world: World, *, more: bool) -> dict[str, Any]:
    """Only one validator records the commit; it has a third of the stake, or one unit more."""
    first, *others = sorted(world.stakes)
    world.stakes.update({first: 101 if more else 100, **dict.fromkeys(others, 0), others[0]: 200})
    return {"validators": [first]}


# --- both roles


def _unknown(put_report: Callable[..., bytes]) -> Put:
    def put(world: World, broken: bool) -> bytes:
        device = newcomer(world)
        if broken:
            world.devices.remove(device)
        return put_report(world, device)

    return put


def _frozen(put_report: Callable[..., bytes]) -> Put:
    return lambda world, broken: put_report(world, newcomer(world, frozen=int(broken)))


def _signature(put_report: Callable[..., bytes], role: Role) -> Put:
    def put(world: World, broken: bool) -> bytes:
        name = put_report(world, B)
        if broken:
            flipped(world, world.beacons if role is Role.BEACON else world.witnesses)
        return name

    return put


def _commit_at(put_report: Callable[..., bytes], beaconer: Device, good_ms: int, bad_ms: int) -> Put:
    def put(world: World, broken: bool) -> bytes:
        start_ms = world.slot(beaconer, 1).start_ms
        return put_report(world, B, committed_ms=start_ms + (bad_ms if broken else good_ms))

    return put


def _commit_by_a_third(put_report: Callable[..., bytes]) -> Put:
    return lambda world, broken: put_report(world, B, **exactly_a_third(world, more=not broken))


def _commit_of_another(put_report: Callable[..., bytes]) -> Put:
    def put(world: World, broken: bool) -> bytes:
        name = put_report(world, B)
        if broken:
            _, report, time_ms, validators = world.commits[-1]
            world.commits[-1] = (A.hotspot_id, report, time_ms, validators)
        return name

    return put


for _role, _put, _beaconer in ((Role.BEACON, beacon_id, B), (Role.WITNESS, heard_id, A)):
    case(_role, Reason.UNKNOWN_HOTSPOT, "not in the registry")(_unknown(_put))
    case(_role, Reason.FROZEN, "frozen")(_frozen(_put))
    case(_role, Reason.BAD_SIGNATURE, "one bit")(_signature(_put, _role))
    case(_role, Reason.COMMIT_NOT_ON_TIME, "too early")(_commit_at(_put, _beaconer, -EARLY_MS, -EARLY_MS - 1))
    case(_role, Reason.COMMIT_NOT_ON_TIME, "too late")(_commit_at(_put, _beaconer, WINDOW_MS, WINDOW_MS + 1))
    case(_role, Reason.COMMIT_NOT_ON_TIME, "exactly a third")(_commit_by_a_third(_put))
    case(_role, Reason.COMMIT_NOT_ON_TIME, "of another hotspot")(_commit_of_another(_put))


# --- beacons


@case(Role.BEACON, Reason.REGION_UNKNOWN, "registered outside")
def _registered_outside(world: World, broken: bool) -> bytes:
    device = make_device("n", NOWHERE if broken else north_of_ulm(4))
    world.add(device)
    return beacon_id(world, device)


def _mapper_reports(good: int, bad: int) -> Put:
    def put(world: World, broken: bool) -> bytes:
        world.regions = two_regions()
        return beacon_id(world, VAN, cell=bad if broken else good)

    return put


def two_regions() -> Any:
    """EU868 as always, and another region six degrees east."""
    cells = [(0, cell) for cell in sorted(region_map().cells[0])]
    return build_region_map(["EU868", "EU868 too"], [*cells, (1, geo.parent(ABROAD, 5))])


for _name, _good, _bad in [
    ("too coarse", geo.parent(HERE, 8), geo.parent(HERE, 7)),
    ("too fine", north_of_ulm(1, 11), north_of_ulm(1, 12)),
    ("no cell", HERE, HERE | 1 << 63),
    ("zero", HERE, 0),
    ("in another region", HERE, geo.parent(ABROAD, 9)),
    ("in no region", HERE, geo.parent(NOWHERE, 9)),
]:
    case(Role.BEACON, Reason.REGION_UNKNOWN, f"reported {_name}")(_mapper_reports(_good, _bad))


@case(Role.BEACON, Reason.NO_SUCH_SLOT, "the one after the last")
def _no_such_slot(world: World, broken: bool) -> bytes:
    return beacon_id(world, A, 4 if broken else 3)


def _bent_beacon(**change: Callable[[World], tuple[Any, Any]]) -> Put:
    """Fields by name: (good, bad) from the world."""

    def put(world: World, broken: bool) -> bytes:
        return beacon_id(world, A, **{name: pair(world)[broken] for name, pair in change.items()})

    return put


def _slot(world: World) -> Any:
    return world.slot(A, 1)


for _by in (-1, 1):
    case(Role.BEACON, Reason.WRONG_CHANNEL, f"{_by} Hz")(
        _bent_beacon(frequency_hz=lambda w, by=_by: (_slot(w).frequency_hz, _slot(w).frequency_hz + by))
    )
    case(Role.BEACON, Reason.WRONG_DATA_RATE, f"{_by} SF")(
        _bent_beacon(spreading_factor=lambda w, by=_by: (_slot(w).spreading_factor, _slot(w).spreading_factor + by))
    )
case(Role.BEACON, Reason.WRONG_DATA_RATE, "bandwidth")(_bent_beacon(bandwidth_hz=lambda w: (125_000, 250_000)))
case(Role.BEACON, Reason.POWER_OUT_OF_RANGE, "1 dB above")(
    _bent_beacon(power_cdb=lambda w: (_slot(w).eirp_cdb - 200 + 100, _slot(w).eirp_cdb - 200 + 101))
)
case(Role.BEACON, Reason.POWER_OUT_OF_RANGE, "15 dB below")(
    _bent_beacon(power_cdb=lambda w: (_slot(w).eirp_cdb - 200 - 1_500, _slot(w).eirp_cdb - 200 - 1_501))
)


@case(Role.BEACON, Reason.SLOT_CONFLICT, "two signed ones")
def _slot_conflict(world: World, broken: bool) -> bytes:
    name = beacon_id(world, A)
    world.beacon(A, 1, salt=bytes(16))
    if not broken:
        flipped(world, world.beacons)
    return name


def _speed_between(world: World, beaconers: tuple[tuple[Device, int], tuple[Device, int]]) -> int:
    """The slowest speed at which HERE and THERE are within reach between two slots."""
    starts = [world.slot(device, index).start_ms for device, index in beaconers]
    seconds = -(-abs(starts[0] - starts[1]) // 1_000)
    apart_m = root_up(geo.chord_squared(geo.position(HERE), geo.position(THERE))) - 2 * PARAMS.positions.radius_m[9]
    return -(-apart_m // seconds)


@case(Role.BEACON, Reason.MAPPER_TOO_FAST, "speed")
def _fast_beacon(world: World, broken: bool) -> bytes:
    with_rules(world, mapper_speed_m_s=_speed_between(world, ((VAN, 1), (VAN, 2))) - broken)
    world.beacon(VAN, 2, cell=THERE)
    return beacon_id(world, VAN, 1, cell=HERE)


@case(Role.BEACON, Reason.MAPPER_TOO_FAST, "far only if the other one stands")
def _fast_beside_a_refused_one(world: World, broken: bool) -> bytes:
    with_rules(world, mapper_speed_m_s=0)
    world.beacon(VAN, 2, cell=THERE)
    if not broken:
        flipped(world, world.beacons)
    return beacon_id(world, VAN, 1, cell=HERE)


# --- witnesses


@case(Role.WITNESS, Reason.NO_VALID_BEACON, "of a refused beacon")
def _of_a_refused_beacon(world: World, broken: bool) -> bytes:
    world.beacon(A, 1, power_cdb=world.slot(A, 1).eirp_cdb - 200 + 100 + broken)
    return world.hears(B, A, 1)


@case(Role.WITNESS, Reason.NO_VALID_BEACON, "of no beacon")
def _of_no_beacon(world: World, broken: bool) -> bytes:
    tag = world.beacon(A, 1)
    return world.witness(B, bytes(21) if broken else tag, world.slot(A, 1))


@case(Role.WITNESS, Reason.OWN_BEACON, "itself")
def _itself(world: World, broken: bool) -> bytes:
    return heard_id(world, A if broken else B)


@case(Role.WITNESS, Reason.SAME_OWNER, "one owner")
def _one_owner(world: World, broken: bool) -> bytes:
    return heard_id(world, newcomer(world, owner="owner of a" if broken else "somebody"))


@case(Role.WITNESS, Reason.OTHER_REGION, "registered in another region")
def _in_another_region(world: World, broken: bool) -> bytes:
    home = north_of_ulm(4)
    if broken:
        cells = [(0, cell) for cell in sorted(region_map().cells[0])]
        split = [cell for _, parent in cells for cell in h3.cell_to_children(parent, 6)]
        members = [(0, cell) for cell in split if cell != geo.parent(home, 6)]
        world.regions = build_region_map(["EU868", "EU868 too"], [*members, (1, geo.parent(home, 6))])
        world.params = with_second_region(world)
    world.add(device := make_device("n", home))
    if broken:
        return heard_id(world, device)
    world.beacon(device)
    world.hears(B, device)
    world.hears(device, B)
    return heard_id(world, device)


@case(Role.WITNESS, Reason.OTHER_RADIO, "a Wi-Fi hotspot hears LoRa")
def _with_another_radio(world: World, broken: bool) -> bytes:
    return heard_id(world, newcomer(world, kind=Kind.FIXED_WIFI if broken else Kind.FIXED))


def with_second_region(world: World) -> Any:
    radio = world.params.radio
    return replace(world.params, radio=replace(radio, regions=(radio.regions[0], radio.regions[0])))


def _mapper_hears_from(good: int, bad: int) -> Put:
    def put(world: World, broken: bool) -> bytes:
        world.regions = two_regions()
        return heard_id(world, VAN, cell=bad if broken else good)

    return put


for _name, _bad in [("too coarse", geo.parent(HERE, 7)), ("no cell", 0), ("abroad", geo.parent(ABROAD, 9))]:
    case(Role.WITNESS, Reason.OTHER_REGION, f"heard {_name}")(_mapper_hears_from(HERE, _bad))


def _bent_witness(good: dict[str, Any], bad: dict[str, Any]) -> Put:
    return lambda world, broken: heard_id(world, B, **(bad if broken else good))


def _off_by(good_hz: int, bad_hz: int) -> Put:
    def put(world: World, broken: bool) -> bytes:
        return heard_id(world, B, frequency_hz=_slot(world).frequency_hz + (bad_hz if broken else good_hz))

    return put


case(Role.WITNESS, Reason.FREQUENCY_OFF, "above")(_off_by(25_000, 25_001))
case(Role.WITNESS, Reason.FREQUENCY_OFF, "below")(_off_by(-25_000, -25_001))
case(Role.WITNESS, Reason.DATA_RATE_OFF, "bandwidth")(_bent_witness({}, {"bandwidth_hz": 250_000}))


@case(Role.WITNESS, Reason.DATA_RATE_OFF, "spreading factor")
def _spreading_factor_off(world: World, broken: bool) -> bytes:
    return heard_id(world, B, spreading_factor=_slot(world).spreading_factor + broken)


def _reach(world: World, far: Device, **bent: int) -> None:
    rules = world.params.rules
    name = "wifi" if far.registered.kind.is_wifi else "lora"
    now: Reach = getattr(rules, name)
    with_rules(world, **{name: replace(now, **bent)})


@case(Role.WITNESS, Reason.TOO_FAR, "LoRa")
def _too_far(world: World, broken: bool) -> bytes:
    far = newcomer(world, cell=north_of_ulm(30))
    square, radii_m = between(A, far)
    _reach(world, A, max_distance_m=root_up(square) + radii_m - broken)
    return heard_id(world, far)


@case(Role.WITNESS, Reason.TOO_CLOSE, "LoRa")
def _too_close(world: World, broken: bool) -> bytes:
    near = newcomer(world, cell=north_of_ulm(2))
    square, radii_m = between(A, near)
    _reach(world, A, min_distance_m=isqrt(square) - radii_m + broken)
    return heard_id(world, near)


def _wifi_pair(world: World) -> tuple[Device, Device]:
    """Two Wi-Fi hotspots 700 m apart, heard and hearing."""
    pair = (
        make_device("w1", north_of_ulm(0, 11), kind=Kind.FIXED_WIFI),
        make_device("w2", north_of_ulm(0.7, 11), kind=Kind.FIXED_WIFI),
    )
    world.add(*pair)
    for one, other in (pair, pair[::-1]):
        world.beacon(one)
        world.hears(other, one, rssi_cdb=-9_000)
    return pair


@case(Role.WITNESS, Reason.TOO_FAR, "Wi-Fi")
def _too_far_for_wifi(world: World, broken: bool) -> bytes:
    one, other = _wifi_pair(world)
    square, radii_m = between(one, other)
    _reach(world, one, max_distance_m=root_up(square) + radii_m - broken)
    return heard_id(world, other, one, rssi_cdb=-9_000)


@case(Role.WITNESS, Reason.TOO_CLOSE, "Wi-Fi")
def _too_close_for_wifi(world: World, broken: bool) -> bytes:
    one, other = _wifi_pair(world)
    square, radii_m = between(one, other)
    _reach(world, one, min_distance_m=isqrt(square) - radii_m + broken)
    return heard_id(world, other, one, rssi_cdb=-9_000)


def strongest_cdb(world: World, *, eirp_cdb: int, gain_cdb: int, distance: tuple[int, int], frequency_hz: int) -> int:
    """The strongest power that free space and the margin allow, by search through the exact table."""
    square, radii_m = distance
    index_cdb = 0
    while (reach_metre_hertz(index_cdb) // frequency_hz + radii_m) ** 2 < square:
        index_cdb += 1
    return eirp_cdb + gain_cdb + world.params.rules.free_space_margin_cdb - index_cdb


def _stronger(snr_cdb: int, power_cdb: int | None = None) -> Put:
    """At the bound, and a hundredth of a dB above it; a beaconer 1 dB over its slot's EIRP counts with the limit."""

    def put(world: World, broken: bool) -> bytes:
        slot = _slot(world)
        power = {} if power_cdb is None else {"power_cdb": slot.eirp_cdb - 200 + power_cdb}
        eirp_cdb = min(1_600, slot.eirp_cdb + (power_cdb or 0))
        world.beacon(A, 1, **power)
        most = strongest_cdb(
            world, eirp_cdb=eirp_cdb, gain_cdb=200, distance=between(A, C), frequency_hz=slot.frequency_hz
        )
        return world.hears(C, A, 1, rssi_cdb=most - min(0, snr_cdb) + broken, snr_cdb=snr_cdb)

    return put


case(Role.WITNESS, Reason.ABOVE_FREE_SPACE, "above the noise")(_stronger(700))
case(Role.WITNESS, Reason.ABOVE_FREE_SPACE, "sent 10 dB weaker")(_stronger(700, -1_000))
case(Role.WITNESS, Reason.ABOVE_FREE_SPACE, "sent above the limit")(_stronger(700, 100))


@case(Role.WITNESS, Reason.ABOVE_FREE_SPACE, "below the noise the packet counts")
def _packet_power(world: World, broken: bool) -> bytes:
    """RSSI + SNR at the bound: the noise is raised so far that the later rules do not mind."""
    with_rules(world, rssi_above_noise_cdb=2**15)
    return _stronger(-300)(world, broken)


@case(Role.WITNESS, Reason.ABOVE_FREE_SPACE, "Wi-Fi")
def _stronger_wifi(world: World, broken: bool) -> bytes:
    one, other = _wifi_pair(world)
    slot = world.slot(one, 1)
    most = strongest_cdb(
        world, eirp_cdb=2_000, gain_cdb=200, distance=between(one, other), frequency_hz=slot.frequency_hz
    )
    return heard_id(world, other, one, rssi_cdb=most + broken)


@case(Role.WITNESS, Reason.BELOW_SNR_FLOOR, "5 dB below the floor")
def _below_floor(world: World, broken: bool) -> bytes:
    floor_cdb = {7: -750, 8: -1_000}[_slot(world).spreading_factor]
    return heard_id(world, B, snr_cdb=floor_cdb - 500 - broken, rssi_cdb=-11_700)


def _above_noise(excess_cdb: int) -> dict[str, Any]:
    """A signal just below the noise whose RSSI differs by this much from noise and SNR."""
    return {"snr_cdb": -1, "rssi_cdb": PARAMS.rules.noise_125khz_cdb - 1 + excess_cdb}


for _name, _good, _bad in [("weak", -1_000, -1_001), ("strong", 3_000, 3_001)]:
    case(Role.WITNESS, Reason.RSSI_SNR_MISMATCH, _name)(_bent_witness(_above_noise(_good), _above_noise(_bad)))
case(Role.WITNESS, Reason.RSSI_SNR_MISMATCH, "only below the noise")(
    _bent_witness({"snr_cdb": 0, "rssi_cdb": -14_800}, {"snr_cdb": -1, "rssi_cdb": -14_800})
)


@case(Role.WITNESS, Reason.DUPLICATE, "the larger id")
def _duplicate(world: World, broken: bool) -> bytes:
    names = [heard_id(world, B), world.hears(B, A, 1, salt=bytes(16))]
    return max(names) if broken else min(names)


@case(Role.WITNESS, Reason.MAPPER_TOO_FAST, "speed")
def _fast_witness(world: World, broken: bool) -> bytes:
    with_rules(world, mapper_speed_m_s=_speed_between(world, ((A, 1), (B, 2))) - broken)
    world.beacon(B, 2)
    world.hears(VAN, B, 2, cell=THERE)
    return heard_id(world, VAN, cell=HERE)


def _silent_pair(world: World) -> tuple[Device, Device]:
    """Two hotspots nobody else hears or is heard by."""
    pair = make_device("s1", north_of_ulm(20)), make_device("s2", north_of_ulm(25))
    world.add(*pair)
    return pair


@case(Role.WITNESS, Reason.NOT_TWO_WAY, "the witness is never heard")
def _never_heard(world: World, broken: bool) -> bytes:
    one, other = _silent_pair(world)
    world.beacon(other)
    if not broken:
        world.hears(A, other)
    world.beacon(one)
    world.hears(other, B)
    world.hears(one, B)
    world.hears(B, one)
    return heard_id(world, other, one)


@case(Role.WITNESS, Reason.NOT_TWO_WAY, "the beaconer hears nobody")
def _hears_nobody(world: World, broken: bool) -> bytes:
    one, other = _silent_pair(world)
    world.beacon(other)
    world.hears(A, other)
    if not broken:
        world.hears(one, A)
    return heard_id(world, other, one)


def _remembered(field: str, device: int) -> Put:
    """The state remembers the last epoch; not the one before it."""

    def put(world: World, broken: bool) -> bytes:
        cleared(world)
        world.epoch = 5
        pair = _silent_pair(world)
        before = world.inputs().before
        accounts = {}
        for place, one in enumerate(pair):
            kept = {"last_heard": 4, "last_accepted": 4}
            if broken and place == device:
                kept[field] = 3
            accounts[one.hotspot_id] = replace(fresh_account(one.hotspot_id, 1), uptime_epochs=4, **kept)
        world.before = replace(before, accounts=accounts, epoch=4)
        return heard_id(world, pair[1], pair[0])

    return put


case(Role.WITNESS, Reason.NOT_TWO_WAY, "the witness was last heard too long ago")(_remembered("last_heard", 1))
case(Role.WITNESS, Reason.NOT_TWO_WAY, "the beaconer last heard too long ago")(_remembered("last_accepted", 0))


@case(Role.WITNESS, Reason.NOT_TWO_WAY, "mappers make nobody two-way")
def _only_a_mapper(world: World, broken: bool) -> bytes:
    one, other = _silent_pair(world)
    world.beacon(other)
    world.hears(VAN if broken else A, other, cell=HERE)
    world.hears(one, A)
    return heard_id(world, other, one)


def _draws(world: World, *witnesses: Device) -> list[Device]:
    """In the order the draw takes them as witnesses of A's slot 1."""
    tag = world.beacon(A, 1)
    return sorted(witnesses, key=lambda one: witness_draw(world.draw, tag, one.hotspot_id))


@case(Role.WITNESS, Reason.NOT_SELECTED, "one too many")
def _one_too_many(world: World, broken: bool) -> bytes:
    with_rules(world, witnesses_per_beacon=2 - broken)
    return _selected(world, B, C)


@case(Role.WITNESS, Reason.NOT_SELECTED, "another in its cell")
def _same_cell(world: World, broken: bool) -> bytes:
    cell = north_of_ulm(5.1 if broken else 7)
    assert (geo.parent(cell, 8) == geo.parent(B.registered.row.cell, 8)) == broken
    twin = make_device("twin of b", cell)
    world.add(twin)
    world.beacon(twin)
    world.hears(A, twin)
    return _selected(world, B, twin)


def _selected(world: World, *witnesses: Device) -> bytes:
    """All of them hear A's slot 1 two-way; the id of the last drawn."""
    cleared(world)
    for one in witnesses:
        world.beacon(one)
        world.hears(A, one)
    return [world.hears(one, A, 1) for one in _draws(world, *witnesses)][-1]
