"""When an epoch's evidence is closed, and by which manifests (protocol.md §5.3, §5.4). The chain decides; all agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from protocol.ids import Address
from protocol.keys import Available, Domain, ManifestSigned, recover_quorum
from protocol.limits import CLOSING_EPOCHS
from protocol.parameters import Windows
from protocol.quorum import is_quorum, stake_of


@dataclass(frozen=True, slots=True)
class Member:
    """A validator at B_e."""

    owner: Address
    key: Address
    stake: int


@dataclass(frozen=True, slots=True)
class Binding:
    """Whose a signing key is, for ever, and the block since which everybody can know."""

    owner: Address
    block: int


Keys = Mapping[Address, Binding]
"""Every signing key that was ever announced. A replaced one stays its owner's: evidence outlives keys."""


@dataclass(frozen=True, slots=True)
class Post:
    """A manifest as the chain ordered it; the first signature is the poster's, the others say it is available."""

    epoch: int
    validator: Address
    manifest_hash: bytes
    signatures: tuple[bytes, ...]
    block: int
    block_time_ms: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block's place in the chain."""

    number: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Closing:
    """Where an epoch stands: `closed` with the manifests that count; while it waits for stake, who is missing."""

    closed: bool
    counted: tuple[Post, ...]
    missing: tuple[Address, ...]
    expired: bool = False
    """Nothing was certified in time: the epoch is empty."""


def is_certified(post: Post, members: Sequence[Member], keys: Keys, domain: Domain) -> bool:
    """True if the poster signed the manifest and > 2/3 of stake at B_e signed it available, the poster included.

    A signature counts for the owner its key was bound to by the block of the post, whichever key is in force.
    """
    stakes = {member.owner: member.stake for member in members}
    if post.validator not in stakes or not post.signatures:
        return False
    own = domain.digest(ManifestSigned(post.epoch, post.manifest_hash))
    if _signer(own, post.signatures[0], keys, post.block) != post.validator:
        return False
    digest = domain.digest(Available(post.epoch, post.validator, post.manifest_hash))
    signers = (_signer(digest, signature, keys, post.block) for signature in post.signatures[1:])
    holders = {owner for owner in signers if owner is not None} | {post.validator}
    return is_quorum(stake_of(holders, stakes), sum(stakes.values()))


def _signer(digest: bytes, signature: bytes, keys: Keys, block: int) -> Address | None:
    """The owner account whose key signed, as far as `block` knows; None if nobody's did."""
    key = recover_quorum(digest, signature)
    binding = None if key is None else keys.get(key)
    return binding.owner if binding is not None and binding.block <= block else None


def close(
    posts: Sequence[Post],
    members: Sequence[Member],
    keys: Keys,
    domain: Domain,
    end_ms: int,
    windows: Windows,
    first_block_from: Callable[[int], Block | None],
    final: Block,
) -> Closing:
    """Judges an epoch's posts, in the chain's order, all of them in blocks up to `final`.

    `first_block_from(time_ms)` gives the first final block at or after a time, or None while there is none.
    """
    certified = [post for post in posts if is_certified(post, members, keys, domain)]
    stakes = {member.owner: member.stake for member in members}
    enough = _quorum_post(certified, stakes)
    if enough is None:
        expired = final.time_ms >= end_ms + CLOSING_EPOCHS * windows.length_ms
        return Closing(expired, (), () if expired else _missing(certified, stakes), expired)
    earliest = first_block_from(end_ms + windows.close_after_ms)
    if earliest is None:
        return Closing(False, (), ())
    last_block = max(earliest.number, enough.block)
    return Closing(True, tuple(post for post in certified if post.block <= last_block), ())


def _quorum_post(certified: Sequence[Post], stakes: Mapping[Address, int]) -> Post | None:
    """The post with which certified manifests of > 2/3 of stake are on chain."""
    posted: set[Address] = set()
    for post in certified:
        posted.add(post.validator)
        if is_quorum(stake_of(posted, stakes), sum(stakes.values())):
            return post
    return None


def _missing(certified: Sequence[Post], stakes: Mapping[Address, int]) -> tuple[Address, ...]:
    return tuple(sorted(set(stakes) - {post.validator for post in certified}))
