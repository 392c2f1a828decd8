"""Sites, ranks and allocation against vectors; what links prove, uptime and tiers by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from protocol import geo
from protocol.ids import Kind
from protocol.need import GATE_UNIT, gate, weight_u
from protocol.reasons import Reason
from protocol.records import Account
from protocol.rewards import (
    POINT,
    Candidate,
    Link,
    Placed,
    Shown,
    Standing,
    allocate,
    choose_cells,
    coverage_budget,
    gather,
    margin_u,
    own_tier,
    place_sites,
    qualities,
    split_emission,
    standing,
    with_tier,
    with_uptime,
)
from protocol.state import fresh_account
from tests.factories import DEVNET, Device, make_device, north_of_ulm
from tests.protocol.vectors import cases

RULES = DEVNET.rewards
RESULTS = {Reason.ACCEPTED: "OK", Reason.RANK: "RANK"}
FULL = Standing(1, 1, Fraction(1))


# --- vectors


def candidates(case: dict[str, Any]) -> list[Candidate]:
    return [
        Candidate(
            one["id"], one["owner"], (one["x_cm"], one["y_cm"]), one["sigma_cm"],
            one["tier"], one["quality_u"], one["seniority"],
        )
        for one in case["hotspots"]
    ]  # fmt: skip


def outcome(placed: Placed) -> dict[str, Any]:
    return {
        "id": placed.candidate.id,
        "rank": placed.rank or None,
        "result": RESULTS.get(placed.reason, placed.reason.name),
        "points_e18": str(placed.points),
    }


@pytest.mark.parametrize("case", cases("need_weight.json", "sites"))
def test_sites_and_points_follow_the_vectors(case: dict[str, Any]) -> None:
    found = place_sites(candidates(case), case["weight_u"], case["d_min_cm"], RULES)
    expected = [{name: one[name] for name in ("id", "rank", "result", "points_e18")} for one in case["outcome"]]
    assert sorted(map(outcome, found), key=lambda one: one["id"]) == sorted(expected, key=lambda one: one["id"])


@pytest.mark.parametrize("case", cases("need_weight.json", "pay"))
def test_payouts_follow_the_vectors(case: dict[str, Any]) -> None:
    pool = int(case["pool"])
    paid = allocate(pool, {one.encode(): int(points) for one, points in case["points"].items()})
    assert {one.decode(): str(amount) for one, amount in paid.items()} == case["payout"]
    assert pool - sum(paid.values()) == int(case["carry"])


@pytest.mark.parametrize("case", cases("need_weight.json", "epoch"))
def test_points_of_several_cells_are_paid_without_rounding_between(case: dict[str, Any]) -> None:
    points: dict[bytes, int] = {}
    for cell in case["cells"]:
        weight = weight_u(cell["published_u"], gate(cell["demand_u"]), DEVNET.need)
        for placed in place_sites(candidates(cell), weight, cell["d_min_cm"], RULES):
            one = str(placed.candidate.id).encode()
            points[one] = points.get(one, 0) + placed.points
    assert {one.decode(): str(sum_) for one, sum_ in points.items() if sum_} == case["points_e18"]
    paid = allocate(int(case["pool"]), points)
    assert {one.decode(): str(amount) for one, amount in paid.items()} == case["payout"]


def test_worked_payout_of_the_design() -> None:
    points = {b"A": 3_383_929, b"B": 1_353_571, b"E": 1_955_357, b"D": 437_500}
    assert allocate(1_000_000, points) == {b"A": 474_581, b"B": 189_832, b"E": 274_230, b"D": 61_357}


# --- step 6: what links prove

ULM, NORTH, MAPPED = north_of_ulm(0), north_of_ulm(5), north_of_ulm(2, 8)


def device(name: str, cell: int = ULM, **row: Any) -> Device:
    return make_device(name, cell, **row)


def link(sender: Device, receiver: Device, **bent: Any) -> Link:
    fields: dict[str, Any] = {
        "sender": sender.registered,
        "receiver": receiver.registered,
        "sender_cell": MAPPED if sender.registered.kind.is_mapper else sender.registered.row.cell,
        "receiver_cell": MAPPED if receiver.registered.kind.is_mapper else receiver.registered.row.cell,
        "spreading_factor": 7,
        "rssi_cdb": -11_000,
        "snr_cdb": 1_250,
        "beacon": sender.name.encode(),
    }
    return Link(**{**fields, **bent})


A, B, C = device("a"), device("b", NORTH), device("c", north_of_ulm(9))
VAN, BUS = (device(name, kind=Kind.MAPPER) for name in ("van", "bus"))


def shown(one: Device, *links: Link) -> Shown:
    return gather(links, RULES)[one.hotspot_id]


def quality(one: Device, *links: Link) -> dict[int, int]:
    return qualities(shown(one, *links), FULL, RULES)


def own(one: Device) -> int:
    return geo.parent(one.registered.row.cell, 8)


@pytest.mark.parametrize(
    ("snr_cdb", "margin"), [(-1_000, 250_000), (-750, 250_000), (250, 625_000), (1_250, 1_000_000), (2_000, 1_000_000)]
)
def test_margin_grows_from_the_floor_to_twenty_db_above_it(snr_cdb: int, margin: int) -> None:
    assert margin_u(link(A, B, snr_cdb=snr_cdb), RULES) == margin


@pytest.mark.parametrize(("rssi_cdb", "margin"), [(-9_000, 250_000), (-7_250, 625_000), (-6_000, 1_000_000)])
def test_a_wifi_margin_follows_signal_strength(rssi_cdb: int, margin: int) -> None:
    wifi = device("w", kind=Kind.FIXED_WIFI)
    assert margin_u(link(wifi, B, rssi_cdb=rssi_cdb, spreading_factor=0), RULES) == margin


def test_a_fixed_link_proves_each_end_in_the_others_cell_and_alive_in_its_own() -> None:
    assert quality(A, link(A, B)) == {own(A): 500_000, own(B): 500_000}
    assert quality(B, link(A, B)) == {own(A): 500_000, own(B): 500_000}


def test_a_second_owner_doubles_the_quality() -> None:
    assert quality(A, link(A, B), link(C, A))[own(A)] == 1_000_000


def test_two_hotspots_of_one_owner_are_one_owner() -> None:
    twin = device("b2", NORTH, owner="owner of b")
    assert quality(A, link(A, B), link(A, twin))[own(B)] == 500_000


def test_the_best_link_into_a_cell_gives_its_margin() -> None:
    assert quality(A, link(A, B, snr_cdb=-750), link(B, A, snr_cdb=250))[own(B)] == 312_500


def test_one_mappers_proof_alone_keeps_nobody_alive() -> None:
    one = shown(A, link(VAN, A), link(VAN, B))
    assert (one.alive, one.was_up, set(qualities(one, FULL, RULES).values())) == (False, True, {0})


def test_a_mappers_beacon_heard_by_one_owner_proves_nothing() -> None:
    assert set(quality(A, link(VAN, A)).values()) == {0}
    assert quality(A, link(A, C), link(VAN, A))[MAPPED] == 0


@pytest.mark.parametrize("only", [link(VAN, A), link(A, VAN)], ids=["heard a mapper", "a mapper heard it"])
def test_a_single_link_with_a_mapper_counts_as_uptime(only: Link) -> None:
    one = shown(A, only)
    assert (one.was_up, one.alive) == (True, False)


def test_a_mappers_beacon_heard_by_two_owners_proves_half() -> None:
    assert quality(A, link(A, C), link(VAN, A), link(VAN, B))[MAPPED] == 250_000


def test_mappers_of_two_owners_prove_a_cell_whole() -> None:
    links = [link(A, C), link(VAN, A), link(BUS, A)]
    assert quality(A, *links)[MAPPED] == 1_000_000


def test_mappers_of_two_owners_keep_alive_at_half() -> None:
    one = shown(A, link(VAN, A), link(BUS, A))
    assert (one.alive, qualities(one, FULL, RULES)) == (True, {own(A): 500_000, MAPPED: 500_000})


def test_two_mappers_of_one_owner_are_one_owner() -> None:
    tram = device("tram", kind=Kind.MAPPER, owner="owner of van")
    assert not shown(A, link(VAN, A), link(tram, A)).alive


def test_a_mappers_witness_report_is_a_link_but_no_proof() -> None:
    one = shown(A, link(A, VAN))
    assert (one.anywhere.mapper_owners, one.alive, len(one.cells[MAPPED].owners)) == (set(), False, 1)


def test_a_report_coarser_than_the_pay_cell_proves_nothing() -> None:
    wifi, other = device("w", kind=Kind.FIXED_WIFI), device("w2", NORTH, kind=Kind.FIXED_WIFI)
    van = device("wifi van", kind=Kind.MAPPER_WIFI)
    one = shown(wifi, link(van, wifi, spreading_factor=0), link(van, other, spreading_factor=0))
    assert (one.cells, one.anywhere.mapper_owners, one.alive) == ({}, set(), False)


def test_a_mapper_holds_no_cell() -> None:
    assert VAN.hotspot_id not in gather([link(VAN, A), link(A, VAN)], RULES)


# --- uptime, establishment, tier


def account(**bent: Any) -> Account:
    return replace(fresh_account(A.hotspot_id, 1), **bent)


def test_uptime_is_the_share_of_epochs_with_a_sign_of_life() -> None:
    now = standing(account(uptime_bits=0b1011, uptime_epochs=5), 5, RULES)
    assert now.uptime == Fraction(3, 5)


def test_bits_older_than_the_counted_epochs_do_not_count() -> None:
    assert standing(account(uptime_bits=0b1110, uptime_epochs=1), 5, RULES).uptime == 0


@pytest.mark.parametrize(("epoch", "established"), [(1, Fraction(1, 30)), (15, Fraction(1, 2)), (30, 1), (99, 1)])
def test_a_hotspot_is_established_over_its_first_epochs(epoch: int, established: Fraction) -> None:
    rules = replace(RULES, established_epochs=30)
    assert standing(account(uptime_bits=1, uptime_epochs=1), epoch, rules).established == established


def test_seven_epochs_are_remembered() -> None:
    assert with_uptime(account(uptime_bits=0b1111111, uptime_epochs=7), up=False) == (0b1111110, 7)


@pytest.mark.parametrize(
    ("snr_cdb", "others", "tier"),
    [(1_250, (B, C), 3), (362, (B, C), 3), (361, (B, C), 2), (1_250, (B,), 2), (-527, (B, C), 2), (-528, (B, C), 1)],
)
def test_tiers_begin_at_thirds_of_the_own_cells_quality(snr_cdb: int, others: tuple[Device, ...], tier: int) -> None:
    links = [link(A, other, snr_cdb=snr_cdb) for other in others]
    assert own_tier(shown(A, *links), FULL, RULES) == tier


def test_a_hotspot_nothing_proves_alive_shows_no_tier() -> None:
    assert own_tier(shown(A, link(VAN, A)), FULL, RULES) == 0


def test_a_first_tier_counts_at_once() -> None:
    assert with_tier(account(), 2, RULES) == (2, 0, 0)


def test_a_change_of_tier_counts_after_seven_epochs_in_a_row() -> None:
    one, tiers = account(tier=2), []
    for _ in range(7):
        tier, next_tier, epochs = with_tier(one, 3, RULES)
        one = replace(one, tier=tier, next_tier=next_tier, next_tier_epochs=epochs)
        tiers.append(tier)
    assert tiers == [2] * 6 + [3]


@pytest.mark.parametrize("seen", [0, 2, 1])
def test_a_streak_ends_when_another_tier_is_seen(seen: int) -> None:
    tier, _, epochs = with_tier(account(tier=2, next_tier=3, next_tier_epochs=6), seen, RULES)
    assert (tier, epochs) == (2, 1 if seen == 1 else 0)


# --- steps 7 to 10


def test_a_hotspot_plays_in_its_nineteen_worthiest_cells_only() -> None:
    quality_by_cell = {cell: 1_000 + cell for cell in range(25)}
    assert choose_cells(quality_by_cell, lambda _: 1_000_000, RULES) == list(range(24, 5, -1))


def test_equally_worthy_cells_are_taken_by_id() -> None:
    rules = replace(RULES, cells_per_hotspot=2)
    assert choose_cells({3: 5, 1: 5, 2: 5}, lambda _: 1, rules) == [1, 2]


def test_worth_is_weight_times_quality() -> None:
    rules = replace(RULES, cells_per_hotspot=1)
    assert choose_cells({1: 10, 2: 4}, lambda cell: {1: 1, 2: 3}[cell], rules) == [2]


def test_emission_splits_without_loss() -> None:
    pools = split_emission(1_000_001, RULES)
    assert (pools.validators, pools.reserve, pools.coverage) == (60_000, 50_000, 890_001)


@pytest.mark.parametrize(("points", "budget"), [(1, 10), (9, 90), (10, 100), (11, 100)])
def test_a_point_earns_at_most_its_share_of_the_pool(points: int, budget: int) -> None:
    assert coverage_budget(100, points * POINT, RULES) == budget


def test_weight_one_is_the_unit_of_points() -> None:
    only = Candidate(b"a", b"o", (0, 0), 0, 1, 1_000_000, 1)
    assert [placed.points for placed in place_sites([only], 1_000_000, 0, RULES)] == [POINT]
    assert weight_u(200_000, GATE_UNIT, DEVNET.need) == 1_000_000
