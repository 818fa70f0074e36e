"""One way after the other, each within its time, until one of them answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from runmanager.database import stopped_after
from runmanager.errors import DatabaseTooSlowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import sqlalchemy as sa

T = TypeVar("T")


def tried(connection: sa.Connection, seconds: float, way: Callable[[], T]) -> T | None:
    """What ``way`` finds; None where one of its statements takes longer than ``seconds``."""
    try:
        with stopped_after(connection, seconds):
            return way()
    except DatabaseTooSlowError:
        return None


def first_answer(ways: Iterable[Callable[[], T | None]]) -> T:
    """What the first of ``ways`` finds that finds something.

    Raises DatabaseTooSlowError where none does: nothing may be held up by what stands beside it.
    """
    for way in ways:
        found = way()
        if found is not None:
            return found
    raise DatabaseTooSlowError
