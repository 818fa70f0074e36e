"""The pages there are, found by looking into the folder: a new one is tested as it is added."""

from __future__ import annotations

import ast
from pathlib import Path

PAGES = Path(__file__).parents[2] / "pages"
# Beside the pages stand the script around them, and what only the process asks for.
NO_PAGES = {"__init__.py", "shell.py", "wire.py", "passwords.py"}
GATE = "page_actor = require_admin()"


def page_files(folder: Path = PAGES) -> list[Path]:
    """Every file of ``folder`` that Streamlit can show as a page."""
    return sorted(path for path in folder.glob("*.py") if path.name not in NO_PAGES)


def without_gate(folder: Path = PAGES) -> list[str]:
    """The pages that do anything before they have asked for an admin, or never ask."""
    return [path.name for path in page_files(folder) if _first_deed(path) != GATE]


def _first_deed(path: Path) -> str | None:
    deeds = (one for one in ast.parse(path.read_text(encoding="utf-8")).body if _does(one))
    first = next(deeds, None)
    return ast.unparse(first) if first is not None else None


def _does(statement: ast.stmt) -> bool:
    """Whether the statement does something when the page is run, and not only names something."""
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef):
        return False
    if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
        return False
    return any(isinstance(node, ast.Call) for node in ast.walk(statement))


PAGE_NAMES = [path.name for path in page_files()]
