"""References that the database clears as runs go, written into the archive before they do.

The rows themselves stay. What tells one of them is its row key; where a table has none, or may not
be read, the archive says that it does not have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.archive.rows_file import Reference
from runmanager.archive.rows_format import Unrecorded
from runmanager.deletion.keeping import may_look
from runmanager.host.values import Rule
from runmanager.queries.run.belonging import Belonging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.archive.rows_file import RowsFile
    from runmanager.host.values import Host, Link

_AT_ONCE = 2_000


def archive_references(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str], into: RowsFile
) -> None:
    """Write into the file what refers to rows of ``thread_ids`` and will be cleared.

    It is asked in the transaction in which they go, before they do.
    """
    if not thread_ids:
        return
    belonging = Belonging(host, thread_ids)
    for link in host.links:
        if link.rule is not Rule.CLEARS:
            continue
        if not may_look(host, link):
            denied = host.privileges.unreadable[host.name_of(link.child)]
            into.leave_out(Unrecorded(host.name_of(link.child), link.name, None, denied))
        elif not link.child.info["key"]:
            _tell(connection, host, belonging, link, into)
        else:
            _write(connection, host, belonging, link, into)


def _tell(
    connection: sa.Connection, host: Host, belonging: Belonging, link: Link, into: RowsFile
) -> None:
    kept = belonging.keeps(link).subquery("kept")
    places = sa.select(kept.c.rel, kept.c.tid).distinct().subquery("places")
    rows = connection.scalar(sa.select(sa.func.count()).select_from(places))
    if rows:
        name = host.name_of(link.child)
        why = f"“{name}” has no primary key, so its rows cannot be told apart."
        into.leave_out(Unrecorded(name, link.name, rows, why))


def _write(
    connection: sa.Connection, host: Host, belonging: Belonging, link: Link, into: RowsFile
) -> None:
    child = link.child.alias("child")
    key = [child.c[name] for name in link.child.info["key"]]
    referring = [child.c[name] for name in link.columns]
    kept = belonging.keeps(link).subquery("kept")
    # A row that two of the runs share is there once.
    each = (
        sa.select(kept.c.rel, kept.c.tid, sa.func.min(kept.c.run).label("run"))
        .group_by(kept.c.rel, kept.c.tid)
        .subquery("each")
    )
    is_row = sa.and_(
        sa.literal_column("child.tableoid") == each.c.rel,
        sa.literal_column("child.ctid") == each.c.tid,
    )
    statement = sa.select(each.c.run, *map(_printed, [*key, *referring])).select_from(
        sa.join(child, each, is_row)
    )
    # As they come: a run may be referred to by any number of rows.
    with connection.execute(statement.execution_options(yield_per=_AT_ONCE)) as rows:
        for run, *values in rows:
            into.refer(
                Reference(
                    table=host.name_of(link.child),
                    schema=str(link.child.schema),
                    relation=link.child.name,
                    constraint=link.name,
                    run=run,
                    key=dict(zip(link.child.info["key"], values, strict=False)),
                    values=dict(zip(link.columns, values[len(key) :], strict=True)),
                )
            )


def _printed(column: sa.Column[Any]) -> sa.ColumnElement[str]:
    """What the type itself prints, as COPY does: a cast to text is the host's to define."""
    return sa.func.format("%s", column)
