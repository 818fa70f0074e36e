"""Totals that take long to count: counted in turns, and not again within a moment."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runmanager.filters import RunFilter
from runmanager.paging import Exactness, PageRequest, Total
from runmanager.queries.listing import counted
from runmanager.queries.listing.counted import Counts
from runmanager.queries.listing.limits import Limits
from tests.operations import delete
from tests.readings import opened
from tests.statements import recorded

if TYPE_CHECKING:
    from runmanager.records import Actor, RunPage
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

KATE = RunFilter(username="kate")
PAGE = PageRequest(1, 5)


@pytest.fixture(autouse=True)
def long_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a count of ten runs be one that takes long."""
    monkeypatch.setattr(counted, "MANY", 9)


def listed(manager: RunManager, admin: Actor, run_filter: RunFilter) -> tuple[RunPage, int]:
    """A page, and how often all runs were counted for it."""
    with recorded(manager) as statements:
        page = manager.finding.list_runs(admin, run_filter, PAGE)
    counts = [one for one in statements if one.startswith("SELECT count(*)") and "LIMIT" not in one]
    return page, len(counts)


@pytest.fixture
def many(host: HostWriter) -> list[str]:
    host.add_runs(5)
    return host.add_runs(20, user="kate")


@pytest.fixture
def manager(open_manager: OpenManager, many: list[str]) -> RunManager:
    del many
    return open_manager(limits=Limits(exact_to=3))


def test_what_was_counted_a_moment_ago_is_exact_as_long_as_nothing_was_written(
    manager: RunManager, admin: Actor
) -> None:
    page, counts = listed(manager, admin, KATE)
    assert (page.total, page.exactness, counts) == (20, Exactness.EXACT, 1)
    page, counts = listed(manager, admin, KATE)
    assert (page.total, page.exactness, counts) == (20, Exactness.EXACT, 0)
    # Another list has another total.
    page, counts = listed(manager, admin, RunFilter())
    assert (page.total, page.exactness, counts) == (25, Exactness.EXACT, 1)


def test_after_the_host_has_written_it_is_about_the_total_and_says_so(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    listed(manager, admin, KATE)
    new = host.add_run(user="kate", created_at="2026-01-01 12:00+00")
    page, counts = listed(manager, admin, KATE)
    assert (page.total, page.exactness, counts) == (20, Exactness.ABOUT, 0)
    # The rows are those of now, whatever is known of the total.
    assert page.items[0].thread_id == new
    assert page.has_next


def test_after_a_deletion_of_ours_it_is_counted_again(
    manager: RunManager, admin: Actor, many: list[str]
) -> None:
    listed(manager, admin, KATE)
    delete(manager, admin, many[:2])
    page, counts = listed(manager, admin, KATE)
    assert (page.total, page.exactness, counts) == (18, Exactness.EXACT, 1)


def test_what_depends_on_the_clock_is_about_the_total_though_nothing_was_written(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.execute("UPDATE run_metadata SET status = 'running', completed_at = NULL")
    long = RunFilter(longer_than=timedelta(minutes=1))
    page, counts = listed(manager, admin, long)
    assert (page.total, page.exactness, counts) == (25, Exactness.EXACT, 1)
    # By now, others may have taken a minute.
    page, counts = listed(manager, admin, long)
    assert (page.total, page.exactness, counts) == (25, Exactness.ABOUT, 0)


def test_after_ten_seconds_it_is_counted_again(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(manager, admin, KATE)
    host.add_run(user="kate")
    monkeypatch.setattr(manager.finding._counts, "seconds", 0.0)
    page, counts = listed(manager, admin, KATE)
    assert (page.total, page.exactness, counts) == (21, Exactness.EXACT, 1)


def test_what_is_counted_in_no_time_is_counted_each_time(
    manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "MANY", 100)
    for _time in range(2):
        page, counts = listed(manager, admin, KATE)
        assert (page.total, page.exactness, counts) == (20, Exactness.EXACT, 1)


def test_counts_take_turns_and_who_waited_for_the_same_does_not_count_again(
    host: HostWriter,
) -> None:
    counts, begun, go_on = Counts(), threading.Event(), threading.Event()
    made: list[int] = []
    found: dict[str, Total] = {}

    def count() -> Total:
        made.append(1)
        begun.set()
        assert go_on.wait(10)
        return Total(10)

    def ask(name: str, key: str, seconds: float) -> None:
        with opened(host) as (connection, _host):
            found[name] = counts.of(key).total(connection, lambda: seconds, count)

    first = threading.Thread(target=ask, args=("first", "a", 10))
    first.start()
    assert begun.wait(10)
    # Whoever cannot wait for so long does without.
    ask("impatient", "b", 0.05)
    assert found["impatient"] == Total(0, Exactness.AT_LEAST)
    second = threading.Thread(target=ask, args=("second", "a", 10))
    second.start()
    assert len(made) == 1
    go_on.set()
    first.join(10)
    second.join(10)
    assert found["first"] == found["second"] == Total(10)
    assert len(made) == 1


def test_a_count_that_a_deletion_overtook_is_not_kept(host: HostWriter) -> None:
    counts = Counts()

    def overtaken() -> Total:
        counts.forget()
        return Total(10)

    with opened(host) as (connection, _host):
        assert counts.of("a").total(connection, lambda: 1.0, overtaken) == Total(10)
        assert counts.of("a").total(connection, lambda: 1.0, lambda: Total(9)) == Total(9)


def test_a_count_that_waited_for_its_turn_during_a_deletion_is_not_kept(host: HostWriter) -> None:
    counts = Counts()
    with opened(host) as (connection, _host):
        # Its transaction has begun, and sees what is deleted meanwhile.
        waiting = counts.of("a")
        counts.forget()
        assert waiting.total(connection, lambda: 1.0, lambda: Total(10)) == Total(10)
        assert counts.of("a").total(connection, lambda: 1.0, lambda: Total(9)) == Total(9)
