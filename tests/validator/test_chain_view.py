"""What the chain says of each epoch, and that no more of it is kept than fits."""

from __future__ import annotations

import pytest

from chain.errors import ChainUnavailable
from chain.events import ManifestPosted
from protocol.closing import Member
from protocol.encoding import epoch_draw, epoch_seed, sha256
from protocol.keys import Available, EpochRoot, ManifestSigned, quorum_address, sign_quorum
from tests.factories import DEVNET, NETWORK, make_device, north_of_ulm, validator_key
from tests.validator.fakes import DOMAIN, FINAL_BLOCKS, FakeChain, ManualClock
from tests.validator.nodes import owner_of, start_ms
from validator.chain_view import KEPT, KEPT_EPOCHS, ChainView

LEAD_MS = DEVNET.epoch.seed_lead_ms
FINAL_MS = 1_000 * FINAL_BLOCKS


def chain_at(time_ms: int) -> FakeChain:
    members = [Member(owner_of(n), quorum_address(validator_key(f"v{n}")), 100) for n in range(1, 5)]
    return FakeChain(ManualClock(time_ms), members)


def view_of(chain: FakeChain) -> ChainView:
    view = ChainView(chain, chain, DEVNET)  # type: ignore[arg-type]
    view.refresh()
    return view


def test_a_seed_is_known_once_a_final_block_lies_behind_its_deadline() -> None:
    chain = chain_at(start_ms(1) - LEAD_MS + FINAL_MS)
    view = view_of(chain)
    assert view.seed(1) is None
    chain.clock.time_ms += 1_000
    assert view.seed(1) is None
    view.refresh()
    assert view.seed(1) == epoch_seed(NETWORK, 1, chain.seed_block(1).hash)


def test_a_hotspot_plays_once_its_registration_is_in_the_seeds_block() -> None:
    chain = chain_at(start_ms(3))
    seed_block = chain.seed_block(2).number
    early = make_device("early", north_of_ulm(0), block=seed_block)
    late = make_device("late", north_of_ulm(2), block=seed_block + 1)
    chain.register(early, late)
    view = view_of(chain)
    assert set(view.registry(2) or {}) == set(view.keys(2) or {}) == {early.hotspot_id}
    assert set(view.registry(3) or {}) == {early.hotspot_id, late.hotspot_id}


def test_a_draw_is_known_once_the_first_block_of_the_next_epoch_is_final() -> None:
    chain = chain_at(start_ms(2) + FINAL_MS)
    view = view_of(chain)
    assert view.draw(1) is None
    chain.clock.time_ms += 1_000
    view.refresh()
    first = chain.block_numbered(chain.number_at(start_ms(2)))
    assert view.draw(1) == epoch_draw(NETWORK, 1, first.hash)


def test_known_keys_never_wait_for_the_chain() -> None:
    chain = chain_at(start_ms(2))
    device = make_device("a", north_of_ulm(0))
    chain.register(device)
    view = view_of(chain)
    chain.down = True
    assert view.known_keys(1) is None
    chain.down = False
    view.keys(1)
    chain.down = True
    assert set(view.known_keys(1) or {}) == {device.hotspot_id}


def test_a_silent_chain_changes_nothing() -> None:
    chain = chain_at(start_ms(2))
    view = view_of(chain)
    before = view.final
    chain.down, chain.clock.time_ms = True, start_ms(3)
    with pytest.raises(ChainUnavailable):
        view.refresh()
    assert view.final == before


def test_a_chain_that_lost_its_end_is_asked_again() -> None:
    chain = chain_at(start_ms(2))
    view = view_of(chain)
    lost = view.seed(2)
    chain.lost_from = chain.seed_block(2).number
    chain.clock.time_ms += 5_000
    view.refresh()
    assert view.seed(2) == epoch_seed(NETWORK, 2, chain.seed_block(2).hash)
    assert view.seed(2) != lost
    assert view.seed(1) == epoch_seed(NETWORK, 1, chain.seed_block(1).hash)


def test_an_epoch_never_closes_without_a_post_that_a_refresh_brings_meanwhile() -> None:
    """The fourth manifest lies in the closing block itself, which becomes final while the posts are looked at."""
    chain = chain_at(start_ms(2))
    closing_ms = start_ms(2) + DEVNET.epoch.close_after_ms
    for number, at_ms in ((1, start_ms(2)), (2, start_ms(2)), (3, start_ms(2)), (4, closing_ms - 1_000)):
        chain.clock.time_ms = at_ms
        post(chain, number)
    chain.clock.time_ms = closing_ms + FINAL_MS - 1_000
    view = view_of(chain)
    manifests = chain.manifests

    def meanwhile(epoch: int) -> list[ManifestPosted]:
        found = manifests(epoch)
        chain.clock.time_ms = closing_ms + FINAL_MS + 5_000
        view.refresh()
        return found

    chain.manifests = meanwhile  # type: ignore[method-assign]
    first = view.closing(1)
    assert first is not None
    assert not first.closed
    closed = view.closing(1)
    assert closed is not None
    assert [one.validator for one in closed.counted] == [owner_of(number) for number in (1, 2, 3, 4)]


def test_a_post_is_seen_from_its_block_on() -> None:
    chain = chain_at(start_ms(2))
    post(chain, 1)
    view = view_of(chain)
    chain.clock.time_ms += FINAL_MS
    view.refresh()
    assert view.posts(1) == []
    chain.clock.time_ms += 1_000
    view.refresh()
    assert [one.validator for one in view.posts(1)] == [owner_of(1)]


def test_the_newest_root_is_the_one_of_the_latest_epoch_or_of_those_before_one() -> None:
    chain = chain_at(start_ms(5))
    for epoch in (1, 3):
        chain.accept(EpochRoot(epoch, 1, bytes(32), bytes(32), epoch))
    chain.clock.time_ms += 5_000
    view = view_of(chain)
    newest = [view.last_root(), *(view.last_root(before) for before in (4, 3, 2, 1))]
    assert [one.epoch if one else None for one in newest] == [3, 3, 1, 1, None]
    assert view.root(2) is None


def post(chain: FakeChain, number: int) -> None:
    """A manifest of epoch 1, certified by everybody."""
    owner, digest = owner_of(number), sha256(bytes([number]))
    own = sign_quorum(validator_key(f"v{number}"), DOMAIN.digest(ManifestSigned(1, digest)))
    available = DOMAIN.digest(Available(1, owner, digest))
    others = [sign_quorum(validator_key(f"v{other}"), available) for other in range(1, 5) if other != number]
    chain.post(owner, 1, digest, [own, *others])


def test_what_is_kept_is_bounded_over_many_epochs_and_blocks() -> None:
    chain = chain_at(start_ms(1))
    chain.register(make_device("a", north_of_ulm(0)))
    view = view_of(chain)
    for epoch in range(1, 2 * KEPT_EPOCHS):
        chain.clock.time_ms = start_ms(epoch + 8)
        view.refresh()
        assert view.keys(epoch) is not None
        assert view.newest_registry()
        closing = view.closing(epoch)
        assert closing is not None
        assert view.draw(epoch) is not None
    sizes = {name: len(kept) for name, kept in view._kept.items()}
    assert {name: sizes[name] for name in KEPT} == KEPT
    assert max(sizes.values()) == KEPT_EPOCHS
