"""Evidence is gathered within the bounds that are known: no peer may send more than the manifest says."""

from __future__ import annotations

from protocol.closing import Post
from protocol.encoding import sha256
from protocol.limits import MAX_MANIFEST_BYTES
from tests.factories import NETWORK, World, make_device, north_of_ulm
from tests.validator.nodes import run
from validator.assembly import counted_manifest


class Bounded:
    """Blobs that remember within which bound each was asked for."""

    def __init__(self, *blobs: bytes) -> None:
        self._blobs = {sha256(blob): blob for blob in blobs}
        self.bounds: dict[bytes, int] = {}

    async def get(self, digest: bytes, *, most_bytes: int = 2**60) -> bytes | None:
        self.bounds[digest] = most_bytes
        return self._blobs.get(digest)


def test_a_counted_manifest_is_fetched_within_its_real_bounds() -> None:
    world = World()
    near, far = make_device("near", north_of_ulm(0)), make_device("far", north_of_ulm(4))
    world.add(near, far)
    world.beacon(near)
    world.hears(far, near)
    counted = world.manifests()[0]
    blobs = Bounded(counted.manifest.encode(), *counted.segments)
    post = Post(world.epoch, counted.manifest.validator, counted.manifest.digest(), (), 1, 1)

    async def test() -> None:
        assert await counted_manifest(post, NETWORK, blobs) == counted

    run(test)
    assert counted.segments
    assert blobs.bounds == {
        post.manifest_hash: MAX_MANIFEST_BYTES,
        **{sha256(segment): len(segment) for segment in counted.segments},
    }
