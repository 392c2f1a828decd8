"""A root that nobody could bring on chain in time is brought there later, however many empty epochs lie between."""

from __future__ import annotations

from pathlib import Path

from protocol.limits import CLOSING_EPOCHS
from tests.validator.nodes import LocalNetwork, all_hear_all, run, start_ms, three_devices
from validator.runtime import KEPT_WORK

DEVICES = three_devices()
RETURN_EPOCH = 1 + KEPT_WORK + CLOSING_EPOCHS + 10


async def close_epoch_1(network: LocalNetwork) -> None:
    """Everybody's evidence of epoch 1 is on chain, and nobody has settled it yet."""
    network.clock.time_ms = start_ms(2) - 1_000
    await network.start()
    await network.feed(all_hear_all(network.world(1, *DEVICES)))
    await network.run_until(lambda: len(network.chain.posts) == 4, 30_000)
    assert set(network.settled().values()) == {0}


def test_the_root_of_the_last_epoch_that_pays_lands_after_a_stop_of_many_epochs(tmp_path: Path) -> None:
    async def test() -> None:
        network = LocalNetwork(tmp_path)
        network.chain.register(*DEVICES)
        await close_epoch_1(network)
        await network.stop()
        network.clock.time_ms = start_ms(RETURN_EPOCH)
        await network.start()
        await network.run_until(lambda: min(network.settled().values()) > 1 + KEPT_WORK, 30_000)
        assert network.chain.submitted == []
        await network.run_until(lambda: bool(network.chain.submitted), 60_000)
        assert [one.epoch for one in network.chain.submitted] == [1]
        assert max(len(node.runtime._work) for node in network.nodes.values()) <= 2 * KEPT_WORK
        await network.stop()

    run(test)
