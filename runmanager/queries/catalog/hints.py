"""What the host's indexes and statistics are good for. Read with the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.host.values import Hints, stored_column, tables_behind
from runmanager.queries.catalog.index_reader import read_indexes
from runmanager.queries.catalog.indexes import has_order, has_trigram, leading, leads_with
from runmanager.queries.catalog.sizes import read_sizes

if TYPE_CHECKING:
    import sqlalchemy as sa

    from runmanager.host.values import Host

# Looking up one user from their runs costs about three times as much as looking at one user.
_DEARER = 3


def read_hints(connection: sa.Connection, host: Host) -> Hints:
    """What helps to read ``run_metadata`` in this database."""
    runs = host.runs.c
    indexes = read_indexes(connection, tables_behind(host.runs))
    by_time = leading(indexes, runs.created_at)
    nulls_last = bool(by_time) and all(one.keys[0].nulls_last_from_the_top for one in by_time)
    ids = (runs.thread_id, runs.user_id, runs.workspace_id)
    return Hints(
        indexed=frozenset(one.name for one in (*ids, runs.status) if leads_with(indexes, one)),
        ordered=frozenset(one.name for one in ids if has_order(indexes, host, one, nulls_last)),
        nulls_last=nulls_last,
        has_trigrams=all(has_trigram(indexes, one) for one in (runs.thread_id, runs.run_name)),
        has_idle_users=_has_idle_users(connection, host),
    )


def _has_idle_users(connection: sa.Connection, host: Host) -> bool:
    """Whether far more users are known than have runs, as far as the statistics say."""
    user_id, known_id = stored_column(host.runs.c.user_id), stored_column(host.users.c.id)
    sizes = read_sizes(connection, [user_id.table, known_id.table])
    with_runs = sizes[user_id.table.fullname].columns.get(user_id.name)
    known = sizes[known_id.table.fullname].rows or 0
    return with_runs is not None and 0 < with_runs.distinct * _DEARER < known
