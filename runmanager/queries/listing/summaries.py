"""What a list shows of a run, and how it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.clamped_times import utc
from runmanager.host.ids import same_id
from runmanager.records import RunSummary

if TYPE_CHECKING:
    from runmanager.host.values import Host

LISTED = ("thread_id", "run_name", "status", "created_at", "user_id", "workspace_id")


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
        sa.cast(runs.c.created_at, sa.Text).label("printed_time"),
        sa.cast(runs.c.user_id, sa.Text).label("user_id"),
        username.label("username"),
        sa.cast(runs.c.workspace_id, sa.Text).label("workspace_id"),
        workspace_name.label("workspace_name"),
    )


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
    )
