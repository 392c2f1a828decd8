"""Reports that cannot count are told as such, with the true reason."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hotspot.reporting import history
from protocol.closing import Member
from tests.hotspot.test_delivery import FIRST, MemoryValidator, Post, advance, by_hand, witness_report


async def ended(post: Post, path: Path) -> tuple[str | None, str]:
    """How the only report ended, and in words."""
    await post.outbox.write()
    with history.opened(path) as found:
        (fate,) = found.fates()
    return fate.outcome, fate.sentence()


async def missed_its_commit(post: Post, validators: list[MemoryValidator], late: int) -> None:
    for one in validators[:late]:
        one.down = True
    await post.send(witness_report(post.clock.now_ms(), commit_ms=5_000, reveal_after_ms=25_000))
    await advance(post, 10_000)
    for one in validators[:late]:
        one.down = False
    await advance(post, 60_000)


def test_a_report_revealed_without_a_commit_in_time_does_not_count(tmp_path: Path) -> None:
    async def act() -> None:
        path = tmp_path / "outbox.sqlite"
        async with by_hand(path, count=3) as (post, validators):
            await missed_its_commit(post, validators, late=2)
            outcome, sentence = await ended(post, path)
            assert (outcome, "too few validators took its commit" in sentence) == ("commit_window_passed", True)
            assert post.counters.snapshot()["reports"] == {"commit_window_passed": 1}
            assert post.outbox.store.tallies(FIRST)["commit_window_passed"] == 1

    asyncio.run(act())


def test_a_commit_that_enough_validators_have_in_time_is_enough(tmp_path: Path) -> None:
    async def act() -> None:
        path = tmp_path / "outbox.sqlite"
        async with by_hand(path, count=3) as (post, validators):
            await missed_its_commit(post, validators, late=1)
            assert (await ended(post, path))[0] == "revealed"
            assert "commit_window_passed" not in post.outbox.store.tallies(FIRST)

    asyncio.run(act())


def test_a_report_for_too_little_stake_is_not_called_refused(tmp_path: Path) -> None:
    async def act() -> None:
        path = tmp_path / "outbox.sqlite"
        async with by_hand(path) as (post, (validator,)):
            others = [MemoryValidator(f"other {number}") for number in range(6)]
            post.fanout.set_members([Member(one.owner, one.address, 1) for one in (validator, *others)])
            await post.send(witness_report(post.clock.now_ms()))
            await advance(post, 60_000)
            outcome, sentence = await ended(post, path)
            assert (outcome, "no more than a third of stake" in sentence) == ("too_little_stake", True)
            assert post.counters.snapshot()["reports"] == {"too_little_stake": 1}

    asyncio.run(act())
