"""When an epoch's evidence is closed, and by which manifests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from protocol.closing import Binding, Block, Closing, Member, Post, close, is_certified
from protocol.ids import Address
from protocol.keys import Available, Domain, ManifestSigned, Typed, quorum_address, sign_quorum
from protocol.limits import CLOSING_EPOCHS
from tests.factories import DEVNET, address, validator_key

DOMAIN = Domain(31_337, Address(bytes(19) + b"\1"))
NAMES = ("v1", "v2", "v3", "v4")
MEMBERS = [Member(address(name), quorum_address(validator_key(name)), 100) for name in NAMES]
KEYS = {member.key: Binding(member.owner, 0) for member in MEMBERS}
EPOCH, END_MS = 7, 1_000_000
CLOSE_MS = END_MS + DEVNET.epoch.close_after_ms
EXPIRY_MS = END_MS + CLOSING_EPOCHS * DEVNET.epoch.length_ms
BLOCK_MS = 1_000


def signed(name: str, message: Typed) -> bytes:
    return sign_quorum(validator_key(name), DOMAIN.digest(message))


def post(name: str, *holders: str, at_ms: int = END_MS + 4_000, **bent: object) -> Post:
    """A manifest signed by its poster and said to be available by others."""
    digest = name.encode().ljust(32, b"\0")
    available = Available(EPOCH, address(name), digest)
    signatures = (signed(name, ManifestSigned(EPOCH, digest)), *(signed(one, available) for one in holders))
    made = Post(EPOCH, address(name), digest, signatures, at_ms // BLOCK_MS, at_ms)
    return replace(made, **bent)  # type: ignore[arg-type]


def certified(name: str, at_ms: int = END_MS + 4_000) -> Post:
    return post(name, *NAMES, at_ms=at_ms)


def judge(posts: Sequence[Post], final_ms: int, members: Sequence[Member] = MEMBERS) -> Closing:
    """Blocks come every second; posts of later blocks are not final yet and not given."""

    def first_block_from(time_ms: int) -> Block | None:
        number = -(-time_ms // BLOCK_MS)
        return Block(number, number * BLOCK_MS) if number * BLOCK_MS <= final_ms else None

    final = Block(final_ms // BLOCK_MS, final_ms)
    seen = [one for one in posts if one.block <= final.number]
    return close(seen, members, KEYS, DOMAIN, END_MS, DEVNET.epoch, first_block_from, final)


# --- certified


def test_a_manifest_most_stake_holds_is_certified() -> None:
    assert is_certified(post("v1", "v2", "v3"), MEMBERS, KEYS, DOMAIN)


def test_the_poster_holds_its_own_manifest() -> None:
    assert is_certified(post("v1", "v2", "v3"), MEMBERS, KEYS, DOMAIN)
    assert not is_certified(post("v1", "v2"), MEMBERS, KEYS, DOMAIN)


def test_a_replaced_key_still_counts_for_its_owner() -> None:
    """The signatures of an epoch may be older, or younger, than the key that B_e has."""
    rotated = [replace(one, key=quorum_address(validator_key(f"new {one.owner.hex()}"))) for one in MEMBERS]
    assert is_certified(post("v1", "v2", "v3"), rotated, KEYS, DOMAIN)


def test_two_keys_of_one_owner_count_once() -> None:
    second = {quorum_address(validator_key("second")): Binding(address("v2"), 0)}
    assert not is_certified(post("v1", "v2", "second"), MEMBERS, KEYS | second, DOMAIN)


@pytest.mark.parametrize(("known_since", "counts"), [(0, True), (1, False)])
def test_a_key_counts_from_the_block_that_binds_it(known_since: int, counts: bool) -> None:
    made = post("v1", "v2", "v3")
    keys = KEYS | {MEMBERS[2].key: Binding(MEMBERS[2].owner, made.block + known_since)}
    assert is_certified(made, MEMBERS, keys, DOMAIN) == counts


def test_exactly_two_thirds_is_not_enough() -> None:
    assert not is_certified(post("v1", "v2"), MEMBERS[:3], KEYS, DOMAIN)


def test_a_holder_counts_once() -> None:
    assert not is_certified(post("v1", "v2", "v2", "v2"), MEMBERS, KEYS, DOMAIN)


def test_stake_counts_not_heads() -> None:
    rich = [replace(MEMBERS[0], stake=1_000), *MEMBERS[1:]]
    assert is_certified(post("v1"), rich, KEYS, DOMAIN)


def test_a_stranger_holds_nothing() -> None:
    assert not is_certified(post("v1", "v2", "somebody", "else"), MEMBERS, KEYS, DOMAIN)


def test_a_stranger_posts_nothing() -> None:
    assert not is_certified(post("somebody", *NAMES), MEMBERS, KEYS, DOMAIN)


def test_somebody_else_cannot_post_for_a_validator() -> None:
    forged = post("v1", *NAMES)
    signature = signed("v2", ManifestSigned(EPOCH, forged.manifest_hash))
    assert not is_certified(replace(forged, signatures=(signature, *forged.signatures[1:])), MEMBERS, KEYS, DOMAIN)


def test_a_post_without_signatures_is_not_certified() -> None:
    assert not is_certified(post("v1", signatures=()), MEMBERS, KEYS, DOMAIN)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_flipped_bit_in_a_needed_signature_ends_the_certificate(which: int) -> None:
    made = post("v1", "v2", "v3")
    signatures = list(made.signatures)
    signatures[which] = bytes([signatures[which][0] ^ 1]) + signatures[which][1:]
    assert not is_certified(replace(made, signatures=tuple(signatures)), MEMBERS, KEYS, DOMAIN)


@pytest.mark.parametrize("bent", [{"epoch": EPOCH + 1}, {"manifest_hash": bytes(32)}])
def test_signatures_of_another_epoch_or_manifest_do_not_certify(bent: dict[str, object]) -> None:
    assert not is_certified(post("v1", "v2", "v3", **bent), MEMBERS, KEYS, DOMAIN)


def test_signatures_for_another_contract_do_not_certify() -> None:
    assert not is_certified(post("v1", "v2", "v3"), MEMBERS, KEYS, replace(DOMAIN, epochs=Address(bytes(20))))


def test_a_key_that_is_bound_to_nobody_signs_for_nobody() -> None:
    known = {key: binding for key, binding in KEYS.items() if binding.owner != address("v1")}
    assert not is_certified(post("v1", "v2", "v3"), MEMBERS, known, DOMAIN)


# --- closed

THREE = [certified("v1"), certified("v2"), certified("v3")]


def test_closes_with_the_first_block_after_the_window() -> None:
    assert judge(THREE, CLOSE_MS) == Closing(True, tuple(THREE), ())


def test_waits_for_that_block_to_be_final() -> None:
    assert judge(THREE, CLOSE_MS - 1) == Closing(False, (), ())


def test_two_thirds_of_stake_do_not_close() -> None:
    assert not judge(THREE[:2], CLOSE_MS, MEMBERS[:3]).closed


def test_says_who_is_missing() -> None:
    found = judge(THREE[:2], CLOSE_MS)
    assert (found.closed, found.missing) == (False, tuple(sorted(one.owner for one in MEMBERS[2:])))


def test_an_uncertified_manifest_neither_closes_nor_counts() -> None:
    weak = post("v4", "v1")
    assert judge([*THREE[:2], weak], CLOSE_MS).closed is False
    assert judge([*THREE, weak], CLOSE_MS).counted == tuple(THREE)


def test_a_manifest_posted_in_the_closing_block_counts() -> None:
    last = certified("v4", CLOSE_MS)
    assert judge([*THREE, last], CLOSE_MS).counted == (*THREE, last)


def test_a_manifest_posted_after_the_closing_block_is_out_for_everyone() -> None:
    late = certified("v4", CLOSE_MS + BLOCK_MS)
    assert judge([*THREE, late], CLOSE_MS + 60 * BLOCK_MS).counted == tuple(THREE)


def test_the_closing_block_waits_for_the_stake() -> None:
    third = certified("v3", CLOSE_MS + 30 * BLOCK_MS)
    between = certified("v4", CLOSE_MS + 30 * BLOCK_MS)
    found = judge([*THREE[:2], third, between], CLOSE_MS + 40 * BLOCK_MS)
    assert found == Closing(True, (*THREE[:2], third, between), ())


def test_counted_manifests_keep_the_chains_order() -> None:
    posts = [certified("v3"), certified("v1"), certified("v2")]
    assert judge(posts, CLOSE_MS).counted == tuple(posts)


@pytest.mark.parametrize(("final_ms", "expired"), [(EXPIRY_MS - 1, False), (EXPIRY_MS, True)])
def test_an_epoch_nobody_certifies_expires_empty(final_ms: int, *, expired: bool) -> None:
    found = judge(THREE[:2], final_ms)
    assert (found.closed, found.counted, found.expired) == (expired, (), expired)


def test_an_epoch_that_reached_its_stake_in_time_never_expires() -> None:
    found = judge(THREE, EXPIRY_MS + 10 * BLOCK_MS)
    assert (found.closed, found.expired) == (True, False)


def test_a_validator_whose_manifest_carries_a_broken_signature_is_named_as_missing() -> None:
    broken = certified("v3")
    signature = bytes([broken.signatures[0][0] ^ 1]) + broken.signatures[0][1:]
    found = judge([*THREE[:2], replace(broken, signatures=(signature, *broken.signatures[1:]))], CLOSE_MS)
    assert (found.closed, address("v3") in found.missing) == (False, True)
