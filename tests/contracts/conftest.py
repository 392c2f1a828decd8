"""The contracts are tested on the same chain as their client."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from devnet import toolchain
from tests.chain.conftest import anvil_chain, make_world, start_anvil, world
from tests.factories import ROOT

__all__ = ["anvil_chain", "make_world", "start_anvil", "world"]
CONTRACTS = ROOT / "contracts"
FORGE_TIMEOUT_S = 1_800


def run_forge(*arguments: str, profile: str = "default") -> str:
    """What forge prints; a failure shows it. Skips where forge or node cannot be had."""
    if not (ROOT / "node_modules" / "solc").is_dir():
        pytest.skip("solc is not installed here: `npm ci --ignore-scripts` installs it.")
    try:
        binary, environment = toolchain.forge(), toolchain.with_node()
    except toolchain.ToolchainError as error:
        pytest.skip(f"forge cannot be had here: {error} `python -m devnet.toolchain forge` tries again.")
    done = subprocess.run(
        [str(binary), *arguments],
        cwd=CONTRACTS,
        env=environment | {"FOUNDRY_PROFILE": profile},
        capture_output=True,
        text=True,
        timeout=FORGE_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    return done.stdout


@pytest.fixture(scope="session")
def probe_code() -> dict[str, Any]:
    """ABI and code of the P-256 probe, built by forge."""
    return _built("P256Probe")


@pytest.fixture(scope="session")
def agreement_code() -> dict[str, Any]:
    """ABI and code of what asks the contracts about many cases at once, built by forge."""
    return _built("Agreement")


def _built(name: str) -> Any:
    run_forge("build", f"test/{name}.sol")
    return json.loads((CONTRACTS / "out" / f"{name}.sol" / f"{name}.json").read_text())
