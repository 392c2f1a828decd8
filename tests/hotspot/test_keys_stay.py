"""The private key stays in its file and in the daemon: not in logs, not in any other file, not in a support bundle."""

from __future__ import annotations

import asyncio
import base64
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotspot import keys
from hotspot.command import group
from hotspot.config import CONFIG_FILE
from hotspot.keys import place
from tests.hotspot.clocks import until
from tests.hotspot.test_sigkill import LOG, scene

SECRET = "correct horse battery"


def private_forms(key: keys.DeviceKey) -> list[bytes]:
    """Every way the private number could be written down."""
    scalar: bytes = key.signer.scalar()  # type: ignore[attr-defined]
    texts = [scalar.hex(), scalar.hex().upper(), str(int.from_bytes(scalar, "big")), repr(scalar)[2:-1], SECRET]
    return [scalar, scalar[::-1], *(text.encode() for text in texts), *_base64(scalar)]


def _base64(scalar: bytes) -> list[bytes]:
    """The middle of its base64, at each of the three ways it can lie."""
    return [base64.b64encode(bytes(shift) + scalar)[8:-8] for shift in range(3)]


def holds_private(data: bytes, key: keys.DeviceKey) -> bool:
    return any(form in data for form in private_forms(key))


def test_the_search_itself_finds_a_key(tmp_path: Path) -> None:
    key = keys.create(tmp_path)
    pem = (tmp_path / keys.KEY_FILE).read_bytes()
    body = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    assert holds_private(body, key)
    assert holds_private(b"".join(pem.splitlines()), key)
    assert holds_private(repr(key.signer.scalar()).encode(), key)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_no_log_and_no_other_file_of_a_running_hotspot_holds_the_key(tmp_path: Path) -> None:
    async def act() -> bytes:
        async with scene(tmp_path, tmp_path) as made:
            await made.nursery.fork()
            await until(lambda: made.moments.counts["reveal"] >= 2, deadline_s=60)
            await made.nursery.end(signal.SIGTERM)
            assert made.nursery.process.stdin is not None
            made.nursery.process.stdin.close()
            assert made.nursery.process.stdout is not None
            return await made.nursery.process.stdout.read()

    said = asyncio.run(act())
    devices = [keys.load(tmp_path / name) for name in ("h0", "h1")]
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != keys.KEY_FILE]
    assert {LOG, "outbox.sqlite"} <= {path.name for path in files}
    for device in devices:
        assert not holds_private(said, device)
        assert [path.name for path in files if holds_private(path.read_bytes(), device)] == []


@pytest.mark.parametrize("kind", ["plain", "sealed"])
def test_a_support_bundle_holds_no_key(tmp_path: Path, kind: str, cheap_scrypt: None) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    key = keys.create(home) if kind == "plain" else place.create_sealed(home, SECRET)
    (home / CONFIG_FILE).write_text('listen = "127.0.0.1:0"\nhome = "48.398412,9.991512"\n')
    (home / "passphrase").write_text(SECRET)
    bundle = tmp_path / "bundle.tar.gz"
    arguments = ["support-bundle", "--directory", str(home), "--out", str(bundle)]
    result = CliRunner().invoke(group, arguments)
    assert bundle.exists(), result.output
    with tarfile.open(bundle) as tar:
        packed = {entry.name: tar.extractfile(entry) for entry in tar.getmembers()}
        contents = {name: file.read() for name, file in packed.items() if file is not None}
    assert contents
    sealed_part = (home / keys.SEALED_FILE).read_bytes()[-150:-20] if kind == "sealed" else b"PRIVATE KEY"
    for data in (*contents.values(), result.output.encode()):
        assert not holds_private(data, key)
        assert sealed_part not in data
        assert b"48.398" not in data


def test_a_process_that_holds_a_key_leaves_no_core_dump(tmp_path: Path) -> None:
    keys.create(tmp_path)
    program = (
        "import resource, sys; from pathlib import Path; from hotspot import keys\n"
        "keys.load(Path(sys.argv[1])); print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
