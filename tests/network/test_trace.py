"""A whole network fed with measured receptions: every line of what such a run must show."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.network.trace_run import TRACE

pytestmark = [pytest.mark.network, pytest.mark.slow]

RUN_TIMEOUT_S = 360
EPOCHS = (1, 2, 3)


@pytest.fixture(scope="module")
def run(pytestconfig: pytest.Config) -> dict[str, Any]:
    trace = pytestconfig.stash.get(TRACE, None)
    if trace is None:
        pytest.skip("measured receptions are not beside this checkout (../shared/data/receptions)")
    assert trace.wait(RUN_TIMEOUT_S) == 0, trace.log.read_text(encoding="utf-8")
    tree = json.loads(trace.out.read_text(encoding="utf-8"))
    tree["ether"] = json.loads((trace.devnet / "ether" / "report.json").read_text(encoding="utf-8"))
    tree["directory"] = str(trace.devnet)
    return tree


def test_every_epoch_is_rooted_and_audits_to_the_same_root(run: dict[str, Any]) -> None:
    assert [epoch["epoch"] for epoch in run["epochs"]] == list(EPOCHS)
    assert [epoch["root_audited"] for epoch in run["epochs"]] == [epoch["root_on_chain"] for epoch in run["epochs"]]


def test_enough_measured_frames_and_receptions_are_offered(run: dict[str, Any]) -> None:
    assert run["offered_frames"] >= 600
    assert run["offered_receptions"] >= 1_800


def test_every_row_of_the_file_is_accounted_for_once(run: dict[str, Any]) -> None:
    assert (
        run["offered_receptions"] + sum(run["not_offered"].values()) == run["rows_in_file"] == len(run["ether"]["rows"])
    )


def test_rows_are_left_out_only_for_causes_of_the_radio(run: dict[str, Any]) -> None:
    assert set(run["not_offered"]) <= {"no slot left", "receiver transmitting", "receiver down"}


def test_every_offered_reception_has_exactly_one_outcome(run: dict[str, Any]) -> None:
    assert sum(epoch["reports"]["witnesses"] for epoch in run["epochs"]) == run["offered_receptions"]


def test_outcomes_count_every_report(run: dict[str, Any]) -> None:
    for epoch in run["epochs"]:
        assert sum(epoch["outcomes"].values()) == epoch["reports"]["beacons"] + epoch["reports"]["witnesses"]


def test_plausible_receptions_are_accepted(run: dict[str, Any]) -> None:
    assert run["accepted_witnesses"] >= 0.99 * run["plausible_by_reference"] > 0


def test_hotspots_count_the_rows_the_ether_sent_them(run: dict[str, Any]) -> None:
    assert run["rxpk_taken_by_hotspots"] == run["offered_receptions"]


def test_six_gateways_earn(run: dict[str, Any]) -> None:
    earned = Counter()
    for epoch in run["epochs"]:
        for one, amount in epoch["earned_by_id"].items():
            earned[one] += int(amount)
    hotspots = [one for one, amount in earned.items() if int(one, 16) >> 255 and amount > 0]
    assert len(hotspots) == 6


def test_everything_earned_is_claimed(run: dict[str, Any]) -> None:
    assert int(run["claimed_total"]) == sum(int(epoch["earned"]) for epoch in run["epochs"])


def test_the_supply_grows_by_what_was_claimed_less_the_fees_burned(run: dict[str, Any]) -> None:
    assert int(run["supply_growth"]) == int(run["claimed_total"]) - int(run["fees_burned"])
    assert int(run["fees_burned"]) > 0


def test_every_account_holds_what_the_audited_root_grants_it(run: dict[str, Any]) -> None:
    balances = run["balances"]
    assert len(balances) >= 4
    assert {one: held["on_chain"] for one, held in balances.items()} == {
        one: held["by_audit"] for one, held in balances.items()
    }


def test_the_run_stays_small_and_in_time(run: dict[str, Any]) -> None:
    assert run["peak_rss_mb"] < 3_000
    assert run["wall_s"] < 360


def test_every_screen_says_what_is_replayed(run: dict[str, Any]) -> None:
    assert "replayed from real measurements" in run["simulated"]["what"]


def test_cells_carry_the_numbers_behind_the_pay(run: dict[str, Any]) -> None:
    paid = [cell for epoch in run["epochs"] for cell in epoch["cells"] if cell["points"] not in (None, "0")]
    assert paid
    assert all(250_000 <= cell["weight"] <= 4_000_000 and 0 <= cell["need"] <= 1_000_000 for cell in paid)


def test_every_rejection_names_the_reason_the_reference_names(run: dict[str, Any]) -> None:
    differing = [row for row in run["judged_rows"] if row["outcome"] != row["reference"]]
    implausible = [row for row in differing if not row["plausible"]]
    assert implausible == []
    assert len(differing) <= 0.01 * run["offered_receptions"]


def test_the_directory_holds_no_secret_readable_by_others(run: dict[str, Any]) -> None:
    keys = [path for pattern in ("**/*.key", "**/*.pem") for path in Path(run["directory"]).glob(pattern)]
    assert keys
    assert [path for path in keys if path.stat().st_mode & 0o077] == []
