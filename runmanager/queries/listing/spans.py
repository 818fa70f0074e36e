"""Times of runs in SQL: since when they started, and how long they took.

The values of a column of times stand in the order of the column; what they mean is what ``utc`` of
``clamped_times.py`` makes of them, and these conditions say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.clamped_times import utc
from runmanager.host.values import is_surely_time

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from runmanager.host.values import Host

WITH_ZONE = "timestamp with time zone"
_DAY, _TICK = timedelta(days=1), timedelta(microseconds=1)
# Longer than a clock was ever moved, and shorter than it was ever left alone.
_AROUND = timedelta(hours=25)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_STEP = timedelta(days=14)


def has_started(host: Host) -> bool:
    """Whether each run's ``created_at`` is a time, or none."""
    return is_surely_time(host.runs.c.created_at)


def has_taken(host: Host) -> bool:
    """Whether it is known of each run when it ended."""
    runs = host.runs.c
    return has_started(host) and "completed_at" in runs and is_surely_time(runs.completed_at)


def started_since(host: Host, moment: datetime) -> sa.ColumnElement[bool]:
    """The condition that a run started at ``moment`` or later: the bare column, for its index."""
    return at_or_after(host.runs.c.created_at, moment, host.conventions.zone)


def at_or_after(column: sa.Column[Any], moment: datetime, zone: ZoneInfo) -> sa.ColumnElement[bool]:
    """The condition that a time, of ``zone`` where it names none, is ``moment`` or later."""
    edge = _edge(column, moment, zone)
    hole = sa.false() if edge.hole is None else _within(column, edge.hole)
    return sa.and_(column >= edge.first, sa.not_(hole))


def started_before(host: Host, moment: datetime) -> sa.ColumnElement[bool]:
    """The condition that a run started before ``moment``."""
    column = host.runs.c.created_at
    edge = _edge(column, moment, host.conventions.zone)
    if edge.hole is None:
        return sa.and_(column < edge.first)
    _start, end = edge.hole
    leapt_over = (edge.first, edge.hole[0])
    return sa.and_(column < end, sa.not_(_within(column, leapt_over)))


def started_by(host: Host, moment: datetime) -> sa.ColumnElement[bool]:
    """The condition that a run started at ``moment`` or before: no clock is finer than a tick."""
    later = moment + _TICK if moment < _LAST else moment
    return started_before(host, later)


def taken(host: Host, is_running: sa.ColumnElement[bool]) -> sa.ColumnElement[timedelta]:
    """How long a run took: to its end, or to now where it is running and has none; else NULL.

    What is infinite, which PostgreSQL 15 cannot subtract, is the nearest time that Python has.
    """
    runs, zone = host.runs.c, host.conventions.zone
    # A run that is over, and has no end, has no duration.
    until_now = sa.case((is_running, sa.func.now()))
    end = sa.func.coalesce(_as_moment(runs.completed_at, zone), until_now)
    return end - _as_moment(runs.created_at, zone)


@dataclass(frozen=True)
class _Edge:
    """Where in the order of a column the times of a moment, and later, begin.

    ``hole`` are earlier times behind that, from its first to before its second: by a clock that
    leapt forward, what it leapt over is later than what it showed next.
    """

    first: Any
    hole: tuple[Any, Any] | None = None


def _within(column: sa.Column[Any], times: tuple[Any, Any]) -> sa.ColumnElement[bool]:
    first, end = times
    return sa.and_(column >= first, column < end)


def _edge(column: sa.Column[Any], moment: datetime, zone: ZoneInfo) -> _Edge:
    if column.info["type"] == WITH_ZONE:
        return _Edge(_typed(moment, sa.DateTime(timezone=True)))
    if column.info["type"] == "date":
        return _Edge(_typed(_first_day(moment, zone), sa.Date()))
    first, hole = _by_the_clock(moment, zone)
    if hole is None:
        return _Edge(_typed(first, sa.DateTime()))
    start, end = hole
    return _Edge(
        _typed(first, sa.DateTime()), (_typed(start, sa.DateTime()), _typed(end, sa.DateTime()))
    )


def _typed(value: date, kind: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
    return sa.literal(value, kind)


def _first_day(moment: datetime, zone: ZoneInfo) -> date:
    """The first day that begins at ``moment`` or later; a zone may leave one out."""
    day = _local(moment, zone).date()
    if date.min < day < date.max:
        day -= _DAY
        while (utc(day, zone) or moment) < moment:
            day += _DAY
    return day


def _by_the_clock(moment: datetime, zone: ZoneInfo) -> tuple[datetime, Any]:
    """The first time by the clock of ``zone`` that means ``moment`` or later, and the hole there.

    A time that comes twice is the first of the two; one that was leapt over is read by the clock as
    it was before.
    """
    try:
        earlier, local = (moment - _AROUND).astimezone(zone), moment.astimezone(zone)
    except OverflowError:
        return _local(moment, zone), None
    before, after = _offset(earlier), _offset(local)
    if after > before:
        leap = _changed(moment - _AROUND, moment, zone)
        if moment < leap + (after - before):
            start, end = moment.replace(tzinfo=None) + before, leap.replace(tzinfo=None) + after
            return start, (end, moment.replace(tzinfo=None) + after)
    if local.fold:
        # Its hour was the second of that name, which no time means: the next one begins behind it.
        back = _changed(moment - _AROUND, moment, zone)
        return back.replace(tzinfo=None) + _offset(local.replace(fold=0)), None
    return local.replace(tzinfo=None), None


def _changed(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """When between the two moments the clock was moved."""
    was = _offset(low.astimezone(zone))
    while high - low > timedelta(microseconds=1):
        middle = low + (high - low) / 2
        if _offset(middle.astimezone(zone)) == was:
            low = middle
        else:
            high = middle
    return high


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta()


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    try:
        return moment.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return moment.replace(tzinfo=None)


def _as_moment(column: sa.Column[Any], zone: ZoneInfo) -> sa.ColumnElement[Any]:
    """The column as a timestamptz that can be subtracted."""
    with_zone = sa.DateTime(timezone=True)
    first, last = sa.literal(_FIRST, with_zone), sa.literal(_LAST, with_zone)
    if column.info["type"] == WITH_ZONE:
        return _clamped(column, column, first, last)
    plain: sa.types.TypeEngine[Any] = sa.DateTime()
    lowest: date = datetime.min  # noqa: DTZ901  by the clock of the zone
    highest: date = datetime.max  # noqa: DTZ901
    if column.info["type"] == "date":
        plain, lowest, highest = sa.Date(), date.min, date.max
    clamped = _clamped(column, column, sa.literal(lowest, plain), sa.literal(highest, plain))
    local = sa.cast(clamped, sa.DateTime())
    moment: sa.ColumnElement[Any] = sa.func.timezone(zone.key, local, type_=with_zone)
    for shift in _set_back(zone):
        # PostgreSQL takes the second of two times of one name, ``utc`` the first.
        earlier = moment - sa.literal(shift, sa.Interval())
        moment = sa.case((sa.func.timezone(zone.key, earlier) == local, earlier), else_=moment)
    return _clamped(column, moment, first, last)


def _clamped(
    column: sa.Column[Any],
    time: sa.ColumnElement[Any],
    first: sa.ColumnElement[Any],
    last: sa.ColumnElement[Any],
) -> sa.ColumnElement[Any]:
    """``time``, made of ``column``, or the nearest of ``first`` and ``last``; NULL stays NULL."""
    # greatest() and least() take no notice of NULL.
    return sa.case((column.is_not(None), sa.func.least(sa.func.greatest(time, first), last)))


@cache
def _set_back(zone: ZoneInfo) -> tuple[timedelta, ...]:
    """By how much the clocks of ``zone`` were set back whenever they were, since 1970."""
    moment, found = datetime(1970, 1, 1, tzinfo=UTC), set()
    was = _offset(moment.astimezone(zone))
    while moment.year < 2038:  # noqa: PLR2004  zones are known to the last 32-bit time
        moment += _STEP
        now = _offset(moment.astimezone(zone))
        if now < was:
            found.add(was - now)
        was = now
    return tuple(sorted(found))
