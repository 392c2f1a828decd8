"""Following a network: newest epochs first, what is missing is asked for again, what does not fit stays a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coverage_maps.follower import Asked, Follower
from coverage_maps.record import Problem
from protocol.encoding import sha256
from tests.coverage_maps.factories import FakeChain, World, follower_of, small_devices


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world() -> World:
    world = World(small_devices())
    world.play()
    return world


def everything(follower: Follower):
    while follower.step():
        pass
    return follower.snapshot


def test_an_epoch_appears_once_its_root_is_on_chain(world):
    follower = follower_of(FakeChain(world))
    assert everything(follower).newest.epoch == 1
    world.play()
    assert everything(follower).newest.epoch == 2
    assert set(follower.snapshot.views) == {1, 2}


def test_newest_epochs_are_opened_first_and_a_few_at_a_time(world):
    for _ in range(4):
        world.play()
    follower = follower_of(FakeChain(world))
    assert follower.step()
    assert set(follower.snapshot.views) == {5, 4, 3}
    assert not follower.step()
    assert set(follower.snapshot.views) == {5, 4, 3, 2, 1}


def test_only_the_newest_epochs_are_kept(world):
    chain = FakeChain(world)
    follower = follower_of(chain, kept_epochs=2)
    everything(follower)
    for _ in range(2):
        world.play()
    assert set(everything(follower).views) == {2, 3}
    assert set(follower.snapshot.roots) == {1, 2, 3}


def test_evidence_is_not_kept_in_memory(world):
    assert everything(follower_of(FakeChain(world))).newest.record.evidence.is_empty


def test_missing_evidence_is_asked_for_again_with_growing_pauses(world):
    clock, gone = Clock(), {world.roots[0].data_hash}
    asked = []

    def fetch(digest: bytes) -> bytes | Problem:
        asked.append(digest)
        return Problem("not yet", missing=True) if digest in gone else world.fetch(digest)

    params_file = sha256(world.params_file)
    follower = Follower(FakeChain(world), fetch, lambda: Asked((params_file,)), clock)
    follower.step()
    assert "not yet" in follower.snapshot.problems[1].sentence
    tries = []
    for second in range(1, 9):
        clock.now = float(second)
        before = len(asked)
        follower.step()
        tries.append(len(asked) > before)
    assert [second for second, tried in enumerate(tries, 1) if tried] == [1, 3, 7]
    gone.clear()
    clock.now = 100.0
    follower.step()
    assert follower.snapshot.newest.epoch == 1
    assert follower.snapshot.problems == {}


def test_an_epoch_that_does_not_fit_is_not_tried_again(world):
    world.roots[0] = replace(world.roots[0], root=bytes(32))
    clock = Clock()
    follower = follower_of(FakeChain(world), now_s=clock)
    follower.step()
    sentence = follower.snapshot.problems[1].sentence
    clock.now = 1_000.0
    assert not follower.step()
    assert follower.snapshot.problems[1].sentence == sentence == "The state's amounts do not give the root on chain."
    assert follower.snapshot.newest is None


def test_a_root_the_chain_replaced_is_opened_again(world):
    follower = follower_of(FakeChain(world))
    everything(follower)
    world.roots[0] = replace(world.roots[0], block=7)
    everything(follower)
    assert follower.snapshot.views[1].record.root.block == 7


def test_a_chain_that_does_not_answer_changes_nothing_but_says_so(world):
    chain = FakeChain(world)
    follower = follower_of(chain)
    everything(follower)
    chain.down = "No RPC address answers."
    assert not follower.step()
    assert follower.snapshot.trouble == "No RPC address answers."
    assert follower.snapshot.newest.epoch == 1
    chain.down = ""
    follower.step()
    assert follower.snapshot.trouble == ""


def test_silent_validators_are_named(world):
    silent = Asked(silent=("a:1 does not answer (UNAVAILABLE)",))
    follower = Follower(FakeChain(world), world.fetch, lambda: silent)
    follower.step()
    assert follower.snapshot.trouble == "No validator answers: a:1 does not answer (UNAVAILABLE)."
    assert follower.snapshot.registry, "hotspots are on chain and shown all the same"


def test_no_validators_at_all_is_a_sentence(world):
    follower = Follower(FakeChain(world), world.fetch, Asked)
    follower.step()
    assert follower.snapshot.trouble == "The network file names no validator."


def test_a_validator_with_other_params_does_not_matter_if_another_has_the_right_ones(world):
    world.publish(b"other params")
    asked = Asked((sha256(b"other params"), sha256(world.params_file)))
    follower = Follower(FakeChain(world), world.fetch, lambda: asked)
    assert everything(follower).newest.epoch == 1


def test_what_validators_wait_for_is_passed_on(world):
    asked = Asked((sha256(world.params_file),), waiting=("Epoch 2 waits for 0xabc.",))
    follower = Follower(FakeChain(world), world.fetch, lambda: asked)
    assert everything(follower).waiting == ("Epoch 2 waits for 0xabc.",)
