"""farfield hotspot survey, from a phone's cells to canonical rows of the need map."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chain.network import dump
from coverage_maps.importers.files import import_file
from hotspot import keys
from hotspot.clock import SystemClock
from hotspot.command import group
from hotspot.config import CONFIG_FILE
from hotspot.positions.fix import Fix
from hotspot.survey import signature
from hotspot.survey.taking import Latest, take
from protocol.geo import cell_at
from protocol.need import CELLULAR
from tests.hotspot.survey.test_readings import LTE, ULM
from tests.hotspot.test_start import FILE

AWAY = (48.5, 10.2)
HEADER = "time,lat,lon,radio,operator,dbm\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "hotspot"
    made.mkdir(mode=0o700)
    keys.create(made)
    (made / CONFIG_FILE).write_text(f'home = "{ULM[0]},{ULM[1]}"\n')
    (tmp_path / "network.json").write_text(dump(FILE))
    return made


def survey(*arguments: object) -> Result:
    return CliRunner().invoke(group, ["survey", *map(str, arguments)])


def sign(home: Path, *sources: object) -> dict[str, Any]:
    result = _sign(home, *sources)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def _sign(home: Path, *sources: object) -> Result:
    out = home.parent / "out.csv"
    return survey(
        "sign", *sources, "--network", home.parent / "network.json", "--directory", home, "--out", out, "--json"
    )


def recorded(home: Path, *rows: tuple[Any, ...]) -> Path:
    path = home / "survey.csv"
    path.write_text(HEADER + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def lte(place: tuple[float, float], operator: str, dbm: object, when: str = "2026-11-24T12:00:00Z") -> tuple[Any, ...]:
    return (when, *place, "lte", operator, dbm)


def test_the_need_map_reads_the_best_operators_median(home: Path) -> None:
    near = (AWAY[0] + 0.0001, AWAY[1])
    assert cell_at(*near, 9) == cell_at(*AWAY, 9)
    path = recorded(
        home, lte(AWAY, "262-1", -110), lte(near, "262-1", "-99.25"), lte(AWAY, "262-1", -90), lte(AWAY, "262-2", -105)
    )
    sign(home, path)
    imported = import_file(home.parent / "out.csv", CELLULAR, 7)
    (row,) = imported.rows
    assert (row.cell, row.signal_cdb, row.day) == (cell_at(*AWAY, 9), -9_925, 20_781)
    assert row.contributor != 0
    assert imported.report.refused == {}


def test_only_the_cell_of_a_place_is_written(home: Path) -> None:
    path = recorded(home, lte((48.5012345, 10.2012345), "262-1", -90))
    sign(home, path)
    text = (home.parent / "out.csv").read_text()
    assert "48.5012345" not in text
    assert "12:00" not in text
    assert f"{cell_at(48.5012345, 10.2012345, 9):x}" in text


def test_what_lies_in_a_quiet_zone_is_left_out_and_counted(home: Path) -> None:
    made = sign(home, recorded(home, lte(ULM, "262-1", -90), lte(AWAY, "262-1", -90)))
    assert (made["rows"], made["refused"]) == (1, {"in a quiet zone": 1})


def test_a_phones_cells_are_signed_at_the_place_it_says(home: Path, tmp_path: Path) -> None:
    (tmp_path / "cells.json").write_text(json.dumps([LTE, LTE | {"type": "gsm"}]))
    (tmp_path / "location.json").write_text(
        json.dumps({"latitude": AWAY[0], "longitude": AWAY[1], "accuracy": 5.0, "elapsedMs": 4})
    )
    made = sign(home, tmp_path / "cells.json", "--location", tmp_path / "location.json", "--time", "2026-11-24")
    assert (made["rows"], made["first_day"]) == (1, 20_781)
    assert made["refused"] == {"level is not reference power (2G, 3G)": 1}


def test_the_signature_names_hotspot_network_and_file(home: Path) -> None:
    sign(home, recorded(home, lte(AWAY, "262-1", -90), lte(AWAY, "262-1", -90, "2026-11-20")))
    signed = signature.check(home.parent / "out.csv")
    assert signed.survey.hotspot_id == keys.load(home).hotspot_id
    assert (signed.survey.rows, signed.survey.first_day, signed.survey.last_day) == (2, 20_777, 20_781)
    assert signed.network == FILE.network
    checked = survey("check", home.parent / "out.csv")
    assert checked.exit_code == 0
    assert keys.load(home).hotspot_id.hex() in checked.output


@pytest.mark.parametrize("field", ["survey", "signature", "public_key", "chain_id", "contract", None])
def test_a_changed_file_or_signature_does_not_verify(home: Path, field: str | None) -> None:
    sign(home, recorded(home, lte(AWAY, "262-1", -90)))
    out = home.parent / "out.csv"
    path = signature.beside(out)
    if field is None:
        out.write_bytes(out.read_bytes().replace(b"-90", b"-91"))
    else:
        tree = json.loads(path.read_text())
        value = tree[field]
        tree[field] = value + 1 if isinstance(value, int) else value[:-1] + ("0" if value[-1] != "0" else "1")
        path.write_text(json.dumps(tree))
    assert survey("check", out).exit_code == 7


def test_neither_key_nor_home_is_in_what_leaves(home: Path) -> None:
    result = _sign(home, recorded(home, lte(AWAY, "262-1", -90)))
    out = home.parent / "out.csv"
    left = result.output + out.read_text() + signature.beside(out).read_text()
    assert keys.load(home).signer.scalar().hex() not in left  # type: ignore[attr-defined]
    assert str(ULM[0])[:6] not in left


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [("", "Say where home is"), ("quiet_home_m = 0\nmapper_resolution = 8\n", "res-9 cells")],
)
def test_settings_that_would_tell_too_much_end_it(home: Path, settings: str, sentence: str) -> None:
    (home / CONFIG_FILE).write_text(settings)
    result = _sign(home, recorded(home, lte(AWAY, "262-1", -90)))
    assert result.exit_code == 1
    assert sentence in result.output


def test_nothing_to_sign_is_said_with_its_reasons(home: Path) -> None:
    result = _sign(home, recorded(home, lte(AWAY, "262-1", "")))
    assert result.exit_code == 1
    assert "nothing to sign: no signal 1" in result.output
    assert not (home.parent / "out.csv").exists()


def test_cells_without_a_place_are_asked_for_one(home: Path, tmp_path: Path) -> None:
    (tmp_path / "cells.json").write_text(json.dumps([LTE]))
    result = _sign(home, tmp_path / "cells.json")
    assert result.exit_code == 1
    assert "--at LAT,LON" in result.output


def test_a_phone_records_for_its_owner_alone_and_not_at_home(tmp_path: Path) -> None:
    async def scene() -> None:
        clock, path = SystemClock(), tmp_path / "survey.csv"
        latest = Latest(clock)
        command = (sys.executable, "-c", f"print({json.dumps([LTE])!r})")
        zones = [ZONE_HOME]
        assert await take(path, latest, zones, clock, command) == {"no position": 1}
        latest.told(Fix(*ULM))
        assert await take(path, latest, zones, clock, command) == {"in a quiet zone": 1}
        assert not path.exists()
        latest.told(Fix(*AWAY))
        for _ in range(2):
            assert await take(path, latest, zones, clock, command) == {"kept": 1}
        assert path.stat().st_mode & 0o777 == 0o600
        assert len(path.read_text().splitlines()) == 3
        latest.told(Fix(*AWAY, age_ms=10_001))
        assert await take(path, latest, zones, clock, command) == {"no position": 1}

    from hotspot.quiet import Zone

    ZONE_HOME = Zone(*ULM, 1_000)  # noqa: N806
    asyncio.run(scene())
