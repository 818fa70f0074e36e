"""From where a page of the list is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.database import stopped_after
from runmanager.errors import (
    DatabaseAwayError,
    DatabaseError,
    DatabaseTooSlowError,
    InvalidRequestError,
)
from runmanager.host.ids import native_ids, printed_value, storable
from runmanager.paging import PageRequest, RowKey, Total
from runmanager.queries.listing.order import Direction

if TYPE_CHECKING:
    from runmanager.host.values import Reading
    from runmanager.records import RunPage

_CHECKED_SECONDS = 1.0


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


def require_place(reading: Reading, key: RowKey) -> None:
    """Raises InvalidRequestError where ``key``, which somebody has sent, is no run's place."""
    runs = reading.host.runs.c
    is_place = key.thread_id is not None and bool(native_ids(runs.thread_id, [key.thread_id]))
    if is_place and key.time is not None:
        is_place = storable(key.time) and _is_printed(reading, key.time)
    if not is_place:
        raise InvalidRequestError(
            "There is no such place in the list to read on from: take it from a page of this list, "
            "or begin with the first page."
        )


def _is_printed(reading: Reading, text: str) -> bool:
    """Whether a run's time, as PostgreSQL prints it, can be ``text``."""
    time = printed_value(reading.host.runs.c.created_at, text)
    try:
        with stopped_after(reading.connection, _CHECKED_SECONDS):
            reading.connection.scalar(sa.select(sa.cast(time, sa.Text)))
    except (DatabaseAwayError, DatabaseTooSlowError):
        raise
    except DatabaseError:
        return False
    return True
