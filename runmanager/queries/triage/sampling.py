"""A sample of the runs: one row of every so manieth page of the table, read by its place.

At ten million runs 20,000 such rows take 20 to 50 milliseconds, as TABLESAMPLE takes for fewer and
worse ones. Bars of a histogram are right within two percent where runs lie in the order of time, as
those of a host do that writes them as they start. Always the same pages are read: they are in
memory, and the numbers do not change at each look.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import stopped_after
from runmanager.errors import DatabaseDeniedError, DatabaseTooSlowError
from runmanager.host.ids import TypeByName
from runmanager.queries.triage.question import BY_KEYS

if TYPE_CHECKING:
    from runmanager.host.values import Reading
    from runmanager.queries.triage.limits import TriageLimits
    from runmanager.queries.triage.question import Counts, Question

_HEAP = "heap"
_WITH_PAGES = {"r", "m", "p"}
# Most pages have fewer rows than this much of the average, and places of rows that are gone.
_CROWDED = 1.25


@dataclass(frozen=True)
class _Pages:
    """The pages of a table, or of all its partitions together; ``longest`` those of one of them."""

    number: int
    longest: int


@dataclass(frozen=True)
class _Sample:
    found: Counts
    looked_at: int

    @property
    def size(self) -> int:
        return sum(self.found.values())


def sampled(question: Question, limits: TriageLimits) -> Counts | None:
    """About how many there are of each; None where the sample says too little, or cannot be taken.

    A view has no pages of its own, and tables of other servers none that can be told.
    """
    pages = _pages(question.reading)
    if pages is None:
        return None
    sample = _grown(question, pages, limits)
    if sample is None or sample.size < limits.sample.enough:
        return None
    scale = question.guess_of_all / sample.looked_at
    return {key: round(runs * scale) for key, runs in sample.found.items()}


def _grown(question: Question, pages: _Pages, limits: TriageLimits) -> _Sample | None:
    """The largest sample that is read in time: a small one first, which tells how long it takes."""
    budget = limits.sample
    sample = None
    size = budget.first
    began = time.monotonic()
    try:
        with stopped_after(question.selection.connection, limits.seconds):
            sample = _read(question, pages, size)
            took = time.monotonic() - began
            further = int(size * (budget.seconds - took) / took)
            if further > size:
                sample = _read(question, pages, min(further, budget.most))
    except (DatabaseTooSlowError, DatabaseDeniedError):
        # Who may read some columns only may not ask for places. What was read before counts.
        return sample
    return sample


def _read(question: Question, pages: _Pages, size: int) -> _Sample:
    rows_a_page = max(1, math.ceil(question.guess_of_all / pages.number * _CROWDED))
    size = min(size, pages.number * rows_a_page)
    rows = question.reading.host.runs.alias("sampled")
    place, status = question.keys(rows)
    found = sa.func.count().filter(sa.true(), *question.selection.on(rows))
    statement = (
        sa.select(place, status, found.label("found"), sa.func.count().label("runs"))
        .select_from(rows)
        .where(sa.literal_column("sampled.ctid") == sa.any_(_places(pages, size, rows_a_page)))
        .group_by(*BY_KEYS)
    )
    counts: Counts = {}
    looked_at = 0
    for row in question.selection.connection.execute(statement):
        looked_at += row.runs
        if row.found and question.has(row.place):
            counts[row.place, row.status] = row.found
    return _Sample(counts, looked_at)


def _places(pages: _Pages, size: int, rows_a_page: int) -> sa.ColumnElement[Any]:
    """The places to look at: a row of every page that is so far behind the one before.

    All partitions are asked for the same places: each gives as many rows as it has pages.
    """
    last = pages.longest * size // pages.number
    series = sa.func.generate_series(0, sa.cast(last, sa.BigInteger))
    number = series.table_valued("number").render_derived(name="series").c.number
    page = sa.cast(number, sa.BigInteger) * pages.number // size
    row = 1 + number % rows_a_page
    text = sa.func.concat("(", page, ",", row, ")")
    places = sa.select(sa.cast(text, TypeByName("tid"))).scalar_subquery()
    return sa.func.array(places)


def _pages(reading: Reading) -> _Pages | None:
    """The pages of the runs' table, in heaps only; None where some of its rows are elsewhere."""
    runs = reading.host.runs
    if runs.info["kind"] not in _WITH_PAGES:
        return None
    inherits = sa.table("pg_inherits", sa.column("inhrelid"), sa.column("inhparent"))
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relkind", "relam")))
    method = sa.table("pg_am", sa.column("oid"), sa.column("amname"))
    own = sa.select(relation.c.oid).where(relation.c.oid == runs.info["oid"])
    family = own.cte("family", recursive=True)
    family = family.union(
        sa.select(inherits.c.inhrelid).join(family, inherits.c.inhparent == family.c.oid)
    )
    block = sa.cast(sa.func.current_setting("block_size"), sa.Integer)
    size = sa.func.pg_relation_size(relation.c.oid, type_=sa.BigInteger) // block
    rows = reading.connection.execute(
        sa.select(relation.c.relkind, method.c.amname, size.label("pages"))
        .join(family, family.c.oid == relation.c.oid)
        .outerjoin(method, method.c.oid == relation.c.relam)
        .where(relation.c.relkind != "p")
    ).all()
    sizes = [row.pages for row in rows]
    if any(row.amname != _HEAP for row in rows) or not sum(sizes):
        return None
    return _Pages(sum(sizes), max(sizes))
