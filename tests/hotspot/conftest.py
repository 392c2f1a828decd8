"""The chain's fixtures, for tests of what owners do on it."""

from __future__ import annotations

from tests.chain.conftest import anvil_chain, make_world, terminal

__all__ = ["anvil_chain", "make_world", "terminal"]
