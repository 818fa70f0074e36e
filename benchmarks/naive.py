"""The plain way: count, sort, OFFSET, ILIKE, DISTINCT, and a DELETE for each run and table.

It is what one writes first, and what Run Manager is compared with: in its speed, and in its
answers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.queries.listing.limits import Limits
from runmanager.sorting import NEWEST_FIRST, SortKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import psycopg

    from runmanager.database import Database
    from runmanager.filters import RunFilter
    from runmanager.paging import PageRequest
    from runmanager.sorting import Sort

SECONDS = 600.0
_FROM = """
    FROM run_metadata r
    LEFT JOIN users u ON u.id = r.user_id
    LEFT JOIN workspaces w ON w.id = r.workspace_id
"""
_ORDER = "r.created_at DESC NULLS LAST, r.thread_id DESC LIMIT :size OFFSET :skip"
_KEYS = {
    SortKey.STARTED: "",
    # Of a run that is not over, the time until now.
    SortKey.TOOK: "CASE WHEN r.completed_at IS NULL AND r.status = 'running' THEN now()"
    " ELSE r.completed_at END - r.created_at DESC NULLS LAST, ",
    SortKey.NAME: 'lower(r.run_name) NULLS LAST, r.run_name COLLATE "C" NULLS LAST, ',
}
# As somebody would write it who knows the words of this host.
_KIND = """
    CASE WHEN lower(trim(r.status)) = 'running' THEN 'running'
         WHEN lower(trim(r.status)) = 'completed' THEN 'completed'
         WHEN lower(trim(r.status)) IN ('failed', 'error') THEN 'failed'
         WHEN lower(trim(r.status)) = 'paused' THEN 'paused'
         ELSE 'other' END
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

    def page(
        self, run_filter: RunFilter, request: PageRequest, sort: Sort = NEWEST_FIRST
    ) -> tuple[str, ...]:
        """The ids on one page; two statements, as its total is shown with it."""
        where, values = _where(run_filter)
        with self.database.read(seconds=SECONDS) as connection:
            total = connection.scalar(_text("SELECT count(*)", _FROM, where), values)
            skip = request.offset
            if request.from_end:
                skip = _last_skip(total or 0, request)
            rows = connection.execute(
                _text("SELECT r.*, u.username, w.name", _FROM, where, _order(sort)),
                values | {"size": request.size, "skip": skip},
            ).all()
        return tuple(row.thread_id for row in rows)

    def count(self, run_filter: RunFilter) -> tuple[str, ...]:
        """How many runs there are, as the one thing in a tuple."""
        where, values = _where(run_filter)
        with self.database.read(seconds=SECONDS) as connection:
            return (str(connection.scalar(_text("SELECT count(*)", _FROM, where), values)),)

    def statuses(self, run_filter: RunFilter) -> tuple[str, ...]:
        """How many runs have each status."""
        where, values = _where(run_filter)
        statement = _text("SELECT r.status, count(*)", _FROM, where, "GROUP BY 1")
        with self.database.read(seconds=SECONDS) as connection:
            rows = connection.execute(statement, values).all()
        return tuple(sorted(f"{status}: {runs}" for status, runs in rows))

    def histogram(self, run_filter: RunFilter) -> tuple[str, ...]:
        """The runs by kind and hour: how many of each kind the buckets have in all."""
        where, values = _where(run_filter)
        hour = "date_bin('1 hour', r.created_at, '2000-01-01')"
        dated = f"{where} {'AND' if where else 'WHERE'} r.created_at IS NOT NULL"
        statement = _text(
            f"SELECT {hour}, {_KIND} AS kind, count(*)", _FROM, dated, "GROUP BY 1, 2"
        )
        found: Counter[str] = Counter()
        with self.database.read(seconds=SECONDS) as connection:
            for _hour, kind, runs in connection.execute(statement, values):
                found[kind] += runs
        return tuple(sorted(f"{kind}: {runs}" for kind, runs in found.items()))

    def between(self, starts: Sequence[datetime], end: datetime) -> list[int]:
        """How many runs there are from each of these times to the next, the last to ``end``."""
        statement = sa.text(
            "SELECT width_bucket(created_at, :starts), count(*) FROM run_metadata"
            " WHERE created_at >= :first AND created_at < :end GROUP BY 1"
        ).bindparams(sa.bindparam("starts", type_=sa.ARRAY(sa.DateTime(timezone=True))))
        values = {"starts": list(starts), "first": starts[0], "end": end}
        with self.database.read(seconds=SECONDS) as connection:
            found = {row[0]: row[1] for row in connection.execute(statement, values)}
        return [found.get(number, 0) for number in range(1, len(starts) + 1)]

    def ids(self, run_filter: RunFilter, most: int) -> tuple[str, ...]:
        """The ids of the newest runs."""
        where, values = _where(run_filter)
        statement = _text("SELECT r.thread_id", _FROM, where, _order(NEWEST_FIRST))
        with self.database.read(seconds=SECONDS) as connection:
            return tuple(connection.scalars(statement, values | {"size": most, "skip": 0}))

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
    parts: list[str] = []
    values: dict[str, Any] = {}
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
    if run_filter.status:
        parts.append("r.status = ANY(:status)")
        values["status"] = list(run_filter.status)
    for key, sign, moment in (("since", ">=", run_filter.since), ("until", "<", run_filter.until)):
        if moment is not None:
            parts.append(f"r.created_at {sign} :{key}")
            values[key] = moment
    return f"WHERE {' AND '.join(parts)}" if parts else "", values


def _order(sort: Sort) -> str:
    return f"ORDER BY {_KEYS[sort.key]}{_ORDER}"


def _text(*parts: str) -> sa.TextClause:
    return sa.text(" ".join(parts))
