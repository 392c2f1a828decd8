"""Whole networks with something broken in each: `python -m tests.network.drills [FAULT ...]`, about five minutes each.

Runs the command an owner would run, on the measured receptions where they are here, and prints a line for each drill.
Exit code 1 if one of them did not come out right. `make test` runs the same without a fault.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tests.network.devnets import FARFIELD
from tests.network.trace_run import BASELINE, RECEPTIONS

DRILLS = (
    "",
    "kill=2@2",
    "skew=3:+30s",
    "kill=2,3@2 start=3@3",
    "reorg=1@2",
    "reorg=3@2",
    "reorg=12@2",
    "outage=60s@1",
)
EPOCHS = 3
TIMEOUT_S = 900
LEAST_ACCEPTED = 0.99


def command(drill: str, directory: Path) -> list[str]:
    """The devnet with these faults; it leaves OUT.json in the directory."""
    scenario = ["--scenario", "trace", "--receptions", str(RECEPTIONS), "--baseline", str(BASELINE)]
    where = ["--headless", "--json", str(directory / "OUT.json"), "--directory", str(directory / "devnet")]
    faults = [text for fault in drill.split() for text in ("--fault", fault)]
    measured = RECEPTIONS.exists() and BASELINE.exists()
    return [*FARFIELD, "devnet", "run", *(scenario if measured else []), "--epochs", str(EPOCHS), *where, *faults]


def problems(run: dict[str, Any]) -> Iterator[str]:
    """What a run with any of these faults must not show."""
    for epoch in run["epochs"]:
        if epoch["root_on_chain"] != epoch["root_audited"]:
            yield f"epoch {epoch['epoch']} was audited to another root"
    if int(run["claimed_total"]) != sum(int(epoch["earned"]) for epoch in run["epochs"]):
        yield "claimed is not what was earned"
    if int(run["supply_growth"]) != int(run["claimed_total"]) - int(run["fees_burned"]):
        yield "the supply did not grow by what was claimed less the fees"
    wrong = [one for one, held in run["balances"].items() if held["on_chain"] != held["by_audit"]]
    if wrong:
        yield f"{len(wrong)} accounts do not hold what the audited root grants them"
    plausible = run["plausible_by_reference"]
    if plausible and run["accepted_witnesses"] < LEAST_ACCEPTED * plausible:
        yield f"{run['accepted_witnesses']} of {plausible} plausible receptions were accepted"


def drill(name: str) -> bool:
    """Runs one and prints its line."""
    with tempfile.TemporaryDirectory(prefix="farfield-drill-") as directory:
        log = Path(directory) / "run.log"
        with log.open("wb") as output:
            code = subprocess.run(
                command(name, Path(directory)), stdout=output, stderr=output, timeout=TIMEOUT_S, check=False
            ).returncode
        shown = name or "undisturbed"
        if code != 0:
            click.echo(f"{shown}: exit code {code}\n{log.read_text(encoding='utf-8')}")
            return False
        run = json.loads((Path(directory) / "OUT.json").read_text(encoding="utf-8"))
        waited = [f"  {line}\n" for line in run["waited"]]
    found = list(problems(run))
    click.echo(
        f"{shown}: {'; '.join(found) or 'as it must be'} · {run['accepted_witnesses']} of "
        f"{run['plausible_by_reference']} accepted · epochs {[one['epoch'] for one in run['epochs']]} · "
        f"{len(run['balances'])} balances · {run['wall_s']} s\n{''.join(waited)}",
        nl=False,
    )
    return not found


if __name__ == "__main__":
    came_out = [drill(name) for name in sys.argv[1:] or DRILLS]
    sys.exit(not all(came_out))
