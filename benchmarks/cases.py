"""What is read, and what it is to reach: the list, its filters, its totals and its search."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from benchmarks.big_host import RARE_WORD, SMALL_USER
from benchmarks.reading import Case, ids
from benchmarks.verdicts import NO_TARGET, Target
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.reading import Answer, Reader

EVERYTHING = RunFilter()
BIG_USER = RunFilter(username="user 001")
COMMON = RunFilter(search="Order")
RARE = RunFilter(search=RARE_WORD)
FIRST, LAST = PageRequest(), PageRequest(from_end=True)
TWICE_FLOOR = Target(times_floor=2)
# The words for a rare word's first answer; a known id must not take longer.
AT_ONCE = Target(at_most=250)


def existing_indexes(reader: Reader) -> list[Case]:
    """All that is measured with the indexes that the host has."""
    return [*_listing(reader), *_filter_lists(reader), *_counting(reader), *_searching(reader)]


def trigram_indexes(reader: Reader) -> list[Case]:
    """What trigram indexes are for."""
    return [
        page_of(reader, "rare word", RARE, FIRST, Target(times_floor=10)),
        page_of(reader, "common word", COMMON, FIRST, TWICE_FLOOR),
    ]


def advised_indexes(reader: Reader) -> list[Case]:
    """What the other indexes are for that are advised."""
    space = in_workspace(reader)
    return [
        page_of(reader, "first page, one user", BIG_USER, FIRST, TWICE_FLOOR),
        page_of(reader, "last page, one user", BIG_USER, LAST),
        page_of(reader, "first page, one workspace", space, FIRST, TWICE_FLOOR),
        page_of(reader, "first page, user and workspace", both(reader), FIRST),
        page_of(reader, "small user", RunFilter(username=SMALL_USER), FIRST),
        page_of(reader, "rare word", RARE, FIRST, Target(times_floor=10)),
    ]


def page_of(
    reader: Reader,
    what: str,
    run_filter: RunFilter,
    request: PageRequest,
    target: Target = NO_TARGET,
    near: int | None = None,
) -> Case:
    """One page; where it is turned to, from the page with the number ``near``."""
    seen = None if near is None else reader.beside(run_filter, near)

    def ours() -> Answer:
        return ids(reader.browse(run_filter, request, seen))

    return Case(what, ours, partial(reader.naive.page, run_filter, request), target)


def in_workspace(reader: Reader) -> RunFilter:
    """The workspace with the most runs."""
    with reader.database.read() as connection:
        found = connection.scalar(
            sa.text("SELECT id::text FROM workspaces WHERE name = 'Workspace 01'")
        )
    return RunFilter(workspace=found)


def both(reader: Reader) -> RunFilter:
    """That workspace and the user with the most runs."""
    return RunFilter(username=BIG_USER.username, workspace=in_workspace(reader).workspace)


def _listing(reader: Reader) -> Iterator[Case]:
    space = in_workspace(reader)
    # The number is that of ten million runs; the plain way takes time by the run.
    first = Target(times_floor=2, times_naive=reader.runs / 10_000)
    for name, run_filter in (
        ("no filter", EVERYTHING),
        ("one user", BIG_USER),
        ("one workspace", space),
    ):
        first_target = first if run_filter == EVERYTHING else TWICE_FLOOR
        second = PageRequest(2)
        yield page_of(reader, f"first page, {name}", run_filter, FIRST, first_target)
        yield page_of(reader, f"next page, {name}", run_filter, second, TWICE_FLOOR, near=1)
        yield page_of(reader, f"previous page, {name}", run_filter, second, TWICE_FLOOR, near=3)
    target = Target(times_floor=3)
    yield page_of(reader, "first page, user and workspace", both(reader), FIRST, target)
    small = RunFilter(username=SMALL_USER)
    yield page_of(reader, "small user (200 runs)", small, FIRST, Target(times_floor=10))
    yield page_of(reader, "last page", EVERYTHING, LAST, Target(times_floor=12))
    middle = PageRequest(reader.runs // FIRST.size // 2)
    name = f"page {middle.number:,}, in the middle"
    yield page_of(reader, name, EVERYTHING, middle, Target(times_floor=160))


def _filter_lists(reader: Reader) -> Iterator[Case]:
    yield Case("list of users", reader.usernames, reader.naive.usernames, TWICE_FLOOR)
    yield Case(
        "list of workspaces",
        partial(reader.workspaces, EVERYTHING),
        reader.naive.workspaces,
        Target(times_floor=12),
    )


def _counting(reader: Reader) -> Iterator[Case]:
    def at_once(run_filter: RunFilter) -> Answer:
        reader.total_at_once(run_filter)
        return None

    def exactly(run_filter: RunFilter) -> Answer:
        return (str(reader.exact_total(run_filter)),)

    for name, run_filter in (("no filter", EVERYTHING), ("user and workspace", both(reader))):
        count = partial(reader.naive.count, run_filter)
        yield Case(f"total shown at once, {name}", partial(at_once, run_filter), count)
    count = partial(reader.naive.count, EVERYTHING)
    yield Case("exact total, no filter", partial(exactly, EVERYTHING), count)


def _searching(reader: Reader) -> Iterator[Case]:
    yield page_of(reader, "common word", COMMON, FIRST, TWICE_FLOOR)
    yield page_of(reader, "rare word, first answer", RARE, FIRST, AT_ONCE)
    one = RunFilter(search=reader.known_ids[len(reader.known_ids) // 2])

    def whole_id() -> Answer:
        # The answer is there at once, and says that others were not looked for.
        found = reader.browse(one, FIRST)
        return tuple(run.thread_id for run in found.items)

    yield Case("a complete thread id", whole_id, partial(reader.naive.page, one, FIRST), AT_ONCE)
