"""The distinct values of one column, at the cost of a look into its index for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from runmanager.host.values import Reading


def distinct_values(reading: Reading, column: sa.Column[Any]) -> sa.Select[Any]:
    """The distinct values of a column of ``run_metadata`` that an index begins with, as ``id``.

    The least value, then again and again the least that is greater: DISTINCT would read all runs.
    With a LIMIT it looks no further than that. https://wiki.postgresql.org/wiki/Loose_indexscan
    """
    least = sa.select(column.label("id")).where(column.is_not(None)).order_by(column).limit(1)
    found = sa.select(least.subquery("least").c.id).cte("found", recursive=True)
    runs = reading.host.runs.alias("further")
    further = runs.c[column.name]
    greater = (
        sa.select(further).where(further > found.c.id).order_by(further).limit(1).scalar_subquery()
    )
    found = found.union_all(sa.select(greater).where(found.c.id.is_not(None)))
    return sa.select(found.c.id).where(found.c.id.is_not(None))
