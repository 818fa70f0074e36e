"""What triage has to reach: runs by status and time, counts, histograms, sorting, freezing.

``make bench`` measures it with all else; ``python -m benchmarks.triage`` this alone, with the
indexes that a host has and, on a copy of the database, with those that are advised. ``RUNS`` and
``BENCH_DIR`` say which database: see ``benchmarks.big_process``, and ``ROUNDS`` how often.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.big_host import SMALL_USER, cloned, open_host
from benchmarks.big_process import BENCH_DIR, RUNS
from benchmarks.cases import FIRST, page_of
from benchmarks.reading import Case, ids, measure, open_reader
from benchmarks.surroundings import create_advised, environment
from benchmarks.verdicts import Figures, Row, Target, table
from runmanager.filters import KINDS, RunFilter
from runmanager.paging import PageRequest
from runmanager.records import Accuracy
from runmanager.sorting import Sort, SortKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.reading import Answer, Reader

# When the newest of the runs started.
NOW = datetime(2026, 11, 1, tzinfo=UTC)
EVERYTHING = RunFilter()
FAILED = RunFilter(status=("failed",))
# A thousand that lie deep, and one in a hundred of all, which are old.
PAUSED = RunFilter(status=("paused",))
EXPIRED = RunFilter(status=("expired",))
A_DAY = RunFilter(since=NOW - timedelta(days=1))
A_WEEK = RunFilter(since=NOW - timedelta(days=7))
# 86,400 runs of the benchmark's hosts.
SORTED = RunFilter(since=NOW - timedelta(days=3))
FROZEN = 10_000
BAR_PERCENT = 2
_LONGEST = Sort(SortKey.TOOK)
_BY_NAME = Sort(SortKey.NAME, is_descending=False)


def with_existing_indexes(reader: Reader) -> list[Case]:
    """Everything, with the indexes that a host has."""
    return _cases(reader, rare=4, old=30, day=20, week=60)


def with_advised_indexes(reader: Reader) -> list[Case]:
    """The same with those on the status and the time."""
    return _cases(reader, rare=2, old=2, day=4, week=20)


def bars(reader: Reader) -> Row:
    """How far the bars of the histogram of all runs are from what is counted, the worst of them."""
    found = reader.histogram(EVERYTHING)
    exact = reader.naive.between([one.start for one in found.buckets], found.buckets[-1].end)
    # The first and the last may have a handful of runs.
    pairs = [
        (sum(bar.runs.values()), runs)
        for bar, runs in list(zip(found.buckets, exact, strict=True))[1:-1]
    ]
    worst = max(abs(shown - runs) / runs for shown, runs in pairs)
    target = Target(at_most=BAR_PERCENT, unit="%")
    how = "" if found.accuracy is Accuracy.SAMPLED else f" ({found.accuracy.value})"
    return Row(f"histogram, all runs: worst of its bars{how}", Figures(100 * worst), target)


def _cases(reader: Reader, rare: int, old: int, day: int, week: int) -> list[Case]:
    return [
        *_pages(reader, Target(times_floor=rare), Target(times_floor=old)),
        *_counts(reader),
        *_histograms(reader, Target(times_floor=day), Target(times_floor=week)),
        *_picks(reader),
    ]


def _pages(reader: Reader, rare: Target, old: Target) -> Iterator[Case]:
    twice = Target(times_floor=2)
    second = PageRequest(2)
    yield page_of(reader, "failed, first page", FAILED, FIRST, twice)
    yield page_of(reader, "failed, next page", FAILED, second, twice, near=1)
    yield page_of(reader, "failed, previous page", FAILED, second, twice, near=3)
    length = timedelta(seconds=3 * reader.runs)
    for name, start in (("newest", NOW - length / 10), ("of the middle", NOW - length / 2)):
        asked = RunFilter(since=start, until=start + length / 20)
        yield page_of(reader, f"a time, {name}, first page", asked, FIRST, twice)
        yield page_of(reader, f"a time, {name}, next page", asked, second, twice, near=1)
    yield page_of(reader, "paused (some 970, deep), first page", PAUSED, FIRST, rare)
    deep = PageRequest(15)
    yield page_of(reader, "paused, page 15", PAUSED, deep, rare, near=14)
    number = f"{reader.runs // 100:,}"
    yield page_of(reader, f"expired ({number}, all old), first page", EXPIRED, FIRST, old)
    yield page_of(reader, "expired, next page", EXPIRED, second, old, near=1)


def _counts(reader: Reader) -> Iterator[Case]:
    for name, run_filter in (
        ("all runs", EVERYTHING),
        ("24 h", A_DAY),
        ("7 days", A_WEEK),
        ("a user with a fifth of all", RunFilter(username="user 001")),
        ("small user", RunFilter(username=SMALL_USER)),
        ("a common word", RunFilter(search="Order")),
    ):
        yield Case(
            f"status counts, {name}",
            partial(_statuses, reader, run_filter),
            partial(reader.naive.statuses, run_filter),
            Target(times_floor=20),
        )


def _histograms(reader: Reader, day: Target, week: Target) -> Iterator[Case]:
    for name, run_filter, target in (
        ("24 h", A_DAY, day),
        ("7 days", A_WEEK, week),
        ("all runs, sampled", EVERYTHING, Target(times_floor=40)),
        ("failed of 7 days", replace(A_WEEK, status=FAILED.status), week),
    ):
        yield Case(
            f"histogram, {name}",
            partial(_histogram, reader, run_filter),
            partial(reader.naive.histogram, run_filter),
            target,
        )


def _picks(reader: Reader) -> Iterator[Case]:
    target = Target(times_floor=50)
    for name, sort in (("duration", _LONGEST), ("name", _BY_NAME)):
        yield Case(
            f"{min(reader.runs, 86_400):,} runs sorted by {name}",
            partial(_sorted, reader, sort),
            partial(reader.naive.page, SORTED, FIRST, sort),
            target,
        )
    for name, run_filter in (("of a time", A_WEEK), ("failed", FAILED)):
        yield Case(
            f"freezing {FROZEN:,} ids, {name}",
            partial(_frozen, reader, run_filter),
            partial(reader.naive.ids, run_filter, FROZEN),
            Target(times_floor=20),
        )


def _statuses(reader: Reader, run_filter: RunFilter) -> Answer:
    found = reader.statuses(run_filter)
    if found.accuracy is not Accuracy.EXACT:
        return None
    return tuple(sorted(f"{one.status}: {one.runs}" for one in found.items))


def _histogram(reader: Reader, run_filter: RunFilter) -> Answer:
    found = reader.histogram(run_filter)
    if found.accuracy is not Accuracy.EXACT:
        return None
    # The plain way has buckets of another length: what they have in all is compared.
    runs = ((kind, sum(one.runs[kind] for one in found.buckets)) for kind in KINDS)
    return tuple(sorted(f"{kind}: {number}" for kind, number in runs if number))


def _sorted(reader: Reader, sort: Sort) -> Answer:
    return ids(reader.browse(SORTED, FIRST, sort=sort))


def _frozen(reader: Reader, run_filter: RunFilter) -> Answer:
    return reader.freeze(run_filter, FROZEN).thread_ids


def main() -> int:
    """Measure, print, and say whether every answer was right."""
    server, database = open_host(BENCH_DIR, RUNS)
    with server:
        print(environment(database))
        with open_reader(database, RUNS) as reader:
            rows = measure(reader, with_existing_indexes(reader))
            rows.append(bars(reader))
        print(table(rows), flush=True)
        with cloned(server, RUNS, "triage") as copy:
            notes = list(create_advised(copy, is_trigram=False))
            with open_reader(copy, RUNS) as reader:
                advised = measure(reader, with_advised_indexes(reader))
    print("\nWith all indexes that are advised:\n", table(advised), sep="\n")
    print("", "| index | size | built in |", "|---|---:|---:|", *notes, sep="\n")
    wrong = [row.wrong for row in (*rows, *advised) if row.wrong]
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
