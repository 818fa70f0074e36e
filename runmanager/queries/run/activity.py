"""Which runs have written lately, whatever their status says: a checkpoint, or a line of a log.

A worker that goes on writes rows which nothing keeps from being orphans once its run is deleted, so
such runs are left alone. Each host tells the time of a row in its own way, and what it tells may be
no time at all: that is no failure, and no activity.

LangGraph's checkpoints have their time in their JSON, a large value that has to be read back for
it; but their ids begin with it as well (UUID version 6, or 7), and those are in the index.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from runmanager.clamped_times import utc
from runmanager.conventions import UTC_ZONE
from runmanager.host.values import is_time
from runmanager.queries.listing.spans import at_or_after
from runmanager.queries.run.columns import first, json_field
from runmanager.queries.run.logs import TIME_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runmanager.host.values import Host, TraceTable

_DAY, _MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# UUID version 6 counts tenths of microseconds from the day on which calendars changed.
_GREGORIAN = datetime(1582, 10, 15, tzinfo=UTC)
_UUID = "________-____-{}___-____-____________"
_NUMBERS = {"smallint", "integer", "bigint", "numeric", "real", "double precision"}
# Seconds since 1970, and what else hosts count in; no two can be taken for each other.
_UNITS = (1, 10**3, 10**6, 10**9)
_FAR = 100
_NO_TIME = "When a row of “{}” was written cannot be told, so what is active by it is not seen."


@dataclass(frozen=True)
class _Clue:
    """Where a table tells that a row was written lately.

    ``is_late`` is that condition, as exact as SQL can have it; where it is not, ``text`` is the
    time as the host wrote it, to be read in Python, and NULL for a row that is late for certain.
    """

    trace: TraceTable
    is_late: sa.ColumnElement[bool]
    text: sa.ColumnElement[Any]

    def statement(self, thread_ids: Sequence[str]) -> sa.Select[Any]:
        """The runs with such rows: ``run`` and ``text``."""
        text: sa.ColumnElement[Any] = sa.cast(self.text, sa.Text).label("text")
        is_late = self.trace.of(thread_ids), self.is_late
        return sa.select(self.trace.thread_id.label("run"), text).where(*is_late).distinct()


def find_active(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str], since: datetime
) -> set[str]:
    """Those of ``thread_ids`` that have a checkpoint or a log line of ``since`` or later."""
    clues = list(_clues(host, since))
    if not clues or not thread_ids:
        return set()
    found = connection.execute(sa.union_all(*(clue.statement(thread_ids) for clue in clues)))
    zone = host.conventions.zone
    return {run for run, text in found if text is None or _is_late(utc(text, zone), since)}


def active_since(connection: sa.Connection, minutes: float) -> datetime:
    """The moment since which a run is active that has written, by the database's clock."""
    now: datetime = connection.scalar(sa.select(sa.func.now())) or datetime.now(UTC)
    return now - timedelta(minutes=minutes)


def unseen_activity(host: Host) -> tuple[str, ...]:
    """What ``find_active`` cannot look at, in sentences: tables without a time, and denied ones."""
    seen = {clue.trace.name for clue in _clues(host, _EPOCH)}
    denied = host.privileges.unreadable
    return tuple(
        f"What is active by “{trace.name}” is not seen. {denied[trace.name]}"
        if trace.name in denied
        else _NO_TIME.format(trace.name)
        for trace in _told_by(host)
        if trace.name not in seen
    )


def _told_by(host: Host) -> tuple[TraceTable, ...]:
    """The tables that are looked at, whether they can be or not."""
    checkpoints = (one for one in host.traces if one.name == "checkpoints" and one.key is not None)
    return (*checkpoints, *host.logs)


def _clues(host: Host, since: datetime) -> Iterator[_Clue]:
    for trace in _told_by(host):
        if trace.name in host.privileges.unreadable:
            continue
        clue = (
            _of_checkpoints(trace, since)
            if trace.name == "checkpoints"
            else _of_column(host, trace, first(trace.table, *TIME_NAMES), since)
        )
        if clue is not None:
            yield clue


def _of_checkpoints(trace: TraceTable, since: datetime) -> _Clue | None:
    table = trace.table
    ident, document = first(table, "checkpoint_id", "thread_ts"), first(table, "checkpoint")
    if ident is not None and is_time(ident):
        return _Clue(trace, at_or_after(ident, since, UTC_ZONE), sa.null())
    written = json_field(document, "ts")
    if ident is None:
        is_told = document is not None and isinstance(document.type, JSONB)
        return _Clue(trace, _may_be_late(written, since), written) if is_told else None
    text = sa.cast(ident, sa.Text)
    if ident.name == "thread_ts":
        written = sa.func.coalesce(written, text)
    name = sa.func.lower(text).collate("C")
    has_time = [(name.like(_UUID.format(version)), bound) for version, bound in _bounds(since)]
    # What is not asked of a row is not read: the JSON of one whose id has its time.
    return _Clue(
        trace,
        sa.case(
            *((is_shaped, name >= bound) for is_shaped, bound in has_time),
            else_=_may_be_late(written, since),
        ),
        sa.case(*((is_shaped, sa.null()) for is_shaped, _bound in has_time), else_=written),
    )


def _of_column(
    host: Host, trace: TraceTable, column: sa.Column[Any] | None, since: datetime
) -> _Clue | None:
    if column is None:
        return None
    if is_time(column):
        return _Clue(trace, at_or_after(column, since, host.conventions.zone), sa.null())
    if isinstance(column.type, sa.Text):
        return _Clue(trace, _may_be_late(column, since), column)
    if column.info["type"] in _NUMBERS:
        seconds = (since - _EPOCH) / timedelta(seconds=1)
        number = sa.cast(column, sa.Double)
        is_late = (number.between(seconds * unit, seconds * unit * _FAR) for unit in _UNITS)
        return _Clue(trace, sa.or_(*is_late), sa.null())
    # A day says nothing of the last minutes.
    return None


def _may_be_late(text: sa.ColumnElement[Any], since: datetime) -> sa.ColumnElement[bool]:
    """Whether a time in ISO 8601 may be ``since`` or later, whatever its zone; no text raises."""
    day = (since - _DAY).date().isoformat()
    return sa.func.ltrim(text).collate("C") >= day


def _is_late(moment: datetime | None, since: datetime) -> bool:
    return moment is not None and moment >= since


def _bounds(since: datetime) -> Iterator[tuple[int, str]]:
    """The versions of UUID that begin with a time, and what those of ``since`` begin with."""
    tenths = (since - _GREGORIAN) // _MICROSECOND * 10
    yield 6, f"{tenths >> 28:08x}-{tenths >> 12 & 0xFFFF:04x}-6{tenths & 0xFFF:03x}"
    thousandths = (since - _EPOCH) // timedelta(milliseconds=1)
    yield 7, f"{thousandths >> 16:08x}-{thousandths & 0xFFFF:04x}-7"
