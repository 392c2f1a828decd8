"""Copies the page's third-party files out of node_modules, checked by hash: `python -m coverage_maps.vendor`.

The copies are git-ignored and part of the package built from the checkout, so that a reader of the page needs neither
npm nor any other server than ours.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = Path(__file__).resolve().parent / "page" / "vendor"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a package: where npm puts it, and the sha256 of the version we use."""

    package: str
    path: str
    sha256: str

    @property
    def target(self) -> str:
        return f"{self.package}/{Path(self.path).name}"


FILES = (
    # maplibre-gl 6.17.0, BSD-3-Clause. The shared module is empty, and must exist.
    File("maplibre-gl", "dist/maplibre-gl.mjs", "e02cb08c572fd0950a75343cd558099c2a1dbbaf67f26b0c96f115431962d1ae"),
    File(
        "maplibre-gl",
        "dist/maplibre-gl-worker.mjs",
        "73d7a024a4efe1a46e49db193e18cfe33271e3ecc652ec7542c281a4ef5f0f04",
    ),
    File(
        "maplibre-gl",
        "dist/maplibre-gl-shared.mjs",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    File("maplibre-gl", "dist/maplibre-gl.css", "a90798a1953017790e590f7e1bd35ff103a8a4263972cb47290b78adf86f8c20"),
    File("maplibre-gl", "LICENSE.txt", "ee5fc05a0677eaf69601d2c7db0d9ecd6cc27c3abc1d0733bc9ed34707cf8ef2"),
    # h3-js 4.5.0, Apache-2.0.
    File("h3-js", "dist/browser/h3-js.es.js", "2932c9fbe968533f03ce98e971bf208ec071a4a628a9ca0695af3432798615da"),
    File("h3-js", "LICENSE", "c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4"),
    # world-atlas 2.0.2, ISC; its data is Natural Earth's, public domain.
    File("world-atlas", "land-50m.json", "619477ff690c086885e45cb91707d783805561bd75ae8e437b7d4694b0204e0f"),
    File("world-atlas", "LICENSE", "8048290dfdb6e83fbed17e8985c8cfc4ce9da9b842642f3d3e497280790cfa31"),
)


class VendorError(Exception):
    """A file is missing or not the one we use; the message is a sentence with the next step."""


def copy_all(node_modules: Path, vendor: Path = VENDOR) -> list[str]:
    """Replaces the vendor folder by fresh copies; nothing is replaced unless every file is the right one."""
    found = {file: _checked(node_modules / file.package / file.path, file) for file in FILES}
    shutil.rmtree(vendor, ignore_errors=True)
    for file, data in found.items():
        target = vendor / file.target
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return [file.target for file in FILES]


def _checked(path: Path, file: File) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise VendorError(f"{path} is not there. Run `npm ci --ignore-scripts` first.") from error
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise VendorError(
            f"{path} is not the file this release uses. Run `npm ci --ignore-scripts`; after a wanted update, change "
            "its sha256 in coverage_maps/vendor.py."
        )
    return data


def main() -> int:
    """Copies, and says what; 1 if that is not possible."""
    node_modules = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "node_modules"
    try:
        names = copy_all(node_modules)
    except VendorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{len(names)} files copied to {VENDOR.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
