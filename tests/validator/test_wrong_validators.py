"""Validators that are wrong, lie or hang: who signs without them, what is said, and who is held up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from protocol.reasons import Reason
from tests.validator.epochs import ALL_ACCEPTED, DEVICES, four, has_root, outcomes, own_roots, play
from tests.validator.nodes import EPOCH, RULES, LocalNetwork, all_hear_all, owner_of, run, start_ms, until
from validator.peers import RootSignature
from validator.rules import NetworkRules


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
