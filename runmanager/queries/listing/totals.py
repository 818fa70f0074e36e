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
from runmanager.queries.listing.access_paths import ones

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy.sql.compiler import SQLCompiler

    from runmanager.queries.listing.conditions import Driver, Selection
    from runmanager.queries.listing.counted import Counted
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
class Few:
    """Runs that are few: those of ``driver``, among which are all that are selected.

    ``total`` is how many are selected, None where not all of those may be.
    """

    driver: Driver | None = None
    total: int | None = None


@dataclass(frozen=True)
class Totals:
    """The total of one selection, found within the time that ``limits`` leave for counting.

    That time runs from ``began``, when the list was asked for. ``counted`` are the totals that
    were counted a moment ago.
    """

    selection: Selection
    limits: Limits
    began: float
    counted: Counted | None = None

    def if_few(self) -> Few | None:
        """What the selected runs are among, where that is few; None where those are many.

        Each condition is counted by itself: what two of them leave, the planner does not know.
        """
        found, drivers = self.selection.only_found(), self.selection.drivers
        if found.conditions <= 1 and self._estimate_found.at_least > self.limits.exact_to:
            return None
        try:
            # Half of the time: the rows are still to be found.
            with stopped_after(self.selection.connection, self.limits.count_seconds / 2):
                if found.conditions > 1 and drivers:
                    return self._smallest(drivers)
                count = count_up_to(found, self.limits.exact_to)
        except DatabaseTooSlowError:
            return None
        if count > self.limits.exact_to:
            return None
        driver = drivers[0] if drivers else None
        return Few(driver, None if self.selection.others else count)

    def moderate(self) -> Driver | None:
        """The condition of which the planner believes that it has few enough runs to read them all.

        None where each has more. Of one condition its statistics are right within a tenth.
        """
        drivers = self.selection.drivers
        if not drivers:
            return None
        if self.selection.only_found().conditions == 1:
            is_moderate = self._estimate_found.count <= self.limits.gather_to
            return drivers[0] if is_moderate else None
        likely = [estimate(self.selection.only_by(driver)).count for driver in drivers]
        least = min(likely)
        return drivers[likely.index(least)] if least <= self.limits.gather_to else None

    def found_estimated(self) -> Total:
        """How many runs the indexes find, where those are many."""
        return self._of(self._estimate_found)

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
        if self.counted is not None:
            return self.counted.total(
                self.selection.connection,
                lambda: self._left,
                self._count_all,
                moves=self.selection.moves_with_time,
            )
        return self._count_all()

    def _count_all(self) -> Total:
        try:
            with self._time_left():
                return Total(count_all(self.selection))
        except DatabaseTooSlowError:
            return Total(0, Exactness.AT_LEAST)

    def _smallest(self, drivers: tuple[Driver, ...]) -> Few | None:
        """The condition with the fewest runs, where those are few."""
        most = self.limits.exact_to
        counts = [
            sa.select(sa.func.count())
            .select_from(
                ones(self.selection.only_by(driver)).limit(most + 1).subquery(f"some_{number}")
            )
            .scalar_subquery()
            for number, driver in enumerate(drivers)
        ]
        row = self.selection.connection.execute(
            sa.select(*(count.label(f"n{number}") for number, count in enumerate(counts)))
        ).one()
        least = min(range(len(drivers)), key=row.__getitem__)
        return Few(drivers[least]) if row[least] <= most else None

    @cached_property
    def _estimate_found(self) -> Estimate:
        return estimate(self.selection.only_found())

    def _of(self, estimated: Estimate) -> Total:
        """The total of more runs than are counted."""
        if estimated.count <= self.limits.exact_to:
            return Total(self.limits.exact_to, Exactness.AT_LEAST)
        return Total(estimated.count, Exactness.ABOUT)

    @property
    def _left(self) -> float:
        """How many seconds are left to count."""
        left = self.limits.count_seconds - (time.monotonic() - self.began)
        return max(left, LEAST_COUNT_SECONDS)

    def _time_left(self) -> AbstractContextManager[None]:
        """A block whose statement may use what is left of the time to count."""
        return stopped_after(self.selection.connection, self._left)


def estimate(selection: Selection) -> Estimate:
    """What is known at once of how many runs are selected; nothing at all where they are few.

    The planner's statistics have the share of each frequent user, of each workspace and, by a
    hundred names, of a common word: within a few percent most of the time, but they may be old. For
    two conditions at once it multiplies the shares, though a user's runs are often all in one
    workspace: there a sample of the table is counted.
    """
    others = len(selection.others) - bool(selection.search)
    if others or selection.conditions > 1:
        likely = _sampled(selection)
        return Estimate(likely, likely // 2)
    likely = planned(selection)
    return Estimate(likely, likely // 10)


def planned(selection: Selection) -> int:
    """How many runs are selected, as the planner guesses from its statistics alone."""
    (plan,) = selection.connection.scalar(_Explained(ones(selection)))
    return int(plan["Plan"]["Plan Rows"])


def count_up_to(selection: Selection, most: int) -> int:
    """How many runs are selected, or ``most + 1`` where there are more than ``most``.

    Visits that many entries of one index where there is one condition or none; with two it visits
    the rows of one of them until enough fulfil the other.
    """
    some = ones(selection).limit(most + 1).subquery("some")
    return selection.connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def count_all(selection: Selection) -> int:
    """How many runs are selected: it visits them all."""
    if len(selection.alternatives) > 1:
        counted = sa.select(sa.func.count()).select_from(ones(selection).subquery("all_of_them"))
        return selection.connection.scalar(counted) or 0
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


class _Explained(Executable, ClauseElement):
    """EXPLAIN, which SQLAlchemy has no element for."""

    inherit_cache = False

    def __init__(self, statement: sa.Select[Any]) -> None:
        self.statement = statement


@compiles(_Explained)
def _compile_explained(element: _Explained, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"
