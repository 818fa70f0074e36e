"""From where a page of the list is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runmanager.paging import PageRequest, RowKey, Total
from runmanager.queries.listing.order import Direction

if TYPE_CHECKING:
    from runmanager.records import RunPage


@dataclass(frozen=True)
class Place:
    """Where a page's rows are: ``size`` of them behind ``after``, or after the first ``skip``.

    ``kept`` more are on the page already.
    """

    direction: Direction
    size: int
    after: RowKey | None = None
    skip: int = 0
    kept: int = 0


def place_of(request: PageRequest, earlier: RunPage | None, total: Total | None) -> Place:
    """Where the rows of a page are, as near as can be to one that was read before.

    ``total`` is how many runs there are, where that is known.
    """
    size = request.size
    if request == PageRequest(1, size):
        return Place(Direction.FORWARD, size)
    if earlier is not None and earlier.first is not None and earlier.last is not None:
        if request == earlier.request:
            return Place(Direction.FORWARD, size, replace(earlier.first, is_included=True))
        if request == earlier.request.turned(1):
            return Place(Direction.FORWARD, size, earlier.last)
        if request == earlier.request.turned(-1):
            return Place(Direction.BACKWARD, size, earlier.first)
    if request.from_end:
        return Place(Direction.BACKWARD, size, skip=request.offset)
    if total is not None and total.is_exact and request.offset > total.count // 2:
        left = max(0, total.count - request.offset)
        return Place(Direction.BACKWARD, min(left, size), skip=max(0, left - size))
    return Place(Direction.FORWARD, size, skip=request.offset)
