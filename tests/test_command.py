"""The one command: light to start, says only what is there, completes itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import farfield

HEAVY = {"grpc", "web3", "h3", "numpy", "duckdb", "structlog", "cryptography", "rich", "asyncio", "prometheus_client"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["hotspot", "--help"], ["hotspot", "doctor", "--help"], ["--version"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from farfield import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        f"heavy = {HEAVY!r} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_prints_a_completion_script(shell: str) -> None:
    result = CliRunner().invoke(farfield.main, ["completion", shell])
    assert result.exit_code == 0
    assert "_FARFIELD_COMPLETE" in result.output


def test_groups_that_are_not_installed_are_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(farfield.GROUPS, "validator", ("not_here.command", "Run a validator."))
    offered = [line.split()[0] for line in CliRunner().invoke(farfield.main, ["--help"]).output.splitlines() if line]
    assert "hotspot" in offered
    assert "validator" not in offered
    result = CliRunner().invoke(farfield.main, ["validator"])
    assert result.exit_code == 2
    assert "full installation" in result.output


NOWHERE = ["--network", "nowhere.json"]
WITHOUT_A_NETWORK = {
    "hotspot register": [*NOWHERE, "--owner", f"0x{7:040x}", "--at", "48.4,9.99"],
    "hotspot earnings": NOWHERE,
    "hotspot keys show": [],
    "map need": [*NOWHERE, "881faa4a2dfffff"],
    "network check": NOWHERE,
    "network show": NOWHERE,
    "validator audit": [*NOWHERE, "1"],
    "validator status": NOWHERE,
    "devnet attach": [*NOWHERE, "--hotspot", "127.0.0.1:1680", "--at", "48.4,9.99"],
}


@pytest.mark.parametrize("command", WITHOUT_A_NETWORK)
def test_with_json_a_failure_is_its_sentence_and_its_exit_code(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(farfield.main, [*command.split(), *WITHOUT_A_NETWORK[command], "--json"])
    assert json.loads(result.stdout) == {"error": result.stderr.rstrip("\n"), "exit_code": result.exit_code}
    assert result.exit_code in (1, 5, 6)
