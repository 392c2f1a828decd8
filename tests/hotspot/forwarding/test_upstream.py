"""A socket that can no longer be used is replaced: this machine's address may change under it."""

from __future__ import annotations

import asyncio
import socket

from hotspot.radio.gwmp.codec import Identifier
from tests.hotspot.clocks import until
from tests.hotspot.forwarding.test_forwarding import Scene, scene


def used(s: Scene) -> socket.socket:
    sock = s.forwarding._gateways[s.forwarder.eui].upstreams[0]._socket
    assert sock is not None
    return sock


def test_after_a_send_that_cannot_work_any_more_the_next_datagram_arrives_again() -> None:
    async def story() -> None:
        async with scene() as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            used(s).shutdown(socket.SHUT_WR)  # as dead as after a change of address: every send fails
            await s.pulled()
            await until(lambda: s.counted("unreachable") == 1)
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA, 2)

    asyncio.run(story())


def test_a_server_that_is_down_for_a_while_keeps_its_socket() -> None:
    async def story() -> None:
        async with scene() as s:
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA)
            before, port = used(s), s.owners[0].port
            await s.owners[0].stop()
            for _ in range(3):
                await s.pulled()
            assert used(s) is before
            await s.owners[0].listen(port)
            await s.pulled()
            await s.owners[0].until_received(Identifier.PULL_DATA, 2)

    asyncio.run(story())
