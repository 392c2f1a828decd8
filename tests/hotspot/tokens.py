"""A SoftHSM token of a test's own."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
PIN = "123456"


@dataclass(frozen=True)
class Token:
    module: str
    label: str
    pin_file: Path

    def uri(self, label: str = "device") -> str:
        return f"pkcs11:token={self.label};object={label}?module-path={self.module}&pin-source={self.pin_file}"


def softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Token:
    """A fresh token; skips where SoftHSM or python-pkcs11 is absent.

    One process loads the library once, with the settings of that moment; tokens of later tests join the same store.
    """
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (an optional extra)")
    module = next((one for one in MODULES if Path(one).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (Debian: softhsm2)")
    settings = _settings()
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    label = f"farfield-{secrets.token_hex(4)}"
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "87654321"]
    subprocess.run(command, check=True, capture_output=True)
    pin_file = tmp_path / "pin"
    pin_file.touch(mode=0o600)
    pin_file.write_text(PIN)
    _see_new_tokens(module)
    return Token(module, label, pin_file)


_made: list[Path] = []


def _settings() -> Path:
    if not _made:
        import atexit
        import tempfile

        place = Path(tempfile.mkdtemp(prefix="farfield-softhsm-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        (place / "tokens").mkdir()
        (place / "softhsm2.conf").write_text(f"directories.tokendir = {place / 'tokens'}\nlog.level = ERROR\n")
        _made.append(place / "softhsm2.conf")
    return _made[0]


def _see_new_tokens(module: str) -> None:
    import pkcs11

    pkcs11.lib(module).reinitialize()
