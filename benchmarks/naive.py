"""The plain way: count, sort, OFFSET, ILIKE, DISTINCT, and a DELETE for each run and table.

It is what one writes first, and what Run Manager is compared with: in its speed, and in its
answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.queries.listing.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from runmanager.database import Database
    from runmanager.filters import RunFilter
    from runmanager.paging import PageRequest

SECONDS = 600.0
_FROM = """
    FROM run_metadata r
    LEFT JOIN users u ON u.id = r.user_id
    LEFT JOIN workspaces w ON w.id = r.workspace_id
"""
_ORDER = """
    ORDER BY r.created_at DESC NULLS LAST, r.thread_id DESC
    LIMIT :size OFFSET :skip
"""
_USERS = """
    SELECT DISTINCT u.username FROM run_metadata r JOIN users u ON u.id = r.user_id ORDER BY 1
"""
_WORKSPACES = """
    SELECT DISTINCT r.workspace_id::text, w.name
    FROM run_metadata r LEFT JOIN workspaces w ON w.id = r.workspace_id
    WHERE r.workspace_id IS NOT NULL ORDER BY 2
"""
_DELETES = (
    "DELETE FROM checkpoint_writes WHERE thread_id = %s",
    "DELETE FROM checkpoint_blobs WHERE thread_id = %s",
    "DELETE FROM checkpoints WHERE thread_id = %s",
    "DELETE FROM logs WHERE thread_id = %s",
    "DELETE FROM run_metadata WHERE thread_id = %s",
)


@dataclass(frozen=True)
class Naive:
    """Reads as one would at first, in the same transactions as ours."""

    database: Database

    def page(self, run_filter: RunFilter, request: PageRequest) -> tuple[str, ...]:
        """The ids on one page; two statements, as its total is shown with it."""
        where, values = _where(run_filter)
        with self.database.read(seconds=SECONDS) as connection:
            total = connection.scalar(_text("SELECT count(*)", _FROM, where), values)
            skip = request.offset
            if request.from_end:
                skip = _last_skip(total or 0, request)
            rows = connection.execute(
                _text("SELECT r.*, u.username, w.name", _FROM, where, _ORDER),
                values | {"size": request.size, "skip": skip},
            ).all()
        return tuple(row.thread_id for row in rows)

    def count(self, run_filter: RunFilter) -> tuple[str, ...]:
        """How many runs there are, as the one thing in a tuple."""
        where, values = _where(run_filter)
        with self.database.read(seconds=SECONDS) as connection:
            return (str(connection.scalar(_text("SELECT count(*)", _FROM, where), values)),)

    def usernames(self) -> tuple[str, ...]:
        """The names of users who have runs."""
        with self.database.read(seconds=SECONDS) as connection:
            return tuple(sorted(connection.scalars(sa.text(_USERS))))

    def workspaces(self) -> tuple[str, ...]:
        """The ids of workspaces that have runs."""
        with self.database.read(seconds=SECONDS) as connection:
            return tuple(sorted(row[0] for row in connection.execute(sa.text(_WORKSPACES))))


def delete(connection: psycopg.Connection[Any], thread_ids: Sequence[str]) -> None:
    """Delete runs one after the other, each in a transaction of its own."""
    for thread_id in thread_ids:
        with connection.transaction():
            for statement in _DELETES:
                connection.execute(statement, [thread_id])


def _last_skip(total: int, request: PageRequest) -> int:
    """Where a page that is counted from the end begins.

    Ours has numbered pages, the last of them with what is left, where it counts all runs at once;
    else the last page is as full as any other.
    """
    if total <= Limits.exact_to:
        return max(0, (total - 1) // request.size * request.size - request.offset)
    return max(0, total - request.offset - request.size)


def _where(run_filter: RunFilter) -> tuple[str, dict[str, Any]]:
    parts, values = [], {}
    if run_filter.search:
        # The words searched for here have no % or _ in them.
        parts.append("(r.thread_id ILIKE :search OR r.run_name ILIKE :search)")
        values["search"] = f"%{run_filter.search}%"
    if isinstance(run_filter.username, str):
        parts.append("u.username = :username")
        values["username"] = run_filter.username
    if isinstance(run_filter.workspace, str):
        parts.append("r.workspace_id = CAST(:workspace AS uuid)")
        values["workspace"] = run_filter.workspace
    return f"WHERE {' AND '.join(parts)}" if parts else "", values


def _text(*parts: str) -> sa.TextClause:
    return sa.text(" ".join(parts))
