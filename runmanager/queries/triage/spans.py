"""From when to when a filter's runs started, and its buckets as a host's column has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.clamped_times import by_clock, utc
from runmanager.database import stopped_after
from runmanager.errors import DatabaseTooSlowError
from runmanager.host.ids import TypeByName
from runmanager.queries.triage.edges import EARLIEST, LATEST, round_edges

if TYPE_CHECKING:
    from datetime import tzinfo

    from runmanager.host.values import Host, Reading
    from runmanager.queries.listing.conditions import Selection
    from runmanager.queries.triage.limits import TriageLimits
    from runmanager.queries.triage.question import Question

_WITH_ZONE = "timestamp with time zone"


@dataclass(frozen=True)
class Edges:
    """The edges of a histogram's buckets, in UTC, for the column ``created_at`` of one host."""

    host: Host
    times: tuple[datetime, ...]

    @property
    def number(self) -> int:
        """How many buckets there are."""
        return len(self.times) - 1

    def has(self, place: int | None) -> bool:
        """Whether there is a bucket of this number, from 0."""
        return place is not None and 0 <= place < self.number

    def place(self, created_at: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
        """The number of the bucket that a time lies in."""
        # A day has no order among times before it is one.
        time = sa.cast(created_at, TypeByName(_stored_type(self.host)))
        return sa.func.width_bucket(time, self._array(self.times), type_=sa.Integer) - 1

    def inside(self) -> sa.ColumnElement[bool]:
        """The condition that a run lies in one of the buckets."""
        created_at = self.host.runs.c.created_at
        first, last = (stored_time(self.host, self.times[one]) for one in (0, -1))
        return sa.and_(created_at >= first, created_at < last)

    def rows(self) -> sa.TableValuedAlias:
        """A row for each bucket: from ``first`` on, before ``behind``, its ``number`` from 1."""
        kind = TypeByName(_stored_type(self.host))
        unnested = sa.func.unnest(self._array(self.times[:-1]), self._array(self.times[1:]))
        return unnested.table_valued(
            sa.column("first", kind), sa.column("behind", kind), with_ordinality="number"
        ).render_derived(name="buckets")

    def _array(self, times: tuple[datetime, ...]) -> sa.ColumnElement[Any]:
        has_zone = _stored_type(self.host) == _WITH_ZONE
        values = [stored_time(self.host, time) for time in times]
        return sa.literal(values, sa.ARRAY(sa.DateTime(timezone=has_zone)))


def stored_time(host: Host, time: datetime) -> datetime:
    """``time`` as the host's column of times is compared with it."""
    return time if _stored_type(host) == _WITH_ZONE else by_clock(time, host.conventions.zone)


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
    return Edges(host, round_edges(first, last, most, zone, is_cut=is_cut))


def _first_and_last(question: Question, limits: TriageLimits) -> tuple[datetime, datetime] | None:
    selection, within = question.selection, question.within
    if question.is_by_time_alone:
        return _ask(within, is_gathered=False)
    few = question.guess <= limits.few
    for is_gathered in (few, not few):
        try:
            with stopped_after(selection.connection, limits.try_seconds):
                return _ask(selection, is_gathered=is_gathered)
        except DatabaseTooSlowError:
            continue
    return _ask(within, is_gathered=False)


def _ask(selection: Selection, *, is_gathered: bool) -> tuple[datetime, datetime] | None:
    """The first and last time of the selected runs that a calendar has.

    The planner reads either from its end of an index on the time; gathered, from all of the runs:
    quicker where those are few, as the index is then walked for long before it has one.
    """
    runs, host = selection.host.runs, selection.host
    earliest, latest = stored_time(host, EARLIEST), stored_time(host, LATEST)
    created_at = runs.c.created_at
    times = sa.select(created_at).where(
        created_at >= earliest, created_at < latest, *selection.where
    )
    # OFFSET 0 is a fence to the planner.
    rows = (times.offset(0) if is_gathered else times).subquery("times")
    row = selection.connection.execute(
        sa.select(sa.func.min(rows.c.created_at), sa.func.max(rows.c.created_at))
    ).one()
    first, last = (utc(time, host.conventions.zone) for time in row)
    return None if first is None or last is None else (first, last)


def has_times(reading: Reading) -> bool:
    """Whether the host's column of times can be cut into buckets: texts that say a time cannot."""
    return _stored_type(reading.host) != "text"


def _stored_type(host: Host) -> str:
    kind = str(host.runs.c.created_at.info["type"])
    return "timestamp without time zone" if kind == "date" else kind
