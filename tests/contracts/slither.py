"""Runs slither over the contracts and holds its findings against docs/slither.md: `make slither`.

slither lives in an environment of its own, because it pins another web3. A finding is named by its detector and the
function it is in. One without an answer, or an answer without its finding, is a failure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from devnet import toolchain
from tests.factories import ROOT

CONTRACTS = ROOT / "contracts"
ANSWERS = ROOT / "docs" / "slither.md"
SLITHER = ROOT / ".venv-slither" / "bin" / "slither"
WORK = ROOT / "build" / "slither"
TIMEOUT_S = 1_200


def lay_out() -> None:
    """Sources and libraries under one root: slither does not follow imports that lead out of it."""
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(CONTRACTS / "src", WORK / "src")
    shutil.copytree(ROOT / "node_modules" / "@openzeppelin", WORK / "node_modules" / "@openzeppelin")
    text = (CONTRACTS / "foundry.toml").read_text().replace("../node_modules", "node_modules")
    (WORK / "foundry.toml").write_text(text.replace("./solc.mjs", str(CONTRACTS / "solc.mjs")))


def findings() -> set[tuple[str, str]]:
    """(detector, place) of every finding in our own sources."""
    environment, forge = toolchain.with_node(), toolchain.forge()
    environment["PATH"] = f"{WORK / 'bin'}:{environment.get('PATH', os.defpath)}"
    lay_out()
    (WORK / "bin").mkdir()
    (WORK / "bin" / "forge").symlink_to(forge)
    options: dict[str, Any] = {"cwd": WORK, "env": environment, "timeout": TIMEOUT_S, "capture_output": True}
    subprocess.run([str(forge), "build", "--build-info"], check=True, **options)
    command = [str(SLITHER), ".", "--ignore-compile", "--json", "-", "--filter-paths", "node_modules", "--fail-none"]
    done = subprocess.run(command, check=False, **options)
    answer = json.loads(done.stdout or b"{}")
    if not answer.get("success"):
        raise SystemExit(f"slither did not finish: {answer.get('error')} {done.stderr.decode()[-2_000:]}")
    return {(one["check"], place(one)) for one in answer["results"].get("detectors", [])}


def place(finding: dict[str, object]) -> str:
    """Contract and function of a finding's first element, or its contract or file."""
    elements = finding["elements"]
    if not isinstance(elements, list) or not elements:
        return "-"
    first = elements[0]
    parent = first.get("type_specific_fields", {}).get("parent", {})
    outer = parent.get("name", "") if parent.get("type") == "contract" else ""
    if first["type"] == "pragma" or not outer:
        return str(first["name"]) if first["type"] == "contract" else Path(str(first["name"])).name
    return f"{outer}.{first['name']}"


def answered() -> set[tuple[str, str]]:
    """The findings docs/slither.md answers: the rows of its table."""
    rows = re.findall(r"^\| ([a-z0-9-]+) \| `([^`]+)` \|", ANSWERS.read_text(), re.MULTILINE)
    return set(rows)


def main() -> int:
    found, known = findings(), answered()
    lines = [f"{check} in {where} is not answered in docs/slither.md." for check, where in sorted(found - known)]
    lines += [f"{check} in {where} is answered there and not found any more." for check, where in sorted(known - found)]
    sys.stdout.write("\n".join([*lines, f"slither: {len(found)} findings, {len(found & known)} answered.", ""]))
    return 0 if found == known else 1


if __name__ == "__main__":
    sys.exit(main())
