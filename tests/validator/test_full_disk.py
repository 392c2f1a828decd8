"""A disk that fails beneath a running validator: said, counted, tried again, and never the end of the process."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
from pathlib import Path
from typing import TextIO, cast

import grpc
import pytest
from structlog.testing import capture_logs

from chain.errors import TransactionFailed
from chain.journal import JournalFailed
from tests.validator.disks import FullDisk
from tests.validator.epochs import four, has_root, own_roots, play
from tests.validator.nodes import run
from tests.validator.requests import client_of_one, honest
from tests.validator.test_rewind import first_post_block, lose_from
from validator import daemon
from validator.command import PatientLog

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_fails_while_epochs_are_taken_back_is_said_once_and_tried_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(1)
            disk = FullDisk()
            await network.start(1, disk=disk)
            await play(network, 1)
            await has_root(network, 1)
            lose_from(network, first_post_block(network, 1))
            with capture_logs() as logs:
                for _ in range(2):
                    disk.fail("append")
                    await network.run(network.clock.time_ms + 1_000)
                await network.run_until(lambda: len(network.chain.posts) == 4, 15_000)
                await network.run_until(lambda: network.nodes[1].files.get(1).settled, 15_000)
            told = [(one["event"], one.get("failed")) for one in logs if one["event"] in ("disk_fails", "ticks_go_on")]
            assert told == [("disk_fails", None), ("ticks_go_on", 2)]
            assert len(own_roots(network, 1)) == 1

    run(test)


def test_a_state_that_is_gone_when_epochs_are_taken_back_is_waited_for(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            for epoch in (1, 2):
                await play(network, epoch)
                await has_root(network, epoch)
            state = bytes.fromhex(network.nodes[1].files.get(1).state)
            kept = network.nodes[1].store.get(state)
            assert kept is not None
            for node in network.nodes.values():
                node.store.delete(state)
            lose_from(network, first_post_block(network, 2))
            with capture_logs() as logs:
                await network.run(network.clock.time_ms + 3_000)
                network.nodes[2].store.put(kept)
                await network.run(network.clock.time_ms + 2_000)
            told = [one["event"] for one in logs if one["event"] in ("state_waits", "ticks_go_on")]
            assert told == ["state_waits"] * len(network.nodes) + ["ticks_go_on"] * len(network.nodes)

    run(test)


@pytest.mark.parametrize("error", [FULL, TransactionFailed("The journal cannot be used: disk full.")])
def test_transactions_wait_for_room_on_the_disk_and_are_sent_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    stopping = asyncio.Event()

    class Sender:
        def recover(self) -> None:
            asked.append(len(asked))
            if len(asked) in (1, 2, 4):
                raise error
            if len(asked) == 5:
                stopping.set()

    monkeypatch.setattr(daemon, "RECOVER_EVERY_S", 0.001)
    with capture_logs() as logs:
        asyncio.run(daemon._send_again(Sender(), stopping))  # type: ignore[arg-type]
    assert [(one["event"], one["why"], one["failed"]) for one in logs] == [
        ("transactions_wait", str(error), failed) for failed in (1, 2, 1)
    ]
    assert len(asked) == 5


def test_a_registration_that_a_full_disk_does_not_take_can_be_sent_again_and_costs_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of_one(tmp_path) as client:
            request = await honest(client, "RelayRegistration")
            client.node.sender.refuse = JournalFailed("/secret/journal cannot be used: disk full.", "disk full")
            for _ in range(client.node.rules.params.relay.per_owner + 1):
                answer = await client.refusal("RelayRegistration", request)
                assert answer == (grpc.StatusCode.UNAVAILABLE, "the disk fails (disk full); try again later")
            client.node.sender.refuse = None
            await client.call("RelayRegistration", request)

    run(test)


class SmallFile(io.StringIO):
    """A log file on a disk that is full as long as a test says so."""

    full = False

    def write(self, text: str, /) -> int:
        if self.full:
            raise FULL
        return super().write(text)


def test_a_log_on_a_full_disk_ends_nothing_and_says_later_how_much_it_lost() -> None:
    file = SmallFile()
    log = PatientLog(cast(TextIO, file))
    for full, line in ((False, "first"), (True, "second"), (True, "third"), (False, "fourth")):
        file.full = full
        log.write(json.dumps({"event": line}) + "\n")
        log.flush()
    told = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [one["event"] for one in told] == ["first", "log_lines_lost", "fourth"]
    assert told[1]["lines"] == 2
