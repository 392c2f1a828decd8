"""Fences import-linter cannot draw: who may import devnet, and where web3 and its relatives enter."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("protocol", "chain", "hotspot", "validator", "coverage_maps")
CHAIN_LIBRARIES = {"web3", "eth_account", "eth_abi", "eth_utils", "eth_keys"}


def imports(path: Path) -> set[str]:
    """The top-level packages a module imports when it runs; imports for type checkers only do not count."""
    return set(_imports(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (name.name.partition(".")[0] for name in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield child.module.partition(".")[0]
        yield from _imports(child)


def modules(*packages: str) -> list[Path]:
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if not path.name.endswith(("_pb2.py", "_pb2_grpc.py"))]


@pytest.mark.parametrize("package", PACKAGES)
def test_only_the_command_imports_devnet(package: str) -> None:
    assert [str(path) for path in modules(package) if "devnet" in imports(path)] == []


def test_the_command_imports_devnet_lazily() -> None:
    tree = ast.parse((ROOT / "farfield.py").read_text(encoding="utf-8"))
    at_start = set(
        _imports(ast.Module([node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))], []))
    )
    assert "devnet" not in at_start


def test_web3_enters_through_one_module() -> None:
    outside = [path for path in modules(*PACKAGES, "devnet") if path.name != "libraries.py"]
    assert [str(path) for path in outside if imports(path) & CHAIN_LIBRARIES] == []


def test_a_fence_sees_an_import_inside_a_function(tmp_path: Path) -> None:
    module = tmp_path / "inside.py"
    module.write_text("def late():\n    from web3.types import RPCEndpoint\n", encoding="utf-8")

    assert imports(module) == {"web3"}
