"""Four validators over one chain, time moved by hand: what settles, what waits and for whom, what a restart changes."""

from __future__ import annotations

import asyncio
import pkgutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from chain.errors import TransactionFailed
from chain.folds import ValidatorSet
from protocol.epoch import decode_outcomes, decode_summary
from protocol.ids import Address
from protocol.keys import EpochRoot
from protocol.limits import CLOSING_EPOCHS
from protocol.reasons import Reason
from tests.validator.fakes import DOMAIN
from tests.validator.nodes import (
    EPOCH,
    RULES,
    ChainWorld,
    LocalNetwork,
    Node,
    all_hear_all,
    owner_of,
    run,
    start_ms,
    three_devices,
    until,
)
from validator.assembly import NotYetError
from validator.engine.duckdb_engine import DuckDbEngine
from validator.peers import RootSignature
from validator.rules import NetworkRules

DEVICES = three_devices()
SETTLES_WITHIN_MS = EPOCH.close_after_ms + 10_000


@asynccontextmanager
async def four(directory: Path, **options: Any) -> AsyncIterator[LocalNetwork]:
    """Four validators shortly before epoch 1."""
    network = LocalNetwork(directory, **options)
    network.chain.register(*DEVICES)
    network.clock.time_ms = start_ms(1) - 2_000
    await network.start()
    try:
        yield network
    finally:
        await network.stop()


async def play(network: LocalNetwork, epoch: int, **bent: Any) -> ChainWorld:
    """The records of one epoch reach every living validator; the clock stands at its end."""
    network.clock.time_ms = max(network.clock.time_ms, start_ms(epoch + 1) - 1_000)
    world = all_hear_all(network.world(epoch, *DEVICES))
    await network.feed(world)
    await network.run(start_ms(epoch + 1))
    return world


async def has_root(network: LocalNetwork, epoch: int, within_ms: int = SETTLES_WITHIN_MS + 30_000) -> None:
    await network.run_until(lambda: any(one.epoch == epoch for one in network.chain.submitted), within_ms)
    await network.run(network.clock.time_ms + 4_000)


def own_roots(network: LocalNetwork, epoch: int) -> set[tuple[bytes, bytes]]:
    """(root, dataHash) as each validator that is alive has settled it."""
    records = [node.files.get(epoch) for node in network.nodes.values()]
    assert all(record.settled for record in records)
    return {(bytes.fromhex(record.root), bytes.fromhex(record.summary)) for record in records}


def outcomes(node: Node, epoch: int) -> dict[Reason, int]:
    data = node.store.get(bytes.fromhex(node.files.get(epoch).outcomes))
    table = decode_outcomes(data or b"")
    assert table is not None
    counts: dict[Reason, int] = {}
    for one in table.outcomes:
        counts[Reason(one.reason)] = counts.get(Reason(one.reason), 0) + 1
    return counts


ALL_ACCEPTED = {Reason.ACCEPTED: 9}
"""Three beacons, and each heard by the two others."""


# --- the main road ------------------------------------------------------------------------------------------------


def test_four_validators_settle_an_epoch_with_one_root(tmp_path: Path) -> None:
    """Each with an engine of its own."""

    async def test() -> None:
        network = LocalNetwork(tmp_path)
        network.chain.register(*DEVICES)
        network.clock.time_ms = start_ms(1) - 2_000
        for number in network.numbers:
            await network.start(number, engine=DuckDbEngine())
        await play(network, 1)
        await has_root(network, 1)
        [root] = network.chain.submitted
        assert own_roots(network, 1) == {(root.root, root.data_hash)}
        assert root.signers == tuple(sorted(owner_of(number) for number in network.numbers))
        assert outcomes(network.nodes[1], 1) == ALL_ACCEPTED
        await network.stop()

    run(test)


def test_epochs_follow_each_other_and_amounts_grow(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            for epoch in (1, 2):
                await play(network, epoch)
                await has_root(network, epoch)
            first, second = network.chain.submitted
            assert (first.epoch, second.epoch) == (1, 2)
            assert second.cumulative_total > first.cumulative_total

    run(test)


def test_every_manifest_is_posted_once_with_every_signature(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await play(network, 1)
            await has_root(network, 1)
            assert sorted(one.validator for one in network.chain.posts) == sorted(map(owner_of, network.numbers))
            assert {len(one.signatures) for one in network.chain.posts} == {4}

    run(test)


def test_the_evidence_is_closed_no_earlier_than_the_params_say(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await play(network, 1)
            await network.run(start_ms(2) + EPOCH.close_after_ms)
            assert set(network.settled().values()) == {0}
            await network.run_until(lambda: set(network.settled().values()) == {1}, 5_000)

    run(test)


def test_no_tick_waits_for_the_chain_on_the_event_loop(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await play(network, 1)
            network.chain.in_loop.clear()
            await has_root(network, 1)
            assert network.chain.in_loop == []

    run(test)


HEAVY = {
    "validator.assembly.decode_manifest": "decode a manifest",
    "validator.assembly.segment_problem": "check a segment",
    "validator.peers.decode_manifest": "decode a peer's manifest",
    "validator.peers.manifest_problem": "check a peer's manifest",
    "validator.verdicts.decode_outcomes": "decode outcomes",
    "validator.runtime.seal": "seal",
    "protocol.state.State.encode": "encode a state",
    "validator.assembly.settle": "settle",
}


def test_nothing_that_grows_with_the_evidence_runs_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second there is a second by which every commit that arrives is recorded late."""
    seen: dict[str, set[bool]] = {}

    def watched(what: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            seen.setdefault(what, set()).add(threading.current_thread() is threading.main_thread())
            return real(*arguments, **options)

        return call

    async def test() -> None:
        async with four(tmp_path) as network:
            for path, what in HEAVY.items():
                *where, name = path.split(".")
                place = pkgutil.resolve_name(".".join(where))
                monkeypatch.setattr(place, name, watched(what, getattr(place, name)))
            await play(network, 1)
            await has_root(network, 1)

    run(test)
    assert seen == {what: {False} for what in HEAVY.values()}


# --- validators down ----------------------------------------------------------------------------------------------


def test_with_one_validator_dead_everything_settles(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(2)
            await play(network, 1)
            await has_root(network, 1)
            [root] = network.chain.submitted
            assert len(root.signers) == 3
            assert outcomes(network.nodes[1], 1) == ALL_ACCEPTED

    run(test)


def test_with_two_dead_the_epoch_waits_and_names_them_and_settles_once_one_returns(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await play(network, 1)
            await has_root(network, 1)
            network.clock.time_ms = start_ms(2) + 50_000
            await network.feed(all_hear_all(network.world(2, *DEVICES)))
            await network.stop(2, 3)
            await network.run(start_ms(3) + 40_000)
            assert network.settled() == {1: 1, 4: 1}
            sentence = network.nodes[1].runtime.waiting()
            names = [f"validator {number} (0x{owner_of(number).hex()[:8]})" for number in (2, 3)]
            assert sentence.startswith("Epoch 2 waits for the manifests of validators that hold > 2/3 of stake")
            assert all(name in sentence for name in names)
            assert "validator 4" not in sentence
            await network.start(3)
            await network.run_until(lambda: set(network.settled().values()) == {2}, 60_000)
            await has_root(network, 2)
            assert network.nodes[1].runtime.waiting() == ""
            assert outcomes(network.nodes[1], 2) == ALL_ACCEPTED

    run(test)


def test_nobody_is_said_to_be_missing_before_the_evidence_could_close(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(2, 3)
            await play(network, 1)
            await network.run(start_ms(2) + EPOCH.close_after_ms - 1_000)
            assert network.nodes[1].runtime.waiting() == ""
            await network.run(start_ms(2) + EPOCH.close_after_ms)
            assert network.nodes[1].runtime.waiting() != ""

    run(test)


def test_a_validator_that_returns_posts_for_each_open_epoch_so_that_they_close(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(2, 3)
            await play(network, 1)
            await network.run(start_ms(4) + 20_000)
            assert network.settled() == {1: 0, 4: 0}
            await network.start(3)
            await network.run_until(lambda: network.settled()[1] == 3, 60_000)
            posted = sorted(one.epoch for one in network.chain.posts if one.validator == owner_of(3))
            assert posted == [1, 2, 3]

    run(test)


def test_an_epoch_nobody_closes_in_seven_is_empty_and_those_after_it_go_on(tmp_path: Path) -> None:
    """Epochs 1 and 2 expire while two validators are away; then all of it is settled, once each, in order."""

    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(2, 3)
            await play(network, 1)
            await network.run(start_ms(3 + CLOSING_EPOCHS) - 1_000, step_ms=20_000)
            assert network.settled() == {1: 1, 4: 1}
            await network.start(2, 3)
            await network.run_until(lambda: min(network.settled().values()) >= 4, 150_000, step_ms=2_000)
            assert all(node.files.get(epoch).empty for node in network.nodes.values() for epoch in (1, 2))
            assert len(own_roots(network, 4)) == 1

    run(test)


def test_many_expired_epochs_are_settled_once_each(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            network.clock.time_ms = start_ms(40)
            settled: list[int] = []
            node = network.nodes[1]
            one = node.runtime._settle_one

            async def counted(epoch: int) -> None:
                settled.append(epoch)
                await one(epoch)

            node.runtime._settle_one = counted  # type: ignore[method-assign]
            for _ in range(200):
                await asyncio.to_thread(node.view.refresh)
                await node.runtime.tick()
                if node.runtime.settled_epoch() >= 31:
                    break
                await asyncio.sleep(0)
            await node.idle()
            assert settled == list(range(1, 32))

    run(test)


# --- validators that are wrong ------------------------------------------------------------------------------------


def with_constant(**constants: int) -> NetworkRules:
    return replace(RULES, params=replace(RULES.params, rewards=replace(RULES.params.rewards, **constants)))


def test_a_validator_with_another_reward_constant_signs_another_root_that_nobody_counts(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(4)
            await network.start(4, rules=with_constant(validators_u=70_000))
            await play(network, 1)
            with capture_logs() as logs:
                await has_root(network, 1)
            [root] = network.chain.submitted
            assert owner_of(4) not in root.signers
            assert len(root.signers) == 3
            wrong = network.nodes[4].runtime.root_signature(1, 1)
            assert wrong is not None
            assert wrong.root.root != root.root
            assert any(one["event"] == "root_differs" and "validator 4" in one["why"] for one in logs)

    run(test)


def test_two_validators_with_another_constant_keep_any_root_from_the_chain(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(3, 4)
            await network.start(3, 4, rules=with_constant(validators_u=70_000))
            await play(network, 1)
            await network.run(start_ms(2) + 50_000)
            assert network.chain.submitted == []
            assert set(network.settled().values()) == {1}

    run(test)


def test_a_validator_that_was_wrong_goes_on_from_the_signed_state_after_a_restart(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(4)
            await network.start(4, rules=with_constant(validators_u=70_000))
            await play(network, 1)
            await has_root(network, 1)
            await network.stop(4)
            await network.start(4)
            await play(network, 2)
            await has_root(network, 2)
            assert len(own_roots(network, 2)) == 1

    run(test)


def test_receive_times_falsified_by_one_validator_change_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        roots = []
        for skew_ms in (0, 30_000):
            async with four(tmp_path / str(skew_ms)) as network:
                await network.stop(3)
                await network.start(3, receive_skew_ms=skew_ms)
                await play(network, 1)
                await has_root(network, 1)
                assert outcomes(network.nodes[1], 1) == ALL_ACCEPTED
                roots.append(network.chain.submitted[0].root)
        assert roots[0] == roots[1]

    run(test)


@pytest.mark.parametrize(("stake", "accepted"), [(100, False), (101, True)], ids=["exactly 1/3", "just over 1/3"])
def test_a_commit_is_on_time_if_more_than_a_third_of_stake_says_so(tmp_path: Path, stake: int, accepted: bool) -> None:
    async def test() -> None:
        async with four(tmp_path, stakes=(stake, 70, 70, 60)) as network:
            network.clock.time_ms = start_ms(2) - 1_000
            world = network.world(1, *DEVICES)
            told = frozenset({owner_of(1)})
            for device in DEVICES:
                world.beacon(device, validators=told)
            for witness in DEVICES:
                for beaconer in DEVICES:
                    if witness is not beaconer:
                        world.hears(witness, beaconer, validators=told)
            await network.feed(world)
            await network.run_until(lambda: set(network.settled().values()) == {1}, 60_000)
            late = {Reason.COMMIT_NOT_ON_TIME: 3, Reason.NO_VALID_BEACON: 6}
            assert outcomes(network.nodes[2], 1) == (ALL_ACCEPTED if accepted else late)

    run(test)


def test_a_signature_that_is_not_its_own_does_not_make_a_manifest_available(tmp_path: Path) -> None:
    """One liar's 65 bytes would else be posted as a third signature: the manifest never certified, the post used up."""

    async def test() -> None:
        async with four(tmp_path) as network:
            liar = network.nodes[1].peers[0]

            async def lie(*_: object) -> bytes:
                return b"\x01" * 64 + b"\x1b"

            liar.announce = lie
            await network.stop(4)
            await play(network, 1)
            await network.run(start_ms(2) + 20_000)
            assert not [one for one in network.chain.posts if one.validator == owner_of(1)]
            del liar.announce
            await network.run_until(lambda: network.settled()[1] == 1, 60_000)
            [post] = [one for one in network.chain.posts if one.validator == owner_of(1)]
            assert len(post.signatures) == 3

    run(test)


def test_a_liars_signature_is_said_by_name(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:

            async def lie(*_: object) -> bytes:
                return bytes(65)

            network.nodes[1].peers[0].announce = lie
            await play(network, 1)
            await network.run(start_ms(2) + 6_000)
            silent = network.nodes[1].runtime._work[1].silent
            assert silent == {owner_of(2): f"{network.nodes[1].peers[0].name} gives a signature that is not its own"}

    run(test)


def test_a_root_signature_of_another_key_is_not_counted(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            one = network.nodes[1]

            async def copied(epoch: int, set_id: int) -> RootSignature | None:
                return one.runtime.root_signature(epoch, set_id)

            for peer in one.peers:
                peer.root_signature = copied
            await play(network, 1)
            await has_root(network, 1)
            assert set(one.runtime._work[1].roots) == {owner_of(1)}

    run(test)


# --- peers that hang ----------------------------------------------------------------------------------------------


def test_a_peer_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            never = asyncio.Event()
            for number in (1, 3, 4):
                hung = next(peer for peer in network.nodes[number].peers if peer.number == 2)

                async def hang(*_: object) -> None:
                    await never.wait()

                hung.announce, hung.root_signature = hang, hang
            await network.stop(2)
            network.clock.time_ms = start_ms(2) - 1_000
            await network.feed(all_hear_all(network.world(1, *DEVICES)))
            for _ in range(60):
                network.clock.time_ms += 1_000
                for node in network.nodes.values():
                    await asyncio.to_thread(node.view.refresh)
                    await node.runtime.tick()
                await settle_down(network)
                if network.chain.submitted:
                    break
            [root] = network.chain.submitted
            assert len(root.signers) == 3
            hanging = [len(node.runtime._tasks) for node in network.nodes.values()]
            assert max(hanging) <= 2, "a peer that hangs is asked once at a time"
            never.set()

    run(test)


def test_a_peer_that_refuses_is_asked_once_a_second(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await network.stop(3, 4)
            asked: list[int] = []

            async def refuse(*_: object) -> str:
                asked.append(network.clock.time_ms)
                return "validator 2 refuses: a segment is not to be had"

            network.nodes[1].peers[0].announce = refuse
            network.clock.time_ms = start_ms(2) + EPOCH.seal_after_ms
            await network.run(network.clock.time_ms + 3_500, step_ms=100)
            assert len(asked) == 4
            assert all(later - earlier == 1_000 for earlier, later in pairwise(asked))

    run(test)


async def settle_down(network: LocalNetwork) -> None:
    """Returns once nothing but questions to the peer that hangs is running."""
    works = [work for node in network.nodes.values() for work in node.runtime._work.values()]
    await until(lambda: not any(work.running for work in works))
    await until(lambda: not any(peer != owner_of(2) for work in works for _, peer in work.asking))


# --- restarts -----------------------------------------------------------------------------------------------------


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
