"""What is due for an epoch: every view there is, and what must never be."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validator.epoch_machine import Act, EpochView, next_acts

FLAGS = [one.name for one in fields(EpochView) if one.name != "seal_at_ms"]
SEAL_AT_MS = 1_000
views = st.builds(EpochView, seal_at_ms=st.just(SEAL_AT_MS), **{name: st.booleans() for name in FLAGS})
times = st.integers(0, 2_000)
BLANK = EpochView(SEAL_AT_MS, **{name: name in ("member", "settled_before") for name in FLAGS})

WALK: list[tuple[str, dict[str, bool], tuple[Act, ...]]] = [
    ("the epoch is over", {}, (Act.SEAL,)),
    ("sealed", {"sealed": True}, (Act.COLLECT,)),
    ("peers have signed", {"available": True}, (Act.POST,)),
    ("posted", {"posted": True}, ()),
    ("the chain has closed it", {"closed": True}, (Act.SETTLE,)),
    ("settled", {"settled": True}, (Act.SIGN,)),
    ("signed", {"signed": True}, (Act.GATHER,)),
    ("peers have signed the root", {"root_quorum": True}, (Act.SUBMIT,)),
    ("the root is on chain", {"root_on_chain": True}, ()),
]


@pytest.mark.parametrize("steps", range(1, len(WALK) + 1), ids=[name for name, _, _ in WALK])
def test_an_epoch_walks_from_seal_to_root(steps: int) -> None:
    view = BLANK
    for _, change, _ in WALK[:steps]:
        view = replace(view, **change)
    assert next_acts(view, SEAL_AT_MS) == WALK[steps - 1][2]


OTHERS: list[tuple[str, dict[str, bool], tuple[Act, ...]]] = [
    ("no member, open", {"member": False}, ()),
    ("no member, closed", {"member": False, "closed": True}, (Act.SETTLE,)),
    ("closed without us", {"sealed": True, "closed": True}, (Act.SETTLE,)),
    ("the epoch before waits", {"closed": True, "settled_before": False}, ()),
    ("returned, others have settled", {"settled": True, "root_on_chain": True, "closed": True}, ()),
    ("an empty epoch has no root", {"settled": True, "closed": True, "empty": True}, ()),
    (
        "settled from an adopted state while its evidence is open here",
        {"settled": True, "sealed": True},
        (Act.COLLECT, Act.SIGN),
    ),
]


@pytest.mark.parametrize(("change", "expected"), [one[1:] for one in OTHERS], ids=[one[0] for one in OTHERS])
def test_other_views(change: dict[str, bool], expected: tuple[Act, ...]) -> None:
    assert next_acts(replace(BLANK, **change), SEAL_AT_MS) == expected


def every_view() -> list[EpochView]:
    return [
        EpochView(SEAL_AT_MS, **dict(zip(FLAGS, values, strict=True)))
        for values in product((False, True), repeat=len(FLAGS))
    ]


def test_over_every_view_each_act_stands_only_where_it_may() -> None:
    for view in every_view():
        acts = next_acts(view, SEAL_AT_MS)
        assert len(set(acts)) == len(acts) <= 2
        allowed = {
            Act.SEAL: view.member and not view.sealed and not view.closed,
            Act.COLLECT: view.sealed and not view.available and not view.posted and not view.closed,
            Act.POST: view.sealed and view.available and not view.posted and not view.closed,
            Act.SETTLE: view.closed and view.settled_before and not view.settled,
            Act.SIGN: view.settled and not view.empty and not view.signed and not view.root_on_chain,
            Act.GATHER: view.signed and view.settled and not view.root_quorum,
            Act.SUBMIT: view.signed and view.settled and view.root_quorum and not view.root_on_chain,
        }
        assert all(allowed[act] for act in acts), (view, acts)


@given(views, st.integers(0, SEAL_AT_MS - 1))
def test_nothing_is_due_before_the_epoch_is_sealed(view: EpochView, now_ms: int) -> None:
    assert next_acts(view, now_ms) == ()


@given(views, times)
def test_never_signs_what_is_not_settled(view: EpochView, now_ms: int) -> None:
    if not view.settled:
        assert Act.SIGN not in next_acts(view, now_ms)


@given(views, times)
def test_never_submits_without_a_quorum(view: EpochView, now_ms: int) -> None:
    if not view.root_quorum:
        assert Act.SUBMIT not in next_acts(view, now_ms)


@given(views, times)
def test_never_posts_what_is_not_available(view: EpochView, now_ms: int) -> None:
    if not view.available:
        assert Act.POST not in next_acts(view, now_ms)


@given(views, times)
def test_the_same_view_asks_for_the_same_acts(view: EpochView, now_ms: int) -> None:
    """So that a step taken twice, or a restart between them, changes nothing."""
    assert next_acts(view, now_ms) == next_acts(replace(view), now_ms)


EFFECT = {
    Act.SEAL: {"sealed": True},
    Act.COLLECT: {"available": True},
    Act.POST: {"posted": True},
    Act.SETTLE: {"settled": True},
    Act.SIGN: {"signed": True},
    Act.GATHER: {"root_quorum": True},
    Act.SUBMIT: {"root_on_chain": True},
}


@given(views)
def test_whatever_the_view_a_few_steps_bring_it_to_rest(view: EpochView) -> None:
    for _ in range(len(Act) + 1):
        acts = next_acts(view, SEAL_AT_MS)
        for act in acts:
            view = replace(view, **EFFECT[act])
    assert next_acts(view, SEAL_AT_MS) == ()
