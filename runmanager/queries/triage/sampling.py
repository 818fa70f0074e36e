"""A sample of the runs: one row of every so manieth page of the table, read by its place.

At ten million runs 30,000 such rows take some 50 milliseconds, as TABLESAMPLE takes for fewer and
worse ones. Fifty bars of a histogram are right within two percent where runs lie in the order of
time, as those of a host do that writes them as they start; those of 20,000 rows within three.
Always the same pages are read: they are in memory, and the numbers do not change at each look.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import stopped_after
from runmanager.errors import DatabaseDeniedError, DatabaseTooSlowError
from runmanager.host.ids import TypeByName
from runmanager.queries.triage.question import BY_KEYS

if TYPE_CHECKING:
    from runmanager.host.values import Reading
    from runmanager.queries.triage.limits import SampleBudget, TriageLimits
    from runmanager.queries.triage.question import Counts, Question

_HEAP = "heap"
# Few pages have more rows than this much of the average.
_CROWDED = 2


@dataclass(frozen=True)
class _Pages:
    """The pages of a table, or of all its partitions together; ``longest`` those of one of them."""

    number: int
    longest: int


@dataclass(frozen=True)
class _Sample:
    """The runs found among those ``looked_at``; ``highest`` was a row's place in its page."""

    found: Counts
    looked_at: int
    highest: int

    @property
    def size(self) -> int:
        return sum(self.found.values())


def sampled(question: Question, limits: TriageLimits, budget: SampleBudget) -> Counts | None:
    """About how many there are of each; None where the sample says too little, or cannot be taken.

    A view has no pages of its own, and tables of other servers none that can be told.
    """
    pages = _pages(question.reading)
    if pages is None:
        return None
    sample = _grown(question, pages, limits, budget)
    if sample is None or sample.size < budget.enough:
        return None
    scale = question.guess_of_all / sample.looked_at
    return {key: round(runs * scale) for key, runs in sample.found.items()}


def _grown(
    question: Question, pages: _Pages, limits: TriageLimits, budget: SampleBudget
) -> _Sample | None:
    """The largest sample that is read in time.

    A small one first, which tells how long it takes, and up to which place pages have rows: asked
    for more, many pages would give none, and the fullest ones no more than others.
    """
    sample = None
    size = budget.first
    most_a_page = math.ceil(question.guess_of_all / pages.number * _CROWDED)
    try:
        with stopped_after(question.selection.connection, limits.seconds):
            began = time.monotonic()
            sample = _read(question, pages, size, most_a_page)
            took = time.monotonic() - began
            further = int(size * (budget.seconds - took) / took)
            if further > size and sample.highest:
                sample = _read(question, pages, min(further, budget.most), sample.highest)
    except (DatabaseTooSlowError, DatabaseDeniedError):
        # Who may read some columns only may not ask for places. What was read before counts.
        return sample
    return sample


def _read(question: Question, pages: _Pages, size: int, most_a_page: int) -> _Sample:
    size = min(size, pages.number * _prime(most_a_page))
    rows = question.reading.host.runs.alias("sampled")
    place, status = question.keys(rows)
    found = sa.func.count().filter(sa.true(), *question.selection.on(rows))
    # Core knows no ctid, and PostgreSQL no other way to a row's place in its page.
    ctid: sa.ColumnElement[Any] = sa.literal_column("sampled.ctid")
    highest = sa.func.max(sa.literal_column("(sampled.ctid::text::point)[1]", sa.Float))
    statement = (
        sa.select(
            place,
            status,
            found.label("found"),
            sa.func.count().label("runs"),
            highest.label("highest"),
        )
        .select_from(rows)
        .where(ctid == sa.any_(_places(pages, size, most_a_page)))
        .group_by(*BY_KEYS)
    )
    counts: Counts = {}
    looked_at = most = 0
    for row in question.selection.connection.execute(statement):
        looked_at += row.runs
        most = max(most, int(row.highest))
        question.add(counts, row.place, row.status, row.found)
    return _Sample(counts, looked_at, most)


def _places(pages: _Pages, size: int, most_a_page: int) -> sa.ColumnElement[Any]:
    """The places to look at: a row of every page that is so far behind the one before.

    All partitions are asked for the same places: each gives as many rows as it has pages. So many
    pages, one after the other, are asked for each place in a page once, in an order of their own:
    the last places, where most pages have no row, are asked for alike in each time, and what comes
    again every twenty runs is not met always or never.
    """
    last = pages.longest * size // pages.number
    series = sa.func.generate_series(0, sa.cast(last, sa.BigInteger))
    number = series.table_valued("number").render_derived(name="series").c.number
    page = sa.cast(number, sa.BigInteger) * pages.number // size
    length = _prime(most_a_page)
    turn = sa.cast(number, sa.BigInteger) // length
    # Of a prime length any step comes to each place.
    step, start = 1 + _scattered(turn) % (length - 1), _scattered(-1 - turn) % length
    row = 1 + (number % length * step + start) % length
    text = sa.func.concat("(", page, ",", row, ")")
    places = sa.select(sa.cast(text, TypeByName("tid"))).scalar_subquery()
    return sa.func.array(places)


def _scattered(number: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """The same number for the same, and else any one from 0."""
    hashed = sa.func.hashint8(number, type_=sa.BigInteger)
    return hashed.bitwise_and(0x7FFFFFFF)


def _prime(least: int) -> int:
    """The first prime that is not smaller."""
    return next(one for one in count(max(least, 2)) if all(one % by for by in range(2, one)))


def _pages(reading: Reading) -> _Pages | None:
    """The pages of the runs' table, in heaps only; None where some of its rows are elsewhere."""
    runs = reading.host.runs
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
