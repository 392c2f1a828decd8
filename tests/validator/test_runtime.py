"""Four validators over one chain, time moved by hand: what settles, what waits and for whom, what a restart changes."""

from __future__ import annotations

import asyncio
import pkgutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocol.limits import CLOSING_EPOCHS
from tests.validator.epochs import ALL_ACCEPTED, DEVICES, four, has_root, outcomes, own_roots, play
from tests.validator.nodes import EPOCH, LocalNetwork, all_hear_all, owner_of, run, start_ms
from validator.engine.duckdb_engine import DuckDbEngine

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
