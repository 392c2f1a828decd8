"""The count of plausible receptions: what a validator must accept, by the reading that shares no code with it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections import Counter
from random import Random
from typing import Any

import pytest

from protocol import geo
from protocol.ids import Kind
from protocol.reasons import Reason
from protocol.regions import region_map
from protocol.verdicts import judge
from tests.factories import DEVNET, ROOT, SHARED, World, make_device, north_of_ulm
from tests.property.engine import KeptDuckDb
from tests.reference.plausible import devnet
from tests.reference.plausible import judge as read

ULM2017 = SHARED / "data" / "receptions" / "ulm2017.csv.gz"


def row(number: int = 0, **bent: Any) -> dict[str, Any]:
    honest = {
        "row": number,
        "tx_cell": f"{north_of_ulm(2, 9):x}",
        "rx_cell": f"{north_of_ulm(0):x}",
        "rssi_dbm": "-110.0",
        "frequency_hz": 868_100_000,
        "eirp_cdb": 1_600,
        "rx_gain_cdb": 200,
        "in_region": None,
    }
    return {**honest, **bent}


def reason(**bent: Any) -> str | None:
    return read([row(**bent)], devnet())["rows"][0]["reason"]


def test_an_ordinary_reception_is_plausible() -> None:
    assert reason() is None


@pytest.mark.parametrize(
    ("bent", "named"),
    [
        ({"tx_cell": f"{geo.cell_at(0, 0, 9):x}"}, "NO_VALID_BEACON"),
        ({"in_region": False}, "NO_VALID_BEACON"),
        ({"rx_cell": f"{geo.cell_at(0, 0, 10):x}"}, "OTHER_REGION"),
        ({"tx_cell": f"{north_of_ulm(101, 9):x}"}, "TOO_FAR"),
        ({"rssi_dbm": "-20"}, "ABOVE_FREE_SPACE"),
    ],
)
def test_names_the_first_rule_that_fails(bent: dict[str, Any], named: str) -> None:
    assert reason(**bent) == named


def test_a_signal_below_the_noise_counts_as_weaker() -> None:
    strong = {"rssi_dbm": "-60.0"}
    assert (reason(**strong), reason(**strong, snr_cdb=-2_000)) == ("ABOVE_FREE_SPACE", None)


def test_the_command_reads_lines_and_prints_one_object() -> None:
    lines = [row(1), row(2, rssi_dbm="-20")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.reference.plausible"],
        input="".join(json.dumps(one) + "\n" for one in lines),
        capture_output=True, text=True, cwd=ROOT, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout) == {
        "plausible": 1,
        "rows": [
            {"row": 1, "plausible": True, "reason": None},
            {"row": 2, "plausible": False, "reason": "ABOVE_FREE_SPACE"},
        ],
    }


def test_validators_accept_exactly_the_plausible_receptions() -> None:
    """One mapper's beacons from random places, heard by receivers near and far at random strengths."""
    random, kept = Random(7), KeptDuckDb()
    network = devnet()
    regions = region_map(DEVNET.radio, (ROOT / "params" / DEVNET.radio.cells.file).read_bytes())
    assert regions is not None
    world, offered = World(regions=regions), {}
    receivers = [
        make_device(f"rx{number}", north_of_ulm(distance_km)) for number, distance_km in enumerate([0, 9, 45, 99])
    ]
    vans = [make_device(f"van{number}", north_of_ulm(1), kind=Kind.MAPPER) for number in range(40)]
    world.add(*receivers, *vans)
    for van in vans:
        cell = geo.cell_at(48.4 + random.choice([0, 0.01, 0.1, -0.05, 6]), 9.99 + random.uniform(-0.02, 0.02), 9)
        tag = world.beacon(van, cell=cell)
        slot = world.slot(van)
        for receiver in receivers:
            rssi_cdb = random.randint(-12_000, -6_000)
            name = world.witness(receiver, tag, slot, rssi_cdb=rssi_cdb)
            offered[name] = row(
                tx_cell=f"{cell:x}",
                rx_cell=f"{receiver.registered.row.cell:x}",
                rssi_dbm=f"{rssi_cdb / 100:.2f}",
                frequency_hz=slot.frequency_hz,
                eirp_cdb=slot.eirp_cdb // 100 * 100,
            )
    inputs = world.inputs()
    judged = {one.report_id: Reason(one.reason).name for one in judge(inputs.setting, inputs.evidence, kept).outcomes}
    kept.close()
    expected = {name: read([one], network)["rows"][0]["reason"] or "ACCEPTED" for name, one in offered.items()}
    assert {name: judged[name] for name in offered} == expected
    assert set(expected.values()) == {"ACCEPTED", "TOO_FAR", "ABOVE_FREE_SPACE", "NO_VALID_BEACON"}


@pytest.mark.skipif(not ULM2017.exists(), reason="../shared/data/receptions is not here")
def test_nearly_all_of_a_measured_drive_is_plausible() -> None:
    """12 dB above free space rejects at most 0.2 % of honest receptions; GPS dirt adds fixes far off."""
    lines = list(csv.DictReader(io.StringIO(gzip.decompress(ULM2017.read_bytes()).decode())))
    whole = [one for one in lines if all(one[name] for name in ("tx_lat", "tx_lon", "rx_lat", "rx_lon", "rssi_dbm"))]
    offered = [
        row(
            number,
            tx_cell=f"{geo.cell_at(float(one['tx_lat']), float(one['tx_lon']), 9):x}",
            rx_cell=f"{geo.cell_at(float(one['rx_lat']), float(one['rx_lon']), 10):x}",
            rssi_dbm=one["rssi_dbm"],
        )
        for number, one in enumerate(whole)
    ]
    found = read(offered, devnet())
    refused = Counter(one["reason"] for one in found["rows"] if one["reason"])
    assert found["plausible"] > 0.97 * len(offered)
    assert refused["ABOVE_FREE_SPACE"] <= 0.002 * len(offered)
