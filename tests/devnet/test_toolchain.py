"""The toolchain: a tool is what it should be, or there is a sentence with the next step."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import os
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from devnet import toolchain
from devnet.toolchain import FOUNDRY_VERSION, ToolchainError, anvil_command

SCRIPT = f"#!/bin/sh\necho anvil Version: {FOUNDRY_VERSION}\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a cache, and no tool on PATH or in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("FARFIELD_ANVIL", raising=False)
    return tmp_path


def script(path: Path, text: str = SCRIPT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def tarball(folder: Path, member: str = "package/bin/anvil") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(SCRIPT)
        archive.addfile(info, io.BytesIO(SCRIPT.encode()))
    return data.getvalue()


@pytest.fixture
def registry(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm whose `pack` leaves a known tarball, pinned by its hash; returns the folder it logs into."""
    made = home / "made.tgz"
    made.write_bytes(tarball(home))
    digest = base64.b64encode(hashlib.sha512(made.read_bytes()).digest()).decode()
    package = f"anvil-{platform.system().lower()}-{toolchain.MACHINES[platform.machine().lower()]}"
    monkeypatch.setattr(toolchain, "INTEGRITY", {package: digest})
    script(home / "bin" / "npm", f'#!/bin/sh\necho "$@" >> {home}/npm.log\ncp {made} ./anvil.tgz\n')
    script(home / "bin" / "node", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{home}/bin:/usr/bin:/bin")
    return home


def test_takes_what_the_environment_names(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = script(home / "my-anvil")
    monkeypatch.setenv("FARFIELD_ANVIL", str(mine))
    assert toolchain.anvil() == mine


def test_says_when_the_environment_names_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARFIELD_ANVIL", "/nowhere/anvil")
    with pytest.raises(ToolchainError, match=r"FARFIELD_ANVIL names /nowhere/anvil.*Correct or unset it"):
        toolchain.anvil()


def test_takes_the_right_version_from_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = script(home / "bin" / "anvil")
    monkeypatch.setenv("PATH", f"{home}/bin:/usr/bin:/bin")
    assert toolchain.anvil() == found


def test_passes_over_another_version_on_path(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script(registry / "bin" / "anvil", "#!/bin/sh\necho anvil 0.2.0\n")
    assert toolchain.anvil() == registry / ".cache" / "farfield" / f"anvil-{FOUNDRY_VERSION}" / "anvil"
    assert f"is not version {FOUNDRY_VERSION}" in capsys.readouterr().err


def test_fetches_once_and_then_takes_the_cached_one(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = toolchain.anvil()
    assert first.read_text() == SCRIPT
    assert os.access(first, os.X_OK)
    assert toolchain.anvil() == first
    [line] = (registry / "npm.log").read_text().splitlines()
    assert line.startswith(f"pack @foundry-rs/anvil-{platform.system().lower()}-")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("Fetching anvil") == 1


def test_leaves_nothing_but_the_tool_in_the_cache(registry: Path) -> None:
    toolchain.anvil()
    assert os.listdir(registry / ".cache" / "farfield") == [f"anvil-{FOUNDRY_VERSION}"]


def test_refuses_a_package_whose_bytes_are_others(registry: Path) -> None:
    data = bytearray((registry / "made.tgz").read_bytes())
    data[-1] ^= 1
    (registry / "made.tgz").write_bytes(data)
    with pytest.raises(ToolchainError, match="its sha512 differs"):
        toolchain.anvil()
    assert os.listdir(registry / ".cache" / "farfield") == []


def test_says_when_the_registry_does_not_answer(registry: Path) -> None:
    script(registry / "bin" / "npm", "#!/bin/sh\necho network down >&2\nexit 1\n")
    with pytest.raises(ToolchainError, match=r"could not fetch .*network down Check the network and start again"):
        toolchain.anvil()


def test_says_what_to_do_on_a_machine_without_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ToolchainError, match=r"no anvil package for .* on riscv64.*FARFIELD_ANVIL"):
        toolchain.anvil()


def test_says_what_to_do_without_node(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr(sys, "executable", str(home / "python"))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    with pytest.raises(ToolchainError, match=r"Node is not on PATH\. Install Node 20 or later"):
        toolchain.node()


def test_takes_node_beside_python_when_path_has_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home / "empty"))
    monkeypatch.setattr(sys, "executable", str(home / "bin" / "python"))
    found = script(home / "bin" / "npm")
    script(home / "bin" / "node")
    assert toolchain.npm() == found
    assert toolchain.with_node()["PATH"].startswith(f"{home}/bin")


def test_every_platform_has_anvil_and_forge() -> None:
    platforms = {name.split("-", 1)[1] for name in toolchain.INTEGRITY}
    assert platforms == {"linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"}
    assert set(toolchain.INTEGRITY) == {f"{tool}-{one}" for tool in ("anvil", "forge") for one in platforms}
    assert {len(base64.b64decode(digest)) for digest in toolchain.INTEGRITY.values()} == {64}


def test_anvil_listens_on_loopback_and_keeps_its_state(tmp_path: Path) -> None:
    command = anvil_command(Path("anvil"), port=8545, chain_id=7, state=tmp_path / "state.json")
    pairs = dict(itertools.pairwise(command))
    assert pairs["--host"] == "127.0.0.1"
    assert pairs["--hardfork"] == "osaka"
    assert (pairs["--port"], pairs["--chain-id"], pairs["--block-time"]) == ("8545", "7", "1")
    assert (pairs["--state"], pairs["--state-interval"]) == (str(tmp_path / "state.json"), "1")


def test_command_prints_paths_and_nothing_else(home: Path) -> None:
    mine = script(home / "my-anvil")
    done = subprocess.run(
        [sys.executable, "-m", "devnet.toolchain", "anvil"],
        env=os.environ | {"FARFIELD_ANVIL": str(mine)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == f"{mine}\n"
    unknown = subprocess.run(
        [sys.executable, "-m", "devnet.toolchain", "gcc"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "gcc is not one of" in unknown.stderr


def block(number: int, timestamp: int) -> dict[str, object]:
    return {"header": {"number": hex(number), "timestamp": hex(timestamp)}, "transactions": []}


def test_a_chain_resumed_several_times_keeps_its_own_genesis(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    blocks = [block(0, 900), block(2, 502), block(0, 500), block(1, 501), block(0, 700)]
    state.write_text(json.dumps({"best_block_number": 2, "blocks": blocks}), encoding="utf-8")
    toolchain.keep_one_genesis(state)
    assert json.loads(state.read_text(encoding="utf-8")) == {"best_block_number": 2, "blocks": blocks[1:4]}


def test_a_chain_with_one_genesis_and_one_not_there_yet_are_left_alone(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    toolchain.keep_one_genesis(state)
    assert not state.exists()
    state.write_text('{"blocks": []}', encoding="utf-8")
    toolchain.keep_one_genesis(state)
    assert state.read_text(encoding="utf-8") == '{"blocks": []}'
