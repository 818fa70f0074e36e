"""Finding runs in three ways that take turns: ours, the plain one, and the floor."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa

from benchmarks.naive import Naive
from benchmarks.verdicts import NO_TARGET, Figures, Row, Target
from runmanager.database import Database
from runmanager.host.catalog import read_host
from runmanager.host.ids import has_id
from runmanager.host.values import Reading
from runmanager.paging import PageRequest
from runmanager.queries.catalog.hints import read_hints
from runmanager.queries.listing import facets, freezing, pages, sorted_pages, totals
from runmanager.queries.listing.conditions import select_by
from runmanager.queries.listing.limits import Limits
from runmanager.queries.listing.summaries import as_summary, select_summaries
from runmanager.queries.triage.histogram import read_histogram
from runmanager.queries.triage.limits import TriageLimits
from runmanager.queries.triage.statuses import read_statuses
from runmanager.settings import Settings
from runmanager.sorting import NEWEST_FIRST, Sort, SortKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runmanager.filters import RunFilter
    from runmanager.host.values import Hints, Host
    from runmanager.records import FrozenRuns, Histogram, RunPage, StatusCounts

Answer = tuple[str, ...] | None
ROUNDS = int(os.environ.get("ROUNDS", "15"))
# The plain way takes up to ten seconds: it has its turn in some rounds only.
NAIVE_ROUNDS = min(3, ROUNDS)
BUCKETS = 60
_LIMITS = Limits()
_TRIAGE = TriageLimits()


@dataclass(frozen=True)
class Case:
    """One thing that is read; an answer is None where it is known to be a part only."""

    what: str
    ours: Callable[[], Answer]
    naive: Callable[[], Answer] | None = None
    target: Target = NO_TARGET


@dataclass(frozen=True)
class Reader:
    """Reads the runs of one host as the dashboard does, without who asks being checked."""

    database: Database
    host: Host
    hints: Hints
    runs: int

    @cached_property
    def naive(self) -> Naive:
        """The plain way on the same database."""
        return Naive(self.database)

    def browse(
        self,
        run_filter: RunFilter,
        request: PageRequest,
        earlier: RunPage | None = None,
        sort: Sort = NEWEST_FIRST,
    ) -> RunPage:
        """One page with what is known of the total."""
        with self.database.read() as connection:
            reading = self._on(connection)
            if sort.key is SortKey.STARTED:
                return pages.browse(reading, run_filter, request, earlier, _LIMITS, sort)
            return sorted_pages.list_sorted(
                reading, run_filter, request, _LIMITS, sort, in_full=False
            )

    def statuses(self, run_filter: RunFilter) -> StatusCounts:
        """The status counts beside the filter."""
        with self.database.read() as connection:
            return read_statuses(self._on(connection), run_filter, _TRIAGE)

    def histogram(self, run_filter: RunFilter) -> Histogram:
        """The histogram above the list."""
        with self.database.read() as connection:
            return read_histogram(self._on(connection), run_filter, BUCKETS, UTC, _TRIAGE)

    def freeze(self, run_filter: RunFilter, most: int) -> FrozenRuns:
        """The ids that are selected with all that match."""
        with self.database.read() as connection:
            return freezing.freeze(self._on(connection), run_filter, most, _LIMITS)

    def beside(self, run_filter: RunFilter, number: int) -> RunPage:
        """Page ``number``, reached by turning pages from the first."""
        page = self.browse(run_filter, PageRequest())
        while page.number < number:
            page = self.browse(run_filter, page.request.turned(1), page)
        return page

    def total_at_once(self, run_filter: RunFilter) -> int:
        """The total that is shown at first."""
        with self.database.read() as connection:
            selection = select_by(self._on(connection), run_filter)
            return totals.estimate(selection).count or totals.count_up_to(
                selection, _LIMITS.exact_to
            )

    def exact_total(self, run_filter: RunFilter) -> int:
        """The total that is shown on request."""
        with self.database.read(seconds=60) as connection:
            return totals.count_all(select_by(self._on(connection), run_filter))

    def usernames(self) -> tuple[str, ...]:
        """The list behind the filter by user."""
        with self.database.read() as connection:
            return facets.usernames(self._on(connection))

    def workspaces(self, run_filter: RunFilter) -> tuple[str, ...]:
        """The list behind the filter by workspace."""
        with self.database.read() as connection:
            choices = facets.workspaces(self._on(connection), run_filter)
        return tuple(sorted(one.value for one in choices))

    @cached_property
    def known_ids(self) -> list[str]:
        """The ids of 50 runs, spread over all times."""
        statement = "SELECT md5('run ' || n)::uuid::text FROM generate_series(1, :runs, :step) n"
        numbers = {"runs": self.runs, "step": max(1, self.runs // 50)}
        with self.database.read() as connection:
            return list(connection.scalars(sa.text(statement), numbers))[:50]

    def _on(self, connection: sa.Connection) -> Reading:
        return Reading(connection, self.host, self.hints)

    def floor(self) -> Answer:
        """What nothing can be faster than: the rows of 50 known keys, with the same columns."""
        table = self.host.runs
        with self.database.read() as connection:
            rows = connection.execute(
                select_summaries(self.host, table).where(has_id(table.c.thread_id, self.known_ids))
            ).all()
        return tuple(as_summary(self.host, row).thread_id for row in rows)


@dataclass
class _Times:
    ours: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)


def measure(reader: Reader, cases: Sequence[Case]) -> list[Row]:
    """All cases in turns: a floor beside each, and the plain way now and then."""
    times: dict[str, _Times] = defaultdict(_Times)
    floors: list[float] = []
    wrong: dict[str, str] = {}
    for case in cases:
        _timed(case.ours)
        _timed(reader.floor)
    for turn in range(ROUNDS):
        with_naive = turn % (ROUNDS // NAIVE_ROUNDS) == 0
        sys.stderr.write(f"round {turn + 1} of {ROUNDS}\n")
        for case in cases:
            took, answer = _timed(case.ours)
            times[case.what].ours.append(took)
            floors.append(_timed(reader.floor)[0])
            if with_naive and case.naive is not None:
                took, plain = _timed(case.naive)
                times[case.what].naive.append(took)
                if answer is not None and answer != plain:
                    wrong[case.what] = f"{case.what}: {answer} and not {plain}"
    floor = statistics.median(floors)
    return [
        Row(
            case.what,
            Figures(
                statistics.median(times[case.what].ours),
                floor,
                statistics.median(times[case.what].naive) if case.naive is not None else None,
            ),
            case.target,
            wrong.get(case.what, ""),
        )
        for case in cases
    ]


def ids(page: RunPage) -> Answer:
    """The ids on a page; None where the search for them was interrupted."""
    return None if page.resume is not None else tuple(run.thread_id for run in page.items)


def _timed(read: Callable[[], Answer]) -> tuple[float, Answer]:
    began = time.perf_counter()
    answer = read()
    return 1000 * (time.perf_counter() - began), answer


@contextmanager
def open_reader(url: sa.URL, runs: int) -> Iterator[Reader]:
    """A reader that knows the host, and its indexes, as they are now."""
    database = Database(url, Settings())
    try:
        with database.read() as connection:
            host = read_host(connection)
            hints = read_hints(connection, host)
        yield Reader(database, host, hints, runs)
    finally:
        database.close()
