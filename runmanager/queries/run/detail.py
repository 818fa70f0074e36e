"""One run in full: its own row, its parent and its reruns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import utc
from runmanager.errors import RunNotFoundError
from runmanager.host.ids import has_id
from runmanager.host.values import is_time
from runmanager.queries.listing.conditions import not_hidden
from runmanager.queries.listing.order import newest_first
from runmanager.queries.listing.summaries import LISTED, as_summary, select_summaries
from runmanager.queries.run.footprint import ids_with_traces
from runmanager.records import JsonText, RunDetail, RunLink, RunSummary

if TYPE_CHECKING:
    from runmanager.host.values import Reading

MAX_JSON = 1_000_000
MAX_TEXT = 20_000
MAX_RERUNS = 50
_NAMED = {"completed_at", "error_message", "parent_thread_id", "llm_model", "sop"}
_JSON = {"initial_data", "metadata"}


def run_detail(reading: Reading, thread_id: str) -> RunDetail:
    """Everything ``run_metadata`` has about the run ``thread_id``.

    An id with orphan rows only gets a detail whose ``has_row`` is False. Raises RunNotFoundError
    for an id that has no row anywhere.
    """
    runs = reading.host.runs
    completed_at = _optional(runs, "completed_at")
    named = {*LISTED, *_NAMED, *_JSON}
    if "completed_at" in runs.c and not is_time(runs.c.completed_at):
        completed_at = sa.null()
        named = named - {"completed_at"}
    extra = sorted(set(runs.c.keys()) - named)
    statement = select_summaries(reading.host, runs).where(has_id(runs.c.thread_id, [thread_id]))
    statement = statement.add_columns(
        completed_at.label("completed_at"),
        *(_text(_optional(runs, name)).label(name) for name in sorted(_NAMED - {"completed_at"})),
        *(column for name in sorted(_JSON) for column in json_columns(_optional(runs, name), name)),
        *(_text(runs.c[name]).label(f"extra_{index}") for index, name in enumerate(extra)),
    )
    row = reading.connection.execute(statement.limit(1)).one_or_none()
    if row is None:
        if not ids_with_traces(reading.connection, reading.host, [thread_id]):
            raise RunNotFoundError
        return _orphan(thread_id)
    reruns, reruns_total = _reruns(reading, row.thread_id)
    others = ((name, getattr(row, f"extra_{index}")) for index, name in enumerate(extra))
    return RunDetail(
        summary=as_summary(row),
        has_row=True,
        completed_at=utc(row.completed_at),
        error_message=row.error_message,
        model=row.llm_model,
        sop=row.sop,
        initial_data=json_text(row, "initial_data"),
        metadata=json_text(row, "metadata"),
        parent=_parent(reading, row.parent_thread_id),
        reruns=reruns,
        reruns_total=reruns_total,
        others=tuple((name, value) for name, value in others if value is not None),
    )


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


def _text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    if getattr(column, "info", {}).get("type") == "bytea":
        return sa.cast(sa.func.octet_length(column), sa.Text) + " bytes"
    return sa.func.left(sa.cast(column, sa.Text), MAX_TEXT)


def _orphan(thread_id: str) -> RunDetail:
    summary = RunSummary(thread_id, None, None, None, None, None, None, None)
    return RunDetail(summary, False, None, None, None, None, None, None, None, (), 0, ())


def _parent(reading: Reading, thread_id: str | None) -> RunLink | None:
    if not thread_id:
        return None
    where = sa.and_(has_id(reading.host.runs.c.thread_id, [thread_id]), *not_hidden(reading))
    found = _links(reading, where, limit=1)
    return found[0] if found else RunLink(thread_id, thread_id, None, exists=False)


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
    summaries = (as_summary(row) for row in reading.connection.execute(statement.limit(limit)))
    return tuple(RunLink(run.thread_id, run.title, run.status) for run in summaries)
