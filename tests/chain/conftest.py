"""One anvil for all tests of the chain; each test deploys the network it needs on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.chain.world import Anvil, World, build_world


@pytest.fixture(scope="session")
def anvil_chain() -> Iterator[Anvil]:
    chain = Anvil()
    yield chain
    chain.stop()


@pytest.fixture
def start_anvil() -> Iterator[Callable[..., Anvil]]:
    """Starts chains of the test's own; whatever becomes of the test, they end with it."""
    chains: list[Anvil] = []

    def start(**options: object) -> Anvil:
        chains.append(Anvil(**options))
        return chains[-1]

    yield start
    for chain in chains:
        chain.stop()


@pytest.fixture
def make_world(anvil_chain: Anvil) -> Iterator[Callable[..., World]]:
    """Deploys a network; everything it opened is closed after the test."""
    worlds: list[World] = []

    def make(chain: Anvil | None = None, **options: object) -> World:
        worlds.append(build_world(chain or anvil_chain, **options))
        return worlds[-1]

    yield make
    for world in worlds:
        world.reader.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
