"""An epoch is shown only if every part of it hashes to the root on chain; anything else is a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coverage_maps.record import EpochRecord, Problem, Rules, open_epoch, open_rules
from protocol.encoding import sha256
from protocol.epoch import decode_summary
from protocol.registry import Registered
from protocol.version import PROTOCOL_VERSION
from tests.coverage_maps.factories import GENESIS_MS, World, record_of, rules_of, small_world


@pytest.fixture(scope="module")
def world() -> World:
    return small_world()


def opened(world: World, epoch: int = 2, **changes) -> EpochRecord | Problem:
    """Epoch `epoch` read with some of its inputs changed."""
    inputs = {
        "root": world.roots[epoch - 1],
        "rules": rules_of(world),
        "registry": world.registry,
        "seed": world.seed_of(epoch),
        "fetch": world.fetch,
    }
    return open_epoch(**(inputs | changes))


def sentence(found: EpochRecord | Problem) -> str:
    assert isinstance(found, Problem)
    return found.sentence


def without(world: World, digest: bytes):
    return lambda wanted: Problem("nobody has it", missing=True) if wanted == digest else world.fetch(wanted)


def instead(world: World, digest: bytes, data: bytes):
    return lambda wanted: data if wanted == digest else world.fetch(wanted)


@pytest.mark.parametrize("epoch", [1, 2])
def test_opens_a_settled_epoch(world, epoch):
    record = record_of(world, epoch)
    assert record.after.digest() == world.results[epoch - 1].state.digest()
    assert record.earned(world.devices[0].registered.hotspot_id) == world.results[epoch - 1].earned.get(
        world.devices[0].registered.hotspot_id, 0
    )


def test_the_first_epoch_needs_no_published_genesis_state(world):
    head = decode_summary(world.results[0].summary).head
    assert isinstance(opened(world, 1, fetch=without(world, head.state_before)), EpochRecord)


PARTS = ("need_map", "outcomes", "state_after", "state_before")


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_worth_another_try(world, part):
    digest = getattr(decode_summary(world.results[1].summary).head, part)
    found = opened(world, fetch=without(world, digest))
    assert isinstance(found, Problem)
    assert found.missing
    assert "is not to be had: nobody has it" in found.sentence


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_not_canonical_is_refused(world, part):
    digest = getattr(decode_summary(world.results[1].summary).head, part)
    found = opened(world, fetch=instead(world, digest, world.fetch(digest) + b"x"))
    assert isinstance(found, Problem)
    assert not found.missing
    assert "is not canonical" in found.sentence


def test_a_missing_summary_names_the_validators_answer(world):
    found = opened(world, fetch=without(world, world.roots[1].data_hash))
    assert "The summary" in sentence(found)


def test_a_segment_that_is_not_canonical_is_refused(world):
    (manifest, *_) = decode_summary(world.results[1].summary).manifests
    from protocol.manifest import decode_manifest

    reference = decode_manifest(world.fetch(manifest.digest)).segments[1]
    found = opened(world, fetch=instead(world, reference.digest, world.fetch(reference.digest)[:-1]))
    assert "A segment has a row that is not canonical." in sentence(found)


def test_amounts_that_do_not_give_the_root_are_refused(world):
    found = opened(world, root=replace(world.roots[1], root=bytes(32)))
    assert sentence(found) == "The state's amounts do not give the root on chain."


def test_a_total_that_is_not_on_chain_is_refused(world):
    found = opened(world, root=replace(world.roots[1], cumulative_total=1))
    assert sentence(found) == "The state's total is not the one on chain."


def test_another_registry_is_refused(world):
    one = next(iter(world.registry.values()))
    moved = {**world.registry, one.hotspot_id: Registered(replace(one.row, cell=one.row.cell ^ 1), one.x, one.y)}
    assert "The registry on chain is not the one" in sentence(opened(world, registry=moved))


def test_other_params_are_refused(world):
    rules = replace(rules_of(world), params_hash=bytes(32))
    assert "judged by other params" in sentence(opened(world, rules=rules))


def test_another_protocol_version_names_both(world, monkeypatch):
    monkeypatch.setattr("coverage_maps.record.PROTOCOL_VERSION", 99)
    judged = f"The epoch was judged by protocol version {PROTOCOL_VERSION}"
    assert sentence(opened(world)) == f"{judged}; this release reads 99."


def test_a_root_posted_for_another_epoch_is_refused(world):
    found = opened(world, root=replace(world.roots[1], epoch=3))
    assert sentence(found) == "A table belongs to another epoch."


def test_weights_that_do_not_follow_from_the_need_map_are_refused(world, monkeypatch):
    monkeypatch.setattr("coverage_maps.record.pay_weight_u", lambda *_: 1)
    assert "by another weight than the need map gives" in sentence(opened(world))


# --- the rules ---------------------------------------------------------------------------------------------------


def test_rules_need_the_hash_on_chain(world):
    found = open_rules(sha256(world.params_file), bytes(32), GENESIS_MS, world.fetch)
    assert isinstance(found, Problem)
    assert "do not give the params hash on chain" in found.sentence


def test_rules_need_the_listed_baseline(world):
    digest = bytes.fromhex(world.params.baselines[0].sha256)
    found = open_rules(sha256(world.params_file), world.params_hash, GENESIS_MS, without(world, digest))
    assert isinstance(found, Problem)
    assert "The baseline file drive test" in found.sentence


def test_a_params_file_this_release_cannot_read_is_a_sentence(world, monkeypatch):
    monkeypatch.setattr("coverage_maps.record.params_hash", lambda *_: world.params_hash)
    found = open_rules(sha256(b"x = 1"), world.params_hash, GENESIS_MS, lambda _: b"x = 1")
    assert isinstance(found, Problem)
    assert "The params file cannot be read" in found.sentence


def test_rules_open(world):
    assert isinstance(rules_of(world), Rules)
