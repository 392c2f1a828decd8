"""Cutting packets out of a body: all other bytes stay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspot.forwarding.cut import find, without


@pytest.mark.parametrize(
    ("body", "indexes", "left"),
    [
        (b'{"rxpk":[{"a":1},{"b":2}]}', {0}, b'{"rxpk":[{"b":2}]}'),
        (b'{"rxpk":[{"a":1},{"b":2}]}', {1}, b'{"rxpk":[{"a":1}]}'),
        (b'{"rxpk":[{"a":1}, {"b" : 2e1,"b":null} ,{"c":"]},"}],"stat":{"x":[1]}}\0', {0}, None),
        (b'{"rxpk":[{"a":1}],"stat":{"rxnb":1}}', {0}, b'{"rxpk":[],"stat":{"rxnb":1}}'),
        (b'{"stat":{"rxpk":[{"no":1}]},"rxpk":[{"a":1}]}', {0}, b'{"stat":{"rxpk":[{"no":1}]},"rxpk":[]}'),
        (b'{"rxpk":[{"a":1}],"rxpk":[{"b":1},{"c":1}]}', {0}, b'{"rxpk":[{"a":1}],"rxpk":[{"c":1}]}'),
        (b'{"rx\\u0070k":[1,"\\"]",{}]}', {1}, b'{"rx\\u0070k":[1,{}]}'),
        (b'{"rxpk":null}', {0}, b'{"rxpk":null}'),
        (b'{"rxpk":null,"rxpk":[1,2]}', {0}, b'{"rxpk":null,"rxpk":[2]}'),
        (b"{}", {0}, b"{}"),
    ],
)
def test_leaves_every_other_byte(body: bytes, indexes: set[int], left: bytes | None) -> None:
    if left is None:
        left = b'{"rxpk":[{"b" : 2e1,"b":null},{"c":"]},"}],"stat":{"x":[1]}}\0'
    assert without(body, indexes) == left


def test_nothing_is_left_of_a_body_that_held_nothing_else() -> None:
    assert without(b'{ "rxpk" : [ {"a":1} , {"b":2} ] }', {0, 1}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text(max_size=5), JSON, max_size=4),
    st.lists(JSON, max_size=6),
    st.sets(st.integers(0, 6)),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
)
def test_what_is_left_reads_as_the_same_without_the_cut_entries(
    others: dict[str, Any], entries: list[Any], cut: set[int], indent: int | None, ascii_only: bool
) -> None:
    members = {**others, "rxpk": entries, "after": 1}
    body = json.dumps(members, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    left = without(body, cut)
    assert left is not None
    kept = [entry for at, entry in enumerate(entries) if at not in cut]
    assert json.loads(left.decode("utf-8", "surrogatepass")) == members | {"rxpk": kept}


@given(st.lists(JSON, max_size=6))
def test_finds_each_entry_whole(entries: list[Any]) -> None:
    body = json.dumps({"rxpk": entries}).encode()
    found = find(body)
    assert found is not None
    assert [json.loads(body[start:end]) for start, end in found.entries] == entries
