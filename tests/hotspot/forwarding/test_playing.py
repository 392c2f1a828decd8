"""A hotspot that plays and is its owner's gateway at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hotspot.clock import SystemClock
from hotspot.commands.status import lines
from hotspot.config import CONFIG_FILE, Config, Endpoint
from hotspot.radio.gwmp.codec import Identifier
from hotspot.reporting.outbox import OUTBOX_FILE, Store
from hotspot.running.ears import Ears
from hotspot.running.start import open_homes
from tests.hotspot.clocks import until
from tests.hotspot.forwarding.network_server import NetworkServer
from tests.hotspot.forwarding.test_forwarding import FOREIGN, LORA_ORDER, datagram_of
from tests.hotspot.test_command import ANSWER
from tests.hotspot.test_daemon import make_home, running
from tests.hotspot.virtual_forwarder import VirtualForwarder, lora_packet


def test_a_hotspot_that_only_listens_is_a_gateway_already(tmp_path: Path) -> None:
    async def act() -> None:
        async with NetworkServer() as owner:
            config = Config(listen=Endpoint("127.0.0.1", 0), network_servers=(Endpoint("127.0.0.1", owner.port),))
            ears = Ears(tmp_path, config, SystemClock())
            await ears.open()
            host, _, port = ears.listen.rpartition(":")
            try:
                async with VirtualForwarder((host, int(port))) as forwarder:
                    forwarder.pull()
                    forwarder.push(lora_packet(FOREIGN))
                    await owner.until_received(Identifier.PUSH_DATA)
                    owner.order(forwarder.eui, datagram_of(LORA_ORDER))
                    await owner.until_received(Identifier.TX_ACK)
                    (shown,) = ears.snapshot()["network_servers"]
                    assert shown["counters"]["order"] == 1
                    assert [one.airtime_us for one in ears.ledger.sent()] == [103_424]
            finally:
                ears.close()

    asyncio.run(act())


def test_downlinks_of_others_are_in_the_ledger_after_a_restart(tmp_path: Path) -> None:
    async def act() -> None:
        async with NetworkServer() as owner:
            home = make_home(tmp_path / "h0")
            (home / CONFIG_FILE).write_text(f'listen = "127.0.0.1:0"\nnetwork_servers = ["127.0.0.1:{owner.port}"]\n')
            homes = open_homes([home])
            async with running(tmp_path, homes=homes) as site, VirtualForwarder(site.endpoint()) as forwarder:
                forwarder.pull()
                await owner.until_received(Identifier.PULL_DATA)
                owner.order(forwarder.eui, datagram_of(LORA_ORDER))
                await owner.until_received(Identifier.TX_ACK)
                await until(lambda: site.daemon.hosted[0].beaconer.ledger.sent())
            store = Store(tmp_path / OUTBOX_FILE)
            kept = [one for one in store.transmissions(homes[0].device.hotspot_id) if one.epoch == 0]
            store.close()
            assert [(one.frequency_hz, one.airtime_us) for one in kept] == [(869_525_000, 103_424)]

    asyncio.run(act())


def test_status_names_each_network_server_and_whether_it_answers() -> None:
    servers = [
        {"server": "a:1700", "seconds_since_answer": 3, "counters": {"order": 12}},
        {"server": "b:1700", "seconds_since_answer": None, "counters": {}},
    ]
    shown = lines({**ANSWER, "network_servers": servers}, 0)
    assert "Passes on  to a:1700, which answered 3 s ago; 12 downlinks from there" in shown
    assert "Passes on  to b:1700, which has not answered yet; 0 downlinks from there" in shown
