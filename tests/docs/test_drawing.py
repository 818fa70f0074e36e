"""The drawing of the rooms in docs/architecture.md is of this house."""

from __future__ import annotations

import re

from tests.docs.reading import Document
from tests.processes import ROOT

NAMES = 26  # where the sentences begin


def is_name(word: str) -> bool:
    """Whether a word of the drawing is a file or a room."""
    return re.fullmatch(r"\w+(\.\w+|/)", word) is not None


def drawn() -> list[str]:
    """The paths that the drawing names, each from the checkout on."""
    paths: list[str] = []
    inside: list[str] = []
    for line in Document("docs/architecture.md").blocks("")[0].splitlines():
        # A line of names alone may be as long as it likes.
        names = line if all(map(is_name, line.split())) else line[:NAMES]
        if not names.strip():
            continue
        depth = (len(names) - len(names.lstrip())) // 2
        inside = inside[:depth]
        paths += ["/".join([*inside, name.rstrip("/")]) for name in names.split()]
        if names.split()[-1].endswith("/"):
            inside.append(names.split()[-1].rstrip("/"))
    return paths


def test_everything_that_is_drawn_is_there() -> None:
    paths = drawn()
    assert {"app.py", "pages/parts/session.py", "runmanager/queries/listing"} <= set(paths)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_room_is_drawn() -> None:
    packages = [
        *(ROOT / "pages").rglob("__init__.py"),
        *(ROOT / "runmanager").rglob("__init__.py"),
    ]
    rooms = {str(path.parent.relative_to(ROOT)) for path in packages}
    assert rooms - set(drawn()) == set()


def test_every_file_at_the_top_of_the_query_package_is_drawn() -> None:
    files = {f"runmanager/{path.name}" for path in (ROOT / "runmanager").glob("*.py")}
    assert files - {"runmanager/__init__.py"} - set(drawn()) == set()


def test_every_page_and_every_part_of_one_is_drawn() -> None:
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "pages").rglob("*.py")}
    empty = {"pages/__init__.py", "pages/parts/__init__.py"}
    assert files - empty - set(drawn()) == set()


def test_nothing_is_drawn_twice() -> None:
    assert sorted(drawn()) == sorted(set(drawn()))


def test_every_room_of_the_tests_is_named() -> None:
    drawing = Document("docs/architecture.md").blocks("")[0]
    line = re.search(r"^tests/ .*$", drawing, re.M)
    assert line is not None
    rooms = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    assert rooms == {name.rstrip("/;") for name in line[0].split()[1:] if "/" in name}
