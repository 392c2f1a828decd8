"""One anvil for all tests of the chain; each test deploys the network it needs on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chain.network import checksum
from chain.sender import Sender
from tests.chain.terminal import Terminal
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


@pytest.fixture
def terminal(make_world: Callable[..., World], tmp_path: Path) -> Terminal:
    """A terminal on a network whose newest block is final, so that commands wait for nothing."""
    return Terminal(make_world(confirmations=0), tmp_path)


@pytest.fixture
def open_sender(tmp_path: Path) -> Iterator[Callable[..., Sender]]:
    """Opens senders; those still open are closed after the test."""
    senders: list[Sender] = []

    def make(world: World, key: bytes | None = None, journal: str = "journal", **options: Any) -> Sender:
        secret = key or bytes([0xC0]) + os.urandom(31)
        sender = Sender(options.pop("reader", world.reader), secret, tmp_path / journal, **options)
        world.anvil.rpc("anvil_setBalance", checksum(sender.address), hex(10**20))
        senders.append(sender)
        return sender

    yield make
    for sender in senders:
        sender.close()
