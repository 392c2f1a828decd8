"""A validator's public side in a thread: serves the evidence under a root, relays registrations if told how."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from chain.network import ValidatorEntry
from protocol.encoding import sha256
from protocol.records import Registration, SummaryHead
from protocol.state import State, fresh_account
from protocol.tables import encode_table
from protocol.version import PROTOCOL_VERSION
from tests.chain.terminal import Terminal, grant
from tests.hotspot.fake_validator import FakeValidator

NOTHING = bytes(32)


def evidence(epoch: int, leaves: Sequence[tuple[bytes, int]]) -> tuple[list[bytes], bytes]:
    """(blobs, dataHash) of an epoch that ends with these cumulative amounts."""
    accounts = {leaf: replace(fresh_account(leaf), cumulative=amount) for leaf, amount in leaves}
    state = State(epoch, 0, 0, NOTHING, NOTHING, accounts, (), {}).encode()
    head = SummaryHead(PROTOCOL_VERSION, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, sha256(state), 0)
    summary = encode_table(head, [])
    return [summary, state], sha256(summary)


@contextmanager
def serving(terminal: Terminal, relay: Callable[[Registration, bytes], bytes] | None = None) -> Iterator[FakeValidator]:
    """The validator, named in the terminal's network.json after one that does not answer."""
    validator = FakeValidator("public")
    validator.network = terminal.world.network.network
    if relay is not None:
        validator.relay = relay
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(validator.__aenter__(), loop).result(10)
    try:
        dead = terminal.world.network.validators[0]
        entries = (dead, ValidatorEntry(dead.owner, dead.key, validator.endpoint))
        terminal.world.network = dataclasses.replace(terminal.world.network, validators=entries)
        terminal.save()
        yield validator
    finally:
        asyncio.run_coroutine_threadsafe(validator.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def publish(terminal: Terminal, validator: FakeValidator, epoch: int, leaves: Sequence[tuple[bytes, int]]) -> None:
    """Makes a root over these amounts live; the validator serves what is under it."""
    blobs, data_hash = evidence(epoch, leaves)
    validator.blobs |= {sha256(blob): blob for blob in blobs}
    grant(terminal.world, epoch, leaves, data_hash)
