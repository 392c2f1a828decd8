"""What several of the hotspot's tests ask for."""

from __future__ import annotations

import pytest


@pytest.fixture
def cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encrypted keys at the least cost a file may have."""
    from hotspot.keys import sealed

    monkeypatch.setattr(sealed, "SCRYPT_N", sealed.LEAST_N)
    monkeypatch.setattr(sealed, "SCRYPT_P", 1)
