"""What a list shows of a run, and how it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.clamped_times import utc
from runmanager.host.ids import same_id
from runmanager.host.values import may_be_time
from runmanager.records import RunSummary

if TYPE_CHECKING:
    from runmanager.host.values import Host

LISTED = ("thread_id", "run_name", "status", "created_at", "user_id", "workspace_id")
# A list shows these as well where the host has them.
_EXTRA = ("completed_at", "error_message")
MAX_ERROR = 300
# A blank line or two before the first that says something.
_LOOKED_AT = 1_000


def listed(host: Host) -> tuple[str, ...]:
    """The columns of ``run_metadata`` that a list needs, of those that this host has."""
    return (*LISTED, *(name for name in _EXTRA if name in host.runs.c))


def select_summaries(host: Host, runs: sa.FromClause) -> sa.Select[Any]:
    """A SELECT over ``runs``, with the columns ``listed``, whose rows ``as_summary`` can read.

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
    columns: list[sa.ColumnElement[Any]] = [
        sa.cast(runs.c.thread_id, sa.Text).label("thread_id"),
        sa.cast(runs.c.run_name, sa.Text).label("run_name"),
        sa.cast(runs.c.status, sa.Text).label("status"),
        runs.c.created_at,
        sa.cast(runs.c.created_at, sa.Text).label("printed_time"),
        sa.cast(runs.c.user_id, sa.Text).label("user_id"),
        username.label("username"),
        sa.cast(runs.c.workspace_id, sa.Text).label("workspace_id"),
        workspace_name.label("workspace_name"),
        _ended(host, runs).label("ended_at"),
        _error(host, runs).label("error_start"),
    ]
    return sa.select(*columns)


def select_keys(_host: Host, runs: sa.FromClause) -> sa.Select[Any]:
    """A SELECT over ``runs`` that has no more than each run's id."""
    thread_id: sa.ColumnElement[Any] = sa.cast(runs.c.thread_id, sa.Text).label("thread_id")
    return sa.select(thread_id)


def _ended(host: Host, runs: sa.FromClause) -> sa.ColumnElement[Any]:
    if "completed_at" not in host.runs.c or not may_be_time(host.runs.c.completed_at):
        return sa.null()
    return runs.c.completed_at


def _error(host: Host, runs: sa.FromClause) -> sa.ColumnElement[Any]:
    """The beginning of a run's error: one of 10 MB is not sent for a line of the list."""
    if "error_message" not in host.runs.c:
        return sa.null()
    return sa.func.left(sa.cast(runs.c.error_message, sa.Text), _LOOKED_AT)


def _first_line(text: str | None) -> str | None:
    """The first line of an error that says something."""
    lines = (text or "").strip().splitlines()
    return lines[0].strip()[:MAX_ERROR] or None if lines else None


def or_none(name: str | None) -> str | None:
    """A run's name, or None where it is missing or blank."""
    return name if name and name.strip() else None


def as_summary(host: Host, row: sa.Row[Any]) -> RunSummary:
    """The record of one row of ``select_summaries``."""
    known = host.conventions
    return RunSummary(
        thread_id=row.thread_id,
        name=or_none(row.run_name),
        status=row.status,
        kind=known.statuses.kind(row.status),
        created_at=utc(row.created_at, known.zone),
        user_id=row.user_id,
        username=row.username,
        workspace_id=row.workspace_id,
        workspace_name=row.workspace_name or None,
        completed_at=utc(row.ended_at, known.zone),
        error=_first_line(row.error_start),
    )
