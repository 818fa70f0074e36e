"""What can be reached from something, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")


def reached(start: T, steps: Mapping[T, Iterable[T]]) -> set[T]:
    """Everything that ``steps`` lead to from ``start``: itself only where they lead back to it."""
    found: set[T] = set()
    waiting = list(steps.get(start, ()))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += steps.get(one, ())
    return found
