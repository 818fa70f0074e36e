"""What users and workspaces are called, by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.host.ids import has_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.host.values import Reading


def names_of_users(reading: Reading, ids: Sequence[str]) -> dict[str, str]:
    """The names of these users, of those that have one."""
    users = reading.host.users.c
    return _names(reading, users.id, users.username, ids)


def names_of_workspaces(reading: Reading, ids: Sequence[str]) -> dict[str, str]:
    """The names of these workspaces, of those that have one."""
    workspaces = reading.host.workspaces
    if workspaces is None:
        return {}
    return _names(reading, workspaces.c.id, workspaces.c.name, ids)


def _names(
    reading: Reading, ident: sa.Column[str], name: sa.Column[str], ids: Sequence[str]
) -> dict[str, str]:
    text = sa.cast(name, sa.Text)
    rows = reading.connection.execute(
        sa.select(sa.cast(ident, sa.Text), text).where(has_id(ident, ids), text != "")
    )
    return {row[0]: row[1] for row in rows}
