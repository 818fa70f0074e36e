"""The house's rules that no import shows: where SQL may be run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_RUN_SQL = (
    "queries/",
    "demo/",
    "deletion/",
    "restoring/",
    "host/",
    "store/",
    "database.py",
    "commits.py",
    "ledger.py",
)
RUNS_SQL = {"execute", "executemany", "exec_driver_sql", "scalar", "scalars", "begin_nested"}


def calls(path: Path) -> set[str]:
    """The names of the methods that a file calls."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    functions = (node.func for node in nodes if isinstance(node, ast.Call))
    return {function.attr for function in functions if isinstance(function, ast.Attribute)}


def test_sql_is_run_in_the_rooms_for_it_only() -> None:
    package = ROOT / "runmanager"
    sources = [*package.rglob("*.py"), *(ROOT / "pages").rglob("*.py"), *ROOT.glob("*.py")]
    outside = {
        str(path.relative_to(ROOT)): found
        for path in sources
        if not str(path.relative_to(ROOT)).startswith(
            tuple(f"runmanager/{room}" for room in MAY_RUN_SQL)
        )
        and (found := calls(path) & RUNS_SQL)
    }
    assert outside == {}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_the_pages_name_the_rooms_where_sql_may_be_run(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    (sentence,) = re.findall(r"SQL is run in (.*?)\.\s", text, re.S)
    named = set(re.findall(r"`runmanager/(\S+)`", sentence))
    assert named == set(MAY_RUN_SQL)


def test_the_rule_can_see_sql_where_there_is_some() -> None:
    assert calls(ROOT / "runmanager" / "deletion" / "batch.py") & RUNS_SQL
