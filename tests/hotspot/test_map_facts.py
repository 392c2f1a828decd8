"""What the map says is believed to be a map's answer only in a map's form."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from hotspot.looking import map_facts
from hotspot.looking.map_facts import MapSilent
from hotspot.page.serve import MAP_KEPT_MS, MAP_RETRY_MS, MapFacts
from tests.hotspot.clocks import ManualClock, until
from tests.hotspot.plain_talker import http, talking
from tests.hotspot.test_page import TOLD


def asked(answer: bytes) -> dict[str, Any] | MapSilent:
    with talking(answer) as port:
        return map_facts.hotspot(f"http://127.0.0.1:{port}", "80" * 32)


def told(**changed: Any) -> bytes:
    return http(json.dumps(TOLD | changed).encode())


def test_a_maps_answer_is_taken() -> None:
    assert asked(told()) == TOLD
    assert asked(http(b'{"earned_total": "0", "claimed": "0"}')) == {"earned_total": "0", "claimed": "0"}


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"",
        http(b"{}"),
        http(b"[]"),
        http(b"[" * 100_000),
        http(b"hello"),
        told(earned_total=None),
        told(earned_total="much"),
        told(earned_total="9" * 5_000),
        told(claimed=3),
        told(sentence=["x"]),
        told(epoch="<b>"),
        told(earnings=[{"epoch": 1}]),
        told(earnings={"epoch": 1}),
        told(connections=["x"]),
        told(connections=[TOLD["connections"][0] | {"snr_cdb": "x"}]),
    ],
)
def test_what_is_no_maps_answer_is_a_sentence(answer: bytes) -> None:
    assert isinstance(asked(answer), MapSilent)


def looked(answer: bytes, check: Callable[[MapFacts, ManualClock, str], Any]) -> None:
    async def act() -> None:
        clock = ManualClock()
        with talking(answer) as port:
            facts, url = MapFacts(clock), f"http://127.0.0.1:{port}"
            facts.look(url, "80" * 32)
            await until(lambda: facts._asking is None)
            await check(facts, clock, url)

    asyncio.run(act())


def test_after_an_answer_that_is_none_the_page_asks_again() -> None:
    async def check(facts: MapFacts, clock: ManualClock, url: str) -> None:
        assert facts.told is None and facts.problem
        await clock.advance(MAP_RETRY_MS)
        facts.look(url, "80" * 32)
        assert facts._asking is not None
        await until(lambda: facts._asking is None)

    looked(b"SSH-2.0-OpenSSH_9.2p1\r\n", check)


def test_after_an_answer_the_page_waits_a_minute() -> None:
    async def check(facts: MapFacts, clock: ManualClock, url: str) -> None:
        assert facts.told == TOLD
        await clock.advance(MAP_KEPT_MS - 1)
        facts.look(url, "80" * 32)
        assert facts._asking is None

    looked(told(), check)
