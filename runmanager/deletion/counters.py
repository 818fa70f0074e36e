"""How many rows this transaction has deleted, as PostgreSQL counts them itself.

A cascade or a trigger deletes rows that no statement of ours returns. PostgreSQL counts them for
its statistics, table by table, also within a transaction that is not over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.host.relations import shown_as

if TYPE_CHECKING:
    from collections.abc import Mapping


def rows_deleted(connection: sa.Connection) -> dict[int, int] | None:
    """Rows deleted by this connection that the statistics have not yet, by the table's oid.

    It is the difference between two looks in one transaction that counts. None where the server
    does not count (track_counts is off).
    """
    relation = sa.table("pg_class", sa.column("oid"), sa.column("relkind"))
    deleted = sa.func.pg_stat_get_xact_tuples_deleted(relation.c.oid)
    counts = sa.func.current_setting("track_counts") == "on"
    rows = connection.execute(
        sa.select(counts.label("counts"), relation.c.oid, deleted.label("deleted")).where(
            relation.c.relkind == "r", sa.or_(deleted > 0, ~counts)
        )
    ).all()
    if any(not row.counts for row in rows):
        return None
    return {row.oid: row.deleted for row in rows}


def names_of(connection: sa.Connection, oids: Mapping[int, int]) -> dict[int, str]:
    """What the tables with these oids are called, with their schema where it must be said."""
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relname", "relnamespace")))
    namespace = sa.table("pg_namespace", sa.column("oid"), sa.column("nspname"))
    root = relation.alias("root")
    # A partition's rows are its parent's.
    above = sa.func.coalesce(sa.func.pg_partition_root(relation.c.oid), relation.c.oid)
    rows = connection.execute(
        sa.select(relation.c.oid, shown_as(root, namespace).label("name"))
        .join(root, root.c.oid == above)
        .join(namespace, namespace.c.oid == root.c.relnamespace)
        .where(relation.c.oid.in_(list(oids)))
    )
    return {row.oid: row.name for row in rows}
