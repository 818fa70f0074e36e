"""Whatever way a page is read, it has the rows of the plain query: count, sort, OFFSET, ILIKE."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runmanager.filters import WITHOUT, RunFilter
from runmanager.paging import Exactness, PageRequest
from runmanager.queries.listing.limits import Limits, SearchBudget
from tests.examples import some_of
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.records import Actor, RunPage
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

# So small that a few dozen runs are many, and are searched in many slices ...
SMALL = Limits(3, 6, count_seconds=5, search=SearchBudget(first=2, growth=2, seconds=60))
# ... of which each is the last for the moment.
IMPATIENT = Limits(3, 6, count_seconds=5, search=SearchBudget(first=2, growth=2, seconds=0))
NAMES = ("Order 1", "order 2", "50 % off", "Invoice", None)
USERS = ("kate", "tom", None)
SPACES = ("Ops", "Lab", None)


@dataclass(frozen=True)
class Row:
    """One run of a generated host."""

    day: int | None
    name: str | None
    user: str | None
    workspace: str | None


rows = st.lists(
    st.builds(
        Row,
        # Few days: most times are shared by several runs. Often all of them.
        st.none() | st.integers(0, 3),
        st.sampled_from(NAMES),
        st.sampled_from(USERS),
        st.sampled_from(SPACES),
    ),
    max_size=30,
)
filters = st.builds(
    RunFilter,
    search=st.sampled_from(["", "", "order", "%", "invoice", "nothing"]),
    username=st.sampled_from([None, None, "kate", "tom", "nobody", WITHOUT]),
    workspace=st.sampled_from([None, None, "Ops", "Lab", WITHOUT]),
)
sizes = st.integers(1, 7)


def fill(host: HostWriter, made: list[Row]) -> None:
    host.execute("TRUNCATE run_metadata")
    values = [
        (
            host.new_id(host.shape.thread_id),
            row.name,
            None if row.day is None else LONG_AGO + timedelta(days=row.day),
            row.user and host.user(row.user),
            row.workspace and host.workspace(row.workspace),
        )
        for row in made
    ]
    with host.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO run_metadata (thread_id, run_name, created_at, user_id, workspace_id)"
            " VALUES (%s, %s, %s, %s, %s)",
            values,
        )


def in_host(host: HostWriter, run_filter: RunFilter) -> RunFilter:
    """The filter with the workspace's id in the place of its name."""
    if not isinstance(run_filter.workspace, str):
        return run_filter
    return replace(run_filter, workspace=host.workspace(run_filter.workspace))


def plainly(host: HostWriter, run_filter: RunFilter) -> list[str]:
    """The ids that the plain query lists."""
    where, values = ["true"], []
    if run_filter.search:
        where.append("(thread_id::text ILIKE %s OR run_name ILIKE %s)")
        values += [f"%{run_filter.search.replace('%', chr(92) + '%')}%"] * 2
    if isinstance(run_filter.username, str):
        where.append("user_id IN (SELECT id FROM users WHERE username = %s)")
        values.append(run_filter.username)
    if run_filter.username is WITHOUT:
        where.append("NOT EXISTS (SELECT FROM users WHERE users.id = user_id)")
    if run_filter.workspace is WITHOUT:
        where.append(
            "workspace_id IS NULL"
            if host.shape.is_minimal
            else "NOT EXISTS (SELECT FROM workspaces WHERE workspaces.id = workspace_id)"
        )
    if isinstance(run_filter.workspace, str):
        where.append("workspace_id::text = %s")
        values.append(run_filter.workspace)
    statement = (
        f"SELECT thread_id::text FROM run_metadata WHERE {' AND '.join(where)}"  # noqa: S608
        " ORDER BY created_at DESC NULLS LAST, thread_id DESC"
    )
    return [thread_id for (thread_id,) in host.execute(statement, *values)]


def ids(page: RunPage) -> list[str]:
    return [run.thread_id for run in page.items]


def is_many(made: list[Row]) -> bool:
    return len(made) > SMALL.exact_to


def is_true(page: RunPage, expected: list[str]) -> bool:
    """Whether what the page says of the total is so."""
    if page.exactness is Exactness.EXACT:
        return page.total == len(expected)
    return page.exactness is Exactness.ABOUT or page.total <= len(expected)


@pytest.mark.parametrize("shape", ["text", "uuid", "integer"], indirect=True)
@pytest.mark.parametrize("limits", [None, SMALL, IMPATIENT], ids=["few", "many", "slices"])
def test_any_page_in_full_has_the_plain_query_s_rows(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits | None
) -> None:
    manager = open_manager(limits=limits)

    @given(made=rows, run_filter=filters, size=sizes)
    def compare(made: list[Row], run_filter: RunFilter, size: int) -> None:
        fill(host, made)
        run_filter = in_host(host, run_filter)
        expected = plainly(host, run_filter)
        for number in range(1, len(expected) // size + 3):
            page = manager.finding.list_runs(admin, run_filter, PageRequest(number, size))
            assert ids(page) == expected[(number - 1) * size : number * size]
            assert (page.total, page.exactness) == (len(expected), Exactness.EXACT)
            assert page.has_next == (number * size < len(expected))

    compare()


@pytest.mark.parametrize("shape", ["text", "uuid"], indirect=True)
@pytest.mark.parametrize("limits", [None, SMALL, IMPATIENT], ids=["few", "many", "slices"])
def test_turning_pages_tiles_the_plain_query_s_rows_in_both_directions(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits | None
) -> None:
    manager = open_manager(limits=limits)

    @given(made=rows, run_filter=filters, size=sizes)
    def compare(made: list[Row], run_filter: RunFilter, size: int) -> None:
        fill(host, made)
        run_filter = in_host(host, run_filter)
        expected = plainly(host, run_filter)
        whole = whole_pages(manager, admin, run_filter)
        pages = [whole(PageRequest(1, size), None)]
        while pages[-1].has_next:
            pages.append(whole(pages[-1].request.turned(1), pages[-1]))
        assert [one for page in pages for one in ids(page)] == expected
        assert all(is_true(page, expected) for page in pages)
        page = pages[-1]
        for before in reversed(pages[:-1]):
            assert page.has_previous
            page = whole(page.request.turned(-1), page)
            assert ids(page) == ids(before)
            assert ids(whole(page.request, page)) == ids(page)
        assert not page.has_previous

    compare()


@pytest.mark.parametrize("shape", ["text", "uuid"], indirect=True)
@pytest.mark.parametrize("limits", [SMALL, IMPATIENT], ids=["many", "slices"])
def test_pages_from_the_end_tile_the_plain_query_s_rows(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits
) -> None:
    manager = open_manager(limits=limits)

    @given(made=rows, run_filter=filters, size=sizes)
    def compare(made: list[Row], run_filter: RunFilter, size: int) -> None:
        fill(host, made)
        run_filter = in_host(host, run_filter)
        expected = plainly(host, run_filter)
        whole = whole_pages(manager, admin, run_filter)
        page = whole(PageRequest(1, size, from_end=True), None)
        found = ids(page)
        assert not page.has_next
        while page.has_previous:
            page = whole(page.request.turned(-1), page)
            # The page with the first row is filled up from its own end.
            found = ids(page) + [one for one in found if one not in ids(page)]
        assert found == expected
        for number in range(1, len(expected) // size + 2):
            far = whole(PageRequest(number, size, from_end=True), None)
            if far.from_end:
                end = len(expected) - (number - 1) * size
                assert ids(far) == expected[max(0, end - size) : end]

    compare()


def test_a_page_by_its_number_is_read_from_the_nearer_end_where_all_are_counted(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    manager = open_manager(limits=SMALL)

    @given(made=rows.filter(is_many), size=sizes, number=st.integers(1, 20))
    def compare(made: list[Row], size: int, number: int) -> None:
        fill(host, made)
        expected = plainly(host, RunFilter())
        first = manager.finding.browse(admin, RunFilter(), PageRequest(1, size))
        counted = replace(first, total=len(expected), exactness=Exactness.EXACT)
        page = manager.finding.browse(admin, RunFilter(), PageRequest(number, size), counted)
        number = min(number, max(1, -(-len(expected) // size)))
        assert page.number == number
        assert ids(page) == expected[(number - 1) * size : number * size]
        assert (page.has_previous, page.has_next) == (number > 1, number * size < len(expected))

    compare()


def whole_pages(
    manager: RunManager, admin: Actor, run_filter: RunFilter
) -> Callable[[PageRequest, RunPage | None], RunPage]:
    """A reader of pages that searches on until each is full."""

    def read(request: PageRequest, near: RunPage | None) -> RunPage:
        page = manager.finding.browse(admin, run_filter, request, near)
        while page.resume is not None:
            page = manager.finding.search_on(admin, run_filter, page)
        return page

    return read


@pytest.mark.parametrize("limits", [SMALL, IMPATIENT], ids=["many", "slices"])
@pytest.mark.parametrize(
    "indexes",
    [
        ["(created_at DESC)", "(user_id)", "(workspace_id)"],
        ["(created_at DESC, thread_id DESC)", "(user_id, created_at DESC, thread_id DESC)"],
        ["(created_at DESC NULLS LAST, thread_id DESC)",
         "(workspace_id, created_at DESC NULLS LAST, thread_id DESC)"],
        ["USING gin (thread_id gin_trgm_ops)", "USING gin (run_name gin_trgm_ops)"],
    ],
    ids=["single", "in order", "nulls last", "trigrams"],
)  # fmt: skip
def test_the_host_s_indexes_change_no_row(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits,
    indexes: list[str],
) -> None:  # fmt: skip
    host.execute("CREATE EXTENSION pg_trgm")
    for index in indexes:
        host.execute(f"CREATE INDEX ON run_metadata {index}")
    manager = open_manager(limits=limits)

    @given(made=rows, run_filter=filters, size=sizes)
    @settings(max_examples=some_of(20))
    def compare(made: list[Row], run_filter: RunFilter, size: int) -> None:
        fill(host, made)
        run_filter = in_host(host, run_filter)
        expected = plainly(host, run_filter)
        whole = whole_pages(manager, admin, run_filter)
        page = whole(PageRequest(1, size), None)
        found = ids(page)
        for number in range(2, len(expected) // size + 2):
            numbered = manager.finding.list_runs(admin, run_filter, PageRequest(number, size))
            page = whole(page.request.turned(1), page) if page.has_next else page
            assert ids(numbered) == expected[(number - 1) * size : number * size]
            found += ids(page) if page.number == number else []
        assert found == expected
        last = whole(PageRequest(1, size, from_end=True), None)
        assert not last.has_next
        assert ids(last) == expected[len(expected) - len(last.items) :]

    compare()


@pytest.mark.parametrize("ties", [1, 3, 6])
def test_runs_that_share_one_time_are_jumped_over_one_by_one(
    host: HostWriter, open_manager: OpenManager, admin: Actor, ties: int
) -> None:
    # More of them before an anchor than are looked at.
    host.execute(
        "INSERT INTO run_metadata (thread_id, created_at)"
        " SELECT 'r' || lpad(n::text, 4, '0'), timestamptz '2025-01-01' + n / %s * interval '1 day'"
        " FROM generate_series(1, 600) n",
        ties * 100,
    )
    manager = open_manager(limits=SMALL)
    expected = plainly(host, RunFilter())
    for number in (1, 2, 40, 43, 50, 57, 80, 85, 86):
        page = manager.finding.list_runs(admin, RunFilter(), PageRequest(number, 7))
        assert ids(page) == expected[(number - 1) * 7 : number * 7]
