"""The devnet's claims end with it, also those that nobody mines any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from chain.errors import TransactionFailed
from chain.sender import Sender
from devnet import claims
from tests.chain.test_sender import registration
from tests.chain.world import World


@pytest.fixture
def own_world(start_anvil: Callable[..., Any], make_world: Callable[..., World]) -> World:
    return make_world(start_anvil())


def never_mined(world: World, open_sender: Callable[..., Sender]) -> tuple[Sender, bytes]:
    sender = open_sender(world)
    world.anvil.rpc("evm_setAutomine", False)
    return sender, sender.send(registration(world, 1))


def test_an_ending_devnet_waits_for_no_claim(own_world: World, open_sender: Callable[..., Sender]) -> None:
    sender, sent = never_mined(own_world, open_sender)
    ending = threading.Event()
    waiting = threading.Thread(target=claims._wait, args=(sender, [sent], ending))
    waiting.start()
    own_world.anvil.kill()  # as Ctrl-C does: the chain ends while the claim waits for it
    ending.set()
    waiting.join(10 * claims.PATIENCE_S)
    assert not waiting.is_alive()


def test_a_claim_that_takes_too_long_is_a_failure(
    own_world: World, open_sender: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "CLAIM_TIMEOUT_S", 1)
    sender, sent = never_mined(own_world, open_sender)
    with pytest.raises(TransactionFailed, match="not final after"):
        claims._wait(sender, [sent], threading.Event())
