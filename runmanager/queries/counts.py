"""Counting runs: exactly as far as that is cheap, else by what the planner believes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, Executable

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

    from runmanager.queries.conditions import Selection


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


def estimate(connection: sa.Connection, selection: Selection) -> int | None:
    """How many runs the planner believes are selected, None where it cannot know.

    Its statistics have the share of each frequent user and of each workspace. For two conditions at
    once it multiplies the shares, though a user's runs are often all in one workspace; for a search
    it guesses.
    """
    if selection.others or len(selection.equalities) > 1:
        return None
    (plan,) = connection.scalar(_Explained(_ones(selection)))
    return int(plan["Plan"]["Plan Rows"])


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
