"""Makes dist/farfield-MACHINE (hotspot and network commands) and dist/farfield-wifi-bridge-MACHINE (the Wi-Fi bridge).

PyInstaller gathers the program and a Python; a head of shell script makes the directory one file, which unpacks itself
at its first start and is as quick as the directory from then on. PyInstaller is only run, not linked with: its licence
has an exception for what it builds. Run it with the interpreter of the build environment; it builds for the machine it
runs on, so the aarch64 file is made by the same command on an aarch64 machine.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import platform
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK, OUT = ROOT / "build" / "binary", ROOT / "dist"
HEAD = Path(__file__).with_name("start.sh")
DIGEST_CHARACTERS = 16
EPOCH_S = 0
MAX_FILE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class Product:
    """One file to build."""

    name: str
    entry: str
    packages: tuple[str, ...]
    """Our own packages, whole: their modules are imported by name."""
    collected: tuple[str, ...]
    """Packages of others that bring data or load parts of themselves by name."""
    excluded: tuple[str, ...]


PRODUCTS = (
    Product(
        name="farfield",
        entry="farfield.py",
        packages=("hotspot", "chain", "protocol", "protos", "params", "contracts"),
        collected=("eth_hash", "eth_account", "coincurve", "h3"),
        excluded=(
            "validator", "coverage_maps", "devnet", "tests", "bench", "hotspot.radio.wifi", "scapy", "numpy", "duckdb",
            "shapely", "starlette", "granian", "rich", "psutil", "pytest", "hypothesis", "playwright", "tkinter",
            "grpc_tools", "setuptools", "pip",
        ),
    ),
    Product(
        name="farfield-wifi-bridge",
        entry="hotspot/radio/wifi/__main__.py",
        packages=("hotspot.radio.wifi",),
        collected=("scapy.arch",),
        excluded=(
            "validator", "coverage_maps", "devnet", "chain", "tests", "bench", "grpc", "web3", "numpy", "duckdb",
            "shapely", "cryptography", "matplotlib", "IPython", "tkinter", "setuptools", "pip",
        ),
    ),
)  # fmt: skip


def build(product: Product) -> Path:
    """Builds one product and returns its file."""
    directory = _gather(product)
    payload = packed(directory)
    path = OUT / f"{product.name}-{platform.machine()}"
    OUT.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head(product.name, payload) + payload)
    path.chmod(0o755)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, more than {MAX_FILE_BYTES}.")
    return path


def _gather(product: Product) -> Path:
    """A directory with the program, its libraries and a Python."""
    command = [
        sys.executable, "-m", "PyInstaller", "--noconfirm", "--onedir", "--name", product.name, "--log-level", "ERROR",
        "--distpath", str(WORK / "gathered"), "--workpath", str(WORK / "work"), "--specpath", str(WORK),
        "--contents-directory", "lib", "--strip", "--paths", str(ROOT),
    ]  # fmt: skip
    for package in product.packages:
        command += ["--collect-submodules", package, "--collect-data", package]
    for package in product.collected:
        command += ["--collect-all", package]
    for package in product.excluded:
        command += ["--exclude-module", package]
    command += ["--copy-metadata", "farfield"] if product.name == "farfield" else []
    shutil.rmtree(WORK / "gathered" / product.name, ignore_errors=True)
    subprocess.run([*command, str(ROOT / product.entry)], check=True, cwd=ROOT)
    return WORK / "gathered" / product.name


def packed(directory: Path) -> bytes:
    """The directory as a gzipped tar that only depends on what is in it."""
    memory = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=memory, mode="wb", compresslevel=9, mtime=EPOCH_S) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(directory.rglob("*")):
            tar.add(path, str(path.relative_to(directory)), recursive=False, filter=_anonymous)
    return memory.getvalue()


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = EPOCH_S
    return entry


def head(name: str, payload: bytes) -> bytes:
    """The shell script in front; it says at which byte the tar begins."""
    digest = hashlib.sha256(payload).hexdigest()[:DIGEST_CHARACTERS]
    text = HEAD.read_text("utf-8").replace("@NAME@", name).replace("@DIGEST@", digest)
    offset = len(text.replace("@OFFSET@", "").encode()) + 10  # ten digits, so that the length does not depend on it
    return text.replace("@OFFSET@", f"{offset + 1:010d}").encode()


def main() -> None:
    wanted = sys.argv[1:]
    for product in PRODUCTS:
        if not wanted or product.name in wanted:
            path = build(product)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
