"""Sessions: who gets one, how long it lasts, and what a restart keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.manifest import COMMITS
from protocol.reasons import Reason
from tests.validator.batches import DEVICES, commits, flipped, one_validator, open_session, reasons, session_record
from tests.validator.nodes import owner_of, run, start_ms
from validator.sessions import CHALLENGE_VALID_MS, MAX_SESSION_MS, MAX_SESSIONS_PER_HOTSPOT


@pytest.mark.parametrize(
    ("bent", "expected"),
    [
        ({"validator": owner_of(2)}, Reason.NO_SESSION),
        ({"server_nonce": bytes(32)}, Reason.NO_SESSION),
        ({"expires_at_ms": start_ms(1) + 10_000}, Reason.NO_SESSION),
        ({"expires_at_ms": start_ms(1) + 10_000 + MAX_SESSION_MS + 1}, Reason.NO_SESSION),
    ],
    ids=["another validator", "a nonce nobody gave", "expired", "too long"],
)
def test_refuses_a_session(tmp_path: Path, bent: dict[str, Any], expected: Reason) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            assert await node.gateway.open_sessions([session_record(node, DEVICES[0], **bent)]) == [expected]

    run(test)


@pytest.mark.parametrize("at", range(0, 64, 9))
def test_refuses_a_session_with_a_flipped_bit_in_its_signature(tmp_path: Path, at: int) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            session, signature = session_record(node, DEVICES[0])
            opened = await node.gateway.open_sessions([(session, flipped(signature, at))])
            assert opened == [Reason.SIGNATURE_REFUSED]

    run(test)


@pytest.mark.parametrize(("later_ms", "fresh"), [(CHALLENGE_VALID_MS, True), (CHALLENGE_VALID_MS + 1, False)])
def test_a_nonce_is_good_for_a_minute(tmp_path: Path, later_ms: int, fresh: bool) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            record = session_record(node, DEVICES[0])
            node.network.clock.time_ms += later_ms
            [result] = await node.gateway.open_sessions([record])
            assert isinstance(result, bytes) is fresh

    run(test)


@pytest.mark.parametrize(("later_ms", "expected"), [(999, []), (1_000, [Reason.NO_SESSION])])
def test_a_session_ends_when_it_says(tmp_path: Path, later_ms: int, expected: list[Reason]) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            now_ms = node.network.clock.now_ms()
            token = await open_session(node, expires_at_ms=now_ms + 1_000)
            node.network.clock.time_ms += later_ms
            assert reasons(await node.gateway.take_commits(commits(token, range(1)))) == expected

    run(test)


def test_a_hotspot_that_opens_many_sessions_loses_its_own_oldest_ones_only(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            others = await open_session(node, DEVICES[1])
            tokens = [await open_session(node) for _ in range(MAX_SESSIONS_PER_HOTSPOT + 1)]
            now_ms = node.network.clock.now_ms()
            found = [node.sessions.hotspot_of(token, now_ms) is not None for token in [others, *tokens]]
            assert found == [True, False, *[True] * MAX_SESSIONS_PER_HOTSPOT]

    run(test)


def test_a_session_may_last_a_day(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            last_ms = node.network.clock.now_ms() + MAX_SESSION_MS
            assert len(await open_session(node, expires_at_ms=last_ms)) == 32

    run(test)


def test_sessions_end_oldest_first_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr("validator.sessions.MAX_SESSIONS", 2)
        async with one_validator(tmp_path) as node:
            tokens = [await open_session(node, device) for device in DEVICES]
            now_ms = node.network.clock.now_ms()
            assert [node.sessions.hotspot_of(token, now_ms) is not None for token in tokens] == [False, True, True]

    run(test)


def test_nothing_is_kept_of_a_session_that_has_ended(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            assert node.sessions.hotspot_of(token, 2**47) is None
            assert (dict(node.sessions._open), node.sessions._tokens) == ({}, {})

    run(test)


def test_a_restart_forgets_sessions_and_keeps_rows(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            await node.gateway.take_commits(commits(token, range(2)))
            await node.network.stop(1)
            await node.network.start(1)
            again = node.network.nodes[1]
            assert reasons(await again.gateway.take_commits(commits(token, range(1)))) == [Reason.NO_SESSION]
            assert len(again.inbox.epoch(1).rows[COMMITS]) == 2

    run(test)
