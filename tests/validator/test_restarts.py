"""What a validator makes of a restart, of a state it lost, and of steps that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from chain.errors import TransactionFailed
from chain.folds import ValidatorSet
from protocol.epoch import decode_summary
from protocol.ids import Address
from protocol.keys import EpochRoot
from tests.validator.epochs import ALL_ACCEPTED, DEVICES, four, has_root, outcomes, own_roots, play
from tests.validator.fakes import DOMAIN
from tests.validator.nodes import EPOCH, LocalNetwork, all_hear_all, owner_of, run, start_ms
from validator.assembly import NotYetError

PHASES: dict[str, Callable[[LocalNetwork], bool]] = {
    "before it is sealed": lambda network: network.clock.time_ms >= start_ms(2),
    "sealed": lambda network: bool(network.nodes[1].files.get(1).manifest),
    "posted": lambda network: len(network.chain.posts) == 4,
    "settled": lambda network: network.nodes[1].runtime.settled_epoch() == 1,
    "signed": lambda network: network.nodes[1].runtime.root_signature(1, 1) is not None,
}


@pytest.mark.parametrize("everybody", [False, True], ids=["one", "all"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_restart_in_any_phase_goes_on_where_it_stopped(tmp_path: Path, phase: str, everybody: bool) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            network.clock.time_ms = start_ms(2) - 1_000
            await network.feed(all_hear_all(network.world(1, *DEVICES)))
            await network.run_until(lambda: PHASES[phase](network), 60_000)
            numbers = list(network.numbers) if everybody else [1]
            before = [network.nodes[number].files.get(1).manifest for number in numbers]
            await network.stop(*numbers)
            await network.start(*numbers)
            await has_root(network, 1)
            [root] = network.chain.submitted
            assert own_roots(network, 1) == {(root.root, root.data_hash)}
            assert outcomes(network.nodes[1], 1) == ALL_ACCEPTED
            after = [network.nodes[number].files.get(1).manifest for number in numbers]
            assert all(old in ("", new) for old, new in zip(before, after, strict=True))
            assert len(network.chain.posts) == 4

    run(test)


def test_a_restart_between_settling_and_writing_it_down_settles_the_same_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            node = network.nodes[1]

            def lost(epoch: int, **fields: Any) -> None:
                if "state" in fields:
                    raise OSError("the power is cut")
                real(epoch, **fields)

            real = node.files.update
            node.files.update = lost  # type: ignore[assignment,method-assign]
            await play(network, 1)
            await network.run(start_ms(2) + 20_000)
            assert network.settled()[1] == 0
            await network.stop(1)
            await network.start(1)
            await network.run_until(lambda: network.settled()[1] == 1, 10_000)
            assert len(own_roots(network, 1)) == 1

    run(test)


def test_a_validator_far_behind_takes_up_the_state_under_the_newest_root(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(4)
            for epoch in (1, 2):
                await play(network, epoch)
                await has_root(network, epoch)
            await network.start(4)
            assert network.nodes[4].runtime.settled_epoch() == 2
            await play(network, 3)
            await has_root(network, 3)
            assert len(own_roots(network, 3)) == 1

    run(test)


def test_a_validator_whose_state_is_damaged_takes_up_the_signed_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await play(network, 1)
            await has_root(network, 1)
            node = network.nodes[4]
            digest = bytes.fromhex(node.files.get(1).state)
            await network.stop(4)
            node.store._path(digest).write_bytes(b"damaged")
            await network.start(4)
            assert network.nodes[4].runtime.settled_epoch() == 1
            assert network.nodes[4].store.get(digest) is not None

    run(test)


def test_a_newcomer_to_whom_nobody_gives_the_state_says_so(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(4)
            await play(network, 1)
            await has_root(network, 1)
            await network.stop()
            with pytest.raises(NotYetError, match="the summary of epoch 1 is not to be had"):
                await network.start(4)

    run(test)


# --- empty epochs, silent chains, full disks ----------------------------------------------------------------------


def test_an_empty_epoch_advances_the_state_and_has_no_root(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.run(start_ms(2) + 40_000, step_ms=2_000)
            assert set(network.settled().values()) == {1}
            assert network.chain.submitted == []
            assert len(network.chain.posts) == 4
            record = network.nodes[1].files.get(1)
            assert record.empty
            assert record.cumulative == "0"
            await play(network, 2)
            await has_root(network, 2)
            assert [one.epoch for one in network.chain.submitted] == [2]

    run(test)


def test_a_silent_chain_stops_nothing_for_good_and_is_said_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await play(network, 1)
            for node in network.nodes.values():
                node.view._kept.clear()
            network.chain.down = True
            with capture_logs() as logs:
                for _ in range(10):
                    network.clock.time_ms += 1_000
                    for node in network.nodes.values():
                        await node.runtime.tick()
                        await node.idle()
            assert [one["event"] for one in logs] == ["chain_silent"] * 4
            network.chain.down = False
            await has_root(network, 1)

    run(test)


def test_a_step_that_keeps_failing_is_said_once_and_succeeds_later(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(2)
            await play(network, 1)
            network.nodes[1].sender.refuse = TransactionFailed("The account cannot pay the gas.")
            with capture_logs() as logs:
                await network.run(start_ms(2) + 40_000)
            failed = [one for one in logs if one["event"] == "step_failed" and one["act"] == "POST"]
            assert [one["why"] for one in failed] == ["The account cannot pay the gas."]
            network.nodes[1].sender.refuse = None
            await network.run_until(lambda: len(network.chain.posts) == 3, 12_000)

    run(test)


def test_a_step_that_fails_is_tried_again_after_a_second_not_at_every_tick(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(2, 3, 4)
            tried: list[int] = []

            def full(*_: object) -> bytes:
                tried.append(network.clock.time_ms)
                raise OSError("the disk is full")

            network.nodes[1].signer.manifest = full  # type: ignore[method-assign]
            network.clock.time_ms = start_ms(2) + EPOCH.seal_after_ms
            await network.run(network.clock.time_ms + 3_500, step_ms=100)
            assert len(tried) == 4
            assert all(later - earlier == 1_000 for earlier, later in pairwise(tried))

    run(test)


def test_a_step_that_crashes_is_logged(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            network.clock.time_ms = start_ms(2) + 4_000
            node = network.nodes[1]
            node.sender.refuse = ZeroDivisionError("a bug")
            with capture_logs() as logs:
                for _ in range(6):
                    network.clock.time_ms += 1_000
                    for one in network.nodes.values():
                        await asyncio.to_thread(one.view.refresh)
                        await one.runtime.tick()
                    for one in network.nodes.values():
                        await asyncio.gather(*one.runtime._tasks, return_exceptions=True)
            crashed = [one for one in logs if one["event"] == "step_crashed"]
            assert crashed
            assert all(isinstance(one["exc_info"], ZeroDivisionError) for one in crashed)

    run(test)


# --- another set of validators ------------------------------------------------------------------------------------


def test_after_a_change_of_set_the_same_root_is_signed_again_with_the_new_number(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await play(network, 1)
            await network.run_until(lambda: network.nodes[1].runtime.root_signature(1, 1) is not None, 60_000)
            network.chain.submitted.clear()
            old = network.chain.sets[-1][1]
            network.chain.sets.append((network.chain.next_block().number, ValidatorSet(2, old.members)))
            for node in network.nodes.values():
                work = node.runtime._work[1]
                work.submitted_at_ms = 0
            await has_root(network, 1)
            [root] = network.chain.submitted
            assert root.set_id == 2
            own = network.nodes[1].runtime.root_signature(1, 2)
            assert own is not None
            assert DOMAIN.digest(own.root) == DOMAIN.digest(
                EpochRoot(1, 2, root.root, root.data_hash, root.cumulative_total)
            )

    run(test)


def test_a_validator_that_left_the_set_still_settles_and_crashes_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            old = network.chain.sets[-1][1]
            rest = tuple(one for one in old.members if one.owner != owner_of(4))
            network.chain.sets.append((network.chain.seed_block(1).number + 1, ValidatorSet(2, rest)))
            await play(network, 1)
            await has_root(network, 1)
            await network.run(network.clock.time_ms + 20_000)
            assert network.settled()[4] == 1
            assert owner_of(4) not in network.chain.submitted[0].signers

    run(test)


def test_manifests_count_by_the_stakes_at_the_seeds_block(tmp_path: Path) -> None:
    """A newcomer after B_e posts nothing for the epoch and is not missed."""

    async def test() -> None:
        network = LocalNetwork(tmp_path)
        network.chain.register(*DEVICES)
        full = network.chain.sets[-1][1]
        first = tuple(one for one in full.members if one.owner != owner_of(4))
        network.chain.sets[:] = [(0, ValidatorSet(1, first)), (network.chain.seed_block(1).number + 1, full)]
        network.clock.time_ms = start_ms(1) - 2_000
        await network.start()
        await play(network, 1)
        await network.run_until(lambda: set(network.settled().values()) == {1}, 60_000)
        assert owner_of(4) not in {one.validator for one in network.chain.posts if one.epoch == 1}
        data = network.nodes[1].store.get(bytes.fromhex(network.nodes[1].files.get(1).summary))
        summary = decode_summary(data or b"")
        assert summary is not None
        assert {Address(one.validator) for one in summary.manifests} == {owner_of(number) for number in (1, 2, 3)}
        await network.stop()

    run(test)


def test_what_is_remembered_of_epochs_is_bounded(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.run(start_ms(32), step_ms=10_000)
            assert min(network.settled().values()) >= 30
            assert max(len(node.runtime._work) for node in network.nodes.values()) < 26
            assert max(len(node.inbox._epochs) for node in network.nodes.values()) < 26
            assert max(len(node.desk._final) for node in network.nodes.values()) <= 8

    run(test)
