"""Which server and database is asked, as whom, and what is there to be seen."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa


@dataclass(frozen=True)
class Server:
    """The server's version, and the database, role and search_path of this connection."""

    version: str
    database: str
    role: str
    search_path: str


def read_server(connection: sa.Connection) -> Server:
    """What is connected to."""
    row = connection.execute(
        sa.select(
            sa.func.current_setting("server_version").label("version"),
            sa.func.current_database().label("database"),
            sa.cast(sa.func.current_user(), sa.Text).label("role"),
            sa.func.current_setting("search_path").label("path"),
        )
    ).one()
    return Server(row.version, row.database, row.role, row.path)


def read_table_names(connection: sa.Connection) -> tuple[str, ...]:
    """The names of all tables and views that the search_path finds, sorted."""
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relname", "relnamespace", "relkind")))
    namespace = sa.table("pg_namespace", sa.column("oid"), sa.column("nspname"))
    rows = connection.scalars(
        sa.select(relation.c.relname)
        .join(namespace, namespace.c.oid == relation.c.relnamespace)
        .where(
            relation.c.relkind.in_(["r", "p", "v", "m", "f"]),
            sa.func.pg_table_is_visible(relation.c.oid),
            namespace.c.nspname.not_in(["pg_catalog", "information_schema"]),
        )
        .order_by(relation.c.relname)
    )
    return tuple(rows)
