"""Four access paths to some rows of the list; ``pages.py`` says which one when.

Each takes a selection and returns rows in the direction they were read in. What they cost is said
beside each, in rows visited: about a microsecond each where the table is in memory. ``show`` is
what is read of each row: what the list shows, or its key only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import visitors

from runmanager.clamped_times import utc
from runmanager.host.ids import has_id
from runmanager.queries.listing.order import beyond, newest_first, segments
from runmanager.queries.listing.summaries import listed, select_keys, select_summaries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from runmanager.host.values import Host
    from runmanager.paging import RowKey
    from runmanager.queries.listing.conditions import Driver, Equality, Selection
    from runmanager.queries.listing.limits import SearchBudget
    from runmanager.queries.listing.order import Direction, Segment

# This many runs before an anchor are read to count those that share its time.
_TIES_SEEN = 200


@dataclass(frozen=True)
class Show:
    """What is read of a run: its columns of ``run_metadata``, and the SELECT over those."""

    columns: Callable[[Host], tuple[str, ...]]
    select: Callable[[Host, sa.FromClause], sa.Select[Any]]


SUMMARIES = Show(listed, select_summaries)
KEYS = Show(lambda _host: ("created_at", "thread_id"), select_keys)


@dataclass(frozen=True)
class Found:
    """Rows in the direction they were read in, and how many there are in all where that is known.

    ``resume`` is where a search stopped, None where it had no more to do; ``searched_to`` is the
    time of that place, None among the runs without a time.
    """

    rows: list[sa.Row[Any]]
    total: int | None = None
    resume: RowKey | None = None
    searched_to: datetime | None = None


def walk(
    selection: Selection,
    direction: Direction,
    size: int,
    after: RowKey | None = None,
    show: Show = SUMMARIES,
) -> Found:
    """The first ``size`` rows behind ``after`` along an index that has them in order.

    Visits ``size`` rows where every run is selected, at any depth; where one in a thousand is, a
    thousand times as many. Where the index has each of several values in order, it visits so many
    rows of each.
    """
    rows: list[sa.Row[Any]] = []
    for segment, place in _segments(selection, direction, after):
        if len(rows) < size:
            further = [] if place is None else [segment.beyond(place)]
            rows += _read(selection, segment, further, size - len(rows), show=show)
    return Found(rows)


def jump(selection: Selection, direction: Direction, skip: int, size: int) -> Found:
    """``size`` rows after the first ``skip``.

    Visits ``skip`` entries of the index alone (0.03 microseconds each), then ``size`` rows: an
    OFFSET over the rows themselves would visit each of them, and sort the ties among them.
    """
    rows: list[sa.Row[Any]] = []
    for segment, _place in _segments(selection, direction):
        if len(rows) == size:
            break
        if not skip:
            rows += _read(selection, segment, [], size - len(rows))
            continue
        anchor = _anchor(selection, segment, skip)
        if anchor is None:
            # The segment ends earlier: the next one goes on counting.
            skip -= _count(selection, segment.members)
            continue
        place, ties = anchor
        from_there = [segment.beyond(place)]
        rows += _read(selection, segment, from_there, size, ties)
        skip = 0
    return Found(rows)


@dataclass(frozen=True)
class Gathering:
    """How runs are gathered: all of the ``driver``, of which the other conditions leave some.

    Without a driver the planner finds them by whatever index. Nothing is given where there are more
    than ``at_most``.
    """

    driver: Driver | None = None
    at_most: int | None = None


def gather(
    selection: Selection,
    direction: Direction,
    size: int,
    *,
    skip: int = 0,
    after: RowKey | None = None,
    how: Gathering = Gathering(),
    show: Show = SUMMARIES,
) -> Found:
    """``size`` rows after the first ``skip`` behind ``after``, and how many there are behind it.

    What is gathered is a query of its own, which keeps the planner from walking the index on
    ``created_at`` for a user who has 200 runs among ten million: it visits the selected runs and
    sorts them. Of two conditions it would look up both, and believes that a tenth of a tenth is
    left: it is told which one to look up.
    """
    host, runs = selection.host, selection.host.runs
    further = [] if after is None else [beyond(selection.reading, direction, after)]
    keys = gathered(selection, [runs.c.created_at, runs.c.thread_id], how.driver, further)
    found, counted = counted_beside(selection, keys, how.at_most)
    page = (
        sa.select(found.c.created_at, found.c.thread_id)
        .where(*([] if how.at_most is None else [counted <= how.at_most]))
        .order_by(*newest_first(found, direction))
        .limit(size)
        .offset(skip)
        .subquery("page")
    )
    chosen: sa.FromClause = page
    if show is not KEYS:
        # The other columns are read of the rows of the page only.
        joined = sa.select(*_columns(selection, runs, show))
        chosen = joined.join(page, page.c.thread_id == runs.c.thread_id).subquery("chosen")
    total = sa.select(counted.label("total")).subquery("of_all")
    # The count has a row even where the page has none.
    rows = selection.connection.execute(
        show.select(host, chosen)
        .add_columns(total.c.total)
        .select_from(total.outerjoin(chosen, sa.true()))
        .order_by(*newest_first(chosen, direction))
    ).all()
    if how.at_most is not None and rows[0].total > how.at_most:
        return Found([])
    return Found([row for row in rows if row.thread_id is not None], rows[0].total)


def counted_beside(
    selection: Selection, keys: sa.Select[Any], at_most: int | None
) -> tuple[sa.FromClause, sa.ScalarSelect[int]]:
    """What was ``gathered``, and how many that are, or one more than ``at_most``."""
    most = None if at_most is None else at_most + 1
    if selection.conditions <= 1 and not selection.others:
        # The index alone counts them, and where they are too many none is read.
        some: sa.FromClause = ones(selection).limit(most).subquery("some")
        found: sa.FromClause = keys.offset(0).subquery("found")
    else:
        some = found = keys.limit(most).cte("found").prefix_with("MATERIALIZED")
    return found, count_of(some)


def count_of(rows: sa.FromClause) -> sa.ScalarSelect[int]:
    """How many ``rows`` there are, counted once wherever it is asked for in a statement."""
    total = sa.select(sa.func.count().label("total")).select_from(rows).cte("counted")
    return sa.select(total.prefix_with("MATERIALIZED").c.total).scalar_subquery()


def ones(selection: Selection) -> sa.Select[Any]:
    """A SELECT of a 1 for each of the selected runs."""
    one: sa.ColumnElement[int] = sa.literal_column("1").label("one")
    parts = [
        sa.select(one).select_from(selection.host.runs).where(*where)
        for where in selection.alternatives
    ]
    if len(parts) == 1:
        return parts[0]
    return sa.select(sa.union_all(*parts).subquery("alternatives"))


def gathered(
    selection: Selection,
    columns: Sequence[sa.ColumnElement[Any]],
    driver: Driver | None,
    further: Sequence[sa.ColumnElement[bool]] = (),
) -> sa.Select[Any]:
    """``columns``, made of ``run_metadata``, of all selected runs, found by ``driver``."""
    narrowed = selection.narrowed(*further)
    if driver is None:
        return sa.select(*columns).where(*narrowed.where)
    needed = dict.fromkeys(_columns_in([*columns, *narrowed.beside(driver)], selection.host))
    # OFFSET 0: the planner takes the inner condition by itself.
    parts = [sa.select(*needed).where(one).offset(0) for one in driver.alternatives]
    by_driver = (parts[0] if len(parts) == 1 else sa.union_all(*parts)).subquery("driven")
    moved = [selection.moved(column, by_driver) for column in columns]
    return sa.select(*moved).where(*narrowed.on(by_driver, driver))


def search(
    selection: Selection,
    direction: Direction,
    size: int,
    budget: SearchBudget,
    after: RowKey | None = None,
    show: Show = SUMMARIES,
) -> Found:
    """Up to ``size`` rows behind ``after``, searched for slice by slice within ``budget``.

    It stops part of the way, where a walk would look for a rare word through all runs.
    """
    began = time.monotonic()
    rows: list[sa.Row[Any]] = []
    length = budget.first
    for segment, start in _segments(selection, direction, after):
        place = start
        if not segment.is_dated:
            # No index has these in order: each slice sorts them all.
            length = max(length, budget.first * budget.growth)
        while True:
            slice_began = time.monotonic()
            rows += _read_slice(selection, segment, place, length, size - len(rows), show)
            if len(rows) >= size:
                return Found(rows)
            edge = _first_key(selection, segment, place, length)
            if edge is None:
                break
            place = segment.place(edge.text)
            now = time.monotonic()
            left = budget.seconds - (now - began)
            if left <= 0:
                zone = selection.host.conventions.zone
                searched_to = utc(edge.value, zone) if segment.is_dated else None
                return Found(rows, resume=place, searched_to=searched_to)
            rate = length / (now - slice_began)
            length = min(length * budget.growth, max(budget.first, int(rate * left)))
    return Found(rows)


def whole_id(selection: Selection) -> sa.Row[Any] | None:
    """The selected run whose whole thread_id is what is searched for, None where there is none."""
    runs = selection.host.runs
    whole = has_id(runs.c.thread_id, [selection.search])
    if isinstance(whole, sa.False_):
        return None
    one: sa.ColumnElement[int] = sa.literal_column("1")
    # Most texts are none: a look into one index says so.
    if selection.connection.scalar(sa.select(one).select_from(runs).where(whole).limit(1)) is None:
        return None
    statement = select_summaries(selection.host, runs).where(whole, *selection.where)
    return selection.connection.execute(statement.limit(1)).one_or_none()


def _segments(
    selection: Selection, direction: Direction, after: RowKey | None = None
) -> tuple[tuple[Segment, RowKey | None], ...]:
    """The segments that may have selected runs: those without a time are in no range of times."""
    return tuple(
        (segment, place)
        for segment, place in segments(selection.reading, direction, after)
        if segment.is_dated or not selection.ranges
    )


def _read(
    selection: Selection,
    segment: Segment,
    further: Sequence[sa.ColumnElement[bool]],
    size: int,
    skip: int = 0,
    show: Show = SUMMARIES,
) -> list[sa.Row[Any]]:
    branches = selection.in_branches
    if branches is None or skip:
        some = sa.select(*_columns(selection, selection.host.runs, show)).where(
            segment.members, *further, *selection.where
        )
        chosen = some.order_by(*segment.order()).limit(size).offset(skip or None)
    else:
        merged = _merged(selection, branches, segment, further, size, show)
        chosen = sa.select(merged).order_by(*segment.order(merged)).limit(size)
    # The names are looked up for the rows of the page only, which stay in their order.
    rows = chosen.subquery("chosen")
    statement = show.select(selection.host, rows).order_by(*segment.order(rows))
    return list(selection.connection.execute(statement))


def _merged(
    selection: Selection,
    branches: Equality,
    segment: Segment,
    further: Sequence[sa.ColumnElement[bool]],
    size: int,
    show: Show,
) -> sa.FromClause:
    """The first ``size`` rows of each value, as the index on (the column, the time) has them.

    With ``= ANY`` the rows of all values would be read and sorted.
    """
    runs = selection.host.runs
    some = sa.select(*_columns(selection, runs, show)).where(
        segment.members, *further, *selection.not_equalities
    )
    parts: list[sa.Select[Any]] = []
    rises = (branches.column.name in selection.reading.hints.rising) is segment.is_forward
    first = branches.column.asc() if rises else branches.column.desc()
    if branches.values is not None:
        values = sa.func.unnest(branches.values).table_valued("value").render_derived(name="v")
        # The planner takes a value that it does not know to be a frequent one, and would walk the
        # index on the time for it: asked for in the order of the column, as of several values, it
        # takes the index that begins with that.
        is_it = branches.column == sa.any_(postgresql.array([values.c.value] * 2))
        rows = some.where(is_it).order_by(first, *segment.order()).limit(size).lateral("of_one")
        parts.append(sa.select(*rows.c).select_from(values.join(rows, sa.true())))
    if branches.with_none:
        without = some.where(branches.column.is_(None)).order_by(first, *segment.order())
        parts.append(sa.select(without.limit(size).subquery("without")))
    return sa.union_all(*parts).subquery("merged")


def _read_slice(
    selection: Selection,
    segment: Segment,
    place: RowKey | None,
    length: int,
    size: int,
    show: Show,
) -> list[sa.Row[Any]]:
    """Up to ``size`` rows among the first ``length`` of the segment behind ``place``."""
    needed = dict.fromkeys([*_columns(selection, selection.host.runs, show), *_asked(selection)])
    # WITH TIES: a slice ends between two times, never among runs of the same one.
    slice_of_runs = (
        _slice(selection, sa.select(*needed), segment, place)
        .fetch(length, with_ties=True)
        .subquery("slice")
    )
    chosen = (
        sa.select(*_columns(selection, slice_of_runs, show))
        .where(*selection.on(slice_of_runs))
        .order_by(*segment.order(slice_of_runs))
        .limit(size)
        .subquery("chosen")
    )
    statement = show.select(selection.host, chosen).order_by(*segment.order(chosen))
    return list(selection.connection.execute(statement))


def _columns(selection: Selection, rows: sa.FromClause, show: Show) -> list[sa.ColumnElement[Any]]:
    """The columns that are shown, and no other: one of those may be dropped meanwhile."""
    return [rows.c[name] for name in show.columns(selection.host)]


def _asked(selection: Selection) -> list[sa.Column[Any]]:
    """The columns of ``run_metadata`` that the selection's conditions look at."""
    return _columns_in(selection.where, selection.host)


def _columns_in(elements: Sequence[sa.ColumnElement[Any]], host: Host) -> list[sa.Column[Any]]:
    return [
        one
        for element in elements
        for one in visitors.iterate(element)
        if isinstance(one, sa.Column) and one.table is host.runs
    ]


def _first_key(
    selection: Selection, segment: Segment, place: RowKey | None, number: int
) -> sa.Row[Any] | None:
    """The first key of the row ``number`` (from 1) behind ``place``, None where there is none."""
    # The index alone has it.
    keys = _slice(selection, sa.select(_first(segment)), segment, place)
    return selection.connection.execute(_printed(keys.offset(number - 1).limit(1))).one_or_none()


def _anchor(selection: Selection, segment: Segment, skip: int) -> tuple[RowKey, int] | None:
    """The place of the segment's row after the first ``skip``, and how many of its ties are before.

    None where the segment has no such row.
    """
    seen = min(skip, _TIES_SEEN)
    keys = _slice(selection, sa.select(_first(segment)), segment, None).where(*selection.where)
    rows = selection.connection.execute(_printed(keys.offset(skip - seen).limit(seen + 1))).all()
    if len(rows) <= seen:
        return None
    texts = [row.text for row in rows]
    ties = texts.count(texts[-1]) - 1
    place = segment.place(texts[-1], is_included=True)
    if ties == seen < skip:
        before = sa.not_(segment.beyond(place))
        ties = skip - _count(selection, sa.and_(segment.members, before))
    return place, ties


def _first(segment: Segment) -> sa.ColumnElement[Any]:
    runs = segment.reading.host.runs.c
    return (runs.created_at if segment.is_dated else runs.thread_id).label("value")


def _printed(keys: sa.Select[Any]) -> sa.Select[Any]:
    """The rows of ``keys``, each also as text: printed after the OFFSET, not for all before it."""
    inner = keys.subquery("keys")
    return sa.select(inner.c.value, sa.cast(inner.c.value, sa.Text).label("text"))


def _slice(
    selection: Selection, statement: sa.Select[Any], segment: Segment, place: RowKey | None
) -> sa.Select[Any]:
    """The runs behind ``place`` in order, selected or not, of those whose time is in the ranges."""
    further = [] if place is None else [segment.beyond(place)]
    started = selection.ranges if segment.is_dated else ()
    return statement.where(segment.members, *started, *further).order_by(segment.first_order())


def _count(selection: Selection, members: sa.ColumnElement[bool]) -> int:
    statement = sa.select(sa.func.count()).select_from(selection.host.runs)
    return selection.connection.scalar(statement.where(members, *selection.where)) or 0
