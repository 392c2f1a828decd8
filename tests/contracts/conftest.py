"""The contracts are tested on the same chain as their client."""

from tests.chain.conftest import anvil_chain, make_world, world

__all__ = ["anvil_chain", "make_world", "world"]
