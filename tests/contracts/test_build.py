"""The committed artifacts are what the sources compile to, and forge's own tests pass."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from chain.artifacts import NAMES, artifact
from devnet import toolchain
from tests.contracts.conftest import CONTRACTS, run_forge
from tests.factories import ROOT

MAX_CODE_BYTES = 24_576
MAX_CREATION_BYTES = 49_152
BUILD_TIMEOUT_S = 120


def test_a_rebuild_gives_the_committed_bytes(tmp_path: Path) -> None:
    if not (ROOT / "node_modules" / "solc").is_dir():
        pytest.skip("solc is not installed here: `npm ci --ignore-scripts` installs it.")
    command = [str(toolchain.node()), str(CONTRACTS / "build.mjs"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=BUILD_TIMEOUT_S)
    committed = {path.name: path.read_bytes() for path in (CONTRACTS / "artifacts").glob("*.json")}
    assert set(committed) == {f"{name}.json" for name in NAMES}
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.json")} == committed


@pytest.mark.slow
def test_forge_tests_pass() -> None:
    assert " 0 failed" in run_forge("test", "--no-match-contract", "InvariantsTest")


@pytest.mark.slow
def test_every_invariant_holds_after_every_call() -> None:
    """256 runs of 64 calls; forge itself fails if a handler hardly ever succeeded."""
    assert " 0 failed" in run_forge("test", "--match-contract", "InvariantsTest")


@pytest.mark.slow
def test_device_signatures_are_checked_alike_with_the_precompile() -> None:
    """forge's default chain has no P-256 precompile, so the tests above ran the Solidity fallback; this one has it."""
    assert " 0 failed" in run_forge("test", "--match-contract", "HotspotsTest", profile="osaka")


@pytest.mark.parametrize("name", NAMES)
def test_fits_what_a_chain_takes(name: str) -> None:
    assert len(artifact(name).deployed_bytecode) <= MAX_CODE_BYTES
    assert len(artifact(name).bytecode) <= MAX_CREATION_BYTES


@pytest.mark.parametrize("source", sorted((CONTRACTS / "src").glob("*.sol")), ids=lambda path: path.stem)
def test_every_public_thing_is_explained(source: Path) -> None:
    """Every event and error of our own sources stands under a comment in plain words."""
    lines = source.read_text(encoding="utf-8").splitlines()
    bare = [
        line.strip()
        for before, line in itertools.pairwise(lines)
        if line.startswith(("    event ", "    error ")) and not before.strip().startswith("///")
    ]
    assert bare == []
