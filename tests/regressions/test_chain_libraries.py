"""Importing web3 raised the interpreter's recursion limit, so that a peer's nested JSON crashed the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

EVERYTHING = """
import json, sys
before = sys.getrecursionlimit()
import chain.libraries, chain.rpc, chain.reader, chain.sender, chain.deploy, chain.events, chain.refusals, chain.calls
chain.events.Decoder()
chain.refusals.refused(bytes(4))
assert sys.getrecursionlimit() == before
"""
NESTED = (
    EVERYTHING
    + """
from chain.network import NetworkFileError, parse
try:
    parse(b"[" * 100_000)
except NetworkFileError as error:
    print(error)
"""
)


@pytest.mark.parametrize("program", [EVERYTHING, NESTED], ids=["limit", "nested"])
def test_the_recursion_limit_survives_the_chain_package(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
