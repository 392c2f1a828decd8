"""The packet-forwarder port: datagrams acknowledged and read, against a port that only acknowledges.

Two threads would share one lock; so the sender is a process, and both sides are counted in processor time of this
process: what one core could do if nobody else used it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.connection
import socket
import time
from collections.abc import Awaitable, Callable, Iterator

from bench.timing import line
from hotspot import config as configured
from hotspot.clock import SystemClock
from hotspot.counters import Counters
from hotspot.forwarding.forwarding import Forwarding
from hotspot.playing.duty_cycle import Ledger
from hotspot.radio.gwmp.port import UdpPort
from hotspot.radio.gwmp.server import GwmpServer

DATAGRAMS = 20_000
IN_FLIGHT = 48
RUNS = 3
PATIENCE_S = 2.0
BODY = (
    b'{"rxpk":[{"jver":1,"tmst":%d,"chan":0,"rfch":1,"freq":868.100000,"mid": 0,"stat":1,"modu":"LORA",'
    b'"datr":"SF9BW125","codr":"4/5","rssis":-85,"lsnr":7.2,"foff":-1200,"rssi":-83,"size":24,'
    b'"data":"QPoBAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}'
)
Endpoint = tuple[str, int]


def lines() -> Iterator[str]:
    """Datagrams a second on one core: a packet each, acknowledged, read and handed on; and acknowledged alone."""
    starts = (_server, _gateway, _echo)
    ours_s, passed_on_s, bare_s = (min(asyncio.run(_once(start)) for _ in range(RUNS)) for start in starts)
    ceiling_per_s = DATAGRAMS / bare_s
    yield line("GWMP datagrams, acknowledged and read", DATAGRAMS / ours_s, "acknowledged only", ceiling_per_s)
    yield line("the same, passed on to a network server", DATAGRAMS / passed_on_s, "acknowledged only", ceiling_per_s)


async def _gateway() -> tuple[Endpoint, Callable[[], int], Callable[[], None]]:
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    frames, clock, counters = [0], SystemClock(), Counters()

    def on_frame(_: object) -> None:
        frames[0] += 1

    server = GwmpServer(clock, counters, on_frame)
    owner = configured.Endpoint("127.0.0.1", sink.getsockname()[1])
    server.passage = forwarding = Forwarding([owner], server, Ledger("EU868"), clock, counters)

    def stop() -> None:
        server.stop()
        forwarding.stop()
        sink.close()

    return await server.start("127.0.0.1", 0), lambda: frames[0], stop


async def _server() -> tuple[Endpoint, Callable[[], int], Callable[[], None]]:
    frames = [0]

    def on_frame(_: object) -> None:
        frames[0] += 1

    server = GwmpServer(SystemClock(), Counters(), on_frame)
    return await server.start("127.0.0.1", 0), lambda: frames[0], server.stop


async def _echo() -> tuple[Endpoint, Callable[[], int], Callable[[], None]]:
    answered = [0]

    def answer(data: bytes, address: Endpoint) -> None:
        port.send(bytes([data[0], data[1], data[2], 1]), address)
        answered[0] += 1

    port: UdpPort[None] = UdpPort(answer, lambda _: None, lambda _: None)
    return port.open("127.0.0.1", 0), lambda: answered[0], port.close


async def _once(start: Callable[[], Awaitable[tuple[Endpoint, Callable[[], int], Callable[[], None]]]]) -> float:
    """Processor seconds for all datagrams; fails if one was lost."""
    endpoint, done, stop = await start()
    ours, theirs = multiprocessing.Pipe()
    sender = multiprocessing.get_context("spawn").Process(target=_send, args=(endpoint, theirs))
    sender.start()
    try:
        await asyncio.to_thread(ours.recv)
        before_s = time.process_time()
        ours.send(None)
        acknowledged = await asyncio.to_thread(ours.recv)
        for _ in range(IN_FLIGHT):  # what was acknowledged last is read last
            await asyncio.sleep(0)
        used_s = time.process_time() - before_s
    finally:
        stop()
        sender.join(PATIENCE_S)
    if (acknowledged, done()) != (DATAGRAMS, DATAGRAMS):
        raise RuntimeError(f"{DATAGRAMS} sent, {acknowledged} acknowledged, {done()} taken in")
    return used_s


def _send(endpoint: Endpoint, pipe: multiprocessing.connection.Connection) -> None:
    """Sends every datagram, a bounded number ahead of the acknowledgements; tells how many came back."""
    datagrams = [bytes([2, n & 255, n >> 8 & 255, 0]) + b"\x02FORWARD" + BODY % n for n in range(DATAGRAMS)]
    sent = acknowledged = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(endpoint)
        sock.settimeout(PATIENCE_S)
        pipe.send(None)
        pipe.recv()
        while acknowledged < DATAGRAMS:
            while sent < DATAGRAMS and sent - acknowledged < IN_FLIGHT:
                sock.send(datagrams[sent])
                sent += 1
            try:
                acknowledged += len(sock.recv(16)) == 4
            except TimeoutError:
                break
    pipe.send(acknowledged)
