"""What a courier knows of its validator: whether it answers, what time it is there, and that it ends nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from hotspot.clock import SystemClock
from hotspot.keys.device import DeviceKey, KeyProblemError
from hotspot.reporting.courier import PROBE_AFTER_MS, UNEXPECTED, WARM_INTERVAL_MS
from hotspot.wire import CallFailed, Taken, ValidatorClient
from protocol.encoding import U48
from protocol.ids import ReportId
from tests.hotspot.clocks import ManualClock, until
from tests.hotspot.fake_validator import FakeValidator
from tests.hotspot.test_delivery import DEVICES, MemoryValidator, Post, advance, by_hand, witness_report
from tests.hotspot.test_wire import NOT_PROTOBUF, answering

HOUR_MS = 3_600_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


class TimedValidator(MemoryValidator):
    """Its challenges begin with its time, as a validator's do."""

    now_ms = 1_700_000_000_000
    breaks = False

    async def challenge(self) -> bytes | CallFailed:
        if self.breaks:
            raise AttributeError("'NoneType' object has no attribute 'server_nonce'")
        return self._failed() or U48.encode(self.now_ms) + bytes(26)

    async def submit_commits(self, commits: Sequence[tuple[bytes, int, ReportId]]) -> Taken | CallFailed:
        if self.breaks:
            raise AttributeError("'NoneType' object has no attribute 'refusals'")
        return await super().submit_commits(commits)


class SettableClock(ManualClock):
    """A wall clock its owner can set; the monotonic one goes on."""

    def set(self, now_ms: int) -> None:
        self._now_ms = now_ms


def timed(path: Path, clock: ManualClock, count: int = 1) -> tuple[Post, list[TimedValidator]]:
    post, validators = Post(path, clock), [TimedValidator(f"t{at}") for at in range(count)]
    for one in validators:
        post.connect(one, one)
    return post, validators


# --- reachable ------------------------------------------------------------------------------------------------


def test_a_validator_lost_while_nothing_is_due_is_seen_and_so_is_its_return(path: Path) -> None:
    async def act() -> None:
        async with by_hand(path) as (post, (validator,)):
            (courier,) = post.couriers
            await advance(post, WARM_INTERVAL_MS)
            assert courier.reachable is True
            validator.down = True
            await advance(post, PROBE_AFTER_MS + WARM_INTERVAL_MS)
            assert courier.reachable is False
            validator.down = False
            await advance(post, WARM_INTERVAL_MS)
            assert courier.reachable is True

    asyncio.run(act())


def test_a_failed_commit_is_not_made_good_by_calls_nobody_made(path: Path) -> None:
    async def act() -> None:
        async with by_hand(path) as (post, (validator,)):
            await advance(post, WARM_INTERVAL_MS)
            validator.down = True
            await post.send(witness_report(post.clock.now_ms(), commit_ms=1_000, reveal_ms=1_000))
            await advance(post, 2 * WARM_INTERVAL_MS)
            assert post.couriers[0].reachable is False

    asyncio.run(act())


def test_an_idle_hotspot_calls_a_validator_every_two_hours(path: Path) -> None:
    async def act() -> None:
        async with by_hand(path) as (post, (validator,)):
            await advance(post, WARM_INTERVAL_MS)
            before = validator.calls
            await advance(post, 6 * HOUR_MS)
            assert 2 <= validator.calls - before <= 3

    asyncio.run(act())


def test_a_key_that_cannot_sign_is_not_a_validator_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> bytes:
        raise KeyProblemError("The token is away.")

    async def act() -> None:
        async with by_hand(path) as (post, _):
            (courier,) = post.couriers
            with monkeypatch.context() as patched:
                patched.setattr(DeviceKey, "sign", away)
                await advance(post, WARM_INTERVAL_MS)
                assert (courier.reachable, courier.key_problem) == (True, "The token is away.")
                assert courier.counters.of("sessions", "KEY_UNAVAILABLE") >= 1
                assert "calls_failed" not in courier.counters.snapshot()
            await advance(post, WARM_INTERVAL_MS)
            assert courier.key_problem == ""

    asyncio.run(act())


# --- its time -------------------------------------------------------------------------------------------------


def test_a_clock_that_is_wrong_is_known_without_any_commit(path: Path) -> None:
    async def act() -> int | None:
        post, (validator,) = timed(path, SettableClock())
        validator.now_ms = post.clock.now_ms() - 13 * HOUR_MS
        validator.refuses_sessions = True
        async with post.running():
            await advance(post, 0)
            return post.couriers[0].clock_offset_ms

    assert asyncio.run(act()) == -13 * HOUR_MS


def test_a_clock_that_its_owner_sets_right_is_right_at_once(path: Path) -> None:
    async def act() -> None:
        clock = SettableClock()
        post, (validator,) = timed(path, clock)
        validator.now_ms = clock.now_ms() - 60_000
        async with post.running():
            await advance(post, 5_000)
            assert post.couriers[0].clock_offset_ms == -60_000
            clock.set(clock.now_ms() - 60_000)
            assert post.couriers[0].clock_offset_ms == 0

    asyncio.run(act())


def test_a_challenge_that_begins_with_no_time_says_none(path: Path) -> None:
    async def act() -> int | None:
        async with by_hand(path) as (post, (validator,)):
            await advance(post, WARM_INTERVAL_MS)
            assert validator.calls
            return post.couriers[0].clock_offset_ms

    assert asyncio.run(act()) is None


# --- what nobody foresaw --------------------------------------------------------------------------------------


def test_an_error_nobody_foresaw_is_counted_and_ends_no_delivery(path: Path) -> None:
    async def act() -> None:
        post, (broken, good) = timed(path, ManualClock(), 2)
        async with post.running():
            await advance(post, WARM_INTERVAL_MS)
            broken.breaks = True
            report = witness_report(post.clock.now_ms(), commit_ms=60_000)
            await post.send(report)
            await advance(post, 5_000)
            assert (good.committed, broken.committed) == ([report.id], [])
            assert post.couriers[0].counters.of("calls_failed", UNEXPECTED) >= 1
            broken.breaks = False
            await advance(post, 2_000)
            assert broken.committed == [report.id]

    asyncio.run(act())


def test_answers_that_are_no_protobuf_lose_one_validator_only(path: Path) -> None:
    async def act() -> None:
        keys = [one.public for one in DEVICES.values()]
        async with answering(NOT_PROTOBUF) as endpoint, FakeValidator("good", keys) as good:
            post, wrong = Post(path, SystemClock()), FakeValidator("wrong")
            clients = ValidatorClient(endpoint), ValidatorClient(good.endpoint)
            for validator, client in zip((wrong, good), clients, strict=True):
                post.connect(validator, client)
            async with post.running():
                await post.send(witness_report(post.clock.now_ms()))
                await until(lambda: good.reports)
                assert [one.reachable for one in post.couriers] == [False, True]
                assert post.couriers[0].counters.of("calls_failed", "WRONG_ANSWER") >= 1
            for client in clients:
                await client.close()

    asyncio.run(act())
