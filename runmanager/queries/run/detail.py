"""One run in full: its own row, its parent and its reruns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.clamped_times import utc
from runmanager.errors import RunNotFoundError, UnknownNameError
from runmanager.host.ids import has_id
from runmanager.host.values import is_surely_time, may_be_time
from runmanager.queries.listing.conditions import not_hidden
from runmanager.queries.listing.order import newest_first
from runmanager.queries.listing.summaries import LISTED, as_summary, select_summaries
from runmanager.queries.run.excerpts import (
    as_text,
    bytes_of,
    excerpt_columns,
    holds_bytes,
    read_excerpt,
    require_readable,
)
from runmanager.queries.run.footprint import ids_with_traces
from runmanager.records import JsonText, RunDetail, RunLink, RunSummary, StatusKind
from runmanager.text import shorten

if TYPE_CHECKING:
    from runmanager.host.values import Host, Reading

MAX_JSON = 1_000_000
MAX_TEXT = 20_000
MAX_RERUNS = 50
_SHORT = ("parent_thread_id", "llm_model")
_LONG = ("error_message", "sop")
_JSON = ("initial_data", "metadata")
_TIMES = ("created_at", "completed_at")


def run_detail(reading: Reading, thread_id: str) -> RunDetail:
    """Everything ``run_metadata`` has about the run ``thread_id``.

    An id with orphan rows only gets a detail whose ``has_row`` is False. Raises RunNotFoundError
    for an id that has no row anywhere.
    """
    runs = reading.host.runs
    completed_at = _optional(runs, "completed_at")
    if "completed_at" in runs.c and not may_be_time(runs.c.completed_at):
        completed_at = sa.null()
    named = {*LISTED, *_SHORT, *_LONG, *_JSON, *_TIMES}
    doubtful = {name for name in _TIMES if name in runs.c and not is_surely_time(runs.c[name])}
    extra = sorted(set(runs.c.keys()) - (named - doubtful))
    statement = select_summaries(reading.host, runs).where(has_id(runs.c.thread_id, [thread_id]))
    statement = statement.add_columns(
        completed_at.label("completed_at"),
        *(sa.cast(_optional(runs, name), sa.Text).label(name) for name in _SHORT),
        *(column for name in _LONG for column in _excerpt(_optional(runs, name), name)),
        *(column for name in _JSON for column in json_columns(_optional(runs, name), name)),
        *(
            column
            for index, name in enumerate(extra)
            for column in _excerpt(runs.c[name], f"extra_{index}")
        ),
    )
    row = reading.connection.execute(statement.limit(1)).one_or_none()
    if row is None:
        if not ids_with_traces(reading.connection, reading.host, [thread_id]):
            raise _not_found(reading.host)
        return _orphan(thread_id)
    reruns, reruns_total = _reruns(reading, row.thread_id)
    summary = as_summary(reading.host, row)
    completed = utc(row.completed_at, reading.host.conventions.zone)
    # What a column of texts says is shown as it is only where it is no time.
    told = {"created_at": summary.created_at, "completed_at": completed}
    others = (
        (name, read_excerpt(row, f"extra_{index}"))
        for index, name in enumerate(extra)
        if told.get(name) is None
    )
    return RunDetail(
        summary=summary,
        has_row=True,
        completed_at=completed,
        error_message=read_excerpt(row, "error_message"),
        model=row.llm_model,
        sop=read_excerpt(row, "sop"),
        initial_data=json_text(row, "initial_data"),
        metadata=json_text(row, "metadata"),
        parent=_parent(reading, row.parent_thread_id),
        reruns=reruns,
        reruns_total=reruns_total,
        others=tuple((name, value) for name, value in others if value is not None),
    )


def whole_text(reading: Reading, thread_id: str, column: str) -> str | None:
    """One column of a run's row as text, nothing cut; None where it is NULL.

    Raises RunNotFoundError where the run has no row, UnknownNameError for a column that
    ``run_metadata`` has not or that holds bytes, and InvalidRequestError for more than 50 MB.
    """
    runs = reading.host.runs
    if column not in runs.c or holds_bytes(runs.c[column]):
        raise UnknownNameError(
            f"The table “{runs.name}” has no column “{shorten(column, 100)}” that is text."
        )
    text = as_text(runs.c[column])
    this_run = has_id(runs.c.thread_id, [thread_id])
    size = reading.connection.scalar(sa.select(bytes_of([text])).where(this_run).limit(1))
    if size is None:
        raise RunNotFoundError
    require_readable(size, f"The column “{column}” of this run")
    found: str | None = reading.connection.scalar(sa.select(text).where(this_run).limit(1))
    return found


def json_columns(column: sa.ColumnElement[Any], name: str) -> tuple[sa.Label[Any], ...]:
    """Two columns for ``json_text``: the document's beginning, and its whole length."""
    text = sa.cast(column, sa.Text)
    return (
        sa.func.left(text, MAX_JSON).label(f"{name}_text"),
        sa.func.length(text).label(f"{name}_length"),
    )


def json_text(row: sa.Row[Any], name: str) -> JsonText | None:
    """The document that ``json_columns`` selected, or None where it is NULL."""
    text = getattr(row, f"{name}_text")
    return None if text is None else JsonText(text, getattr(row, f"{name}_length"))


def _optional(table: sa.Table, name: str) -> sa.ColumnElement[Any]:
    return table.c[name] if name in table.c else sa.null()


def _excerpt(column: sa.ColumnElement[Any], name: str) -> tuple[sa.Label[Any], ...]:
    return excerpt_columns(as_text(column), name, MAX_TEXT)


def _not_found(host: Host) -> RunNotFoundError:
    """That there is no such run; where a table may not be read, that it may have traces there."""
    unread = host.privileges.unreadable
    denied = [unread[trace.name] for trace in host.traces if trace.name in unread]
    if not denied:
        return RunNotFoundError()
    return RunNotFoundError(
        f"No row of this run was found where the database role may look. {' '.join(denied)}"
    )


def _orphan(thread_id: str) -> RunDetail:
    summary = RunSummary(thread_id, None, None, StatusKind.UNKNOWN, None, None, None, None, None)
    return RunDetail(summary, False, None, None, None, None, None, None, None, (), 0, ())


def _parent(reading: Reading, thread_id: str | None) -> RunLink | None:
    if not thread_id:
        return None
    where = sa.and_(has_id(reading.host.runs.c.thread_id, [thread_id]), *not_hidden(reading))
    found = _links(reading, where, limit=1)
    return (
        found[0] if found else RunLink(thread_id, thread_id, None, StatusKind.UNKNOWN, exists=False)
    )


def _reruns(reading: Reading, thread_id: str) -> tuple[tuple[RunLink, ...], int]:
    if "parent_thread_id" not in reading.host.runs.c:
        return (), 0
    where = sa.and_(has_id(reading.host.runs.c.parent_thread_id, [thread_id]), *not_hidden(reading))
    found = _links(reading, where, limit=MAX_RERUNS)
    if len(found) < MAX_RERUNS:
        return found, len(found)
    count = sa.select(sa.func.count()).select_from(reading.host.runs).where(where)
    return found, reading.connection.scalar(count) or 0


def _links(reading: Reading, where: sa.ColumnElement[bool], *, limit: int) -> tuple[RunLink, ...]:
    statement = select_summaries(reading.host, reading.host.runs).where(where)
    statement = statement.order_by(*newest_first(reading.host.runs))
    rows = reading.connection.execute(statement.limit(limit))
    summaries = (as_summary(reading.host, row) for row in rows)
    return tuple(RunLink(run.thread_id, run.title, run.status, run.kind) for run in summaries)
