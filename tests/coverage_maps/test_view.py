"""What is shown of an epoch: every number follows from links, outcomes, sites and states that were checked before."""

from __future__ import annotations

import dataclasses
import re

import pytest

from coverage_maps import sentences
from coverage_maps.names import hotspot_name
from coverage_maps.steps import pay_steps
from coverage_maps.view import EpochView, cell_view, measured, needy_cells, pay_cell_of
from protocol import geo, need
from protocol.ids import Kind, Role
from protocol.reasons import Reason
from protocol.rewards import Link
from tests.coverage_maps.factories import (
    World,
    baseline_rows,
    city_devices,
    device,
    ids,
    place,
    record_of,
    small_world,
    view_of,
)


@pytest.fixture(scope="module")
def world() -> World:
    return small_world()


@pytest.fixture(scope="module")
def view(world) -> EpochView:
    return view_of(world, 2)


@pytest.fixture(scope="module")
def city() -> EpochView:
    world = World(city_devices())
    world.play()
    return view_of(world, 1)


def link(sender, receiver, sender_cell=None, receiver_cell=None) -> Link:
    ends = sender.registered, receiver.registered
    cells = sender_cell or ends[0].row.cell, receiver_cell or ends[1].row.cell
    return Link(*ends, *cells, 7, -10_000, 500, b"")


# --- what a link measures -------------------------------------------------------------------------------------------


def test_a_fixed_link_measures_both_cells():
    a, b = device(0, place(0, 0)), device(1, place(0, 3))
    found = dict(measured(link(a, b)))
    assert found == {
        geo.parent(b.registered.row.cell, 8): a.registered,
        geo.parent(a.registered.row.cell, 8): b.registered,
    }


def test_a_mapper_measures_only_the_cell_it_was_in():
    mapper, fixed = device(0, place(0, 0), Kind.MAPPER), device(1, place(0, 3))
    at = geo.cell_at(*place(1, 1), 9)
    assert list(measured(link(mapper, fixed, sender_cell=at))) == [(geo.parent(at, 8), fixed.registered)]


def test_wifi_is_measured_in_finer_cells():
    a, b = device(0, place(0, 0), Kind.FIXED_WIFI), device(1, place(0, 0.2), Kind.FIXED_WIFI)
    assert {geo.resolution(cell) for cell, _ in measured(link(a, b))} == {9}


def test_a_place_coarser_than_the_pay_cell_measures_nothing():
    mapper, fixed = device(0, place(0, 0), Kind.MAPPER_WIFI), device(1, place(0, 0.2), Kind.FIXED_WIFI)
    coarse = geo.cell_at(*place(0, 0), 8)
    assert list(measured(link(mapper, fixed, sender_cell=coarse))) == []


# --- links and outcomes -----------------------------------------------------------------------------------------------


def test_links_are_those_the_epoch_was_paid_by(world, view):
    def plain(links):
        return sorted((one.beacon, one.receiver.hotspot_id, one.rssi_cdb, one.sender_cell) for one in links)

    assert plain(view.links) == plain(world.results[1].links)


def test_every_outcome_is_counted_once(view):
    assert sum(view.outcomes.values()) == len(view.record.table.outcomes)


def test_rejections_carry_their_reasons(city):
    lost = {(one.role, one.reason) for spot in city.hotspots.values() for one in spot.rejections}
    assert (Role.WITNESS, Reason.SAME_OWNER) in lost
    assert (Role.WITNESS, Reason.ACCEPTED) not in lost


def test_reports_are_accepted_or_rejected(city):
    for spot in city.hotspots.values():
        lost = sum(one.count for one in spot.rejections)
        assert spot.beacons_accepted + spot.witnesses_accepted + lost == spot.beacons + spot.witnesses


# --- cells ------------------------------------------------------------------------------------------------------------


def test_best_signal_of_a_cell_is_the_strongest_link_into_it(view):
    strongest: dict[int, int] = {}
    for one in view.links:
        for cell, _ in measured(one):
            strongest[cell] = max(strongest.get(cell, one.rssi_cdb), one.rssi_cdb)
    assert {cell.cell: cell.best_rssi_cdb for cell in view.cells.values() if cell.reaches} == strongest


def test_weights_are_those_of_the_sites_paid(view):
    for site in view.record.table.sites:
        assert view.cells[site.cell].weight_u == site.weight_u


def test_cells_with_need_are_shown_untested(view):
    cells = needy_cells(view.record)
    assert len(cells) > 40
    assert set(cells) <= set(view.cells)
    assert any(view.cells[cell].state == "untested" for cell in cells)


def test_small_cells_of_need_are_shown_round_wifi_hotspots_only(view):
    cafe = device(90, place(0.5, 0.5), Kind.FIXED_WIFI).registered
    home, far = (geo.cell_at(*place(north, 0.5), need.PAY_LEVEL_WIFI) for north in (0.5, 9))
    kind = view.record.rules.source.classes[need.PAY_LEVEL_WIFI]
    needs = dataclasses.replace(view.record.needs, rows={**view.record.needs.rows, (kind, home): 1, (kind, far): 1})
    record = dataclasses.replace(view.record, needs=needs)
    joined = dataclasses.replace(record, registry={**record.registry, cafe.hotspot_id: cafe})
    assert set(needy_cells(joined)) - set(needy_cells(record)) == {home}


def test_a_cell_beaconed_from_but_never_heard_is_tested(world, view):
    lonely = world.devices[4].registered
    assert view.cells[geo.parent(lonely.row.cell, 8)].state == "tested"


def test_cells_beyond_the_bound_are_left_out_and_counted(world, monkeypatch):
    full = view_of(world, 2)
    with_evidence = [cell for cell in full.cells.values() if cell.state != "untested" or cell.sites]
    monkeypatch.setattr("coverage_maps.view.MAX_CELLS", len(with_evidence) + 5)
    cut = view_of(world, 2)
    assert len(cut.cells) == len(with_evidence) + 5
    assert cut.cells_left_out == len(full.cells) - len(cut.cells)
    assert {cell.cell for cell in with_evidence} <= set(cut.cells)


def test_baseline_signal_is_the_median_of_the_rows_in_the_cell(view):
    cell = next(cell for cell in view.cells.values() if cell.baseline)
    values = sorted(row.signal_cdb for row in baseline_rows() if geo.parent(row.cell, 8) == cell.cell)
    assert cell.baseline.signal_cdb == values[(len(values) - 1) // 2]


def test_a_cell_nobody_ever_named_still_has_a_weight(view):
    nowhere = geo.cell_at(-33.9, 151.2, 8)
    cell = cell_view(view, nowhere)
    assert (cell.state, cell.need_u, cell.weight_u) == ("untested", 300_000, 1_375_000)


def test_pay_cells_of_finer_coarser_and_equal_cells(view):
    cell = geo.cell_at(48.4, 9.99, 8)
    assert pay_cell_of(view.record, cell) == cell
    assert pay_cell_of(view.record, geo.cell_at(48.4, 9.99, 12)) == cell
    assert pay_cell_of(view.record, geo.parent(cell, 7)) is None


# --- hotspots ---------------------------------------------------------------------------------------------------------


def test_earned_is_what_the_epoch_paid(world, view):
    for hotspot_id in ids(world):
        assert view.hotspots[hotspot_id].earned == world.results[1].earned.get(hotspot_id, 0)


def test_earned_in_all_is_the_sum_of_the_epochs(world, view):
    for hotspot_id in ids(world):
        total = sum(result.earned.get(hotspot_id, 0) for result in world.results[:2])
        assert view.hotspots[hotspot_id].cumulative == total


def test_payouts_of_sites_add_up_to_what_was_earned(city):
    paid = [spot for spot in city.hotspots.values() if spot.earned]
    assert len(paid) > 5
    for spot in paid:
        rest = spot.earned - sum(site.payout for _, site in spot.sites)
        assert 0 <= rest < len(spot.sites)


def test_a_mapper_is_shown_where_it_last_beaconed_from(world, view):
    mapper = world.devices[5]
    assert view.hotspots[mapper.registered.hotspot_id].at == mapper.tour[-1]


def test_a_fixed_hotspot_is_shown_where_it_is_registered(world, view):
    fixed = world.devices[0].registered
    assert view.hotspots[fixed.hotspot_id].at == fixed.row.cell


# --- sentences --------------------------------------------------------------------------------------------------------


def test_a_cell_sentence_gives_weight_signal_and_sites(city):
    cell = max(city.cells.values(), key=lambda one: (one.baseline is not None, len(one.proving)))
    said = sentences.cell_sentence(city, cell)
    shape = (
        r"Pays [0-9.]{4}x: the incumbent signal here is [a-z ]+ \(-[0-9]+ dBm\), [a-z0-9]+ hotspots prove coverage\."
    )
    assert re.fullmatch(shape, said)
    assert said.startswith(f"Pays {sentences.weight(cell.weight_u)}x")


def test_an_unmeasured_cell_says_so(view):
    said = sentences.cell_sentence(view, cell_view(view, geo.cell_at(-33.9, 151.2, 8)))
    assert said == (
        "Pays 1.38x: nobody has measured the incumbent signal here, so the area around it decides, "
        "and no hotspot proves coverage yet."
    )


@pytest.mark.parametrize(
    ("signal_cdb", "word"),
    [
        (-9_000, "strong"),
        (-10_750, "good"),
        (-11_500, "fair"),
        (-12_400, "weak"),
        (-12_950, "very weak"),
        (-13_000, "all but gone"),
    ],
)
def test_signal_words_follow_the_need_of_the_class(view, signal_cdb, word):
    assert sentences.signal_word(view, geo.cell_at(48.4, 9.99, 8), signal_cdb) == word


def test_every_hotspot_gets_a_sentence_that_begins_with_its_name(city):
    for hotspot_id, spot in city.hotspots.items():
        said = sentences.hotspot_sentence(city, spot)
        assert said.startswith(hotspot_name(hotspot_id))
        assert said.endswith(".")


def test_a_hotspot_without_pay_learns_why(city):
    unpaid = [spot for spot in city.hotspots.values() if spot.links and not spot.earned and not spot.kind.is_mapper]
    said = {sentences.hotspot_sentence(city, spot).split("not paid: ")[1] for spot in unpaid}
    assert "too close to a site that holds its place already." in said


def test_an_unheard_hotspot_learns_that_nobody_heard_it(world, view):
    lonely = view.hotspots[world.devices[4].registered.hotspot_id]
    assert "no other owner's hotspot heard its beacons" in sentences.hotspot_sentence(view, lonely)


@pytest.mark.parametrize(
    ("base_units", "text"),
    [
        (0, "0"),
        (10**15, "0"),
        (5 * 10**17, "0.50"),
        (9_999 * 10**15, "9.99"),
        (10**19, "10"),
        (1_234_567 * 10**18, "1,234,567"),
    ],
)
def test_tokens_are_rounded_down(base_units, text):
    assert sentences.tokens(base_units) == text


@pytest.mark.parametrize(
    ("weight_u", "text"), [(2_392_857, "2.39"), (2_385_000, "2.38"), (2_395_000, "2.40"), (250_000, "0.25")]
)
def test_weights_are_rounded_half_to_even(weight_u, text):
    assert sentences.weight(weight_u) == text


@pytest.mark.parametrize(
    ("cdb", "text"), [(-10_500, "-105"), (-10_550, "-105.5"), (-5, "-0.05"), (0, "0"), (250, "2.5")]
)
def test_decibels_lose_their_zeros(cdb, text):
    assert sentences.dbm(cdb) == text


# --- the steps of a pay weight --------------------------------------------------------------------------------------


def test_steps_lead_from_the_signal_to_the_weight(city):
    cell = max(city.cells.values(), key=lambda one: (one.baseline is not None, len(one.sites)))
    exact = {step.key: step.exact for step in pay_steps(city, cell)}
    rules = city.record.rules.params.need
    assert exact["need_raw"] == need.need_u(exact["signal"], rules.lora)
    assert exact["need_shrunk"] == need.shrink_u(exact["need_raw"], exact["votes"], exact["need_around"], rules)
    assert exact["need_published"] == exact["need_shrunk"], "the genesis map publishes what it computed"
    assert exact["weight"] == need.weight_u(exact["need_published"], 10_000_000, rules) == cell.weight_u
    assert exact["payout"] == sum(site.payout for site in cell.sites)


def test_a_cell_without_measurements_says_where_its_need_is_from(view):
    steps = {step.key: step for step in pay_steps(view, cell_view(view, geo.cell_at(-33.9, 151.2, 8)))}
    assert steps["signal"].value == "not measured"
    assert steps["need_around"].how == "Nobody measured around here either: the prior."
    assert "need_raw" not in steps


def test_record_keeps_the_evidence_for_the_view_to_read(world):
    assert record_of(world, 2).evidence.beacons
