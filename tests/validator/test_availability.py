"""What a validator does when a peer announces a manifest: pull, check, keep, and only then sign, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.encoding import Network, sha256
from protocol.ids import Address
from protocol.keys import Available, ManifestSigned, recover_quorum, sign_quorum
from protocol.limits import CLOSING_EPOCHS
from protocol.manifest import COMMITS, Manifest
from protocol.records import SegmentRef
from tests.factories import NETWORK, validator_key
from tests.validator.batches import flipped
from tests.validator.disks import DiaryDisk
from tests.validator.fakes import DOMAIN
from tests.validator.nodes import LocalNetwork, Node, all_hear_all, owner_of, run, start_ms, three_devices
from validator.peers import MAX_MANIFESTS_TRIED

DEVICES = three_devices()
POSTER = 2
AFTER_ONE = start_ms(2) + 4_000


@asynccontextmanager
async def two_validators(
    directory: Path, now_ms: int = start_ms(2) + 4_000, **bent: Any
) -> AsyncIterator[LocalNetwork]:
    """Validator 1, who is asked, and validator 2, who posts and has the blobs."""
    network = LocalNetwork(directory)
    network.chain.register(*DEVICES)
    network.clock.time_ms = now_ms
    await network.start(1, **bent)
    await network.start(POSTER)
    try:
        yield network
    finally:
        await network.stop()


def honest(network: LocalNetwork, epoch: int = 1) -> tuple[Manifest, list[bytes]]:
    """Validator 2's manifest and segments, in its store."""
    world = all_hear_all(network.world(epoch, *DEVICES))
    counted = next(one for one in world.manifests() if one.manifest.validator == owner_of(POSTER))
    keep(network.nodes[POSTER], counted.manifest, list(counted.segments))
    return counted.manifest, list(counted.segments)


def keep(node: Node, manifest: Manifest, segments: list[bytes]) -> None:
    for blob in (manifest.encode(), *segments):
        node.store.put(blob)


def announcement(epoch: int, manifest_hash: bytes, signer: str = f"v{POSTER}") -> bytes:
    return sign_quorum(validator_key(signer), DOMAIN.digest(ManifestSigned(epoch, manifest_hash)))


async def announce(network: LocalNetwork, manifest: Manifest, *, epoch: int = 1, poster: int = POSTER) -> bytes | str:
    digest = manifest.digest()
    desk = network.nodes[1].availability
    return await desk.consider(epoch, owner_of(poster), digest, announcement(epoch, digest))


def is_available(network: LocalNetwork, manifest: Manifest, answer: bytes | str) -> bool:
    digest = DOMAIN.digest(Available(manifest.epoch, manifest.validator, manifest.digest()))
    return isinstance(answer, bytes) and recover_quorum(digest, answer) == network.nodes[1].signer.address


def test_an_honest_manifest_is_signed_available(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            manifest, _ = honest(network)
            assert is_available(network, manifest, await announce(network, manifest))

    run(test)


def test_manifest_and_segments_are_on_the_device_before_anything_is_signed(tmp_path: Path) -> None:
    async def test() -> None:
        disk = DiaryDisk()
        async with two_validators(tmp_path, disk=disk) as network:
            manifest, segments = honest(network)
            disk.events.clear()
            await announce(network, manifest)
            signing = disk.events.index(("append", "signed.log"))
            for blob in (manifest.encode(), *segments):
                folder = sha256(blob).hex()[:2]
                assert ("sync", folder) in disk.events[:signing]
                assert network.nodes[1].store.get(sha256(blob)) == blob

    run(test)


def test_an_announcement_again_gets_the_same_signature_also_after_a_restart(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            manifest, _ = honest(network)
            first = await announce(network, manifest)
            assert await announce(network, manifest) == first
            await network.stop(1)
            await network.start(1)
            assert await announce(network, manifest) == first

    run(test)


def other_manifest(network: LocalNetwork, manifest: Manifest) -> Manifest:
    """The same validator's second manifest, right in itself: an empty one."""
    other = replace(manifest, segments=(), positions=())
    keep(network.nodes[POSTER], other, [])
    return other


def test_a_second_manifest_of_the_same_validator_and_epoch_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            manifest, _ = honest(network)
            other = other_manifest(network, manifest)
            assert is_available(network, manifest, await announce(network, manifest))
            for _ in range(2):
                assert str(await announce(network, other)).endswith("one manifest per validator and epoch")
                await network.stop(1)
                await network.start(1)

    run(test)


def test_of_two_manifests_announced_at_once_one_is_signed(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            manifest, _ = honest(network)
            other = other_manifest(network, manifest)
            answers = await asyncio.gather(announce(network, manifest), announce(network, other))
            assert sorted(type(one).__name__ for one in answers) == ["bytes", "str"]

    run(test)


def test_a_validator_that_announces_manifest_after_manifest_is_not_pulled_from_for_ever(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            for number in range(MAX_MANIFESTS_TRIED):
                missing = manifest_naming(SegmentRef(COMMITS, sha256(bytes([number])), 1))
                keep(network.nodes[POSTER], missing, [])
                assert "segment" in str(await announce(network, missing))
            manifest, _ = honest(network)
            assert str(await announce(network, manifest)).startswith("too many different manifests")
            assert not network.nodes[1].store.has(manifest.digest())

    run(test)


def manifest_naming(*references: SegmentRef, **bent: Any) -> Manifest:
    return replace(Manifest(NETWORK, 1, owner_of(POSTER), references, (), ()), **bent)


# --- what is not even pulled --------------------------------------------------------------------------------------


@pytest.mark.parametrize("signer", ["v1", "v3", "nobody"])
def test_an_announcement_signed_by_another_key_is_refused_and_not_pulled(tmp_path: Path, signer: str) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            manifest, _ = honest(network)
            desk, digest = network.nodes[1].availability, manifest.digest()
            answer = await desk.consider(1, owner_of(POSTER), digest, announcement(1, digest, signer))
            assert answer == "the announcement is not signed by that validator's key"
            assert not network.nodes[1].store.has(digest)

    run(test)


@pytest.mark.parametrize("at", range(0, 65, 8))
def test_a_flipped_bit_in_an_announcements_signature_is_named(tmp_path: Path, at: int) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            manifest, _ = honest(network)
            digest = manifest.digest()
            bent = flipped(announcement(1, digest), at)
            answer = await network.nodes[1].availability.consider(1, owner_of(POSTER), digest, bent)
            assert answer == "the announcement is not signed by that validator's key"

    run(test)


def test_an_announcement_for_a_stranger_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            manifest, _ = honest(network)
            digest = manifest.digest()
            stranger = Address(b"\x55" * 20)
            answer = await network.nodes[1].availability.consider(1, stranger, digest, announcement(1, digest))
            assert answer == "the announcement is not signed by that validator's key"

    run(test)


LAST_MS = start_ms(2 + CLOSING_EPOCHS)


@pytest.mark.parametrize(
    ("now_ms", "taken"), [(start_ms(2) - 1, False), (start_ms(2), True), (LAST_MS - 1, True), (LAST_MS, False)]
)
def test_an_epoch_takes_manifests_from_its_end_for_seven_epochs(tmp_path: Path, now_ms: int, taken: bool) -> None:
    async def test() -> None:
        async with two_validators(tmp_path, now_ms) as network:
            manifest, _ = honest(network)
            answer = await announce(network, manifest)
            assert is_available(network, manifest, answer) is taken
            assert taken or answer == "epoch 1 takes no manifests now"

    run(test)


@pytest.mark.parametrize("epoch", [0, 2, 2**63 - 1])
def test_an_epoch_that_has_not_ended_or_is_none_takes_no_manifests(tmp_path: Path, epoch: int) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            manifest, _ = honest(network)
            answer = await announce(network, manifest, epoch=epoch)
            assert answer == f"epoch {epoch} takes no manifests now"

    run(test)


# --- what is pulled and not signed --------------------------------------------------------------------------------


BENT: dict[str, tuple[dict[str, Any], str]] = {
    "another network": ({"network": Network(1, NETWORK.hotspots)}, "the manifest is of another network"),
    "another epoch": ({"epoch": 2}, "of another epoch or validator"),
    "another validator": ({"validator": owner_of(3)}, "of another epoch or validator"),
    "a segment nobody has": ({"segments": (SegmentRef(COMMITS, bytes(32), 1),)}, "a segment is not to be had"),
    "more rows than may be": (
        {"segments": (SegmentRef(COMMITS, bytes(32), 3 * 2_048 + 1),)},
        "more rows than its hotspots may send",
    ),
    "no position": ({"positions": ()}, "the positions are not those of the cells in the segments"),
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_manifest_is_refused_with_its_sentence_and_not_signed(tmp_path: Path, name: str) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            fields, sentence = BENT[name]
            manifest, _ = honest(network)
            bent = replace(manifest, **fields)
            network.nodes[POSTER].store.put(bent.encode())
            answer = await announce(network, bent)
            assert isinstance(answer, str)
            assert sentence in answer
            assert (network.nodes[1].directory / "signed.log").stat().st_size == 0

    run(test)


def test_a_manifest_nobody_has_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            answer = await announce(network, manifest_naming())
            assert answer == "the manifest is not to be had, not canonical, or of another epoch or validator"

    run(test)


def test_bytes_that_are_no_manifest_are_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            digest = network.nodes[POSTER].store.put(b"not a manifest")
            desk = network.nodes[1].availability
            answer = await desk.consider(1, owner_of(POSTER), digest, announcement(1, digest))
            assert answer == "the manifest is not to be had, not canonical, or of another epoch or validator"

    run(test)


def test_a_segment_larger_than_the_manifest_says_is_not_kept(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            large = network.nodes[POSTER].store.put(bytes(1_000_000))
            manifest = manifest_naming(SegmentRef(COMMITS, large, 1))
            keep(network.nodes[POSTER], manifest, [])
            answer = await announce(network, manifest)
            assert answer == "a segment is not to be had, or is larger than the manifest says"
            assert not network.nodes[1].store.has(large)

    run(test)


def test_a_manifest_is_signed_once_its_missing_segment_arrives(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            manifest, segments = honest(network)
            path = network.nodes[POSTER].store._path(sha256(segments[0]))
            path.unlink()
            assert "a segment is not to be had" in str(await announce(network, manifest))
            network.nodes[POSTER].store.put(segments[0])
            assert is_available(network, manifest, await announce(network, manifest))

    run(test)


def test_the_chain_is_asked_outside_the_event_loop(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            manifest, _ = honest(network)
            network.chain.in_loop.clear()
            await announce(network, manifest)
            assert network.chain.in_loop == []

    run(test)


def test_what_is_remembered_of_announcements_is_bounded(tmp_path: Path) -> None:
    async def test() -> None:
        async with two_validators(tmp_path) as network:
            for epoch in range(1, 40):
                network.clock.time_ms = start_ms(epoch + 1) + 4_000
                network.nodes[1].view.refresh()
                manifest = manifest_naming(epoch=epoch)
                keep(network.nodes[POSTER], manifest, [])
                assert is_available(network, manifest, await announce(network, manifest, epoch=epoch))
            assert len(network.nodes[1].availability._announced) <= CLOSING_EPOCHS + 1

    run(test)
