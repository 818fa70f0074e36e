"""How much of a large table is read for a page: blocks are counted, no clock is looked at.

30,000 runs are on some 2,000 blocks, and their indexes on some 100 each.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.queries.listing import freezing
from runmanager.queries.listing.limits import Limits, SearchBudget
from runmanager.sorting import NEWEST_FIRST, Sort, SortKey
from tests.statements import recorded_with_values
from tests.tried import trying

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

RUNS = 30_000
NOW = datetime(2026, 11, 1, tzinfo=UTC)
# What is many at ten million runs is so here, too.
LIMITS = Limits(300, 3_000, count_seconds=20, search=SearchBudget(first=100, growth=10, seconds=0))
# A minute apart, the newest first: three in four completed, one in five failed, 30 paused, and
# 2,000 that expired, all of them among the oldest.
FILL = f"""
    INSERT INTO run_metadata (thread_id, run_name, status, created_at, completed_at, user_id, sop)
    SELECT md5(n::text), 'Order ' || n,
           CASE WHEN n > {RUNS} - 4000 AND n % 2 = 0 THEN 'expired'
                WHEN n % 1000 = 7 THEN 'paused' WHEN n % 5 = 1 THEN 'failed' ELSE 'completed' END,
           timestamptz '2026-11-01' - n * interval '1 minute',
           timestamptz '2026-11-01' - n * interval '50 seconds', 'u' || n % 3,
           repeat('x', 400)
    FROM generate_series(1, {RUNS}) n
"""  # noqa: S608
SINGLE = ("(created_at DESC)", "(status)", "(user_id)")
ADVISED = ("(status, created_at DESC, thread_id DESC)", "(created_at DESC, status)")
FAILED, EXPIRED = RunFilter(kind=("failed",)), RunFilter(status=("expired",))
FINISHED, PAUSED = RunFilter(kind=("failed", "completed")), RunFilter(kind=("paused",))
# Fifty rows are on so many blocks of the table, with those of the indexes on the way to them.
PAGE = 120


@pytest.fixture
def manager(
    request: pytest.FixtureRequest, host: HostWriter, open_manager: OpenManager
) -> RunManager:
    """Run Manager on those runs, with the indexes that the test asks for."""
    host.execute(FILL)
    for index in (*SINGLE, *getattr(request, "param", ())):
        host.execute(f"CREATE INDEX ON run_metadata {index}")
    host.execute("VACUUM (ANALYZE) run_metadata")
    return open_manager(limits=LIMITS)


advised = pytest.mark.parametrize("manager", [ADVISED], indirect=True, ids=["advised"])
either = pytest.mark.parametrize("manager", [(), ADVISED], indirect=True, ids=["usual", "advised"])


def listed(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    run_filter: RunFilter,
    request: PageRequest | None = None,
) -> int:
    """How many blocks are looked at for a page, which has rows."""
    asked = request or PageRequest()
    assert manager.finding.browse(admin, run_filter, asked).items
    return blocks(host, manager, lambda: manager.finding.browse(admin, run_filter, asked))


def blocks(host: HostWriter, manager: RunManager, read: Callable[[], Any]) -> int:
    """How many blocks the statements of ``read`` look at, of tables and indexes."""
    with recorded_with_values(manager) as sent:
        read()
    total = 0
    for statement, values in sent:
        if not statement.startswith(("SELECT", "WITH")) or "set_config" in statement:
            continue
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        ((found,),) = host.connection.execute(explain.encode(), values).fetchall()
        (plan,) = json.loads(found) if isinstance(found, str) else found
        total += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return total


def pages(
    manager: RunManager, admin: Actor, run_filter: RunFilter, sort: Sort = NEWEST_FIRST
) -> list[Any]:
    """Reads the first page, the next one, and the one before that."""
    first = manager.finding.browse(admin, run_filter, PageRequest(), sort=sort)
    second = manager.finding.browse(admin, run_filter, PageRequest(2), first, sort)
    assert len(first.items) == len(second.items) == 50

    read = partial(manager.finding.browse, admin, run_filter, sort=sort)
    return [
        partial(read, PageRequest()),
        partial(read, PageRequest(2), earlier=first),
        partial(read, PageRequest(1), earlier=second),
    ]


@either
def test_what_is_frequent_or_of_a_time_is_read_where_it_is(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.execute("INSERT INTO users (id, username) VALUES ('u1', 'u1')")
    since, until = NOW - timedelta(days=18), NOW - timedelta(days=15)
    for run_filter in (
        FAILED,
        FINISHED,
        RunFilter(since=NOW - timedelta(days=7)),
        RunFilter(since=since, until=until),
        RunFilter(until=until),
        RunFilter(kind=("failed",), since=since, until=until),
        RunFilter(username="u1", until=until),
    ):
        with trying(run_filter):
            for read in pages(manager, admin, run_filter):
                # 263 were seen once, in a run of all tests; why is not known.
                assert blocks(host, manager, read) < 3 * PAGE


@advised
@pytest.mark.parametrize("run_filter", [EXPIRED, RunFilter(kind=("other", "paused"))])
def test_behind_its_status_a_rare_run_is_found_at_any_depth(
    host: HostWriter, manager: RunManager, admin: Actor, run_filter: RunFilter
) -> None:
    host.execute(
        "UPDATE run_metadata SET status = NULL WHERE status = 'expired' AND thread_id < '1'"
    )
    host.execute("VACUUM run_metadata")
    for sort in (Sort(), Sort(SortKey.STARTED, is_descending=False)):
        for read in pages(manager, admin, run_filter, sort):
            assert blocks(host, manager, read) < 3 * PAGE


def test_few_runs_of_a_status_are_gathered_and_not_looked_for(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    assert manager.finding.browse(admin, PAUSED, PageRequest()).total == 30
    assert listed(host, manager, admin, PAUSED) < 3 * PAGE


def test_more_that_are_all_old_are_gathered_by_their_status(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    for request in (PageRequest(), PageRequest(20), PageRequest(from_end=True)):
        # Their rows are on 250 blocks, those before them on 1,700. 918 were seen once, in a run of
        # all tests; why is not known.
        assert listed(host, manager, admin, EXPIRED, request) < 9 * PAGE


def test_of_two_conditions_the_one_with_few_runs_is_looked_up(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.execute("INSERT INTO users (id, username) VALUES ('u1', 'u1')")
    for run_filter in (
        RunFilter(kind=("paused",), username="u1"),
        RunFilter(kind=("paused",), until=NOW - timedelta(days=1)),
        RunFilter(username="u1", since=NOW - timedelta(hours=4)),
    ):
        assert listed(host, manager, admin, run_filter) < 4 * PAGE


@either
def test_the_words_of_statuses_are_read_from_their_index(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    with recorded_with_values(manager) as sent:
        manager.finding.browse(admin, FAILED, PageRequest())
    (words,) = [one for one in sent if "RECURSIVE" in one[0]]
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {words[0]}"
    ((found,),) = host.connection.execute(explain.encode(), words[1]).fetchall()
    plan = found[0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 40


@either
def test_what_is_frozen_is_read_where_it_is(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "_SEARCH", LIMITS.search)
    for run_filter in (EXPIRED, PAUSED, RunFilter(until=NOW - timedelta(days=20))):
        assert manager.finding.freeze(admin, run_filter, 1_000).thread_ids
        freeze = partial(manager.finding.freeze, admin, run_filter, 1_000)
        assert blocks(host, manager, freeze) < 8 * PAGE


def test_an_error_of_ten_megabytes_is_not_sent(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    text = "\n\n  Timeout: 30 s \nin step 3" + "x" * 10_000_000
    run = host.add_run(error_message=text, created_at="2027-01-01 12:00+00")
    blank = host.add_run(error_message=" \n ", created_at="2026-12-31 12:00+00")
    long = host.add_run(error_message="y" * 1_000, created_at="2026-12-30 12:00+00")
    with recorded_with_values(manager) as sent:
        page = manager.finding.browse(admin, RunFilter(), PageRequest(1, 3))
    assert [(one.thread_id, one.error) for one in page.items] == [
        (run, "Timeout: 30 s"),
        (blank, None),
        (long, "y" * 300),
    ]
    statement, values = sent[-1]
    rows = host.connection.execute(statement.encode(), values).fetchall()
    assert max(len(str(value)) for row in rows for value in row) <= 1_000
