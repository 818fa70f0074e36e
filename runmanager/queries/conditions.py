"""The one place where a RunFilter becomes SQL: list, count, facets and all that follow use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.host import has_id, same_id, storable

if TYPE_CHECKING:
    from runmanager.filters import RunFilter
    from runmanager.host import Host


def conditions(
    connection: sa.Connection, host: Host, run_filter: RunFilter
) -> list[sa.ColumnElement[bool]]:
    """The conditions on ``run_metadata`` that select exactly the runs of ``run_filter``.

    The connection is used to find the ids behind a username: a join inside the statement was
    measured to hide the index on ``user_id``.
    """
    runs = host.runs.c
    found = not_hidden(host)
    if run_filter.search:
        found.append(_matches(host, run_filter.search))
    if run_filter.username is not None:
        found.append(has_id(runs.user_id, user_ids(connection, host, run_filter.username)))
    if run_filter.without_user:
        found.append(~_exists_in(host.users, runs.user_id))
    if run_filter.workspace is not None:
        found.append(has_id(runs.workspace_id, [run_filter.workspace]))
    if run_filter.without_workspace:
        found.append(
            runs.workspace_id.is_(None)
            if host.workspaces is None
            else ~_exists_in(host.workspaces, runs.workspace_id)
        )
    return found


def not_hidden(host: Host) -> list[sa.ColumnElement[bool]]:
    """The conditions that leave out runs which only a lagging replica still has; mostly none."""
    return [~has_id(host.runs.c.thread_id, host.hidden)] if host.hidden else []


def user_ids(connection: sa.Connection, host: Host, username: str) -> list[str]:
    """The ids, as strings, of the users with exactly this name; [] when there is none."""
    if not storable(username):
        return []
    users = host.users.c
    return list(
        connection.scalars(
            sa.select(sa.cast(users.id, sa.Text)).where(
                sa.cast(users.username, sa.Text) == username
            )
        )
    )


def _matches(host: Host, search: str) -> sa.ColumnElement[bool]:
    if not storable(search):
        return sa.false()
    runs = host.runs.c
    # autoescape makes %, _ and the escape character mean themselves.
    return sa.or_(
        sa.cast(runs.thread_id, sa.Text).icontains(search, autoescape=True),
        sa.cast(runs.run_name, sa.Text).icontains(search, autoescape=True),
    )


def _exists_in(table: sa.Table, id_column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return sa.exists(sa.select(sa.literal(1)).where(same_id(table.c.id, id_column)))
