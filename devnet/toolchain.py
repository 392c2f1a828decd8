"""Finds or fetches what the devnet and the contract tests run: anvil, forge and Node.

Pure set-up: a tool is looked for in an environment variable, on PATH and in the user's cache, and at last fetched with
`npm pack` from the package registry, checked against a sha512 pinned here, and kept in the cache. Nothing is run
while installing, and nothing needs a compiler or a system service.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOUNDRY_VERSION = "1.7.1"
FETCH_TIMEOUT_S = 600
VERSION_TIMEOUT_S = 30
STATES_KEPT_IN_MEMORY = 256
MAX_BINARY_BYTES = 512 * 1024 * 1024

INTEGRITY = {
    "anvil-linux-amd64": "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
    "anvil-linux-arm64": "ykHJmFOGdBR8+9smOKBm9ZZDCCCkLQctiHOAddLvmYx9mPeBDMfq6jP51hKYsO5MG8ClPLSlWe+JpiXPjoXgBQ==",
    "anvil-darwin-amd64": "OgwzwY+FsGrsPyDv4mmbhOwARO8s37YHrm2qaNzgSH4VlKnXgJCrnoT7bpgOhLyBPtxXjBT8L2E3b79deesXRg==",
    "anvil-darwin-arm64": "JNeu3+A3f/npXLn8SR8EahVcqE7BpO9VQZMcPvSIy27/RNc1GsoEBvSLR99aSvt8sGKWAgNg/EzrtjAPq6mxcA==",
    "forge-linux-amd64": "/HQddyTanVOJKgvilmZrf8VOf7mhvwrWb59W73w5W5flX7b6zNh9CR6hKZzJwiRRi5Sxk/JOFEYIeKsQx7Teqg==",
    "forge-linux-arm64": "jt+6H8AWHauP8kP+miMKJkMjC6UCHm6NRjO5D+5ca416o6iJGPURNs+Nlb0WWnb1gaCj7sXUZqpxH73Ub+YBWg==",
    "forge-darwin-amd64": "0P18bZyXiCJ5YJMQ+FgOE3WToqt7qBp8eyeBWFAIHX79hwN8RWtvdBWJ6ZcYH14lWZVuN8oYi8Wkth/t3jAa8g==",
    "forge-darwin-arm64": "PwvdcKxniBoIic163Gw8t7rIOfE8ZfV2mCM2WOXnGdsUbCJRvkqCWq4qidkUORbibhfiRTyw3991hMFL8/qEfw==",
}
"""sha512 of each package's tarball at FOUNDRY_VERSION, base64, as the registry's own metadata states it."""

MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class ToolchainError(RuntimeError):
    """A tool cannot be had here; the message says what to do."""


def say(sentence: str) -> None:
    """Progress goes to stderr, so that a path on stdout stays a path."""
    print(sentence, file=sys.stderr, flush=True)


def cache_directory() -> Path:
    """Where fetched binaries are kept between runs."""
    return Path.home() / ".cache" / "farfield"


def anvil() -> Path:
    """The anvil binary; ToolchainError if it cannot be had."""
    return tool("anvil")


def forge() -> Path:
    """The forge binary; ToolchainError if it cannot be had."""
    return tool("forge")


def tool(name: str) -> Path:
    """`name` from FARFIELD_<NAME>, PATH, the cache, or the package registry, in this order."""
    return _from_environment(name) or _from_path(name) or _from_cache(name) or _fetch(name)


def _from_environment(name: str) -> Path | None:
    variable = f"FARFIELD_{name.upper()}"
    stated = os.environ.get(variable)
    if not stated:
        return None
    if not os.access(stated, os.X_OK):
        raise ToolchainError(f"{variable} names {stated}, which is not an executable file. Correct or unset it.")
    return Path(stated)


def _from_path(name: str) -> Path | None:
    found = shutil.which(name)
    if found is None:
        return None
    if FOUNDRY_VERSION in _version_of(found):
        return Path(found)
    say(f"{found} is not version {FOUNDRY_VERSION}; set FARFIELD_{name.upper()} to use it all the same.")
    return None


def _version_of(binary: str) -> str:
    try:
        return subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _cached_path(name: str) -> Path:
    return cache_directory() / f"{name}-{FOUNDRY_VERSION}" / name


def _from_cache(name: str) -> Path | None:
    path = _cached_path(name)
    return path if os.access(path, os.X_OK) else None


def _package(name: str) -> str:
    machine = MACHINES.get(platform.machine().lower())
    package = f"{name}-{platform.system().lower()}-{machine}"
    if package not in INTEGRITY:
        raise ToolchainError(
            f"There is no {name} package for {platform.system()} on {platform.machine()}. "
            f"Install Foundry {FOUNDRY_VERSION} yourself and set FARFIELD_{name.upper()} to its {name}."
        )
    return package


def _fetch(name: str) -> Path:
    package = _package(name)
    say(f"Fetching {name} {FOUNDRY_VERSION} (once; kept in {cache_directory()}).")
    cache_directory().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_directory(), prefix=f".{name}-") as scratch:
        tarball = _pack(f"@foundry-rs/{package}@{FOUNDRY_VERSION}", Path(scratch))
        _check_integrity(tarball, INTEGRITY[package])
        staged = Path(scratch) / "staged"
        _extract(tarball, f"package/bin/{name}", staged / name)
        with contextlib.suppress(OSError):  # another process was faster: its copy is as good
            os.rename(staged, _cached_path(name).parent)
    found = _from_cache(name)
    if found is None:
        raise ToolchainError(f"{_cached_path(name)} is not executable. Remove its folder and start again.")
    return found


def _pack(specifier: str, folder: Path) -> Path:
    command = [str(npm()), "pack", specifier, "--loglevel=error", "--ignore-scripts"]
    try:
        done = subprocess.run(
            command, cwd=folder, env=with_node(), capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"npm could not fetch {specifier}: {error}. Check the network and start again.") from error
    tarballs = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(tarballs) != 1:
        why = (done.stderr or done.stdout).strip()[-400:]
        raise ToolchainError(f"npm could not fetch {specifier}: {why} Check the network and start again.")
    return tarballs[0]


def _check_integrity(tarball: Path, expected: str) -> None:
    with tarball.open("rb") as data:
        digest = hashlib.file_digest(data, "sha512").digest()
    if base64.b64encode(digest).decode("ascii") != expected:
        raise ToolchainError(
            f"{tarball.name} is not the package this release was made with (its sha512 differs). Do not use it; "
            "try another network, or report it."
        )


def _extract(tarball: Path, member: str, target: Path) -> None:
    target.parent.mkdir()
    with tarfile.open(tarball) as archive:
        info = archive.getmember(member)
        source = archive.extractfile(info)
        if source is None or info.size > MAX_BINARY_BYTES:
            raise ToolchainError(f"{tarball.name} does not hold {member} as a file of sensible size. Report it.")
        with source, target.open("wb") as out:
            shutil.copyfileobj(source, out)
            out.flush()
            os.fsync(out.fileno())
    target.chmod(0o755)


# --- Node --------------------------------------------------------------------------------------------------------


def node() -> Path:
    """The node binary: on PATH, beside this Python, or installed there from its PyPI package."""
    return _node_program("node")


def npm() -> Path:
    """The npm program that belongs to `node`."""
    return _node_program("npm")


def _beside_python(name: str) -> Path:
    return Path(sys.executable).parent / name


def _node_program(name: str) -> Path:
    on_path = shutil.which(name)
    if on_path is not None and shutil.which("node") is not None:
        return Path(on_path)
    if not os.access(_beside_python(name), os.X_OK):
        _install_node()
    if not os.access(_beside_python(name), os.X_OK):
        raise ToolchainError(f"Node's package gave no {name}. Install Node 20 or later and start again.")
    return _beside_python(name)


def _install_node() -> None:
    requirements = Path(__file__).resolve().parents[1] / "requirements-node.txt"
    if not requirements.is_file() or sys.prefix == sys.base_prefix:
        raise ToolchainError("Node is not on PATH. Install Node 20 or later and start again.")
    say("Installing Node into this virtual environment (once; about 60 MB).")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    command = [*pip, "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise ToolchainError(f"Node could not be installed: {done.stderr.strip()[-400:]} Install Node 20 or later.")


def with_node() -> dict[str, str]:
    """The environment in which programs find node, wherever it came from."""
    return os.environ | {"PATH": os.pathsep.join([str(node().parent), os.environ.get("PATH", "")])}


# --- running -----------------------------------------------------------------------------------------------------


def anvil_command(
    binary: Path, *, port: int, chain_id: int, state: Path | None = None, block_time_s: int = 1
) -> list[str]:
    """The command line every anvil of ours is started with; it listens on loopback only.

    With `state` it resumes from that file and writes it once a second. The final block lies two blocks behind.
    """
    command = [str(binary), "--quiet", "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id)]
    command += ["--hardfork", "osaka", "--slots-in-an-epoch", "1", "--prune-history", str(STATES_KEPT_IN_MEMORY)]
    if block_time_s:
        command += ["--block-time", str(block_time_s)]
    if state is not None:
        command += ["--state", str(state), "--state-interval", "1"]
    return command


def keep_one_genesis(state: Path) -> None:
    """Takes the false first blocks out of a saved chain, before anvil resumes it.

    Every anvil makes a genesis block of its own before it loads a chain, and saves both; after a few resumes it would
    answer with any of them. The true one is the oldest.
    """
    if not state.exists():
        return
    tree = json.loads(state.read_text(encoding="utf-8"))
    firsts = [block for block in tree["blocks"] if int(block["header"]["number"], 16) == 0]
    if len(firsts) < 2:
        return
    genesis = min(firsts, key=lambda block: int(block["header"]["timestamp"], 16))
    tree["blocks"] = [block for block in tree["blocks"] if block is genesis or block not in firsts]
    beside = state.with_suffix(".new")
    beside.write_text(json.dumps(tree), encoding="utf-8")
    beside.replace(state)


def run_forge(arguments: list[str], contracts: Path) -> int:
    """Runs forge in the contracts folder with node on PATH, for the solc wrapper. Its exit code."""
    return subprocess.run([str(forge()), *arguments], cwd=contracts, env=with_node(), check=False).returncode


def run_node_program(program: Path, arguments: list[str], checkout: Path) -> int:
    """Runs npm or node in the checkout with node on PATH. Its exit code."""
    return subprocess.run([str(program), *arguments], cwd=checkout, env=with_node(), check=False).returncode


def main() -> int:
    """`python -m devnet.toolchain anvil|forge|node|npm ...` prints where each is; `run-forge|run-npm|run-node ARGS`."""
    names = sys.argv[1:] or ["anvil"]
    programs = {"anvil": anvil, "forge": forge, "node": node, "npm": npm}
    checkout = Path(__file__).resolve().parents[1]
    try:
        if names[0] == "run-forge":
            return run_forge(names[1:], checkout / "contracts")
        if names[0] in ("run-npm", "run-node"):
            return run_node_program(programs[names[0].removeprefix("run-")](), names[1:], checkout)
        for name in names:
            print(programs[name]())
    except KeyError as error:
        say(f"{error.args[0]} is not one of {', '.join(programs)} or run-forge, run-npm, run-node.")
        return 2
    except ToolchainError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
