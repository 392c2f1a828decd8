"""A lone hotspot is told so."""

from __future__ import annotations

from hotspot.looking.neighbours import Neighbour, nearest
from protocol import geo
from protocol.ids import HotspotId, Kind
from protocol.records import RegistryRow
from tests.hotspot import world

ME, OTHER = HotspotId(b"\x81" * 32), HotspotId(b"\x82" * 32)
RULES = world.PARAMS.rules


def found(*others: RegistryRow) -> Neighbour:
    mine = world.row(ME)
    rows = {HotspotId(one.hotspot_id): one for one in (mine, *others)}
    return nearest([mine], rows, RULES)[bytes(ME)]


def at(latitude_deg: float, **changed: object) -> RegistryRow:
    cell = geo.cell_at(latitude_deg, 9.99, 10)
    return world.row(OTHER, **({"owner": b"x" * 20, "cell": cell} | changed))


def test_names_the_nearest_of_another_owner() -> None:
    near = found(at(48.45))
    assert (near.hotspot_id, near.is_alone) == (bytes(OTHER), False)
    assert 5_000 < near.distance_m < 6_000
    assert near.sentence.startswith("Nearest neighbour 5.")


def test_one_beyond_the_limit_is_no_help() -> None:
    far = found(at(49.66))
    assert far.is_alone
    assert far.sentence == "Nearest neighbour 140 km: too far to hear you, you need a mapper's visit."


def test_own_mapping_frozen_and_wifi_hotspots_do_not_count() -> None:
    for changed in ({"owner": b"o" * 20}, {"kind": Kind.MAPPER}, {"frozen": 1}, {"kind": Kind.FIXED_WIFI}):
        assert found(at(48.45, **changed)).hotspot_id is None


def test_a_mapper_needs_no_neighbour() -> None:
    assert nearest([world.row(ME, kind=Kind.MAPPER)], {}, RULES) == {}
