"""Runs slither over the contracts and holds its findings against docs/slither.md: `make slither`.

slither lives in an environment of its own, because it pins another web3. A finding is named by its detector and the
function it is in. One without an answer, or an answer without its finding, is a failure.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from devnet import toolchain
from tests.factories import ROOT

CONTRACTS = ROOT / "contracts"
ANSWERS = ROOT / "docs" / "slither.md"
SLITHER = ROOT / ".venv-slither" / "bin" / "slither"
TIMEOUT_S = 1_200


def findings() -> set[tuple[str, str]]:
    """(detector, place) of every finding in our own sources."""
    environment = toolchain.with_node()
    forge = toolchain.forge()
    build = [str(forge), "build", "--build-info", "--force", "--skip", "test", "--out", "out-slither"]
    build += ["--cache-path", "cache-slither", "--build-info-path", "out-slither/build-info"]
    subprocess.run(build, cwd=CONTRACTS, env=environment, check=True, timeout=TIMEOUT_S, stdout=subprocess.DEVNULL)
    path = f"{forge.parent}:{environment.get('PATH', '')}"
    command = [str(SLITHER), ".", "--ignore-compile", "--foundry-out-directory", "out-slither", "--json", "-"]
    command += ["--filter-paths", "node_modules", "--fail-none"]
    done = subprocess.run(
        command, cwd=CONTRACTS, env=environment | {"PATH": path}, capture_output=True, timeout=TIMEOUT_S, check=False
    )
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
