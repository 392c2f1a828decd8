"""From public data to one epoch's inputs and result: one path for who signs and who checks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from protocol.closing import Post
from protocol.encoding import Network, sha256
from protocol.epoch import EpochInputs, EpochResult, decode_summary, settle
from protocol.evidence import CountedManifest
from protocol.ids import Address, HotspotId
from protocol.limits import MAX_MANIFEST_BYTES
from protocol.manifest import Manifest, decode_manifest, segment_problem
from protocol.need import NeedMap, decode_map
from protocol.records import SEGMENT_ROWS
from protocol.registry import Registered
from protocol.state import State, decode_state, genesis_state
from protocol.verdicts import Engine
from validator.chain_view import ChainView
from validator.rules import Blobs, NetworkRules


class NotYetError(Exception):
    """Something an epoch needs is not known yet; the message says what. Try again later."""


class BrokenEvidenceError(Exception):
    """Certified evidence breaks the rules: more than a third of stake is faulty. The message says how."""


@dataclass(frozen=True, slots=True)
class Before:
    """The state an epoch starts from, with the need maps it names."""

    state: State
    need_now: NeedMap
    need_next: NeedMap


def genesis(rules: NetworkRules, genesis_ms: int) -> Before:
    """What epoch 1 starts from; everybody computes it from the params alone."""
    state, first_map = genesis_state(rules.need, genesis_ms, rules.params.emission)
    return Before(state, first_map, first_map)


def after(result: EpochResult, before: Before) -> Before:
    """What the next epoch starts from."""
    return Before(result.state, before.need_next, result.need_map)


async def restore(state_bytes: bytes, rules: NetworkRules, blobs: Blobs) -> Before | None:
    """A state with its need maps from their bytes, or None if any of them is missing or not canonical."""
    state = decode_state(state_bytes)
    if state is None:
        return None
    maps = [await _need_map(digest, rules, blobs) for digest in (state.need_map_next, state.need_map_after)]
    return Before(state, maps[0], maps[1]) if maps[0] is not None and maps[1] is not None else None


async def _need_map(digest: bytes, rules: NetworkRules, blobs: Blobs) -> NeedMap | None:
    data = await blobs.get(digest)
    return None if data is None else decode_map(data, rules.params.need)


async def adopt(chain: ChainView, rules: NetworkRules, blobs: Blobs, epoch: int) -> Before:
    """The state of the newest root before `epoch`, by the hash > 2/3 of stake signed; genesis if there is none."""
    root = chain.last_root(before=epoch)
    if root is None:
        return genesis(rules, chain.genesis_ms)
    data = await blobs.get(root.data_hash)
    summary = None if data is None else decode_summary(data)
    if summary is None:
        raise NotYetError(f"the summary of epoch {root.epoch} is not to be had from any validator")
    state_bytes = await blobs.get(summary.head.state_after)
    before = None if state_bytes is None else await restore(state_bytes, rules, blobs)
    if before is None:
        raise NotYetError(f"the state of epoch {root.epoch} is not to be had from any validator")
    return before


async def compute(chain: ChainView, rules: NetworkRules, blobs: Blobs, before: Before, engine: Engine) -> EpochResult:
    """The epoch after `before`; NotYetError while the chain or the evidence is incomplete."""
    inputs = await gather_inputs(chain, rules, blobs, before)
    return await asyncio.to_thread(settle, inputs, engine)


async def gather_inputs(chain: ChainView, rules: NetworkRules, blobs: Blobs, before: Before) -> EpochInputs:
    """Everything the epoch after `before` is computed from."""
    epoch = before.state.epoch + 1
    facts = await asyncio.to_thread(_chain_facts, chain, epoch)
    if facts is None:
        raise NotYetError(f"the chain has not settled the evidence of epoch {epoch} yet")
    wanted = await asyncio.to_thread(chain.params_hash, epoch)
    if wanted != rules.params_hash:
        raise NotYetError(
            f"epoch {epoch} is judged by other params, voted in since: 0x{(wanted or b'').hex()}. Put that params file "
            "among the files and its hash into the network file, and start again"
        )
    counted = [await counted_manifest(post, chain.network, blobs) for post in facts.counted]
    return EpochInputs(
        network=chain.network,
        params=rules.params,
        params_hash=rules.params_hash,
        regions=rules.regions,
        need=rules.need,
        epoch=epoch,
        start_ms=chain.start_ms(epoch),
        seed=facts.seed,
        draw=facts.draw,
        registry=facts.registry,
        stakes=facts.stakes,
        counted=tuple(counted),
        before=before.state,
        need_now=before.need_now,
        need_next=before.need_next,
    )


@dataclass(frozen=True, slots=True)
class _ChainFacts:
    """What the chain says of a closed epoch."""

    counted: tuple[Post, ...]
    seed: bytes
    draw: bytes
    registry: Mapping[HotspotId, Registered]
    stakes: Mapping[Address, int]


def _chain_facts(chain: ChainView, epoch: int) -> _ChainFacts | None:
    """The facts once the epoch is closed and its draw known; None while the chain does not say."""
    closing, seed, draw = chain.closing(epoch), chain.seed(epoch), chain.draw(epoch)
    registry, members = chain.registry(epoch), chain.validators(epoch)
    if closing is None or not closing.closed or seed is None or draw is None or registry is None or members is None:
        return None
    return _ChainFacts(closing.counted, seed, draw, registry, members.stakes)


async def counted_manifest(post: Post, network: Network, blobs: Blobs) -> CountedManifest:
    """A certified manifest with its segments; NotYetError while a blob is missing."""
    data = await blobs.get(post.manifest_hash, most_bytes=MAX_MANIFEST_BYTES)
    if data is None:
        raise NotYetError(f"the manifest {post.manifest_hash.hex()[:16]}... of epoch {post.epoch} is missing")
    manifest = await asyncio.to_thread(decode_manifest, data)
    if manifest is None or not is_manifest_of(manifest, network, post):
        raise BrokenEvidenceError(f"the certified manifest {post.manifest_hash.hex()[:16]}... is not canonical")
    segments = []
    for reference in manifest.segments:
        most_bytes = reference.rows * SEGMENT_ROWS[reference.kind].width()
        segment = await blobs.get(reference.digest, most_bytes=most_bytes)
        if segment is None:
            raise NotYetError(f"the segment {reference.digest.hex()[:16]}... of epoch {post.epoch} is missing")
        problem = await asyncio.to_thread(segment_problem, reference.kind, segment, network, post.epoch)
        if problem is not None or sha256(segment) != reference.digest:
            raise BrokenEvidenceError(f"the certified segment {reference.digest.hex()[:16]}...: {problem}")
        segments.append(segment)
    return CountedManifest(manifest, tuple(segments))


def is_manifest_of(manifest: Manifest, network: Network, post: Post) -> bool:
    return (manifest.network, manifest.epoch, manifest.validator) == (network, post.epoch, post.validator)
