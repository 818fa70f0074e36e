"""From when to when a filter's runs started, and its buckets as a host's column has them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.clamped_times import utc
from runmanager.database import stopped_after
from runmanager.errors import DatabaseTooSlowError
from runmanager.host.ids import TypeByName
from runmanager.queries.listing.spans import WITH_ZONE, started_before, started_since
from runmanager.queries.triage.edges import EARLIEST, LATEST, by_the_clock, leap_around, round_edges

if TYPE_CHECKING:
    from datetime import tzinfo

    from runmanager.host.values import Host
    from runmanager.queries.listing.conditions import Selection
    from runmanager.queries.triage.limits import TriageLimits
    from runmanager.queries.triage.question import Question


@dataclass(frozen=True)
class Edges:
    """The edges of a histogram's buckets, in UTC, for the column ``created_at`` of one host.

    ``parts`` are the edges as that column has them, and those of parts of buckets: where a clock is
    set, what it shows is not in the order of time, and a bucket has times of two places.
    """

    host: Host
    times: tuple[datetime, ...]
    parts: tuple[datetime, ...]

    @classmethod
    def of(cls, host: Host, times: tuple[datetime, ...]) -> Edges:
        """Those for one host."""
        return cls(host, times, times if _has_zone(host) else by_the_clock(times, _zone(host)))

    @property
    def number(self) -> int:
        """How many buckets there are."""
        return len(self.times) - 1

    def bucket(self, part: int | None) -> int | None:
        """The number of the bucket, from 0, that a part is of; None for none."""
        if part is None or not 0 <= part < len(self.parts) - 1:
            return None
        start = utc(self.parts[part], _zone(self.host))
        # What utc() reads is None for a text only.
        assert start is not None  # noqa: S101
        number = bisect_right(self.times, start) - 1
        return number if 0 <= number < self.number else None

    def part(self, created_at: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
        """The number of the part, from 0, that a time lies in; another number where in none."""
        # A day has no order among times before it is one.
        time = sa.cast(created_at, TypeByName(_stored_type(self.host)))
        return sa.func.width_bucket(time, self._array(self.parts), type_=sa.Integer) - 1

    def inside(self) -> sa.ColumnElement[bool]:
        """The condition that a run lies in one of the parts."""
        created_at, first, behind = self.host.runs.c.created_at, self.parts[0], self.parts[-1]
        kind = sa.DateTime(timezone=_has_zone(self.host))
        return sa.and_(created_at >= sa.literal(first, kind), created_at < sa.literal(behind, kind))

    def rows(self) -> sa.TableValuedAlias:
        """A row for each part: from ``first`` on, before ``behind``, its ``number`` from 1."""
        kind = TypeByName(_stored_type(self.host))
        unnested = sa.func.unnest(self._array(self.parts[:-1]), self._array(self.parts[1:]))
        return unnested.table_valued(
            sa.column("first", kind), sa.column("behind", kind), with_ordinality="number"
        ).render_derived(name="parts")

    def _array(self, times: tuple[datetime, ...]) -> sa.ColumnElement[Any]:
        kind = sa.DateTime(timezone=_has_zone(self.host))
        return sa.literal(list(times), sa.ARRAY(kind))


def find_edges(question: Question, most: int, zone: tzinfo, limits: TriageLimits) -> Edges | None:
    """The edges of at most ``most`` buckets for the runs that are meant; None where there are none.

    They go from the filter's own times, or its first run's, to its last. Where those are not found
    in a moment, the first and last run of that time are taken, whatever else is asked of them.
    """
    since, until = question.run_filter.since, question.run_filter.until
    # The service has made relative times absolute.
    assert not isinstance(since, timedelta) and not isinstance(until, timedelta)  # noqa: S101, PT018
    first, last = since, until
    if first is None or last is None:
        found = _first_and_last(question, limits)
        if found is None:
            return None
        first, last = since or found[0], until or found[1]
    first, last = max(first, EARLIEST), min(last, LATEST)
    if first > last or (until is not None and first == last):
        return None
    is_cut = (since is not None, until is not None)
    host = question.reading.host
    return Edges.of(host, round_edges(first, last, most, zone, is_cut=is_cut))


def _first_and_last(question: Question, limits: TriageLimits) -> tuple[datetime, datetime] | None:
    connection = question.selection.connection
    few = question.guess <= limits.few
    # Of many they are found at once or, where they are all old, not at all in time.
    ways = (few, not few) if question.guess <= limits.bucketed else (False,)
    for is_gathered in () if question.is_by_time_alone or not limits.try_seconds else ways:
        try:
            with stopped_after(connection, limits.try_seconds):
                return _ask(question.selection, is_gathered=is_gathered)
        except DatabaseTooSlowError:
            continue
    with stopped_after(connection, limits.seconds):
        return _ask(question.within, is_gathered=False)


def _ask(selection: Selection, *, is_gathered: bool) -> tuple[datetime, datetime] | None:
    """The first and last time of the selected runs that a calendar has.

    The planner reads either from its end of an index on the time; gathered, from all of the runs:
    quicker where those are few, as the index is then walked for long before it has one.
    """
    runs, host = selection.host.runs, selection.host
    times = sa.select(runs.c.created_at).where(
        started_since(host, EARLIEST), started_before(host, LATEST), *selection.where
    )
    # OFFSET 0 is a fence to the planner.
    rows = (times.offset(0) if is_gathered else times).subquery("times")
    row = selection.connection.execute(
        sa.select(sa.func.min(rows.c.created_at), sa.func.max(rows.c.created_at))
    ).one()
    first, last = (utc(time, _zone(host)) for time in row)
    if first is None or last is None:
        return None
    if _has_zone(host):
        return first, last
    # The least on the clock is not the earliest there.
    of_first, of_last = (leap_around(time, _zone(host)) for time in (first, last))
    return (
        first if of_first is None else of_first[0],
        last if of_last is None else of_last[1] - timedelta(microseconds=1),
    )


def _stored_type(host: Host) -> str:
    kind = str(host.runs.c.created_at.info["type"])
    return "timestamp without time zone" if kind == "date" else kind


def _has_zone(host: Host) -> bool:
    return _stored_type(host) == WITH_ZONE


def _zone(host: Host) -> tzinfo:
    return host.conventions.zone
