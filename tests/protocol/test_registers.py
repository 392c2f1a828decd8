"""What the house promises of protocol/ as text: the records' document, the use of reasons, integers only, order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import make_records
from protocol.encoding import layout
from protocol.reasons import Reason
from protocol.rulebook import RULES
from tests.factories import ROOT

MODULES = sorted((ROOT / "protocol").glob("*.py"))
MAY_HOLD_FLOATS = {"geo.py"}
"""The one module a float may enter, and from which none leaves."""


def nodes(module: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(module.read_text()))


# --- docs/records.md


def test_the_records_document_is_current() -> None:
    assert make_records.TARGET.read_text() == make_records.text(), "run python -m docs.make_records"


def test_the_records_document_names_every_field() -> None:
    text = make_records.TARGET.read_text()
    missing = [
        (record.__name__, name)
        for record in make_records.RECORDS
        for name, _, _ in layout(record)
        if f"| {name} |" not in text.split(f"## {record.__name__},")[1].split("\n## ")[0]
    ]
    assert missing == []


def test_every_field_of_every_record_says_what_it_means() -> None:
    silent = [(record.__name__, name) for record in make_records.RECORDS for name, _, why in layout(record) if not why]
    assert silent == []


# --- reasons


def mentions(folder: str) -> set[str]:
    """Names of reasons a package uses."""
    return {
        node.attr
        for module in sorted((ROOT / folder).rglob("*.py"))
        if module.name != "reasons.py"
        for node in nodes(module)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason"
    }


def test_every_reason_is_given_by_a_rule_a_site_or_admission() -> None:
    given = {rule.reason.name for rules in RULES.values() for rule in rules}
    given |= mentions("protocol") | mentions("validator")
    assert {reason.name for reason in Reason if reason.name not in given} == set()


def test_admission_gives_no_verdict_and_the_rulebook_refuses_nobody_admission() -> None:
    verdicts = {rule.reason for rules in RULES.values() for rule in rules}
    assert max(verdicts) < 100


# --- pure integers


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_no_float_literal_and_no_true_division(module: Path) -> None:
    found = [
        (node.lineno, ast.unparse(node))
        for node in nodes(module)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
    ]
    assert found == [] or module.name in MAY_HOLD_FLOATS


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_no_float_is_made_by_name(module: Path) -> None:
    found = [node.lineno for node in nodes(module) if isinstance(node, ast.Name) and node.id == "float"]
    assert found == [] or module.name in MAY_HOLD_FLOATS


def test_no_float_leaves_the_one_module_they_enter() -> None:
    tree = ast.parse((ROOT / "protocol" / "geo.py").read_text())
    returned = {
        ast.unparse(node.returns) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.returns
    }
    assert returned <= {"bool", "int", "CellId", "Position"}


MAKES_A_SET = {"set", "frozenset"}
KEEPS_ORDER = {"list", "tuple", "enumerate", "iter", "zip", "map"}
FORGETS_ORDER = {"sum", "any", "all", "min", "max", "len", "sorted", "set", "frozenset"}


def called(node: ast.AST) -> str:
    """The name of the function a call calls; empty for anything else."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def unordered(node: ast.AST) -> bool:
    """An expression that is a set by its own form: a display, a comprehension, a call, or an operation on one."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return unordered(node.left) or unordered(node.right)
    return isinstance(node, ast.Set | ast.SetComp) or called(node) in MAKES_A_SET


def loops(tree: ast.AST) -> Iterator[ast.AST]:
    """Every expression whose order the program follows."""
    harmless = {
        id(one) for node in ast.walk(tree) if called(node) in FORGETS_ORDER for one in ast.iter_child_nodes(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            yield node.iter
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp) and id(node) not in harmless:
            yield from (one.iter for one in node.generators)
        elif called(node) in KEEPS_ORDER:
            yield from ast.iter_child_nodes(node)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_nothing_follows_a_set_in_its_own_order(module: Path) -> None:
    """Sets may be asked, counted and sorted; a loop over one would depend on how this machine hashes."""
    assert [ast.unparse(one) for one in loops(ast.parse(module.read_text())) if unordered(one)] == []


def test_the_look_for_sets_finds_one() -> None:
    found = [ast.unparse(one) for one in loops(ast.parse("[x for x in {1} | other]; sum(x for x in {2}); list({3})"))]
    assert [one for one in found if one.startswith("{")] == ["{1} | other", "{3}"]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_module_says_what_it_owns(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text()))


READS_THE_WORLD = {"time", "random", "os", "datetime", "secrets", "socket", "pathlib", "logging", "uuid"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_nothing_reads_a_clock_a_file_or_chance(module: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in nodes(module)
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported & READS_THE_WORLD == set()


def test_the_reference_imports_nothing_of_protocol_but_reasons_and_limits() -> None:
    imported = {
        node.module
        for module in sorted((ROOT / "tests" / "reference").glob("*.py"))
        for node in nodes(module)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("protocol")
    }
    assert imported <= {"protocol.reasons", "protocol.limits"}


def test_the_reference_holds_no_float() -> None:
    found = [
        (module.name, node.lineno)
        for module in sorted((ROOT / "tests" / "reference").glob("*.py"))
        for node in nodes(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    ]
    assert found == []
