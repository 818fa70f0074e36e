"""The lists behind the filters: users and workspaces that have runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.host import same_id
from runmanager.queries.conditions import conditions, not_hidden
from runmanager.records import WorkspaceChoice

if TYPE_CHECKING:
    from runmanager.filters import RunFilter
    from runmanager.host import Host


def usernames(connection: sa.Connection, host: Host) -> tuple[str, ...]:
    """The names of users that have runs, distinct and sorted by code point."""
    # LATERAL … LIMIT 1 asks the index on user_id once a user; DISTINCT over the runs read them all.
    one_run = (
        sa.select(sa.literal(1).label("one"))
        .where(same_id(host.runs.c.user_id, host.users.c.id), *not_hidden(host))
        .limit(1)
        .lateral()
    )
    name = sa.cast(host.users.c.username, sa.Text)
    rows = connection.scalars(
        sa.select(name)
        .select_from(host.users)
        .join(one_run, sa.true())
        .where(name.is_not(None), name != "")
        .distinct()
    )
    return tuple(sorted(rows))


def workspaces(
    connection: sa.Connection, host: Host, run_filter: RunFilter
) -> tuple[WorkspaceChoice, ...]:
    """The workspaces named by runs of ``run_filter``, by name, those without a name last."""
    workspace_id = host.runs.c.workspace_id
    used = (
        sa.select(workspace_id)
        .where(workspace_id.is_not(None), *conditions(connection, host, run_filter))
        .distinct()
        .subquery()
    )
    name: sa.ColumnElement[Any] = sa.null()
    if host.workspaces is not None:
        name = (
            sa.select(sa.cast(host.workspaces.c.name, sa.Text))
            .where(same_id(host.workspaces.c.id, used.c.workspace_id))
            .limit(1)
            .scalar_subquery()
        )
    rows = connection.execute(
        sa.select(sa.cast(used.c.workspace_id, sa.Text).label("id"), name.label("name"))
    )
    choices = (WorkspaceChoice(row.id, row.name or None) for row in rows)
    return tuple(
        sorted(choices, key=lambda one: (one.name is None, one.name or "", one.workspace_id))
    )
