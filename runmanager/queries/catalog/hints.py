"""What the host's indexes and statistics are good for. Read with the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.host.values import Hints, stored_column, tables_behind
from runmanager.queries.catalog.index_reader import read_indexes
from runmanager.queries.catalog.indexes import (
    has_order,
    has_trigram,
    leading,
    leads_with,
    rises,
)
from runmanager.queries.catalog.sizes import read_sizes

if TYPE_CHECKING:
    from typing import Any

    from runmanager.host.values import Host

# Looking up one user from their runs costs about three times as much as looking at one user.
_DEARER = 3


def read_hints(connection: sa.Connection, host: Host) -> Hints:
    """What helps to read ``run_metadata`` in this database."""
    runs = host.runs.c
    indexes = read_indexes(connection, tables_behind(host.runs))
    by_time = leading(indexes, runs.created_at)
    nulls_last = bool(by_time) and all(one.keys[0].nulls_last_from_the_top for one in by_time)
    found = [runs.thread_id, runs.user_id, runs.workspace_id]
    has_exact_status = _is_compared_exactly(connection, runs.status)
    if has_exact_status:
        found.append(runs.status)
    indexed = {one.name for one in found if leads_with(indexes, one)}
    return Hints(
        indexed=frozenset(indexed | ({"created_at"} if by_time else set())),
        ordered=frozenset(one.name for one in found if has_order(indexes, host, one, nulls_last)),
        nulls_last=nulls_last,
        has_trigrams=all(has_trigram(indexes, one) for one in (runs.thread_id, runs.run_name)),
        has_idle_users=_has_idle_users(connection, host),
        has_exact_status=has_exact_status,
        rising=frozenset(one.name for one in found if rises(indexes, host, one, nulls_last)),
        falling=frozenset(
            one.name for one in found if rises(indexes, host, one, nulls_last) is False
        ),
    )


def _has_idle_users(connection: sa.Connection, host: Host) -> bool:
    """Whether far more users are known than have runs, as far as the statistics say."""
    user_id, known_id = stored_column(host.runs.c.user_id), stored_column(host.users.c.id)
    sizes = read_sizes(connection, [user_id.table, known_id.table])
    with_runs = sizes[user_id.table.fullname].columns.get(user_id.name)
    known = sizes[known_id.table.fullname].rows or 0
    return with_runs is not None and 0 < with_runs.distinct * _DEARER < known


def _is_compared_exactly(connection: sa.Connection, column: sa.Column[Any]) -> bool:
    """Whether two values that the column's own ``=`` calls equal print alike.

    They do not in a column of citext, or whose collation takes no notice of case or accents: an
    index there finds words together that are not the same to the letter.
    """
    column = stored_column(column)
    attribute = sa.table(
        "pg_attribute", *map(sa.column, ("attrelid", "attname", "atttypid", "attcollation"))
    )
    kind = sa.table("pg_type", sa.column("oid"), sa.column("typtype"))
    collation = sa.table("pg_collation", sa.column("oid"), sa.column("collisdeterministic"))
    row = connection.execute(
        sa.select(
            kind.c.typtype,
            sa.func.coalesce(collation.c.collisdeterministic, True).label("is_deterministic"),
        )
        .join(kind, kind.c.oid == attribute.c.atttypid)
        .outerjoin(collation, collation.c.oid == attribute.c.attcollation)
        .where(attribute.c.attrelid == column.table.info["oid"], attribute.c.attname == column.name)
    ).one_or_none()
    is_plain = isinstance(column.type, (sa.Text, sa.BigInteger, sa.Uuid))
    if row is None:
        return False
    return bool(row.is_deterministic) and (is_plain or row.typtype == "e")
