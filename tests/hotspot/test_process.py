"""The process before there is anything to play: it listens, says what it waits for, and goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chain.network import dump
from hotspot import keys
from hotspot.config import CONFIG_FILE, setting
from hotspot.looking.status_client import HOST, ask, read_pointer
from hotspot.playing import daemon
from hotspot.running.ears import MAX_HEARD
from hotspot.running.process import Process
from hotspot.running.start import UNREACHABLE, Played, StartError, open_homes
from protocol import beacon
from tests.hotspot import world
from tests.hotspot.clocks import until
from tests.hotspot.test_start import FILE
from tests.hotspot.virtual_forwarder import VirtualForwarder, lora_packet


def listening_home(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CONFIG_FILE).write_text('listen = "127.0.0.1:0"\n')
    return directory


def name_network(directory: Path) -> None:
    (directory / "network.json").write_text(dump(FILE))
    text = (directory / CONFIG_FILE).read_text()
    (directory / CONFIG_FILE).write_text(setting("network", str(directory / "network.json")) + "\n" + text)


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Process]:
    process = Process(open_homes([directory]))
    await process.open()
    stop = asyncio.Event()
    task = asyncio.ensure_future(process.run(stop))
    try:
        yield process
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)
        process.close()


def endpoint(process: Process) -> tuple[str, int]:
    host, _, port = process.ears[0].listen.rpartition(":")
    return host, int(port)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_MS", "FIRST_PAUSE_MS", "LONGEST_PAUSE_MS", "EXAMINE_MS"):
        monkeypatch.setattr(f"hotspot.running.process.{name}", 20)


def test_hears_and_shows_frames_without_key_network_or_wallet(tmp_path: Path) -> None:
    async def act() -> dict[str, Any]:
        async with running(listening_home(tmp_path)) as process, VirtualForwarder(endpoint(process)) as forwarder:
            forwarder.pull()
            forwarder.push(lora_packet(b"\x40uplink"), lora_packet(beacon.frame(b"somebody's tag 123456")))
            await until(lambda: len(process.ears[0].heard) == 2)
            return await asyncio.to_thread(ask, tmp_path)

    told = asyncio.run(act())
    assert (told["state"], told["hotspot_id"], told["network"]) == ("listening", None, None)
    assert [one["what"] for one in told["heard"]] == ["Farfield beacon", "LoRaWAN uplink"]
    assert told["counters"]["rxpk"] == {"beacon_not_playing": 1, "foreign": 1}
    assert told["forwarders"][0]["alive"]
    assert "register" in told["waiting_for"]


def test_keeps_a_bounded_number_of_frames(tmp_path: Path) -> None:
    async def act() -> int:
        async with running(listening_home(tmp_path)) as process, VirtualForwarder(endpoint(process)) as forwarder:
            for _ in range(MAX_HEARD + 5):
                forwarder.push(lora_packet(b"\x40uplink"))
            await until(lambda: process.ears[0].counters.of("rxpk", "foreign") == MAX_HEARD + 5)
            return len(process.ears[0].heard)

    assert asyncio.run(act()) == MAX_HEARD


@pytest.mark.usefixtures("quick")
def test_takes_up_a_key_and_a_network_that_come_while_it_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def join(reader: Any, clients: Any, home: Path) -> Played:
        return Played(reader.network, 1_700_000_000_000, world.RULES, ())

    monkeypatch.setattr(daemon, "join", join)

    async def act() -> None:
        async with running(listening_home(tmp_path)) as process:
            await until(lambda: process.waiting_for)
            device = keys.create(tmp_path)
            name_network(tmp_path)
            await until(lambda: process.state == "playing")
            assert read_pointer(tmp_path).hotspot_id == device.hotspot_id.hex()
            assert (await asyncio.to_thread(ask, tmp_path))["hotspot_id"] == device.hotspot_id.hex()

    asyncio.run(act())


@pytest.mark.usefixtures("quick")
def test_waits_for_a_network_that_does_not_answer_and_plays_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = False

    async def join(reader: Any, clients: Any, home: Path) -> Played:
        if not answers:
            raise StartError("The chain does not answer.", UNREACHABLE)
        return Played(reader.network, 1_700_000_000_000, world.RULES, ())

    monkeypatch.setattr(daemon, "join", join)
    keys.create(listening_home(tmp_path))
    name_network(tmp_path)

    async def act() -> None:
        nonlocal answers
        async with running(tmp_path) as process, VirtualForwarder(endpoint(process)) as forwarder:
            said: list[str] = []
            process.on_waiting = said.append
            await until(lambda: process.state == "waiting")
            forwarder.push(lora_packet(b"\x40uplink"))
            await until(lambda: process.ears[0].heard)
            assert (await asyncio.to_thread(ask, tmp_path))["waiting_for"] == "The chain does not answer."
            answers = True
            await until(lambda: process.state == "playing")
            assert said in ([], ["The chain does not answer."])

    asyncio.run(act())


def test_a_network_that_is_not_what_it_claims_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def join(reader: Any, clients: Any, home: Path) -> Played:
        raise StartError("That is another chain.")

    monkeypatch.setattr(daemon, "join", join)
    keys.create(listening_home(tmp_path))
    name_network(tmp_path)

    async def act() -> None:
        process = Process(open_homes([tmp_path]))
        await process.open()
        try:
            with pytest.raises(StartError, match="another chain"):
                await process.run(asyncio.Event())
        finally:
            process.close()

    asyncio.run(act())


@pytest.mark.usefixtures("quick")
def test_what_is_wrong_is_counted_once_when_it_begins_and_shown(tmp_path: Path) -> None:
    async def act() -> dict[str, Any]:
        factory = bytes.fromhex("AA555A0000000101")
        async with running(listening_home(tmp_path)) as process:
            where = endpoint(process)
            async with VirtualForwarder(where, factory) as one, VirtualForwarder(where, factory) as other:
                for _ in range(3):
                    one.pull()
                    other.pull()
                    await asyncio.sleep(0.01)
                await until(lambda: process.ears[0].counters.of("findings", "copied_eui"))
                told = await asyncio.to_thread(ask, tmp_path)
                await until(lambda: process.ears[0].counters.of("findings", "copied_eui") == 1)
                return told

    told = asyncio.run(act())
    assert [one["code"] for one in told["findings"]] == ["copied_eui"]
    assert told["counters"]["findings"]["copied_eui"] == 1


def test_streams_every_frame_to_whoever_asks(tmp_path: Path) -> None:
    async def act() -> dict[str, Any]:
        async with running(listening_home(tmp_path)) as process, VirtualForwarder(endpoint(process)) as forwarder:
            pointer = read_pointer(tmp_path)
            reader, writer = await asyncio.open_connection(HOST, pointer.port)
            writer.write(f"GET /{pointer.hotspot_id}/frames HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            forwarder.push(lora_packet(b"\x40uplink"))
            line = b"\n"
            while line == b"\n":
                line = await asyncio.wait_for(reader.readline(), 5)
            writer.close()
            return json.loads(line)

    frame = asyncio.run(act())
    assert (frame["payload"], frame["frequency_hz"]) == ("QHVwbGluaw==", 868_100_000)
