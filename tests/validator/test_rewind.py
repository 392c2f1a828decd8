"""A chain that loses blocks it called final: what validators settle again, and what they never sign again."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from tests.validator.epochs import four, has_root, own_roots, play
from tests.validator.nodes import LocalNetwork, run


def lose_from(network: LocalNetwork, block: int, *, posts_come_back: bool = False) -> None:
    """The chain's blocks from this one on become others, without the roots and, if so wished, the manifests in them."""
    chain = network.chain
    chain.lost_from = block
    if not posts_come_back:
        chain.posts = [one for one in chain.posts if one.block < block]
    chain.submitted = [one for one in chain.submitted if one.block < block]


def first_post_block(network: LocalNetwork, epoch: int) -> int:
    return min(one.block for one in network.chain.posts if one.epoch == epoch)


def test_an_epoch_whose_manifests_come_back_in_their_order_settles_with_the_same_root(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await play(network, 1)
            await has_root(network, 1)
            (before,) = own_roots(network, 1)

            lose_from(network, first_post_block(network, 1), posts_come_back=True)
            await network.run(network.clock.time_ms + 5_000)
            await has_root(network, 1)

            assert own_roots(network, 1) == {before}
            assert (network.chain.submitted[-1].root, network.chain.submitted[-1].data_hash) == before

    run(test)


def test_an_epoch_that_comes_out_otherwise_gets_no_second_signature_and_the_next_one_pays_its_work(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await play(network, 1)
            await has_root(network, 1)
            (before,) = own_roots(network, 1)
            earned = network.chain.submitted[-1].cumulative_total

            await network.stop(1)  # the others' manifests stand before its own this time
            lose_from(network, first_post_block(network, 1))
            with capture_logs() as logs:
                await network.run(network.clock.time_ms + 5_000)
                await network.start(1)
                await network.run(network.clock.time_ms + 15_000)
            refused = {line["why"] for line in logs if line["event"] == "step_impossible"}
            (again,) = own_roots(network, 1)
            await play(network, 2)
            await has_root(network, 2)

            assert again != before
            assert refused == {"another root of epoch 1 is signed already"}
            assert [one.epoch for one in network.chain.submitted] == [2]
            assert network.chain.submitted[-1].cumulative_total > earned

    run(test)


def test_blocks_lost_before_anything_was_decided_by_them_change_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with four(tmp_path) as network:
            await play(network, 1)
            await has_root(network, 1)
            (before,) = own_roots(network, 1)
            network.clock.time_ms += 10_000
            await network.tick()

            lose_from(network, network.chain.number_at(network.clock.time_ms) - 3)
            with capture_logs() as logs:
                await network.run(network.clock.time_ms + 5_000)

            assert not [line for line in logs if line["event"] == "chain_lost_final_blocks"]
            assert own_roots(network, 1) == {before}

    run(test)
