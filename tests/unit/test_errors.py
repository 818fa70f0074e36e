"""The error tree: it is the one that is drawn, and a docstring is its message."""

from __future__ import annotations

import inspect
import re

import pytest

from runmanager import errors
from runmanager.errors import RunManagerError


def tree(cls: type[RunManagerError]) -> list[type[RunManagerError]]:
    return [cls, *(one for child in cls.__subclasses__() for one in tree(child))]


# Classes of other modules (the tests' own, say) are no part of the drawing.
CLASSES = [cls for cls in tree(RunManagerError) if cls.__module__ == errors.__name__]


@pytest.mark.parametrize("cls", CLASSES)
def test_an_errors_docstring_is_its_message(cls: type[RunManagerError]) -> None:
    error = cls()
    assert error.message == inspect.cleandoc(cls.__dict__["__doc__"])
    assert str(error) == error.message
    assert str(cls("Something else.")) == "Something else."


def test_the_tree_that_is_drawn_is_the_tree_there_is() -> None:
    drawn: dict[str, str | None] = {}
    parents: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([│├└─ ]*)(\w+Error)\b", line)
        if not found:
            continue
        depth, name = len(found[1]), found[2]
        while parents and parents[-1][0] >= depth:
            parents.pop()
        drawn[name] = parents[-1][1] if parents else None
        parents.append((depth, name))
    real = {cls.__name__: cls.__base__.__name__ for cls in CLASSES if cls.__base__}
    assert drawn == real | {"RunManagerError": None}
