"""Registering: signed by the device, relayed by whichever validator will, waited for until final."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hotspot.ownership.registration import (
    FINAL_WITHIN_MS,
    RegistrationError,
    Site,
    relay,
    signed_registration,
    until_final,
)
from hotspot.playing.epochs import ChainSilentError
from hotspot.wire import CallFailed, Relayed
from protocol.encoding import signed_bytes
from protocol.ids import Address, HotspotId, Kind
from protocol.keys import hotspot_id, public_key, verify_device
from protocol.records import REGISTRATION, Registration, RegistryRow
from tests.hotspot import world
from tests.hotspot.clocks import ManualClock
from tests.hotspot.fake_validator import NETWORK
from tests.hotspot.test_beaconing import DEVICE
from tests.hotspot.world import HOME

SITE = Site(Address(b"o" * 20), HOME, 215, 12, Kind.MAPPER)


class Validator:
    def __init__(self, name: str, *, relays: bool) -> None:
        self.endpoint, self.relays = name, relays
        self.asked: list[tuple[bytes, bytes]] = []

    async def relay_registration(self, registration: bytes, signature: bytes) -> Relayed | CallFailed:
        self.asked.append((registration, signature))
        return Relayed(b"h" * 32, b"t" * 32) if self.relays else CallFailed("RESOURCE_EXHAUSTED", "come back tomorrow")


class Chain:
    """Shows the registration from the n-th question on."""

    def __init__(self, after: int, *, silent: bool = False) -> None:
        self.after, self.silent, self.asked = after, silent, 0

    async def registered(self, hotspot_id: HotspotId) -> RegistryRow | None:
        self.asked += 1
        if self.silent:
            raise ChainSilentError("no answer")
        return world.row(hotspot_id) if self.asked > self.after else None


def test_the_device_signs_everything_it_is_registered_as() -> None:
    record, signature = signed_registration(DEVICE, NETWORK, SITE)
    decoded = Registration.decode(record)
    assert decoded is not None
    assert (decoded.owner, decoded.cell, decoded.gain_cdb) == (SITE.owner, HOME, 215)
    assert (decoded.elevation_m, decoded.kind) == (12, Kind.MAPPER)
    key = public_key(decoded.x, decoded.y)
    assert key is not None
    assert hotspot_id(key) == DEVICE.hotspot_id
    assert verify_device(key, signed_bytes(REGISTRATION, NETWORK, record), signature)


def test_asks_the_next_validator_when_one_refuses() -> None:
    first, second, third = Validator("a", relays=False), Validator("b", relays=True), Validator("c", relays=True)
    assert asyncio.run(relay([first, second, third], b"record", b"signature")).transaction_hash == b"t" * 32
    assert [len(one.asked) for one in (first, second, third)] == [1, 1, 0]


def test_names_every_validators_answer_when_none_relays() -> None:
    refusing = [Validator("a:1", relays=False), Validator("b:2", relays=False)]
    with pytest.raises(RegistrationError, match=r"a:1: come back tomorrow b:2: come back tomorrow"):
        asyncio.run(relay(refusing, b"record", b"signature"))


def test_waits_until_the_registration_is_final(tmp_path: Path) -> None:
    async def act() -> None:
        clock, chain = ManualClock(), Chain(after=3)
        waiting = asyncio.ensure_future(until_final(chain, DEVICE.hotspot_id, clock))
        while not waiting.done():
            await clock.advance(500)
        assert waiting.result().cell == HOME
        assert chain.asked == 4

    asyncio.run(act())


@pytest.mark.parametrize("silent", [False, True])
def test_gives_up_after_two_minutes_and_says_what_to_do(silent: bool) -> None:
    async def act() -> None:
        clock = ManualClock()
        waiting = asyncio.ensure_future(until_final(Chain(after=10**9, silent=silent), DEVICE.hotspot_id, clock))
        end_ms = clock.monotonic_ms() + FINAL_WITHIN_MS
        while not waiting.done():
            assert clock.monotonic_ms() <= end_ms + 1_000
            await clock.advance(500)
        with pytest.raises(RegistrationError, match="Run the command again later"):
            waiting.result()

    asyncio.run(act())
