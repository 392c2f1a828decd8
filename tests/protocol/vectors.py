"""Shared vectors as test parameters; a file that is absent becomes one skipped case that says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.factories import SHARED


def cases(file: str, kind: str = "cases") -> list[Any]:
    """One parameter per case of a list in ../shared/vectors, named by the case's id."""
    path = SHARED / "vectors" / file
    if not path.exists():
        return [pytest.param({}, id=file, marks=pytest.mark.skip(reason=f"../shared/vectors/{file} is not here"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(path.read_text())[kind]]


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
