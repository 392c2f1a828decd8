"""Hostile datagrams through the whole port, with a network server behind it: no exception, no pause, no growth."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from hotspot.config import Endpoint
from hotspot.counters import Counters
from hotspot.forwarding.forwarding import Forwarding
from hotspot.playing.duty_cycle import Ledger
from hotspot.radio.frames import RxFrame
from hotspot.radio.gwmp.server import GwmpServer
from tests.hotspot.clocks import ManualClock
from tests.hotspot.radio import hostile

FROM = ("127.0.0.1", 9)
LONGEST_S = 0.1


def fed(datagrams: list[bytes]) -> tuple[Counters, list[RxFrame], float]:
    """Counts, frames and the longest time for one datagram, in processor seconds."""

    async def feed() -> tuple[Counters, list[RxFrame], float]:
        clock, counters, frames = ManualClock(), Counters(), []
        server = GwmpServer(clock, counters, frames.append)
        forwarding = Forwarding([Endpoint("127.0.0.1", 9)], server, Ledger("EU868"), clock, counters)
        server.passage = forwarding
        longest_s = 0.0
        try:
            for datagram in datagrams:
                before_s = time.process_time()
                server.datagram_received(datagram, FROM)
                longest_s = max(longest_s, time.process_time() - before_s)
        finally:
            forwarding.stop()
            server.stop()
        return counters, frames, longest_s

    return asyncio.run(feed())


def test_ten_thousand_hostile_datagrams_are_counted_each_and_none_holds_the_port_up() -> None:
    datagrams = list(hostile.datagrams(random.Random(1_680), 10_000))
    counters, frames, longest_s = fed(datagrams)
    assert sum(counters.snapshot()["datagrams"].values()) == len(datagrams)
    assert len(frames) > 500
    assert longest_s < LONGEST_S


@pytest.mark.parametrize("make", hostile.LARGE, ids=range(len(hostile.LARGE)))
def test_the_largest_datagram_of_each_kind_takes_no_tenth_of_a_second(make: hostile.Make) -> None:
    source = random.Random(7)
    datagram = (hostile.header(source) + make(source))[: hostile.LARGEST]
    counters, _, longest_s = fed([datagram] * 3)
    assert sum(counters.snapshot()["datagrams"].values()) == 3
    assert longest_s < LONGEST_S
