"""The one order of runs: newest first, those without a time last, thread_id as tie-break.

Hosts index ``created_at DESC``, which puts NULLs first: an order with NULLs last sorts the whole
table (870 ms at a million runs). So the list is read as two segments, one behind the other: the
runs with a time, which such an index has in order, and the runs without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.host.ids import printed_value
from runmanager.paging import RowKey

if TYPE_CHECKING:
    from runmanager.host.values import Reading


class Direction(Enum):
    """Which way the list is read."""

    FORWARD = "from the newest on"
    BACKWARD = "from the end back"


@dataclass(frozen=True)
class Segment:
    """The runs with a time, or those without one, read in one direction."""

    reading: Reading
    is_dated: bool
    direction: Direction

    @property
    def members(self) -> sa.ColumnElement[bool]:
        """The condition that a run belongs to this segment."""
        created_at = self.reading.host.runs.c.created_at
        return created_at.is_not(None) if self.is_dated else created_at.is_(None)

    def order(self, rows: sa.FromClause | None = None) -> tuple[sa.ColumnElement[Any], ...]:
        """The total order inside the segment."""
        columns = (self.reading.host.runs if rows is None else rows).c
        keys = (columns.created_at, columns.thread_id) if self.is_dated else (columns.thread_id,)
        return tuple(map(self._directed, keys))

    @property
    def is_forward(self) -> bool:
        """Whether it is read from its newest run on."""
        return self.direction is Direction.FORWARD

    def first_order(self) -> sa.ColumnElement[Any]:
        """The first key of that order: the one that an index has, and that may have ties."""
        return self.order()[0]

    def holds(self, key: RowKey) -> bool:
        """Whether the place ``key`` lies in this segment."""
        return (key.time is not None) is self.is_dated

    def beyond(self, key: RowKey) -> sa.ColumnElement[bool]:
        """The condition that a run of this segment comes after the place ``key``."""
        runs = self.reading.host.runs.c
        columns: list[sa.ColumnElement[Any]] = []
        values: list[sa.ColumnElement[Any]] = []
        if key.time is not None:
            columns.append(runs.created_at)
            values.append(printed_value(runs.created_at, key.time))
        if key.thread_id is not None:
            columns.append(runs.thread_id)
            values.append(printed_value(runs.thread_id, key.thread_id))
        # A row comparison is read as a range of an index on the first column.
        place, here = sa.tuple_(*values), sa.tuple_(*columns)
        if self.is_forward:
            return here <= place if key.is_included else here < place
        return here >= place if key.is_included else here > place

    def place(self, first_key: str, *, is_included: bool = False) -> RowKey:
        """The place behind (or before) every run whose first key, as printed, is this one."""
        if self.is_dated:
            return RowKey(first_key, is_included=is_included)
        return RowKey(None, first_key, is_included)

    def _directed(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        directed = column.desc() if self.is_forward else column.asc()
        if not self.reading.hints.nulls_last or column.name != "created_at":
            return directed
        # There are none in this segment, but an index that puts them there has no other order.
        return directed.nulls_last() if self.is_forward else directed.nulls_first()


def segments(
    reading: Reading, direction: Direction, after: RowKey | None = None
) -> tuple[tuple[Segment, RowKey | None], ...]:
    """The segments in the order in which they are read, each with the place to start behind.

    Those that lie wholly before ``after`` are left out.
    """
    both = [Segment(reading, is_dated, direction) for is_dated in (True, False)]
    if direction is Direction.BACKWARD:
        both.reverse()
    if after is None:
        return tuple((segment, None) for segment in both)
    first = next(place for place, segment in enumerate(both) if segment.holds(after))
    return ((both[first], after), *((segment, None) for segment in both[first + 1 :]))


def beyond(reading: Reading, direction: Direction, key: RowKey) -> sa.ColumnElement[bool]:
    """The condition that a run of either segment comes after the place ``key``."""
    (segment, _place), *rest = segments(reading, direction, key)
    here = sa.and_(segment.members, segment.beyond(key))
    return sa.or_(here, *(later.members for later, _none in rest))


def newest_first(
    rows: sa.FromClause, direction: Direction = Direction.FORWARD
) -> tuple[sa.ColumnElement[Any], ...]:
    """The total order of runs over both segments, for rows that are few."""
    if direction is Direction.BACKWARD:
        return rows.c.created_at.asc().nulls_first(), rows.c.thread_id.asc()
    return rows.c.created_at.desc().nulls_last(), rows.c.thread_id.desc()
