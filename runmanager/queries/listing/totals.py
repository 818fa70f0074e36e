"""How many runs there are: counted where that is cheap, else as the planner or a sample says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, Executable

from runmanager.database import stopped_after
from runmanager.errors import DatabaseTooSlowError
from runmanager.paging import Exactness, Total

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy.sql.compiler import SQLCompiler

    from runmanager.queries.listing.conditions import Selection
    from runmanager.queries.listing.limits import Limits

LEAST_COUNT_SECONDS = 0.03
# At ten million runs a sample of this many pages holds 1,500 runs and is read in a millisecond.
SAMPLED_PAGES = 30
# Where a sample holds this many of the runs, their share is known to a seventh, most of the time.
_ENOUGH_FOUND = 50
_HAS_PAGES = {"r", "m"}


@dataclass(frozen=True)
class Estimate:
    """How many runs are likely selected, and how many there are surely."""

    count: int = 0
    at_least: int = 0


@dataclass(frozen=True)
class Totals:
    """The total of one selection, found within the time that ``limits`` leave for counting.

    That time runs from ``began``, when the list was asked for.
    """

    selection: Selection
    limits: Limits
    began: float

    def by_ids_if_few(self) -> int | None:
        """How many runs are selected by their ids alone; None where those are many."""
        if self._estimate_by_ids.at_least > self.limits.exact_to:
            return None
        try:
            # Half of the time: the rows are still to be found.
            with stopped_after(self.selection.connection, self.limits.count_seconds / 2):
                count = count_up_to(self.selection.only_equalities(), self.limits.exact_to)
        except DatabaseTooSlowError:
            return None
        return count if count <= self.limits.exact_to else None

    def by_ids_estimated(self) -> Total:
        """How many runs are selected by their ids alone, where those are many."""
        return self._of(self._estimate_by_ids)

    def at_once(self) -> Total:
        """The total as far as it is found in a moment."""
        estimated = estimate(self.selection)
        if estimated.at_least > self.limits.exact_to:
            return self._of(estimated)
        try:
            with self._time_left():
                count = count_up_to(self.selection, self.limits.exact_to)
        except DatabaseTooSlowError:
            return Total(0, Exactness.AT_LEAST)
        if count > self.limits.exact_to:
            return Total(self.limits.exact_to, Exactness.AT_LEAST)
        return Total(count)

    def in_full(self) -> Total:
        """The exact total, unless counting it takes too long."""
        try:
            with self._time_left():
                return Total(count_all(self.selection))
        except DatabaseTooSlowError:
            return Total(0, Exactness.AT_LEAST)

    @cached_property
    def _estimate_by_ids(self) -> Estimate:
        return estimate(self.selection.only_equalities())

    def _of(self, estimated: Estimate) -> Total:
        """The total of more runs than are counted."""
        if estimated.count <= self.limits.exact_to:
            return Total(self.limits.exact_to, Exactness.AT_LEAST)
        return Total(estimated.count, Exactness.ABOUT)

    def _time_left(self) -> AbstractContextManager[None]:
        """A block whose statement may use what is left of the time to count."""
        left = self.limits.count_seconds - (time.monotonic() - self.began)
        return stopped_after(self.selection.connection, max(left, LEAST_COUNT_SECONDS))


def estimate(selection: Selection) -> Estimate:
    """What is known at once of how many runs are selected; nothing at all where they are few.

    The planner's statistics have the share of each frequent user, of each workspace and, by a
    hundred names, of a common word: within a few percent most of the time, but they may be old. For
    two conditions at once it multiplies the shares, though a user's runs are often all in one
    workspace: there a sample of the table is counted.
    """
    others = len(selection.others) - bool(selection.search)
    if others or len(selection.equalities) + len(selection.others) > 1:
        likely = _sampled(selection)
        return Estimate(likely, likely // 2)
    likely = planned(selection)
    return Estimate(likely, likely // 10)


def planned(selection: Selection) -> int:
    """How many runs are selected, as the planner guesses from its statistics alone."""
    (plan,) = selection.connection.scalar(_Explained(_ones(selection)))
    return int(plan["Plan"]["Plan Rows"])


def count_up_to(selection: Selection, most: int) -> int:
    """How many runs are selected, or ``most + 1`` where there are more than ``most``.

    Visits that many entries of one index where there is one condition or none; with two it visits
    the rows of one of them until enough fulfil the other.
    """
    some = _ones(selection).limit(most + 1).subquery("some")
    return selection.connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def count_all(selection: Selection) -> int:
    """How many runs are selected: it visits them all."""
    statement = sa.select(sa.func.count()).select_from(selection.host.runs)
    return selection.connection.scalar(statement.where(*selection.where)) or 0


def _sampled(selection: Selection) -> int:
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
    row = selection.connection.execute(
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
