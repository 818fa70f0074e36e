"""Counting runs: exactly as far as that is cheap, else by what the planner or a sample says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, Executable

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

    from runmanager.queries.conditions import Selection


# At ten million runs a sample of so many pages has 1,500 of them, and is read in a millisecond.
SAMPLED_PAGES = 30
# Of so many that were found the share in all is known to a seventh, most of the time.
_ENOUGH_FOUND = 50
_HAS_PAGES = {"r", "m"}


@dataclass(frozen=True)
class Guess:
    """How many runs are likely selected, and how many there are surely."""

    count: int = 0
    at_least: int = 0


def guess(connection: sa.Connection, selection: Selection) -> Guess:
    """What is known at once of how many runs are selected; nothing at all where they are few.

    The planner's statistics have the share of each frequent user, of each workspace and, by a
    hundred names, of a common word: within a few percent most of the time, but they may be old. For
    two conditions at once it multiplies the shares, though a user's runs are often all in one
    workspace: there a sample of the table is counted.
    """
    others = len(selection.others) - bool(selection.search)
    if others or len(selection.equalities) + len(selection.others) > 1:
        likely = _sampled(connection, selection)
        return Guess(likely, likely // 2)
    (plan,) = connection.scalar(_Explained(_ones(selection)))
    likely = int(plan["Plan"]["Plan Rows"])
    return Guess(likely, likely // 10)


def count_up_to(connection: sa.Connection, selection: Selection, most: int) -> int:
    """How many runs are selected, or ``most + 1`` where there are more than ``most``.

    Visits that many entries of one index where there is one condition or none; with two it visits
    the rows of one of them until enough fulfil the other.
    """
    some = _ones(selection).limit(most + 1).subquery("some")
    return connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def count_all(connection: sa.Connection, selection: Selection) -> int:
    """How many runs are selected: it visits them all."""
    statement = sa.select(sa.func.count()).select_from(selection.host.runs)
    return connection.scalar(statement.where(*selection.where)) or 0


def _sampled(connection: sa.Connection, selection: Selection) -> int:
    """How many runs are selected, as some pages of the table have them; 0 where those say little.

    Always the same pages: they are in memory, and the number does not change at each look.
    """
    runs = selection.host.runs
    if runs.info["kind"] not in _HAS_PAGES:
        return 0
    catalog = sa.table("pg_class", *map(sa.column, ("oid", "reltuples", "relpages")))
    size = sa.func.pg_relation_size(catalog.c.oid, type_=sa.BigInteger) // sa.cast(
        sa.func.current_setting("block_size"), sa.Integer
    )
    known = sa.select(size.label("size"), catalog.c.reltuples, catalog.c.relpages).where(
        catalog.c.oid == runs.info["oid"]
    )
    table = known.cte("known").prefix_with("MATERIALIZED")
    percent = sa.func.least(100.0, 100.0 * SAMPLED_PAGES / sa.func.greatest(table.c.size, 1))
    pages = sa.tablesample(
        runs, sa.func.system(sa.select(percent).scalar_subquery()), seed=sa.literal(0)
    )
    rows = sa.select(
        sa.func.count().label("looked_at"),
        sa.func.count().filter(sa.true(), *selection.on(pages)).label("found"),
    ).select_from(pages)
    sample = rows.subquery("sample")
    row = connection.execute(
        sa.select(sample, table).select_from(table.join(sample, sa.true()))
    ).one()
    if row.found < _ENOUGH_FOUND or row.reltuples <= 0:
        return 0
    # Rows a page as they were counted last, pages as there are now: as the planner does.
    return int(row.found / row.looked_at * row.reltuples / row.relpages * row.size)


def _ones(selection: Selection) -> sa.Select[Any]:
    one: sa.ColumnElement[int] = sa.literal_column("1")
    return sa.select(one).select_from(selection.host.runs).where(*selection.where)


class _Explained(Executable, ClauseElement):
    """EXPLAIN, which SQLAlchemy has no element for."""

    inherit_cache = False

    def __init__(self, statement: sa.Select[Any]) -> None:
        self.statement = statement


@compiles(_Explained)
def _compile_explained(element: _Explained, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"
