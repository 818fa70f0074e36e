"""Listing and counting runs: newest first, runs without a time last, thread_id as tie-break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import utc
from runmanager.host import same_id
from runmanager.paging import Page, PageRequest
from runmanager.queries.conditions import conditions
from runmanager.records import RunSummary

if TYPE_CHECKING:
    from runmanager.filters import RunFilter
    from runmanager.host import Host


def list_runs(
    connection: sa.Connection,
    host: Host,
    run_filter: RunFilter,
    request: PageRequest,
    *,
    nearest: bool = False,
) -> Page[RunSummary]:
    """The runs of ``run_filter`` on one page, with the exact total.

    A page past the end is empty, or the last one where ``nearest`` is set.
    """
    where = conditions(connection, host, run_filter)
    total = connection.scalar(sa.select(sa.func.count()).select_from(host.runs).where(*where)) or 0
    window = request.within(total) if nearest else request
    rows: list[sa.Row[Any]] = []
    if window.offset < total:
        rows = _read(connection, host, where, window.offset, window.size)
    return Page(tuple(as_summary(row) for row in rows), total, window.number, window.size)


def newest_first(runs: sa.FromClause) -> tuple[sa.ColumnElement[Any], ...]:
    """The total order of runs: pages of it never overlap or skip."""
    return runs.c.created_at.desc().nulls_last(), runs.c.thread_id.desc()


def _read(
    connection: sa.Connection,
    host: Host,
    where: list[sa.ColumnElement[bool]],
    offset: int,
    size: int,
) -> list[sa.Row[Any]]:
    """``size`` rows from ``offset`` on in the order ``newest_first``.

    Hosts index ``created_at DESC``, which puts NULLs first: an order with NULLs last sorts the
    whole table. So the runs with a time are read by that index, and those without are appended
    where the page runs short.
    """
    created_at, thread_id = host.runs.c.created_at, host.runs.c.thread_id
    dated = [created_at.is_not(None), *where]
    order = (created_at.desc(), thread_id.desc())
    rows = _window(connection, host, dated, order, offset, size)
    if len(rows) < size:
        count = sa.select(sa.func.count()).select_from(host.runs).where(*dated)
        before = max(0, offset - (connection.scalar(count) or 0))
        undated = [created_at.is_(None), *where]
        rows += _window(connection, host, undated, order[1:], before, size - len(rows))
    return rows


def _window(
    connection: sa.Connection,
    host: Host,
    where: list[sa.ColumnElement[bool]],
    order: tuple[sa.ColumnElement[Any], ...],
    offset: int,
    size: int,
) -> list[sa.Row[Any]]:
    chosen = (
        sa.select(host.runs).where(*where).order_by(*order).limit(size).offset(offset).subquery()
    )
    # The names are looked up for the rows of the page only, which stay in their order.
    statement = select_summaries(host, chosen).order_by(*newest_first(chosen))
    return list(connection.execute(statement))


def select_summaries(host: Host, runs: sa.FromClause) -> sa.Select[Any]:
    """A SELECT over ``runs`` whose rows ``as_summary`` can read.

    Names are looked up one by one, so that a users view with two rows for an id cannot show a run
    twice.
    """
    username = (
        sa.select(sa.cast(host.users.c.username, sa.Text))
        .where(same_id(host.users.c.id, runs.c.user_id))
        .limit(1)
        .scalar_subquery()
    )
    workspace_name: sa.ColumnElement[Any] = sa.null()
    if host.workspaces is not None:
        workspace_name = (
            sa.select(sa.cast(host.workspaces.c.name, sa.Text))
            .where(same_id(host.workspaces.c.id, runs.c.workspace_id))
            .limit(1)
            .scalar_subquery()
        )
    return sa.select(
        sa.cast(runs.c.thread_id, sa.Text).label("thread_id"),
        sa.cast(runs.c.run_name, sa.Text).label("run_name"),
        sa.cast(runs.c.status, sa.Text).label("status"),
        runs.c.created_at,
        sa.cast(runs.c.user_id, sa.Text).label("user_id"),
        username.label("username"),
        sa.cast(runs.c.workspace_id, sa.Text).label("workspace_id"),
        workspace_name.label("workspace_name"),
    )


def or_none(name: str | None) -> str | None:
    """A run's name, or None where it is missing or blank."""
    return name if name and name.strip() else None


def as_summary(row: sa.Row[Any]) -> RunSummary:
    """The record of one row of ``select_summaries``."""
    return RunSummary(
        thread_id=row.thread_id,
        name=or_none(row.run_name),
        status=row.status,
        created_at=utc(row.created_at),
        user_id=row.user_id,
        username=row.username,
        workspace_id=row.workspace_id,
        workspace_name=row.workspace_name or None,
    )
