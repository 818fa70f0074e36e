"""What tells the rows of a table apart: its primary key, or a unique index that serves as one.

Like ``catalog.py`` it reads PostgreSQL's catalog, which is why it sends SQL.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_row_keys(connection: sa.Connection, tables: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """The columns that together differ in any two rows, by the oid of the table.

    Tables are given by their oids too. The primary key comes first, then the unique index with the
    fewest columns. An index counts only if it holds for every row: it is finished, not partial, has
    plain columns that are never NULL, and compares as they do. A table that others inherit from
    has none, because its indexes do not cover the rows of its children.
    """
    index = sa.table(
        "pg_index",
        *map(sa.column, ("indexrelid", "indrelid", "indnkeyatts", "indisunique", "indisprimary")),
        *map(sa.column, ("indisvalid", "indisready", "indislive", "indpred")),
        *(sa.column(name, sa.ARRAY(sa.Integer)) for name in ("indkey", "indcollation")),
    )
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relkind", "relhassubclass")))
    attribute = sa.table(
        "pg_attribute",
        *map(sa.column, ("attrelid", "attnum", "attname", "attnotnull", "attcollation")),
    )
    number = (
        sa.func.generate_series(1, index.c.indnkeyatts)
        .table_valued("n", name="key")
        .render_derived()
    )
    at = number.c.n - 1  # these arrays begin at 0
    is_plain = sa.and_(
        attribute.c.attnotnull, attribute.c.attcollation == index.c.indcollation[at]
    ).label("is_plain")
    rows = connection.execute(
        sa.select(index.c.indrelid, index.c.indexrelid, attribute.c.attname, is_plain)
        .select_from(index)
        .join(relation, relation.c.oid == index.c.indrelid)
        .join(number, sa.true())
        .outerjoin(
            attribute,
            (attribute.c.attrelid == index.c.indrelid) & (attribute.c.attnum == index.c.indkey[at]),
        )
        .where(
            relation.c.oid.in_(list(tables)),
            sa.or_(relation.c.relkind == "p", ~relation.c.relhassubclass),
            index.c.indisunique,
            index.c.indisvalid,
            index.c.indisready,
            index.c.indislive,
            index.c.indpred.is_(None),
        )
        .order_by(
            index.c.indrelid,
            index.c.indisprimary.desc(),
            index.c.indnkeyatts,
            index.c.indexrelid,
            number.c.n,
        )
    ).all()
    found: dict[int, tuple[str, ...]] = {}
    for (table, _index), keys in groupby(rows, lambda row: (row.indrelid, row.indexrelid)):
        columns = list(keys)
        if all(key.is_plain for key in columns):
            found.setdefault(table, tuple(key.attname for key in columns))
    return found
