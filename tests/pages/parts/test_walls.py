"""What keeps the parts apart: one user of the session's state, no circle, own slots."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from tests.pages.found import PAGES

if TYPE_CHECKING:
    from pathlib import Path

PARTS = PAGES / "parts"
PREFIX = "pages.parts"


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_parts(path: Path) -> set[str]:
    """The parts that a file imports, also those that it names in annotations only."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module == PREFIX:
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PREFIX}."):
            found.add(str(node.module).removeprefix(f"{PREFIX}."))
    return found


def slots_asked_for(path: Path) -> set[str]:
    return {
        ast.unparse(node.args[0])
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "session.slot"
    }


def test_only_one_module_uses_the_sessions_state() -> None:
    users = [
        path.name
        for path in PAGES.rglob("*.py")
        if any(
            isinstance(node, ast.Attribute) and node.attr == "session_state"
            for node in ast.walk(parsed(path))
        )
    ]
    assert users == ["session.py"]


def test_the_parts_import_each_other_in_one_direction() -> None:
    imports = {path.stem: imported_parts(path) for path in PARTS.glob("*.py")}
    assert imports["session"] == set()
    assert imports["address"] == {"session"}
    # Raises CycleError, which names the circle, where there is one.
    assert list(TopologicalSorter(imports).static_order())


def test_a_slot_is_asked_for_by_the_file_that_defines_it_only() -> None:
    for path in PAGES.rglob("*.py"):
        own = {node.name for node in parsed(path).body if isinstance(node, ast.ClassDef)}
        assert slots_asked_for(path) <= own, path.name
        assert all(name.startswith("_") for name in slots_asked_for(path)), path.name


def test_a_page_keeps_no_slot() -> None:
    # Its script is run anew each time, and its classes are new ones each time.
    assert [path.name for path in PAGES.glob("*.py") if slots_asked_for(path)] == []
